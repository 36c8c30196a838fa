use colophon_conformance::check;
use colophon_core::{LabelForm, LabelRecord, LabelSpec, SignalOp, State, Tools, VisibleSpec, WatermarkSpec};

use super::*;

/// A picture with some structure, `channels` samples of `depth` bits a pixel.
fn pixels(width: usize, height: usize, channels: usize, wide: bool) -> Vec<u8> {
    let level = |i: usize| {
        let (pixel, channel) = (i / channels, i % channels);
        let (x, y) = (pixel % width, pixel / width);
        if channels.is_multiple_of(2) && channel == channels - 1 {
            return if y < height / 8 { 0 } else { 255 };
        }
        ((x * 3 + y * 2 + channel * 40) % 200 + (x / 9 + y / 7) % 2 * 30) as u8
    };
    let samples = (0..width * height * channels).map(level);
    if wide { samples.flat_map(|v| [v, v ^ 0x5a]).collect() } else { samples.collect() }
}

/// A file of a colour type and depth with `extra` chunks between header and pixels.
fn file(color: ::png::ColorType, depth: ::png::BitDepth, side: usize, extra: &[(png::Id, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut out, side as u32, side as u32);
    encoder.set_color(color);
    encoder.set_depth(depth);
    let data = if color == ::png::ColorType::Indexed {
        encoder.set_palette([[250, 250, 240], [200, 30, 40], [20, 90, 160], [240, 200, 20]].concat());
        encoder.set_trns(vec![255, 255, 128]);
        (0..side * side.div_ceil(4)).map(|i| (i / 7) as u8).collect()
    } else if depth == ::png::BitDepth::One {
        (0..side * side.div_ceil(8)).map(|i| (i % 251) as u8).collect()
    } else {
        pixels(side, side, color.samples(), depth == ::png::BitDepth::Sixteen)
    };
    encoder.write_header().unwrap().write_image_data(&data).unwrap();
    let chunks: Vec<u8> = extra.iter().flat_map(|(id, data)| png::encode(*id, data).unwrap()).collect();
    out.splice(33..33, chunks);
    out
}

fn rgb(side: usize, extra: &[(png::Id, &[u8])]) -> Vec<u8> {
    file(::png::ColorType::Rgb, ::png::BitDepth::Eight, side, extra)
}

fn all_types(side: usize) -> Vec<(&'static str, Vec<u8>)> {
    use ::png::{BitDepth as D, ColorType as C};
    [
        ("grey", C::Grayscale, D::Eight),
        ("grey16", C::Grayscale, D::Sixteen),
        ("bilevel", C::Grayscale, D::One),
        ("grey-alpha", C::GrayscaleAlpha, D::Eight),
        ("rgb", C::Rgb, D::Eight),
        ("rgb16", C::Rgb, D::Sixteen),
        ("rgba", C::Rgba, D::Eight),
        ("rgba16", C::Rgba, D::Sixteen),
        ("palette", C::Indexed, D::Two),
    ]
    .map(|(name, color, depth)| (name, file(color, depth, side, &[])))
    .into()
}

/// An Exif block in big-endian order with orientation and, in its Exif directory, a user comment.
fn exif_block(orientation: u8, comment: &str) -> Vec<u8> {
    let value = [b"ASCII\0\0\0", comment.as_bytes()].concat();
    let mut b = b"MM\0\x2a\0\0\0\x08\0\x02".to_vec();
    b.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]);
    b.extend([0x87, 0x69, 0, 4, 0, 0, 0, 1, 0, 0, 0, 38, 0, 0, 0, 0]);
    b.extend([0, 1, 0x92, 0x86, 0, 7]);
    b.extend((value.len() as u32).to_be_bytes());
    b.extend([0, 0, 0, 56, 0, 0, 0, 0]);
    b.extend(value);
    b
}

fn inspect(bytes: &[u8]) -> Layout {
    FORMAT.inspect(&bytes, &Limits::default()).unwrap()
}

fn render(bytes: &[u8], ops: &[SignalOp]) -> (Vec<u8>, Vec<Placed>) {
    let (limits, tools) = (Limits::default(), Tools::default());
    let mut out = Vec::new();
    let placed = FORMAT.render(&bytes, ops, &RenderCx { limits: &limits, tools: &tools }, &mut out).unwrap();
    (out, placed)
}

