//! The label as it must be laid over coded pictures, so that it stands right on the picture as shown.

use std::path::Path;
use std::process::Command;

use colophon_container::bmff::movie::{Orientation, Track};
use colophon_core::{Result, Span};
use colophon_label::visible::Overlay;

use crate::child;

/// When the label stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Times {
    /// From the first picture on.
    pub(crate) opening: Span,
    /// Once more up to the end.
    pub(crate) closing: Option<Span>,
}

impl Times {
    /// For so many seconds from the start and so many up to the end (0 for none) of a clip that runs for `whole` seconds, its
    /// pictures for `pictures`, as far as that is known. Where the two would meet, the label stays.
    pub(crate) fn of(opening_s: f64, closing_s: f64, whole: Option<f64>, pictures: Option<f64>) -> Self {
        let whole = whole.or(pictures).unwrap_or(f64::INFINITY);
        let span = |start_s: f64, duration_s: f64| Span { start_s, duration_s };
        match pictures.filter(|_| closing_s > 0.0) {
            Some(end) if opening_s + closing_s >= end => {
                Self { opening: span(0.0, end.max(opening_s).min(whole)), closing: None }
            }
            Some(end) => {
                Self { opening: span(0.0, opening_s), closing: Some(span(end - closing_s, closing_s)) }
            }
            None => Self { opening: span(0.0, opening_s.min(whole)), closing: None },
        }
    }

    /// Both stretches, in their order.
    pub(crate) fn spans(self) -> impl Iterator<Item = Span> {
        std::iter::once(self.opening).chain(self.closing)
    }
}

/// Pixels for the coded picture: straight alpha, corners on even pixels, so that halved chroma lines up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Coded {
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) rgba: Vec<u8>,
}

impl Coded {
    /// Makes these pixels, kept in `folder`, the next input of an ffmpeg.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn input(&self, command: &mut Command, folder: &Path) -> Result<()> {
        let picture = folder.join("label.rgba");
        std::fs::write(&picture, &self.rgba)?;
        command.args(["-f", "rawvideo", "-pix_fmt", "rgba", "-s"]);
        command.args([&format!("{}x{}", self.width, self.height), "-i"]).arg(child::file(&picture));
        Ok(())
    }

    /// The filter that lays input `number` over `pictures` at these times, of which the first picture has `first`, blended in the
    /// form `blend`, as `[shown]`.
    pub(crate) fn filter(
        &self,
        pictures: &str,
        number: usize,
        blend: &str,
        times: Times,
        first: f64,
    ) -> String {
        let (x, y) = (self.x, self.y);
        let until = first + times.opening.duration_s;
        let again = times.closing.map_or(String::new(), |c| format!("+gte(t,{})", first + c.start_s));
        format!(
            "{pictures}[{number}:0]overlay=x={x}:y={y}:format={blend}:eof_action=repeat:enable='lt(t,{until}){again}'[shown]"
        )
    }
}

/// Turns, mirrors and stretches an overlay of the picture as shown into one of the coded picture, and scales its colours
/// by `white` (1 for what a display shows as it is).
pub(crate) fn coded(overlay: &Overlay, track: &Track, white: f32) -> Coded {
    let turn = track.orientation.unwrap_or(Orientation::UPRIGHT);
    let (shown_w, shown_h) = track.displayed();
    let (coded_w, coded_h) = track.coded;
    let stretch = f64::from(track.pixel_aspect.0) / f64::from(track.pixel_aspect.1.max(1));
    let [a, b, c, d] = [turn.a, turn.b, turn.c, turn.d].map(f64::from);
    // From the picture as shown to the coded one; positions count from the middle.
    let back = |u: f64, v: f64| {
        let (u, v) = (u - f64::from(shown_w) / 2.0, v - f64::from(shown_h) / 2.0);
        ((a * u + b * v) / stretch + f64::from(coded_w) / 2.0, c * u + d * v + f64::from(coded_h) / 2.0)
    };
    let (p, q) = (
        back(overlay.x.into(), overlay.y.into()),
        back(f64::from(overlay.x + overlay.width), f64::from(overlay.y + overlay.height)),
    );
    let low = |m: f64, n: f64| (m.min(n).floor().max(0.0) as u32) & !1;
    let high = |m: f64, n: f64, all: u32| ((m.max(n).ceil().max(0.0) as u32).next_multiple_of(2)).min(all);
    let (x, y) = (low(p.0, q.0), low(p.1, q.1));
    let width = high(p.0, q.0, coded_w).saturating_sub(x);
    let height = high(p.1, q.1, coded_h).saturating_sub(y);
    let mut rgba = Vec::with_capacity(width as usize * height as usize * 4);
    for row in y..y + height {
        for column in x..x + width {
            let m = (f64::from(column) + 0.5 - f64::from(coded_w) / 2.0) * stretch;
            let n = f64::from(row) + 0.5 - f64::from(coded_h) / 2.0;
            let u = a * m + c * n + f64::from(shown_w) / 2.0 - f64::from(overlay.x);
            let v = b * m + d * n + f64::from(shown_h) / 2.0 - f64::from(overlay.y);
            let [r, g, b, alpha] = sample(overlay, u - 0.5, v - 0.5);
            rgba.extend([r * white, g * white, b * white, alpha].map(|v| v.round().clamp(0.0, 255.0) as u8));
        }
    }
    Coded { x, y, width, height, rgba }
}

