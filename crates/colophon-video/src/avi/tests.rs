//! Behaviour on clips that ffmpeg makes, and what other readers find in the result.

use colophon_core::{Edit, Format, Limits, Slot};

use super::AVI;
use crate::foreign::{AIGC, clip, marked, probed, said, same_packets};

fn plain() -> Vec<u8> {
    clip("a.avi", &["-c:v", "mpeg4", "-c:a", "mp3", "-metadata", "title=tide"])
}

/// Without room in front of the media: everything moves.
fn tight() -> Vec<u8> {
    let bytes = plain();
    let movi = bytes.windows(4).position(|w| w == b"movi").unwrap() - 8;
    let junk = (0..movi).rfind(|i| bytes[*i..].starts_with(b"JUNK")).unwrap();
    let size = u32::from_le_bytes(bytes[junk + 4..junk + 8].try_into().unwrap()) as usize + 8;
    assert_eq!(junk + size, movi, "the junk stands in front of the media");
    let mut out = [&bytes[..junk], &bytes[movi..]].concat();
    let form = (out.len() as u32 - 8).to_le_bytes();
    out[4..8].copy_from_slice(&form);
    out
}

#[test]
fn avi_keeps_the_promises_of_a_format() {
    colophon_conformance::check(&AVI, &[("plain", plain()), ("tight", tight())]);
}

#[test]
fn tc260_20257a_other_readers_find_the_label_and_the_same_packets() {
    for bytes in [plain(), tight()] {
        let out = marked(&AVI, &bytes);
        same_packets("a.avi", &bytes, &out);
        let exif = said("exiftool", &["-a", "-u", "-G1", "-s"], "a.avi", &out);
        assert!(exif.contains("Title") && exif.contains("tide"), "{exif}");
        let tags = probed(&out, "a.avi", &["-show_entries", "format_tags"]);
        assert!(tags.contains("TAG:title=tide"), "{tags}");
        assert!(tags.contains(AIGC) || exif.contains(AIGC), "{tags} {exif}");
    }
}

#[test]
fn room_in_front_of_the_media_is_used_and_nothing_moves() {
    let bytes = plain();
    assert_eq!(marked(&AVI, &bytes).len(), bytes.len());
}

#[test]
fn a_packet_and_a_manifest_go_to_the_end() {
    let bytes = plain();
    let edits = [Edit::set(Slot::Xmp, "xmp", "<x/>"), Edit::set(Slot::Jumbf, "c2pa", vec![1; 33])];
    let out = AVI.edit(&bytes, &edits, &Limits::default()).unwrap().apply_to_vec(&bytes).unwrap();
    assert_eq!(out[8..bytes.len()], bytes[8..], "only the length of the form changes");
    same_packets("a.avi", &bytes, &out);
    let layout = AVI.inspect(&out, &Limits::default()).unwrap();
    assert_eq!(layout.properties.dimensions, Some((160, 120)));
    assert_eq!((layout.properties.channels, layout.properties.sample_rate), (Some(1), Some(44100)));
    assert!(layout.properties.duration_s.is_some_and(|d| (0.9..1.1).contains(&d)));
}