fn observe(bytes: &[u8], query: Query<'_>) -> Observation {
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    FORMAT.observe(&bytes, &[query], &cx).unwrap().remove(0)
}

fn label() -> SignalOp {
    let form = VisibleSpec { min_height: 0.05, ..VisibleSpec::default() };
    SignalOp::Label(LabelSpec { text: "AI生成".to_owned(), form: LabelForm::Visible(form) })
}

fn watermark() -> SignalOp {
    let (payload, strength) = (0x0123_4567_89ab_cdef, "default".to_owned());
    SignalOp::Watermark(WatermarkSpec { payload, key: None, strength })
}

fn record(placed: &[Placed]) -> LabelRecord {
    match placed {
        [.., Placed::Label(record)] => record.clone(),
        other => panic!("no label in {other:?}"),
    }
}

fn state(bytes: &[u8], record: &LabelRecord) -> State {
    match observe(bytes, Query::Label(Some(record))) {
        Observation::Label { state, .. } => state,
        other => panic!("{other:?}"),
    }
}

fn decoded(bytes: &[u8]) -> Raster {
    let file = png::walk(&bytes, &Limits::default()).unwrap();
    decode(&bytes, &file, &Limits::default()).unwrap()
}

fn ids(bytes: &[u8]) -> Vec<String> {
    png::walk(&bytes, &Limits::default()).unwrap().chunks.iter().map(|c| png::name(c.id)).collect()
}

#[test]
fn conformance() {
    let exif = exif_block(6, "{\"AIGC\":{\"Label\":\"1\"}}");
    let rich = rgb(
        24,
        &[
            (*b"gAMA", &45_455_u32.to_be_bytes()),
            (*b"pHYs", &[0, 0, 11, 19, 0, 0, 11, 19, 1]),
            (*b"tEXt", b"Software\0maker"),
            (*b"tEXt", b"AIGC\0{\"Label\":\"1\"}"),
            (*b"zTXt", b"prompt\0\0broken"),
            (*b"eXIf", &exif),
            (*b"prVt", b"foreign"),
        ],
    );
    let mut samples = all_types(20);
    samples.push(("rich", rich));
    check(&FORMAT, &samples);
}