/// Between pixels, weighted by their alpha; transparent outside.
fn sample(overlay: &Overlay, u: f64, v: f64) -> [f32; 4] {
    let (left, top) = (u.floor(), v.floor());
    let (fu, fv) = ((u - left) as f32, (v - top) as f32);
    let mut sum = [0.0_f32; 4];
    for (dx, dy, weight) in
        [(0, 0, (1.0 - fu) * (1.0 - fv)), (1, 0, fu * (1.0 - fv)), (0, 1, (1.0 - fu) * fv), (1, 1, fu * fv)]
    {
        let (x, y) = (left as i64 + dx, top as i64 + dy);
        if x < 0 || y < 0 || x >= i64::from(overlay.width) || y >= i64::from(overlay.height) {
            continue;
        }
        let at = (y as usize * overlay.width as usize + x as usize) * 4;
        let Some([r, g, b, alpha]) = overlay.rgba.get(at..at + 4).and_then(|p| <[u8; 4]>::try_from(p).ok())
        else {
            continue;
        };
        let alpha = f32::from(alpha) * weight;
        for (s, c) in sum.iter_mut().zip([r, g, b]) {
            *s += f32::from(c) * alpha;
        }
        sum[3] += alpha;
    }
    let alpha = sum[3];
    if alpha > 0.0 { [sum[0] / alpha, sum[1] / alpha, sum[2] / alpha, alpha] } else { [0.0; 4] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gb45438_5_4_the_closing_label_ends_with_the_pictures_and_never_shortens_the_one_at_the_start() {
        let of = |opening, closing, pictures| {
            Times::of(opening, closing, Some(10.5), pictures)
                .spans()
                .map(|s| (s.start_s, s.duration_s))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(2.5, 0.0, Some(10.0)), [(0.0, 2.5)]);
        assert_eq!(of(2.5, 2.0, Some(10.0)), [(0.0, 2.5), (8.0, 2.0)]);
        assert_eq!(of(2.5, 8.0, Some(10.0)), [(0.0, 10.0)]);
        assert_eq!(of(f64::INFINITY, 0.0, Some(10.0)), [(0.0, 10.5)]);
        assert_eq!(of(f64::INFINITY, 2.0, Some(10.0)), [(0.0, 10.5)]);
        // A container that does not say how long it runs runs as long as its pictures.
        assert_eq!(Times::of(f64::INFINITY, 0.0, None, Some(10.0)).opening.duration_s, 10.0);
    }

    fn overlay() -> Overlay {
        // Two pixels side by side: red, then blue, near the upper right corner of a picture of 8 × 6.
        let rgba = vec![255, 0, 0, 255, 0, 0, 255, 255];
        Overlay { x: 6, y: 0, width: 2, height: 1, rgba }
    }

    fn track(coded: (u32, u32), aspect: (u32, u32), turn: Orientation) -> Track {
        Track { coded, pixel_aspect: aspect, orientation: Some(turn), ..Track::default() }
    }

    fn pixel(c: &Coded, x: u32, y: u32) -> [u8; 4] {
        let at = ((y - c.y) * c.width + x - c.x) as usize * 4;
        c.rgba[at..at + 4].try_into().unwrap()
    }

    #[test]
    fn an_upright_picture_takes_the_overlay_as_it_is() {
        let c = coded(&overlay(), &track((8, 6), (1, 1), Orientation::UPRIGHT), 1.0);
        assert_eq!((c.x, c.y, c.width, c.height), (6, 0, 2, 2));
        assert_eq!(pixel(&c, 6, 0), [255, 0, 0, 255]);
        assert_eq!(pixel(&c, 7, 0), [0, 0, 255, 255]);
        assert_eq!(pixel(&c, 6, 1)[3], 0);
    }

    #[test]
    fn a_picture_shown_turned_takes_the_overlay_turned_back() {
        // Turned clockwise to be shown: coded 6 × 8, its left column becomes the upper row.
        let turn = Orientation { a: 0, b: 1, c: -1, d: 0 };
        let c = coded(&overlay(), &track((6, 8), (1, 1), turn), 1.0);
        // The upper right of the shown picture is the upper left of the coded one.
        assert_eq!(pixel(&c, 0, 1), [255, 0, 0, 255]);
        assert_eq!(pixel(&c, 0, 0), [0, 0, 255, 255]);
    }

    #[test]
    fn wide_pixels_take_fewer_columns() {
        let c = coded(&overlay(), &track((4, 6), (2, 1), Orientation::UPRIGHT), 1.0);
        assert_eq!((c.x, c.width), (2, 2));
        assert!(pixel(&c, 3, 0)[3] > 200);
    }
}
