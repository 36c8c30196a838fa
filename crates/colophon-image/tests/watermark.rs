//! What the image watermark promises, on pictures made here.
#![allow(clippy::unwrap_used, reason = "tests")]

use colophon_image::watermark::{
    DetectOptions, Detection, Effort, EmbedError, EmbedOptions, Embedded, Layer, Layout, NotChecked, Pixels,
    PixelsMut, Samples, SamplesMut, Strength, detect, embed,
};
use colophon_signal::key::MarkKey;

const PAYLOAD: u64 = 0x0123_4567_89ab_cdef;

fn key() -> MarkKey {
    MarkKey::from_secret(b"tests").unwrap()
}

/// Slopes, discs and grain, in red, green and blue from 0 to 255.
fn scene(width: usize, height: usize) -> Vec<u8> {
    let mut grain = MarkKey::public().stream("test/scene");
    let discs: Vec<[f32; 6]> = (0..30).map(|_| std::array::from_fn(|_| grain.unit_f64() as f32)).collect();
    let mut out = Vec::with_capacity(width * height * 3);
    for i in 0..width * height {
        let (u, v) = ((i % width) as f32 / width as f32, (i / width) as f32 / height as f32);
        let mut colour = [60.0 + 90.0 * u, 110.0, 160.0 - 80.0 * v];
        for disc in &discs {
            if (u - disc[0]).powi(2) + (v - disc[1]).powi(2) < 0.002 + 0.02 * disc[2] {
                colour.iter_mut().zip(&disc[3..]).for_each(|(c, d)| *c += 50.0 * (d - 0.5));
            }
        }
        let noise = (grain.next_u32() % 9) as f32 - 4.0;
        out.extend(colour.map(|c| (c + noise) as u8));
    }
    out
}

fn marked(width: usize, height: usize, strength: Strength) -> (Vec<u8>, Embedded) {
    let mut samples = scene(width, height);
    let mut pixels = PixelsMut::packed8(&mut samples, width, height, 3).unwrap();
    let done = embed(&mut pixels, PAYLOAD, &key(), &EmbedOptions::with_strength(strength)).unwrap();
    (samples, done)
}

fn read(samples: &[u8], width: usize, height: usize) -> Detection {
    detect(&Pixels::packed8(samples, width, height, 3).unwrap(), &key(), &DetectOptions::default())
}

/// The picture seen through a linear map of places about the centre, bilinear, outside black.
fn mapped(samples: &[u8], (w, h): (usize, usize), (nw, nh): (usize, usize), m: [[f64; 2]; 2]) -> Vec<u8> {
    let mut out = Vec::with_capacity(nw * nh * 3);
    for i in 0..nw * nh {
        let (x, y) = ((i % nw) as f64 - (nw - 1) as f64 / 2.0, (i / nw) as f64 - (nh - 1) as f64 / 2.0);
        let u = m[0][0] * x + m[0][1] * y + (w - 1) as f64 / 2.0;
        let v = m[1][0] * x + m[1][1] * y + (h - 1) as f64 / 2.0;
        if u < 0.0 || v < 0.0 || u >= (w - 1) as f64 || v >= (h - 1) as f64 {
            out.extend([0; 3]);
            continue;
        }
        let (x0, y0, fx, fy) = (u as usize, v as usize, u.fract(), v.fract());
        for c in 0..3 {
            let at = |x: usize, y: usize| f64::from(samples[(y * w + x) * 3 + c]);
            let top = at(x0, y0) * (1.0 - fx) + at(x0 + 1, y0) * fx;
            let bottom = at(x0, y0 + 1) * (1.0 - fx) + at(x0 + 1, y0 + 1) * fx;
            out.push((top * (1.0 - fy) + bottom * fy).round() as u8);
        }
    }
    out
}

fn turned(degrees: f64, scale: f64) -> [[f64; 2]; 2] {
    let (sin, cos) = degrees.to_radians().sin_cos();
    [[cos / scale, -sin / scale], [sin / scale, cos / scale]]
}

fn expect(detection: Detection) -> Layer {
    assert_eq!(detection.payload, Some(PAYLOAD), "{detection:?}");
    assert!(detection.log10_p < -12.0);
    detection.layer.unwrap()
}