#[test]
fn every_place_of_an_aigc_object_is_read() {
    let exif = exif_block(1, "{\"AIGC\":{\"Label\":\"1\"}}");
    let mut bytes = rgb(
        16,
        &[
            (*b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<packet/>"),
            (*b"tEXt", b"AIGC\0{\"Label\":\"1\"}"),
            (*b"eXIf", &exif),
            (*b"caBX", b"store"),
            (*b"tEXt", b"parameters\0a cat"),
        ],
    );
    let iend = bytes.len() - 12;
    bytes.splice(iend..iend, png::encode(*b"AIGC", b"{\"Label\":\"3\"}").unwrap());
    let layout = inspect(&bytes);
    let found: Vec<(Slot, &str, bool)> =
        layout.entries.iter().map(|e| (e.slot, e.key.as_str(), e.normative)).collect();
    assert_eq!(
        found,
        [
            (Slot::Xmp, "xmp", true),
            (Slot::Field, "AIGC", false),
            (Slot::Exif, "UserComment", false),
            (Slot::Jumbf, "c2pa", true),
            (Slot::Comment, "parameters", false),
            (Slot::Field, "AIGC", false),
        ]
    );
}

#[test]
fn a_text_in_exif_is_emptied_without_touching_the_rest() {
    let exif = exif_block(6, "{\"AIGC\":{\"Label\":\"1\"}}");
    let bytes = rgb(16, &[(*b"eXIf", &exif)]);
    let range = inspect(&bytes).entries[0].range.clone();
    let patch = FORMAT.edit(&bytes, &[Edit::Remove { range }], &Limits::default()).unwrap();
    let out = patch.apply_to_vec(&bytes).unwrap();
    let layout = inspect(&out);
    assert!(layout.entries.is_empty() && layout.notes.is_empty(), "{layout:?}");
    assert_eq!(layout.properties.dimensions, Some((16, 16)));
    assert_eq!(out.len(), bytes.len());
    assert!(FORMAT.edit(&bytes, &[Edit::Remove { range: 3..5 }], &Limits::default()).is_err());
}

#[test]
fn every_colour_type_takes_the_label_and_keeps_its_type() {
    for (name, bytes) in all_types(160) {
        let (out, placed) = render(&bytes, &[label()]);
        let record = record(&placed);
        assert_eq!(state(&out, &record), State::Present, "{name}");
        assert_ne!(state(&bytes, &record), State::Present, "{name}");
        let (before, after) = (inspect(&bytes).properties, inspect(&out).properties);
        assert_eq!(before.color, after.color, "{name}");
        if !matches!(name, "bilevel" | "palette") {
            assert_eq!(before.bit_depth, after.bit_depth, "{name}");
        }
        outside_is_unchanged(name, &bytes, &out, &record);
    }
}

/// A label changes the pixels under its box and no others.
fn outside_is_unchanged(name: &str, before: &[u8], after: &[u8], record: &LabelRecord) {
    let (before, after) = (decoded(before), decoded(after));
    let area = record.area.unwrap();
    let inside = |i: usize| {
        let (x, y) = ((i % before.width as usize) as u32, (i / before.width as usize) as u32);
        (area.x..area.x + area.width).contains(&x) && (area.y..area.y + area.height).contains(&y)
    };
    // Palette pictures may gain an alpha channel; brightness is the same either way.
    let pairs = before.luma().into_iter().zip(after.luma());
    let changed = pairs.enumerate().find(|(i, (b, a))| b != a && !inside(*i));
    assert!(changed.is_none(), "{name}: {changed:?}");
}

#[test]
fn chunks_of_the_source_survive_and_stale_ones_do_not() {
    let exif = exif_block(1, "text");
    let bytes = rgb(
        96,
        &[
            (*b"gAMA", &45_455_u32.to_be_bytes()),
            (*b"sBIT", &[8, 8, 8]),
            (*b"bKGD", &[0, 1, 0, 2, 0, 3]),
            (*b"pHYs", &[0, 0, 11, 19, 0, 0, 11, 19, 1]),
            (*b"tIME", &[7, 0xe9, 1, 2, 3, 4, 5]),
            (*b"eXIf", &exif),
            (*b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<packet/>"),
            (*b"caBX", b"store"),
            (*b"prVt", b"foreign"),
        ],
    );
    let (out, _) = render(&bytes, &[label()]);
    let known = |bytes: &[u8]| {
        let mut list = ids(bytes);
        list.dedup();
        list
    };
    assert_eq!(known(&out), known(&bytes));
    assert_eq!(inspect(&out).entries.len(), inspect(&bytes).entries.len());
}

#[test]
fn the_label_stands_upright_under_an_exif_orientation() {
    for orientation in 1..=8 {
        let mut bytes = Vec::new();
        let mut encoder = ::png::Encoder::new(&mut bytes, 200, 120);
        encoder.set_color(::png::ColorType::Grayscale);
        encoder.write_header().unwrap().write_image_data(&vec![128; 200 * 120]).unwrap();
        bytes.splice(33..33, png::encode(*b"eXIf", &exif_block(orientation, "x")).unwrap());
        let shown = inspect(&bytes).properties.dimensions.unwrap();
        let (out, placed) = render(&bytes, &[label()]);
        let record = record(&placed);
        let canvas = record.canvas.unwrap();
        assert_eq!((canvas.width, canvas.height), shown, "{orientation}");
        assert_eq!(state(&out, &record), State::Present, "{orientation}");
        // Top right as shown: the changed pixels of the shown picture are there and nowhere else.
        let shown = decoded(&out).shown(orientation);
        let area = record.area.unwrap();
        assert!(area.y < canvas.height / 4 && area.x + area.width > canvas.width * 3 / 4);
        let changed = shown.luma().iter().enumerate().filter(|(_, v)| **v != 128).all(|(i, _)| {
            let (x, y) = (i as u32 % canvas.width, i as u32 / canvas.width);
            x >= area.x && x < area.x + area.width && y >= area.y && y < area.y + area.height
        });
        assert!(changed, "{orientation}");
    }
}

#[test]
fn watermark_and_label_go_in_together_and_are_both_found() {
    // The halftone of the bilevel sample is black and white everywhere and drowns a mark of this strength; what cannot
    // be read back is refused by whoever asked for it.
    for (name, bytes) in all_types(384).into_iter().filter(|(name, _)| *name != "bilevel") {
        let (out, placed) = render(&bytes, &[watermark(), label()]);
        assert_eq!(state(&out, &record(&placed)), State::Present, "{name}");
        let Observation::Watermark { state, evidence, .. } = observe(&out, Query::Watermark(None)) else {
            panic!("{name}")
        };
        assert_eq!(state, State::Present, "{name}");
        assert_eq!(evidence.unwrap().payload.as_deref(), Some("0123456789abcdef"), "{name}");
        let Observation::Watermark { state, .. } = observe(&bytes, Query::Watermark(None)) else { panic!() };
        assert_eq!(state, State::Absent, "{name}");
    }
}

/// An animation of a square and what moves over it, every frame with a disposal and a way to be laid over the others.
/// With `apart`, a picture that is no frame stands in front.
fn animation(color: ::png::ColorType, side: u32, apart: bool) -> Vec<u8> {
    use ::png::{BlendOp, DisposeOp};
    let mut out = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut out, side, side);
    encoder.set_color(color);
    encoder.set_animated(5, 3).unwrap();
    encoder.set_sep_def_img(apart).unwrap();
    let mut writer = encoder.write_header().unwrap();
    let channels = color.samples();
    let whole = pixels(side as usize, side as usize, channels, false);
    if apart {
        writer.write_image_data(&whole).unwrap();
    }
    let part = |size: u32, shade: u8| -> Vec<u8> {
        (0..size * size)
            .flat_map(|i| (0..channels).map(move |c| if c == 3 { (i % 251) as u8 } else { shade + c as u8 }))
            .collect()
    };
    let steps = [
        (side, 0, DisposeOp::None, BlendOp::Source),
        (side / 4, 3, DisposeOp::Previous, BlendOp::Over),
        (side / 3, side / 2, DisposeOp::None, BlendOp::Over),
        (side / 5, side / 4, DisposeOp::None, BlendOp::Source),
        (side / 3, side / 3, DisposeOp::Background, BlendOp::Over),
    ];
    for (n, (size, at, dispose, blend)) in steps.into_iter().enumerate() {
        if n > 0 {
            writer.set_frame_dimension(size, size).unwrap();
            writer.set_frame_position(at, at).unwrap();
        }
        writer.set_dispose_op(dispose).unwrap();
        writer.set_blend_op(blend).unwrap();
        writer.set_frame_delay(n as u16 + 1, 25).unwrap();
        let data = if size == side { whole.clone() } else { part(size, 40 * n as u8) };
        writer.write_image_data(&data).unwrap();
    }
    writer.finish().unwrap();
    out
}

/// Every frame of a file as another decoder composes it, and its delay in seconds.
fn composed(bytes: &[u8]) -> Vec<(Vec<u8>, f64)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("animation.png");
    std::fs::write(&path, bytes).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let said = std::process::Command::new(program).args(arguments).arg(&path).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).into_owned()
    };
    let times = run("ffprobe", &["-v", "error", "-show_entries", "packet=duration_time", "-of", "csv=p=0"]);
    let out = folder.path().join("frames.raw");
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-f", "apng", "-i"])
        .arg(&path)
        .args(["-fps_mode", "passthrough", "-pix_fmt", "rgba", "-f", "rawvideo"])
        .arg(&out)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (width, height) = inspect(bytes).properties.dimensions.unwrap();
    let size = width as usize * height as usize * 4;
    let raw = std::fs::read(out).unwrap();
    let seconds = times.lines().map(|t| t.trim_matches(',').parse().unwrap());
    raw.chunks_exact(size).map(<[u8]>::to_vec).zip(seconds).collect()
}

