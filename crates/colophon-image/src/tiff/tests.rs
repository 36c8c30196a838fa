use colophon_conformance::check;
use colophon_core::{LabelForm, LabelRecord, LabelSpec, SignalOp, State, Tools, VisibleSpec, WatermarkSpec};
use tiff_crate::encoder::{Compression, DeflateLevel, TiffEncoder, colortype};

use super::*;
use ::tiff as tiff_crate;

fn level(side: u32, i: u32, channels: u32) -> u32 {
    let (x, y, c) = (i / channels % side, i / channels / side, i % channels);
    if channels == 4 && c == 3 { 255 } else { (x * 3 + y * 2 + c * 40) % 190 + (x / 9 + y / 7) % 2 * 30 }
}

fn rgb(side: u32, compression: Compression) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    let mut e = TiffEncoder::new(&mut out).unwrap().with_compression(compression);
    let s: Vec<u8> = (0..side * side * 3).map(|i| level(side, i, 3) as u8).collect();
    e.write_image::<colortype::RGB8>(side, side, &s).unwrap();
    out.into_inner()
}

fn grey16(side: u32) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    let mut e = TiffEncoder::new(&mut out).unwrap();
    let s: Vec<u16> = (0..side * side).map(|i| (level(side, i, 1) * 250) as u16).collect();
    e.write_image::<colortype::Gray16>(side, side, &s).unwrap();
    out.into_inner()
}

fn two_pages() -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    let mut e = TiffEncoder::new(&mut out).unwrap();
    for _ in 0..2 {
        e.write_image::<colortype::Gray8>(16, 16, &[7; 256]).unwrap();
    }
    out.into_inner()
}

fn samples(side: u32) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("rgb", rgb(side, Compression::Uncompressed)),
        ("rgb lzw", rgb(side, Compression::Lzw)),
        ("rgb deflate", rgb(side, Compression::Deflate(DeflateLevel::Fast))),
        ("grey 16", grey16(side)),
    ]
}

fn render(bytes: &[u8], ops: &[SignalOp]) -> Result<(Vec<u8>, Vec<Placed>)> {
    let (limits, tools) = (Limits::default(), Tools::default());
    let mut out = Vec::new();
    let placed = FORMAT.render(&bytes, ops, &RenderCx { limits: &limits, tools: &tools }, &mut out)?;
    Ok((out, placed))
}

fn observe(bytes: &[u8], query: Query<'_>) -> Observation {
    let (limits, tools) = (Limits::default(), Tools::default());
    FORMAT.observe(&bytes, &[query], &RenderCx { limits: &limits, tools: &tools }).unwrap().remove(0)
}

fn label() -> SignalOp {
    let form = VisibleSpec { min_height: 0.05, ..VisibleSpec::default() };
    SignalOp::Label(LabelSpec { text: "AI生成".to_owned(), form: LabelForm::Visible(form) })
}

fn record(placed: &[Placed]) -> LabelRecord {
    match placed {
        [.., Placed::Label(record)] => record.clone(),
        other => panic!("no label in {other:?}"),
    }
}

#[test]
fn tiff_keeps_the_promises_of_a_format() {
    let mut all = samples(40);
    let with_packet = {
        let bytes = rgb(40, Compression::Lzw);
        let edit =
            Edit::set(Slot::Xmp, "xmp", "<x:xmpmeta>an older and longer packet</x:xmpmeta>".repeat(30));
        FORMAT.edit(&bytes, &[edit], &Limits::default()).unwrap().apply_to_vec(&bytes).unwrap()
    };
    all.push(("with packet", with_packet));
    all.push(("two pages", two_pages()));
    check(&FORMAT, &all);
}

#[test]
fn label_and_watermark_go_in_and_are_found_and_the_file_is_like_the_source() {
    for (name, bytes) in samples(400) {
        let spec = WatermarkSpec { payload: 0xfeed_0000_0000_0002, key: None, strength: String::new() };
        let (out, placed) = render(&bytes, &[SignalOp::Watermark(spec), label()]).unwrap();
        let seen = observe(&out, Query::Label(Some(&record(&placed))));
        assert!(matches!(seen, Observation::Label { state: State::Present, .. }), "{name}: {seen:?}");
        let Observation::Watermark { evidence, .. } = observe(&out, Query::Watermark(None)) else { panic!() };
        assert_eq!(evidence.unwrap().payload.as_deref(), Some("feed000000000002"), "{name}");
        let before = FORMAT.inspect(&bytes, &Limits::default()).unwrap().properties;
        assert_eq!(FORMAT.inspect(&out, &Limits::default()).unwrap().properties, before, "{name}");
    }
}

#[test]
fn pixels_outside_the_label_are_exactly_kept_and_fields_travel() {
    for (name, bytes) in samples(120) {
        let edit = Edit::set(Slot::Xmp, "xmp", "<packet/>");
        let bytes = FORMAT.edit(&bytes, &[edit], &Limits::default()).unwrap().apply_to_vec(&bytes).unwrap();
        let (out, placed) = render(&bytes, &[label()]).unwrap();
        let area = record(&placed).area.unwrap();
        let limits = Limits::default();
        let raster = |b: &[u8]| decode::decode(&b, &walk(&b, &limits).unwrap(), &limits).unwrap();
        let (a, b) = (raster(&bytes), raster(&out));
        let (a, b) = (a.luma(), b.luma());
        for (i, (a, b)) in a.iter().zip(&b).enumerate() {
            let (x, y) = (i as u32 % 120, i as u32 / 120);
            if !(area.x..area.x + area.width).contains(&x) || !(area.y..area.y + area.height).contains(&y) {
                assert_eq!(a, b, "{name} at {x},{y}");
            }
        }
        let entries = FORMAT.inspect(&out, &limits).unwrap().entries;
        assert!(entries.iter().any(|e| e.slot == Slot::Xmp && e.value == b"<packet/>"), "{name}");
    }
}

#[test]
fn several_pages_and_crafted_values_are_refused() {
    let e = render(&two_pages(), &[label()]).unwrap_err();
    assert!(e.to_string().contains("2 pages"), "{e}");
    // Many fields that all announce as much as the whole file.
    let mut bytes = b"II\x2a\0\x08\0\0\0\x40\0".to_vec();
    for tag in 0..64_u16 {
        bytes.extend((1000 + tag).to_le_bytes());
        bytes.extend([7, 0]);
        bytes.extend(60_000_u32.to_le_bytes());
        bytes.extend(8_u32.to_le_bytes());
    }
    bytes.resize(70_000, 0);
    let e = FORMAT.inspect(&bytes, &Limits::default()).unwrap_err();
    assert_eq!(e.kind(), colophon_core::ErrorKind::Limit, "{e}");
}