#[test]
fn the_whole_frame_is_read_from_the_registered_layer_at_any_size() {
    let (w, h) = (480, 400);
    let (samples, _) = marked(w, h, Strength::Default);
    assert_eq!(expect(read(&samples, w, h)), Layer::Registered);
    let small = mapped(&samples, (w, h), (240, 200), [[2.0, 0.0], [0.0, 2.0]]);
    assert_eq!(expect(read(&small, 240, 200)), Layer::Registered);
}

#[test]
fn turned_scaled_mirrored_sheared_and_cropped_pictures_are_read_from_the_lattice() {
    let (w, h) = (560, 480);
    let (samples, _) = marked(w, h, Strength::Default);
    for (what, size, map) in [
        ("crop", (300, 260), turned(0.0, 1.0)),
        ("turn", (400, 360), turned(11.0, 1.0)),
        ("turn and scale", (400, 340), turned(-33.0, 0.8)),
        ("quarter turn and crop", (380, 400), turned(90.0, 1.0)),
        ("mirror and crop", (400, 400), [[-1.0, 0.0], [0.0, 1.0]]),
        ("shear", (500, 440), [[1.0, 0.05], [0.0, 1.0]]),
        ("aspect", (460, 420), [[0.85, 0.0], [0.0, 1.0]]),
    ] {
        let changed = mapped(&samples, (w, h), size, map);
        let layer = expect(read(&changed, size.0, size.1));
        assert!(matches!(layer, Layer::Lattice(_)), "{what}: {layer:?}");
    }
}

#[test]
fn the_geometry_says_how_the_picture_lies() {
    let (w, h) = (560, 480);
    let (samples, done) = marked(w, h, Strength::Default);
    let changed = mapped(&samples, (w, h), (400, 360), turned(11.0, 0.9));
    let Layer::Lattice(geometry) = expect(read(&changed, 400, 360)) else { panic!("registered") };
    assert!((geometry.rotation_deg - 11.0).abs() < 0.3, "{geometry:?}");
    assert!((geometry.period.0 / (0.9 * done.period as f64) - 1.0).abs() < 0.01, "{geometry:?}");
    assert!(!geometry.mirrored);
}

#[test]
fn a_deep_search_reads_a_turn_together_with_a_change_of_aspect() {
    let (w, h) = (640, 560);
    let (samples, _) = marked(w, h, Strength::Default);
    let (sin, cos) = 20f64.to_radians().sin_cos();
    // turned, then 25 % wider; and 25 % wider, then turned
    for map in [[[cos / 1.25, -sin], [sin / 1.25, cos]], [[cos / 1.25, -sin / 1.25], [sin, cos]]] {
        let changed = mapped(&samples, (w, h), (480, 420), map);
        let pixels = Pixels::packed8(&changed, 480, 420, 3).unwrap();
        assert!(!detect(&pixels, &key(), &DetectOptions::default()).found);
        expect(detect(&pixels, &key(), &DetectOptions::with_effort(Effort::Deep)));
    }
}

#[test]
fn unmarked_pictures_and_wrong_keys_give_nothing() {
    let (w, h) = (400, 360);
    let plain = read(&scene(w, h), w, h);
    assert!(!plain.found && plain.payload.is_none() && plain.log10_p > -6.0, "{plain:?}");
    let (samples, _) = marked(w, h, Strength::Strong);
    let other = MarkKey::from_secret(b"another").unwrap();
    let pixels = Pixels::packed8(&samples, w, h, 3).unwrap();
    assert!(!detect(&pixels, &other, &DetectOptions::default()).found);
    assert!(!detect(&pixels, &MarkKey::public(), &DetectOptions::default()).found);
}

#[test]
fn levels_differ_in_strength_and_flat_places_keep_the_cap() {
    let psnr = |s| marked(480, 400, s).1.psnr_db;
    let levels = [Strength::Gentle, Strength::Default, Strength::Strong].map(psnr);
    assert!(levels[0] > levels[1] && levels[1] > levels[2], "{levels:?}");
    for (strength, cap) in [(Strength::Gentle, 1.0), (Strength::Default, 1.5), (Strength::Strong, 2.2)] {
        let mut flat = vec![128u8; 400 * 400 * 3];
        let mut pixels = PixelsMut::packed8(&mut flat, 400, 400, 3).unwrap();
        let done = embed(&mut pixels, PAYLOAD, &key(), &EmbedOptions::with_strength(strength)).unwrap();
        assert!(done.flat_deviation <= cap + 1e-6, "{done:?}");
        let luma =
            |p: &[u8]| 0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2]) - 128.0;
        let energy = flat.chunks(3).map(|p| luma(p).powi(2)).sum::<f64>() / 160_000.0;
        // the registered layer and rounding come on top of the lattice
        assert!(energy.sqrt() < cap + 0.6, "{}", energy.sqrt());
        assert_eq!(read(&flat, 400, 400).payload, Some(PAYLOAD));
    }
}