#[test]
fn png_11_3_6_a_label_is_on_every_frame_and_the_rest_of_them_stays() {
    for (color, apart) in
        [(::png::ColorType::Rgba, false), (::png::ColorType::Rgba, true), (::png::ColorType::Rgb, false)]
    {
        let side = 240;
        let bytes = animation(color, side, apart);
        let (out, placed) = render(&bytes, &[label()]);
        let [Placed::Label(record)] = &placed[..] else { panic!("{placed:?}") };
        let box_ = record.area.unwrap();
        let (before, after) = (composed(&bytes), composed(&out));
        assert_eq!(before.len(), 5);
        assert_eq!(after.len(), 5);
        for (n, ((old, t), (new, u))) in before.iter().zip(&after).enumerate() {
            assert!((t - u).abs() < 1e-6, "frame {n}: {t} s, now {u} s");
            for (i, (a, b)) in old.chunks_exact(4).zip(new.chunks_exact(4)).enumerate() {
                let (x, y) = (i as u32 % side, i as u32 / side);
                let inside =
                    (box_.x..box_.x + box_.width).contains(&x) && (box_.y..box_.y + box_.height).contains(&y);
                // As they are seen, alpha included: of two transparent layers every decoder rounds the sum in its own way.
                let seen = |p: &[u8], c: usize| i32::from(p[c]) * if c == 3 { 255 } else { i32::from(p[3]) };
                let alike = (0..4).all(|c| (seen(a, c) - seen(b, c)).abs() <= 255);
                assert!(inside || alike, "frame {n}, {x}, {y}: {a:?} {b:?}");
            }
            assert!(old != new, "frame {n} has no label");
        }
        let p = inspect(&out).properties;
        assert_eq!(p.other["frames"], "5");
        let Observation::Label { state, .. } = observe(&out, Query::Label(Some(record))) else { panic!() };
        assert_eq!(state, State::Present);
        // Metadata goes where animations still play, and rendering again takes what was written.
        let edit = Edit::set(Slot::Xmp, "xmp", b"<x:xmpmeta/>".to_vec());
        let out = FORMAT.edit(&out, &[edit], &Limits::default()).unwrap().apply_to_vec(&out).unwrap();
        assert_eq!(composed(&out), after);
        assert_eq!(render(&out, &[watermark()]).1.len(), 1);
    }
}

