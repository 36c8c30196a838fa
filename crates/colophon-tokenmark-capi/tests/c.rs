//! The interface, run from C as llama.cpp would run it.
// Helpers of tests: what cannot be made ends the test.
#![allow(clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The static library Cargo built beside this test.
fn library() -> PathBuf {
    let test = std::env::current_exe().expect("path of this test");
    let folders = [test.parent(), test.parent().and_then(Path::parent)];
    folders
        .into_iter()
        .flatten()
        .map(|folder| folder.join("libcolophon_tokenmark_capi.a"))
        .find(|path| path.exists())
        .expect("the static library is built with the test")
}

#[test]
#[cfg(unix)]
fn a_sampler_chain_in_c_marks_and_detects() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("temporary folder");
    let program = folder.path().join("chain");
    let target = std::env::consts::ARCH.to_owned() + "-unknown-linux-gnu";
    let compiler =
        cc::Build::new().target(&target).host(&target).opt_level(1).cargo_metadata(false).get_compiler();
    let built = Command::new(compiler.path())
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-O1"])
        .arg("-I")
        .arg(root.join("include"))
        .arg(root.join("tests/chain.c"))
        .arg(library())
        .args(["-lpthread", "-ldl", "-lm", "-o"])
        .arg(&program)
        .output()
        .expect("a C compiler");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let ran = Command::new(&program).output().expect("the program runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(text.contains("colophon-gumbel") && text.contains("colophon-synthid-text"), "{text}");
}
