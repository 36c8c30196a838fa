use std::process::Command;

use colophon_core::{Format, LabelRecord, Limits, Placed, RenderCx, State};

use crate::foreign::probed;
use crate::mp4::{Bmff, MOV, MP4};
use crate::tests::{clip, label, seen, tools};

/// Behind `-c:v libx264 -preset veryfast`: a keyframe every second and pictures that lean on later ones.
const GROUPS: [&str; 6] = ["-g", "25", "-bf", "3", "-x264-params", "scenecut=0"];

fn film(name: &str, arguments: &[&str]) -> Vec<u8> {
    let sound =
        ["-f", "lavfi", "-i", "sine=frequency=440:duration=6", "-c:v", "libx264", "-preset", "veryfast"];
    clip(name, 6.0, &[sound.as_slice(), arguments].concat())
}

/// The labelled clip, the record of its label, and how it was encoded.
fn labelled(format: &Bmff, bytes: &[u8]) -> (Vec<u8>, LabelRecord, (String, String)) {
    let (limits, tools) = (Limits::default(), tools());
    let mut out = Vec::new();
    let cx = RenderCx { limits: &limits, tools: &tools };
    let placed = format.render(&bytes, &[label()], &cx, &mut out).unwrap();
    match placed.as_slice() {
        [Placed::Label(record), Placed::Note(note)] => {
            (out, record.clone(), (note.code.clone(), note.text.clone()))
        }
        other => panic!("{other:?}"),
    }
}

/// Why the whole clip was encoded.
fn whole(name: &str, bytes: &[u8]) -> String {
    let (out, record, (code, why)) = labelled(if name.ends_with("mov") { &MOV } else { &MP4 }, bytes);
    assert_eq!(code, "encoded-whole", "{name}: {why}");
    assert_eq!(seen(&MP4, &out, &record).0, State::Present, "{name}");
    why
}

/// Packets of one stream as ffprobe lists them.
fn packets(bytes: &[u8], stream: &str) -> Vec<String> {
    let show = [
        "-select_streams",
        stream,
        "-show_entries",
        "packet=pts,dts,flags,data_hash",
        "-show_data_hash",
        "md5",
    ];
    let text = probed(bytes, "a.mp4", &[show.as_slice(), &["-of", "compact"]].concat());
    text.lines().map(str::to_owned).collect()
}