#[test]
fn png_11_3_6_a_watermark_is_in_every_frame() {
    let bytes = animation(::png::ColorType::Rgb, 400, false);
    let (out, _) = render(&bytes, &[watermark()]);
    let frames = composed(&out);
    assert_eq!(frames.len(), 5);
    for (frame, _) in frames {
        let mut still = Vec::new();
        let mut encoder = ::png::Encoder::new(&mut still, 400, 400);
        encoder.set_color(::png::ColorType::Rgba);
        encoder.write_header().unwrap().write_image_data(&frame).unwrap();
        let Observation::Watermark { state, evidence, .. } = observe(&still, Query::Watermark(None)) else {
            panic!()
        };
        assert_eq!(state, State::Present);
        assert_eq!(evidence.unwrap().payload.as_deref(), Some("0123456789abcdef"));
    }
}

#[test]
fn an_animation_that_lies_about_its_frames_is_an_error() {
    let bytes = rgb(64, &[(*b"acTL", &[0, 0, 0, 1, 0, 0, 0, 0])]);
    let many = rgb(64, &[(*b"acTL", &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])]);
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    let e = FORMAT.render(&bytes, &[label()], &cx, &mut Vec::new()).unwrap_err();
    assert_eq!(e.kind(), colophon_core::ErrorKind::Malformed);
    let e = FORMAT.render(&many, &[label()], &cx, &mut Vec::new()).unwrap_err();
    assert_eq!(e.kind(), colophon_core::ErrorKind::Limit);
    assert_eq!(inspect(&bytes).properties.other["frames"], "1");
}

#[test]
fn huge_headers_and_damaged_pixels_are_errors_not_memory() {
    let mut bytes = rgb(16, &[]);
    bytes.splice(16..24, [0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0]);
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    let e = FORMAT.render(&bytes, &[label()], &cx, &mut Vec::new()).unwrap_err();
    assert_eq!(e.kind(), colophon_core::ErrorKind::Limit, "{e}");
    let answer = FORMAT.observe(&bytes, &[Query::Watermark(None)], &cx).unwrap().remove(0);
    assert!(matches!(answer, Observation::Watermark { state: State::NotChecked, .. }));
    // Announces more pixels than the data holds.
    let mut bytes = rgb(16, &[]);
    bytes.splice(16..24, [0, 0, 8, 0, 0, 0, 8, 0]);
    assert!(FORMAT.render(&bytes, &[label()], &cx, &mut Vec::new()).is_err());
}
