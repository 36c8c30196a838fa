//! Behaviour on clips that ffmpeg makes, and what other readers find in the result.

use colophon_core::{Format, Limits};

use super::FLV;
use crate::foreign::{AIGC, clip, marked, probed, said, same_packets};

fn plain() -> Vec<u8> {
    clip("a.flv", &["-c:v", "libx264", "-g", "5", "-c:a", "aac", "-metadata", "title=tide"])
}

/// With an index of key pictures: positions in the file.
fn indexed() -> Vec<u8> {
    clip("a.flv", &["-c:v", "flv", "-g", "5", "-c:a", "mp3", "-flvflags", "add_keyframe_index"])
}

#[test]
fn flash_video_keeps_the_promises_of_a_format() {
    colophon_conformance::check(&FLV, &[("plain", plain()), ("indexed", indexed())]);
}

#[test]
fn tc260_20257a_other_readers_find_the_label_and_the_same_packets() {
    for bytes in [plain(), indexed()] {
        let out = marked(&FLV, &bytes);
        same_packets("a.flv", &bytes, &out);
        let tags = probed(&out, "a.flv", &["-show_entries", "format_tags"]);
        assert!(tags.contains(&format!("TAG:AIGC={AIGC}")), "{tags}");
        let exif = said("exiftool", &["-a", "-u", "-G1", "-s"], "a.flv", &out);
        assert!(exif.to_lowercase().contains("aigc"), "{exif}");
    }
}

#[test]
fn the_index_of_key_pictures_points_at_them() {
    let positions = |bytes: &[u8]| -> Vec<usize> {
        let at = bytes.windows(13).position(|w| w == b"filepositions").unwrap() + 13;
        let count = u32::from_be_bytes(bytes[at + 1..at + 5].try_into().unwrap()) as usize;
        let number =
            |i: usize| f64::from_be_bytes(bytes[at + 6 + 9 * i..at + 14 + 9 * i].try_into().unwrap());
        (0..count).map(|i| number(i) as usize).collect()
    };
    let bytes = indexed();
    let out = marked(&FLV, &bytes);
    let (before, after) = (positions(&bytes), positions(&out));
    assert!(before.len() > 3);
    let mut moved = 0;
    for (b, a) in before.iter().zip(&after) {
        // Some writers close the list with a zero.
        if *b > 0 {
            assert_eq!(bytes.get(*b..*b + 40), out.get(*a..*a + 40));
            moved += usize::from(a != b);
        }
    }
    assert!(moved > 3);
    let at = out.windows(8).position(|w| w == b"filesize").unwrap() + 9;
    assert_eq!(f64::from_be_bytes(out[at..at + 8].try_into().unwrap()), out.len() as f64);
}

#[test]
fn facts_come_from_script_and_tags() {
    let layout = FLV.inspect(&plain(), &Limits::default()).unwrap();
    assert_eq!(layout.properties.dimensions, Some((160, 120)));
    assert_eq!(layout.properties.other["codec"], "AVC");
    assert_eq!(layout.properties.other["sound codec"], "AAC");
    assert!(layout.properties.duration_s.is_some_and(|d| (0.9..1.2).contains(&d)));
}
