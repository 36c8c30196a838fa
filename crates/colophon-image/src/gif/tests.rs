use colophon_conformance::check;
use colophon_core::{LabelForm, LabelRecord, LabelSpec, SignalOp, State, Tools, VisibleSpec, WatermarkSpec};
use weezl::BitOrder;

use super::*;

/// A frame: place, size, pixel by pixel a colour index, its disposal and transparent index.
struct Made {
    area: [u16; 4],
    index: fn(u16, u16) -> u8,
    disposal: u8,
    transparent: Option<u8>,
    interlaced: bool,
}

/// A file of 256 shared colours in frames.
fn file(width: u16, height: u16, frames: &[Made]) -> Vec<u8> {
    let mut b = b"GIF89a".to_vec();
    b.extend(width.to_le_bytes());
    b.extend(height.to_le_bytes());
    b.extend([0xf7, 0, 0]);
    b.extend((0..=255_u8).flat_map(|v| [v, v / 2 + 40, 255 - v]));
    b.extend(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0");
    for f in frames {
        let [left, top, w, h] = f.area;
        b.extend([0x21, 0xf9, 4, f.disposal << 2 | u8::from(f.transparent.is_some()), 10, 0]);
        b.extend([f.transparent.unwrap_or(0), 0, 0x2c]);
        for v in [left, top, w, h] {
            b.extend(v.to_le_bytes());
        }
        b.extend([if f.interlaced { 0x40 } else { 0 }, 8]);
        let rows: Vec<u16> = if f.interlaced {
            [(0, 8), (4, 8), (2, 4), (1, 2)].iter().flat_map(|(a, s)| (*a..h).step_by(*s)).collect()
        } else {
            (0..h).collect()
        };
        let pixels: Vec<u8> = rows.into_iter().flat_map(|y| (0..w).map(move |x| (f.index)(x, y))).collect();
        b.extend(gif::chained(&weezl::encode::Encoder::new(BitOrder::Lsb, 8).encode(&pixels).unwrap()));
    }
    b.push(0x3b);
    b
}

fn still() -> Vec<u8> {
    let index = |x: u16, y: u16| ((x + y) % 256) as u8;
    file(
        240,
        180,
        &[Made { area: [0, 0, 240, 180], index, disposal: 0, transparent: None, interlaced: true }],
    )
}

fn animation() -> Vec<u8> {
    let base = |x: u16, y: u16| ((x * 2 + y) % 200) as u8;
    let patch = |x: u16, y: u16| if (x + y).is_multiple_of(3) { 255 } else { (x % 90) as u8 };
    let frame =
        |area, disposal, transparent| Made { area, index: patch, disposal, transparent, interlaced: false };
    let whole =
        Made { area: [0, 0, 240, 180], index: base, disposal: 1, transparent: None, interlaced: false };
    let again = Made { index: base, ..frame([0, 0, 240, 180], 1, None) };
    file(
        240,
        180,
        &[
            whole,
            frame([0, 100, 90, 60], 1, Some(255)),
            frame([120, 0, 120, 90], 2, Some(255)),
            frame([10, 10, 40, 40], 3, Some(255)),
            frame([150, 0, 90, 60], 3, None),
            again,
        ],
    )
}

fn label() -> SignalOp {
    let form = VisibleSpec { min_height: 0.05, ..VisibleSpec::default() };
    SignalOp::Label(LabelSpec { text: "AI生成".to_owned(), form: LabelForm::Visible(form) })
}

fn render(bytes: &[u8], ops: &[SignalOp]) -> Result<(Vec<u8>, LabelRecord)> {
    let (limits, tools) = (Limits::default(), Tools::default());
    let mut out = Vec::new();
    let placed = FORMAT.render(&bytes, ops, &RenderCx { limits: &limits, tools: &tools }, &mut out)?;
    match placed.as_slice() {
        [Placed::Label(record)] => Ok((out, record.clone())),
        other => panic!("{other:?}"),
    }
}

/// Every frame as it is shown.
fn shown(bytes: &[u8]) -> Vec<decode::Canvas> {
    let limits = Limits::default();
    let file = gif::walk(&bytes, &limits).unwrap();
    let mut canvas = decode::Canvas::new(&file, &limits).unwrap();
    let mut out = Vec::new();
    for (block, image) in file.images() {
        let control = decode::control(&bytes, &file, block).unwrap();
        let frame = decode::frame(&bytes, &file, block, image, control.as_deref(), &limits).unwrap();
        let before = canvas.clone();
        canvas.draw(&frame);
        out.push(canvas.clone());
        match frame.disposal {
            decode::Disposal::Keep => {}
            decode::Disposal::Background => canvas.clear(&frame),
            decode::Disposal::Previous => canvas = before,
        }
    }
    out
}

#[test]
fn gif_keeps_the_promises_of_a_format() {
    let mut with_packet = animation();
    let file = gif::walk(&with_packet, &Limits::default()).unwrap();
    let mut patch = Patch::new();
    file.set_xmp(b"<old/>", &mut patch).unwrap();
    patch.insert(file.first, b"\x21\xfe\x05hello\0".to_vec());
    with_packet = patch.apply_to_vec(&with_packet).unwrap();
    check(&FORMAT, &[("still", still()), ("animation", animation()), ("with packet", with_packet)]);
}

#[test]
fn gb45438_5_2_every_frame_shows_the_label_and_nothing_else_changes() {
    let bytes = animation();
    let (out, record) = render(&bytes, &[label()]).unwrap();
    let area = record.area.unwrap();
    let (before, after) = (shown(&bytes), shown(&out));
    assert_eq!(before.len(), after.len());
    for (i, (b, a)) in before.iter().zip(&after).enumerate() {
        let raster = a.raster();
        let seen = crate::label::check(&record, &raster, &raster.luma());
        assert!(matches!(seen, Observation::Label { state: State::Present, .. }), "frame {i}: {seen:?}");
        for y in 0..a.height {
            for x in 0..a.width {
                let inside = (area.x..area.x + area.width).contains(&(x as u32))
                    && (area.y..area.y + area.height).contains(&(y as u32));
                if !inside {
                    let (b, a) = (b.get(x, y), a.get(x, y));
                    let far = b.iter().zip(a).map(|(b, a)| b.abs_diff(a)).max().unwrap();
                    assert!(far <= 6, "frame {i} at {x},{y}: {b:?} {a:?}");
                }
            }
        }
    }
    let parts = |b: &[u8]| gif::walk(&b, &Limits::default()).unwrap().applications(b"NETSCAPE2.0").count();
    assert_eq!(parts(&out), 1);
    // The second frame does not touch the corner: its bytes are the same.
    let coded = |b: &[u8]| {
        let f = gif::walk(&b, &Limits::default()).unwrap();
        let r = f.images().nth(1).unwrap().0.range.clone();
        b[r.start as usize..r.end as usize].to_vec()
    };
    assert_eq!(coded(&out), coded(&bytes));
}

#[test]
fn a_strip_below_makes_the_canvas_higher() {
    let form = VisibleSpec { at: colophon_core::LabelAt::Below, ..VisibleSpec::default() };
    let op = SignalOp::Label(LabelSpec { text: "AI生成".to_owned(), form: LabelForm::Visible(form) });
    let (out, record) = render(&animation(), &[op]).unwrap();
    let canvas = record.canvas.unwrap();
    assert!(canvas.height > 180);
    for frame in shown(&out) {
        assert_eq!(frame.height as u32, canvas.height);
        let raster = frame.raster();
        let seen = crate::label::check(&record, &raster, &raster.luma());
        assert!(matches!(seen, Observation::Label { state: State::Present, .. }));
    }
}

#[test]
fn a_watermark_is_refused_by_name() {
    let spec = WatermarkSpec { payload: 1, key: None, strength: String::new() };
    let e = render(&still(), &[SignalOp::Watermark(spec)]).unwrap_err();
    assert_eq!(e.kind(), colophon_core::ErrorKind::Unsupported);
    assert!(e.to_string().contains("watermark"), "{e}");
}

#[test]
fn damaged_and_huge_files_are_errors() {
    let bytes = still();
    for len in [700, 900, 1200] {
        let mut cut = bytes[..len].to_vec();
        cut.extend([0, 0x3b]);
        assert!(render(&cut, &[label()]).is_err());
    }
    let mut huge = bytes;
    huge.splice(6..10, [0xff; 4]);
    let e = render(&huge, &[label()]).unwrap_err();
    assert_eq!(e.kind(), colophon_core::ErrorKind::Limit, "{e}");
}
