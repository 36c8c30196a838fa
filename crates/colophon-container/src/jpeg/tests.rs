#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::*;

/// SOI, the segments, a frame of 16 × 8 grey pixels, a scan with stuffing and a restart marker, EOI.
pub(super) fn file(segments: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8];
    for (marker, data) in segments {
        out.extend(encode(*marker, data).unwrap());
    }
    out.extend(encode(0xdb, &[0; 65]).unwrap());
    out.extend(encode(0xc0, &[8, 0, 8, 0, 16, 1, 1, 0x11, 0]).unwrap());
    out.extend(encode(0xda, &[1, 1, 0, 0, 63, 0]).unwrap());
    out.extend([1, 2, 0xff, 0, 3, 0xff, 0xd0, 4]);
    out.extend([0xff, 0xd9]);
    out
}

fn walked(bytes: &[u8]) -> Jpeg {
    walk(&bytes, &Limits::default()).unwrap()
}

/// A source that gives its bytes only on request.
struct Slow(Vec<u8>);

impl Source for Slow {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
        self.0.read_exact_at(offset, buf)
    }
}

#[test]
fn frame_scan_and_coded_ranges_are_found() {
    let bytes = file(&[(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"), (0xfe, b"hello")]);
    let jpeg = walked(&bytes);
    assert_eq!((jpeg.frame.width, jpeg.frame.height, jpeg.frame.components.len()), (16, 8, 1));
    assert_eq!(jpeg.end, bytes.len() as u64);
    assert_eq!(jpeg.coded.len(), 1);
    assert_eq!(jpeg.coded[0].end, bytes.len() as u64 - 2);
    assert_eq!(jpeg.segments[1].content(&bytes).unwrap(), Content::Comment);
    let slow = walk(&Slow(bytes.clone()), &Limits::default()).unwrap();
    assert_eq!(slow.segments, jpeg.segments);
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = file(&[(0xe1, b"Exif\0\0")]);
    for len in 0..bytes.len() {
        assert!(walk(&&bytes[..len], &Limits::default()).is_err(), "{len}");
    }
    let trailing = [bytes.as_slice(), b"more"].concat();
    assert_eq!(walked(&trailing).notes, ["4 bytes after the end marker"]);
}

#[test]
fn xmp_goes_behind_jfif_and_exif_and_stays_single() {
    let bytes = file(&[(0xe0, b"JFIF\0"), (0xe1, b"Exif\0\0II"), (0xe2, b"MPF\0"), (0xfe, b"x")]);
    let set = |bytes: &[u8], packet: &[u8]| {
        let mut patch = Patch::new();
        walked(bytes).set_xmp(&bytes, packet, &mut patch).unwrap();
        patch.apply_to_vec(&bytes).unwrap()
    };
    let once = set(&bytes, b"<one/>");
    let markers: Vec<u8> = walked(&once).segments.iter().take(4).map(|s| s.marker).collect();
    assert_eq!(markers, [0xe0, 0xe1, 0xe1, 0xe2]);
    assert_eq!(set(&once, b"<one/>"), once);
    let double = {
        let mut b = once.clone();
        let extra = encode(0xe1, &[XMP, b"<two/>"].concat()).unwrap();
        b.splice(2..2, extra);
        b
    };
    let jpeg = walked(&set(&double, b"<three/>"));
    assert_eq!(jpeg.segments.iter().filter(|s| s.marker == 0xe1).count(), 2);
}

#[test]
fn a_long_packet_gives_up_its_padding_first() {
    let packet = |body: usize, padding: usize| {
        format!("{}{}<?xpacket end=\"w\"?>", "x".repeat(body), " ".repeat(padding)).into_bytes()
    };
    let bytes = file(&[]);
    let mut patch = Patch::new();
    walked(&bytes).set_xmp(&bytes, &packet(60_000, 9_000), &mut patch).unwrap();
    assert!(patch.output_len(0) < 60_100);
    assert!(walked(&bytes).set_xmp(&bytes, &packet(66_000, 0), &mut Patch::new()).is_err());
}

#[test]
fn extended_packets_are_joined_by_their_offsets() {
    let id = [b'A'; 32];
    let part = |offset: u32, text: &[u8]| {
        [EXTENDED_XMP, &id, &6_u32.to_be_bytes(), &offset.to_be_bytes(), text].concat()
    };
    let (a, b) = (part(3, b"def"), part(0, b"abc"));
    let bytes = file(&[(0xe1, &a), (0xe1, &b)]);
    let found = walked(&bytes).extended_xmp(&bytes, &Limits::default()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1, b"abcdef");
    let lying = [EXTENDED_XMP, &id, &u32::MAX.to_be_bytes(), &[0; 4]].concat();
    let bytes = file(&[(0xe1, &lying)]);
    assert!(walked(&bytes).extended_xmp(&bytes, &Limits::default()).is_err());
}

#[test]
fn a_jumbf_box_over_two_segments_is_joined() {
    let mut store = 60_u32.to_be_bytes().to_vec();
    store.extend(b"jumb");
    store.extend(41_u32.to_be_bytes());
    store.extend(b"jumdc2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71\x03c2pa\0");
    store.resize(60, 7);
    let part = |z: u32, body: &[u8]| [b"JP\0\x01", z.to_be_bytes().as_slice(), body].concat();
    let first = part(1, &store[..40]);
    let second = part(2, &[&store[..8], &store[40..]].concat());
    let bytes = file(&[(0xeb, &first), (0xeb, &second)]);
    let found = jumbf::boxes(&walked(&bytes), &bytes, &Limits::default()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].store, store);
    assert!(found[0].c2pa);
}

#[test]
fn bare_aigc_segments_are_recognised() {
    for data in [b"AIGC{\"Label\":\"1\"}".as_slice(), b"AIGC\0\0{\"Label\":\"1\"}", b"{\"AIGC\":{}}"] {
        let bytes = file(&[(0xe8, data)]);
        assert!(matches!(walked(&bytes).segments[0].content(&bytes).unwrap(), Content::Aigc(_)));
    }
    let bytes = file(&[(0xe8, b"AIGCx and no object")]);
    assert_eq!(walked(&bytes).segments[0].content(&bytes).unwrap(), Content::Other);
}

#[test]
fn previews_go_and_the_rest_of_their_segments_stays() {
    let jfif = b"JFIF\0\x01\x01\0\0\x01\0\x01\x01\x01abc";
    let mut photoshop = b"Photoshop 3.0\0".to_vec();
    photoshop.extend(b"8BIM\x04\x04\0\0\0\0\0\x03abc\0");
    photoshop.extend(b"8BIM\x04\x0c\0\0\0\0\0\x04jpeg");
    photoshop.extend(b"8BIM\x04\x25\0\0\0\0\0\x02ab");
    let bytes = file(&[(0xe0, jfif), (0xe0, b"JFXX\0\x10abc"), (0xed, &photoshop)]);
    let jpeg = walked(&bytes);
    let limits = Limits::default();
    assert_eq!(
        preview::list(&jpeg, &bytes, &limits).unwrap(),
        ["JFIF thumbnail", "JFXX thumbnail", "Photoshop thumbnail"]
    );
    let out: Vec<u8> = [0xff, 0xd8]
        .into_iter()
        .chain(
            jpeg.segments[..3]
                .iter()
                .flat_map(|s| preview::without(s, &bytes, &limits).unwrap().unwrap_or_default()),
        )
        .chain(bytes[jpeg.segments[3].range.start as usize..].iter().copied())
        .collect();
    let jpeg = walked(&out);
    assert!(preview::list(&jpeg, &out, &limits).unwrap().is_empty());
    let kept = jpeg.segments[1].bytes(&out).unwrap();
    assert!(kept.ends_with(b"8BIM\x04\x25\0\0\0\0\0\x02ab") && kept.len() == photoshop.len() - 16);
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(
        noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        prefix in proptest::sample::select(vec![EXIF, XMP, EXTENDED_XMP, b"JP".as_slice(), b"Photoshop 3.0\x008BIM", b""]),
    ) {
        let limits = Limits::default();
        let _ = walk(&[&[0xff, 0xd8], noise.as_slice()].concat(), &limits);
        let data = [prefix, &noise].concat();
        let bytes = file(&[(0xe1, &data), (0xeb, &data), (0xed, &data)]);
        let jpeg = walked(&bytes);
        let _ = jpeg.extended_xmp(&bytes, &limits);
        let _ = jumbf::boxes(&jpeg, &bytes, &limits);
        for s in &jpeg.segments {
            let _ = preview::without(s, &bytes, &limits);
        }
    }
}