/// Decoded pictures of a clip.
fn pictures(bytes: &[u8]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    std::fs::write(&path, bytes).unwrap();
    let mut c = Command::new("ffmpeg");
    c.args(["-v", "error", "-xerror", "-noautorotate", "-i"]).arg(&path);
    let out = c.args(["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stderr), "");
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines().filter(|l| !l.starts_with('#')).map(str::to_owned).collect()
}

/// Cut at the keyframe at three seconds: everything behind it, and every other stream, is the source's.
fn cut_at_75(format: &Bmff, bytes: &[u8]) -> Vec<u8> {
    let (out, record, (code, text)) = labelled(format, bytes);
    assert_eq!(code, "encoded-in-part", "{text}");
    assert!(text.contains("first 75 pictures") && text.contains("other 75"), "{text}");
    let (state, times, height) = seen(format, &out, &record);
    assert_eq!((state, times), (State::Present, vec![(0.0, 2.5)]));
    assert!(height >= 0.05, "{height}");
    let (old, new) = (pictures(bytes), pictures(&out));
    assert_eq!((old.len(), new.len()), (150, 150));
    assert_eq!(old[75..], new[75..]);
    assert!(old[..62].iter().zip(&new).all(|(a, b)| a != b), "a picture without its label");
    let (old, new) = (packets(bytes, "v:0"), packets(&out, "v:0"));
    assert_eq!(old[75..], new[75..]);
    assert!(old[..75].iter().zip(&new).all(|(a, b)| a != b), "coded data of an unlabelled picture");
    assert_eq!(packets(bytes, "a:0"), packets(&out, "a:0"));
    out
}

#[test]
fn behind_the_first_keyframe_after_the_label_every_bit_is_the_sources() {
    let back = film("a.mp4", &GROUPS);
    let out = cut_at_75(&MP4, &back);
    // One set of parameters for each part, under numbers of their own, and no unlabelled picture left in the file.
    let opened = MP4.open(&out.as_slice(), &Limits::default()).unwrap();
    let config = colophon_container::bmff::samples::avc_config(&out.as_slice(), &opened.boxes, 0).unwrap();
    assert_eq!((config.sequences.len(), config.pictures.len()), (2, 2));
    assert!(out.len() < back.len() * 3 / 2, "{} bytes became {}", back.len(), out.len());
    cut_at_75(&MP4, &film("a.mp4", &[&GROUPS[..], &["-movflags", "+faststart"]].concat()));
    cut_at_75(&MOV, &film("a.mov", &GROUPS));
}

#[test]
fn ten_bits_main_profile_and_offsets_with_a_sign_are_cut() {
    cut_at_75(&MP4, &film("a.mp4", &[&GROUPS[..], &["-pix_fmt", "yuv420p10le"]].concat()));
    cut_at_75(&MP4, &film("a.mp4", &[&GROUPS[..], &["-profile:v", "main"]].concat()));
    cut_at_75(&MP4, &film("a.mp4", &[&GROUPS[..], &["-movflags", "negative_cts_offsets"]].concat()));
    let baseline = ["-g", "25", "-profile:v", "baseline", "-x264-params", "scenecut=0"];
    cut_at_75(&MP4, &film("a.mp4", &baseline));
}

#[test]
fn uneven_times_are_kept_to_the_tick() {
    let uneven = ["-vf", "settb=1/90000,setpts=3600*N+500*mod(N\\,4)", "-fps_mode", "passthrough"];
    let clock = ["-enc_time_base", "1/90000", "-video_track_timescale", "90000"];
    let bytes = film("a.mp4", &[&uneven[..], &clock, &GROUPS].concat());
    let (out, _, (code, text)) = labelled(&MP4, &bytes);
    assert_eq!(code, "encoded-in-part", "{text}");
    let times = |bytes: &[u8]| -> Vec<String> {
        let mut all: Vec<String> =
            pictures(bytes).iter().filter_map(|l| l.split(',').nth(2)).map(str::to_owned).collect();
        all.sort();
        all
    };
    assert_eq!(times(&bytes), times(&out));
}

#[test]
fn a_condition_that_does_not_hold_is_named_and_the_whole_clip_encoded() {
    let why = |name: &str, arguments: &[&str]| whole(name, &film(name, arguments));
    assert!(why("a.mp4", &["-g", "500"]).contains("no keyframe behind the label"));
    let open = why("a.mp4", &["-g", "25", "-bf", "3", "-x264-params", "scenecut=0:open-gop=1"]);
    assert!(open.contains("open group") || open.contains("no IDR"), "{open}");
    let parts = why("a.mp4", &[&GROUPS[..], &["-movflags", "frag_keyframe+empty_moov"]].concat());
    assert!(parts.contains("fragmented"), "{parts}");
    let inband = why("a.mp4", &[&GROUPS[..], &["-tag:v", "avc3"]].concat());
    assert!(inband.contains("avc1"), "{inband}");
    let repeated = ["-g", "25", "-bsf:v", "dump_extra", "-x264-params", "scenecut=0:repeat-headers=1"];
    let repeated = why("a.mp4", &repeated);
    assert!(repeated.contains("parameter sets stand in the stream"), "{repeated}");
    let hevc = whole(
        "a.mp4",
        &clip(
            "a.mp4",
            4.0,
            &["-c:v", "libx265", "-preset", "ultrafast", "-g", "25", "-x265-params", "log-level=error"],
        ),
    );
    assert!(hevc.contains("only H.264"), "{hevc}");
}
