//! Behaviour on clips that ffmpeg makes, and what other readers find in the result.

use colophon_core::{Format, Limits, Slot};

use super::{MKV, WEBM};
use crate::foreign::{AIGC, clip, marked, probed, said, same_packets};

fn mkv() -> Vec<u8> {
    clip("a.mkv", &["-c:v", "libx264", "-c:a", "aac", "-metadata", "title=tide", "-metadata:s:v", "note=own"])
}

fn webm(arguments: &[&str]) -> Vec<u8> {
    let codecs = ["-c:v", "libvpx", "-b:v", "200k", "-c:a", "libopus"];
    clip("a.webm", &[&codecs, arguments].concat())
}

#[test]
fn matroska_and_webm_keep_the_promises_of_a_format() {
    let indexed = clip("a.mkv", &["-c:v", "ffv1", "-c:a", "flac", "-reserve_index_space", "3000"]);
    colophon_conformance::check(&MKV, &[("cues behind", mkv()), ("room for cues", indexed)]);
    // Live: lengths of segment and clusters are not known.
    colophon_conformance::check(
        &WEBM,
        &[("plain", webm(&[])), ("live", webm(&["-live", "1"])), ("dash", webm(&["-dash", "1", "-an"]))],
    );
}

#[test]
fn tc260_20257a_other_readers_find_the_label_and_the_same_packets() {
    let cases: [(&dyn Format, &str, Vec<u8>); 3] =
        [(&MKV, "a.mkv", mkv()), (&WEBM, "a.webm", webm(&[])), (&WEBM, "a.webm", webm(&["-live", "1"]))];
    for (format, name, bytes) in cases {
        let out = marked(format, &bytes);
        // A stream that cannot be sought has no seek head: ffprobe reads what stands before the media.
        let sought = format.inspect(&bytes, &Limits::default()).unwrap().properties.duration_s.is_some();
        let tags = probed(&out, name, &["-show_entries", "format_tags"]);
        assert!(tags.contains(&format!("TAG:AIGC={AIGC}")) || !sought, "{name}: {tags}");
        same_packets(name, &bytes, &out);
        let again = marked(format, &out);
        assert_eq!(again, out);
    }
}

#[test]
fn exiftool_finds_the_label() {
    let text = said("exiftool", &["-ee", "-G1", "-s"], "a.mkv", &marked(&MKV, &mkv()));
    assert!(text.to_lowercase().contains("aigc") && text.contains("acme"), "{text}");
}

#[test]
fn tags_of_streams_and_of_the_whole_are_kept() {
    let bytes = mkv();
    let out = marked(&MKV, &bytes);
    let layout = MKV.inspect(&out, &Limits::default()).unwrap();
    assert_eq!(layout.properties.dimensions, Some((160, 120)));
    assert_eq!(layout.properties.channels, Some(1));
    let comments: Vec<_> = layout.of(Slot::Comment).map(|e| (e.key.as_str(), e.value.as_slice())).collect();
    assert!(comments.contains(&("NOTE", b"own".as_slice())), "{comments:?}");
}
