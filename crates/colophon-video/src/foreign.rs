//! Clips that ffmpeg makes, and what other readers find in a result.

use std::path::Path;
use std::process::Command;

use colophon_core::{Edit, Format, Limits, Slot};

pub(crate) const AIGC: &str = r#"{"Label":"1","ContentProducer":"acme","ProduceID":"a"}"#;

/// A clip of a second in the container that the name says, with these arguments behind the inputs.
pub(crate) fn clip(name: &str, arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let mut command = Command::new("ffmpeg");
    command.args([
        "-v",
        "error",
        "-nostdin",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=160x120:rate=25:duration=1",
    ]);
    command.args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=1"]);
    assert!(command.args(arguments).arg(&path).status().unwrap().success());
    std::fs::read(path).unwrap()
}

/// A file with the AIGC object in its field.
pub(crate) fn marked(format: &dyn Format, bytes: &[u8]) -> Vec<u8> {
    let edit = Edit::set(Slot::Field, "AIGC", AIGC);
    format.edit(&bytes, &[edit], &Limits::default()).unwrap().apply_to_vec(&bytes).unwrap()
}

/// What a program prints about a file. It has nothing to complain about.
pub(crate) fn said(program: &str, arguments: &[&str], name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let done = Command::new(program).args(arguments).arg(Path::new(&path)).output().unwrap();
    assert!(done.status.success());
    assert_eq!(String::from_utf8_lossy(&done.stderr), "", "{name}");
    String::from_utf8(done.stdout).unwrap()
}

/// What ffprobe shows of a file.
pub(crate) fn probed(bytes: &[u8], name: &str, show: &[&str]) -> String {
    said("ffprobe", &[&["-v", "warning", "-of", "default=nw=1"], show].concat(), name, bytes)
}

/// The same packets in both files, from the start and by the index.
pub(crate) fn same_packets(name: &str, before: &[u8], after: &[u8]) {
    let packets = ["-show_entries", "packet=stream_index,pts,size,flags,data_hash", "-show_data_hash", "md5"];
    assert_eq!(probed(before, name, &packets), probed(after, name, &packets));
    let sought = [&["-read_intervals", "0.5%+#3"], packets.as_slice()].concat();
    assert_eq!(probed(before, name, &sought), probed(after, name, &sought));
}