#[test]
fn all_sample_types_channel_counts_and_strides_carry_the_mark() {
    let (w, h) = (320, 288);
    let picture = scene(w, h);
    for channels in 1..=4usize {
        let stride = w * channels + 5;
        let layout = Layout { width: w, height: h, channels, stride };
        let mut bytes = vec![77u8; stride * h];
        for (y, row) in bytes.chunks_mut(stride).enumerate() {
            for (x, pixel) in row[..w * channels].chunks_mut(channels).enumerate() {
                let colour = &picture[(y * w + x) * 3..][..3];
                match channels {
                    1 => pixel[0] = colour[1],
                    2 => pixel.copy_from_slice(&[colour[1], 255]),
                    3 => pixel.copy_from_slice(colour),
                    _ => pixel.copy_from_slice(&[colour[0], colour[1], colour[2], 255]),
                }
            }
        }
        let mut words: Vec<u16> = bytes.iter().map(|&b| u16::from(b) * 257).collect();
        let mut floats: Vec<f32> = bytes.iter().map(|&b| f32::from(b) / 255.0).collect();
        let options = EmbedOptions::default();
        let write = |samples| {
            embed(&mut PixelsMut::new(samples, layout).unwrap(), PAYLOAD, &key(), &options).unwrap()
        };
        let quality = [
            write(SamplesMut::U8(&mut bytes)),
            write(SamplesMut::U16(&mut words)),
            write(SamplesMut::F32(&mut floats)),
        ]
        .map(|done| done.psnr_db);
        assert!(quality.iter().all(|q| (q - quality[1]).abs() < 1.0), "{channels}: {quality:?}");
        // what lies between the rows stays
        assert!(bytes.chunks(stride).take(h - 1).all(|row| row[w * channels..].iter().all(|&b| b == 77)));
        for samples in [Samples::U8(&bytes), Samples::U16(&words), Samples::F32(&floats)] {
            let pixels = Pixels::new(samples, layout).unwrap();
            expect(detect(&pixels, &key(), &DetectOptions::default()));
        }
    }
}

#[test]
fn pictures_that_cannot_carry_a_mark_are_refused_and_not_judged() {
    for (w, h) in [(1, 1), (64, 64), (191, 900), (900, 191)] {
        let mut samples = vec![90u8; w * h * 3];
        let before = samples.clone();
        let mut pixels = PixelsMut::packed8(&mut samples, w, h, 3).unwrap();
        let refused = embed(&mut pixels, PAYLOAD, &key(), &EmbedOptions::default());
        assert_eq!(refused, Err(EmbedError::TooSmall { width: w, height: h }));
        assert_eq!(samples, before);
        assert_eq!(read(&samples, w, h).not_checked, Some(NotChecked::TooSmall));
    }
    assert_eq!(read(&vec![90; 65_535 * 3], 65_535, 1).not_checked, Some(NotChecked::TooSmall));
    assert_eq!(read(&vec![90; 30_000 * 70 * 3], 30_000, 70).not_checked, Some(NotChecked::Elongated));
    let mut clear = vec![0u8; 256 * 256 * 4];
    let mut pixels = PixelsMut::packed8(&mut clear, 256, 256, 4).unwrap();
    assert_eq!(embed(&mut pixels, 1, &key(), &EmbedOptions::default()), Err(EmbedError::Transparent));
    // black keeps the lighter half of the mark
    let mut black = vec![0u8; 256 * 256 * 3];
    let mut pixels = PixelsMut::packed8(&mut black, 256, 256, 3).unwrap();
    assert!(embed(&mut pixels, PAYLOAD, &key(), &EmbedOptions::default()).is_ok());
    assert_eq!(read(&black, 256, 256).payload, Some(PAYLOAD));
}
