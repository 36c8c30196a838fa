//! The `text` commands, case by case: every file of `tests/text` is a list of command lines with what they must say.
//!
//! ```text
//! # a sentence: what holds
//! $ text detect ids.txt --tokens …      arguments of `colophon`, run in a folder with the files made below
//! < words                               standard input; \n, \u{…} and \x.. as in Rust
//! = 3                                   the exit code
//! ~ words                               words on standard output or standard error
//! ! words                               words on neither
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use colophon_tokenmark::{Generator, GeneratorOptions, SamplerSpec, Scheme, Scratch, Step};
use serde_json::json;

/// Key of the marked sample, nobody else's.
const KEY: &str = "6021935012345678901";
/// Ids of the little tokenizer.
const VOCABULARY: u32 = 60;

fn main_program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_colophon"))
}

fn config(key: &str) -> serde_json::Value {
    json!({"key": key, "context_width": 4})
}

/// Tokens a sampler with the mark draws from a flat distribution over the words of the tokenizer.
fn marked(len: usize) -> Vec<u32> {
    let scheme = Scheme::from_json("vllm_gumbel", &config(KEY)).unwrap();
    let generator = Generator::new(scheme, GeneratorOptions::default()).unwrap();
    let (mut sequence, mut scratch) = (generator.begin(&[]), Scratch::default());
    let sampler = SamplerSpec { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, seed: 7 };
    let mut logits = vec![0.0f32; VOCABULARY as usize];
    // the unknown word is never drawn
    logits[0] = f32::NEG_INFINITY;
    for _ in 0..len {
        let drawn = sampler.draw(&generator, &sequence, &Step::default(), &logits, &mut scratch).unwrap();
        sequence.accept(drawn.token, drawn.fate);
    }
    sequence.tokens().to_vec()
}

fn words(ids: &[u32]) -> String {
    ids.iter().map(|id| format!("w{id}")).collect::<Vec<_>>().join(" ")
}

/// A tokenizer that knows the words `w1` to `w59`.
fn tokenizer() -> String {
    let vocabulary: serde_json::Map<String, serde_json::Value> =
        (0..VOCABULARY).map(|i| (if i == 0 { "?".to_owned() } else { format!("w{i}") }, i.into())).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "?"},
    })
    .to_string()
}

fn lay_out(folder: &Path) {
    let put = |name: &str, content: &[u8]| fs::write(folder.join(name), content).unwrap();
    let answer = marked(300);
    let list = |ids: &[u32]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    put("marked.ids", list(&answer).as_bytes());
    put("short.ids", list(&answer[..20]).as_bytes());
    put("plain.ids", list(&(0..300u32).map(|i| 1 + i * i * 31 % 59).collect::<Vec<_>>()).as_bytes());
    put("marked.txt", words(&answer).as_bytes());
    put("beyond.ids", b"1 2 3 4 99999 5");
    put("words.ids", b"[1, 2, three]");
    put("cut.txt", b"good start \xff");
    put(
        "row.jsonl",
        format!("{}\n{}\n", json!({"id": "a", "tokens": answer}), json!({"id": "b", "tokens": [1, 2, 3]}))
            .as_bytes(),
    );
    put("broken.jsonl", b"{\"id\":1,\"tokens\":[1,2]}\n{\"id\":2,\"tokens\":\"no\"}\n");
    put("tokenizer.json", tokenizer().as_bytes());
    put("no-tokenizer.json", b"{\"model\": 1}");
    put("own.json", config(KEY).to_string().as_bytes());
    put("other.json", config("777000777000777").to_string().as_bytes());
    put("demo.json", config("42").to_string().as_bytes());
    put("long.json", config("99999999999999999999999").to_string().as_bytes());
    put("letters.json", config("abc").to_string().as_bytes());
    put("sglang-long.json", b"{\"key\":\"00112233445566778\"}");
    put("master-short.json", b"{\"master\":\"0011\",\"label\":\"a\"}");
    put("published-synthid.json", b"{\"keys\":[654,400,836,123]}");
    put("kgw-small.json", b"{\"hashing_key\":1000000007,\"vocab\":40}");
    put("no-keys.json", b"{\"schema\":\"colophon.text-keys/1\",\"keys\":[]}");
    put("page.html", "<title>t</title><p>你好</p>".as_bytes());
    put("frames.html", b"<html><frameset><frame src=a></frameset></html>");
    put("a.srt", b"1\n00:00:01,000 --> 00:00:02,000\nHello\n");
    put("story.md", b"---\ntitle: a\n---\n# Hello\n\n```\ncode\n```\n");
    put("answer.json", br#"{"choices":[{"message":{"content":"Hi there"}}]}"#);
    put("data.json", br#"{"choices":[{"message":{"content":"{\"a\":1}"}}]}"#);
    put("other.json5", b"{");
    put("hidden.txt", "a\u{200b}b \u{e0041}\u{e0042}".as_bytes());
    put("emoji.txt", "A heart \u{2764}\u{fe0f}.".as_bytes());
    let wrapper = colophon_text::carrier::a8::encode(b"store");
    put("signed.txt", format!("Hello{wrapper}").as_bytes());
    put("twice.txt", format!("Hello{wrapper} and {wrapper}").as_bytes());
    put("cut-wrapper.txt", format!("Hello{}", wrapper.chars().take(16).collect::<String>()).as_bytes());
}

fn unescaped(text: &str) -> Vec<u8> {
    let text = text.replace("\\\\", "\0").replace("\\n", "\n").replace('\0', "\\");
    let mut out = Vec::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("\\x") {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        out.push(u8::from_str_radix(&rest[at + 2..at + 4], 16).unwrap());
        rest = &rest[at + 4..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

#[derive(Default)]
struct Case {
    name: String,
    arguments: Vec<String>,
    input: Vec<u8>,
    exit: Option<i32>,
    says: Vec<String>,
    hides: Vec<String>,
}

fn cases(text: &str) -> Vec<Case> {
    let mut all: Vec<Case> = Vec::new();
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        let (mark, rest) = line.split_at(1);
        let rest = rest.trim_start();
        if mark == "#" {
            all.push(Case { name: rest.to_owned(), ..Case::default() });
            continue;
        }
        let case = all.last_mut().expect("a case begins with its sentence");
        match mark {
            "$" => case.arguments = rest.split_whitespace().map(str::to_owned).collect(),
            "<" => case.input = unescaped(rest),
            "=" => case.exit = Some(rest.parse().unwrap()),
            "~" => case.says.push(String::from_utf8(unescaped(rest)).unwrap()),
            "!" => case.hides.push(rest.to_owned()),
            _ => panic!("{line}"),
        }
    }
    all
}

#[test]
fn every_case_of_the_text_commands_holds() {
    let folder = tempfile::tempdir().unwrap();
    lay_out(folder.path());
    let mut files: Vec<_> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/text"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    let (mut failures, mut count) = (Vec::new(), 0);
    for file in files {
        for case in cases(&fs::read_to_string(&file).unwrap()) {
            count += 1;
            let mut child = main_program()
                .args(&case.arguments)
                .current_dir(folder.path())
                .env("NO_COLOR", "1")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let _ = child.stdin.take().unwrap().write_all(&case.input);
            let done = child.wait_with_output().unwrap();
            let said =
                [String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr)].concat();
            let good = done.status.code() == case.exit
                && case.says.iter().all(|w| said.contains(w.as_str()))
                && case.hides.iter().all(|w| !said.contains(w.as_str()))
                && !said.to_lowercase().contains("human");
            if !good {
                failures.push(format!("{}: exit {:?}\n{said}", case.name, done.status.code()));
            }
        }
    }
    assert!(count >= 40, "{count} cases");
    assert!(failures.is_empty(), "{} of {count} failed\n{}", failures.len(), failures.join("\n"));
}

/// Peak resident memory of a finished child is not to be had without more; so a running one is looked at (Linux).
#[cfg(target_os = "linux")]
#[test]
fn a_long_text_streams_through_the_labeller_in_bounded_memory() {
    const MEGABYTES: usize = 64;
    let mut child = main_program()
        .args(["text", "label", "--as", "plain", "--at", "both"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let (mut total, mut buffer) = (0, vec![0; 1 << 16]);
        loop {
            match output.read(&mut buffer).unwrap() {
                0 => return total,
                n => total += n,
            }
        }
    });
    let line = "A line of text that is repeated many times.\n".repeat(1 << 10);
    let (mut sent, mut peak) = (0, 0);
    while sent < MEGABYTES << 20 {
        input.write_all(line.as_bytes()).unwrap();
        sent += line.len();
        peak = peak.max(resident_kib(child.id()));
    }
    drop(input);
    assert!(child.wait().unwrap().success());
    assert!(reader.join().unwrap() > sent, "the label was added");
    assert!(peak > 0 && peak < 32 << 10, "{peak} KiB");
}

#[cfg(target_os = "linux")]
fn resident_kib(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0)
}

/// Writes `parts` to the standard input of `colophon text detect`; gives its answer and the peak of its resident memory.
#[cfg(target_os = "linux")]
fn detect_in_pieces(
    folder: &Path,
    arguments: &[&str],
    parts: impl Iterator<Item = String>,
) -> (serde_json::Value, usize) {
    let mut child = main_program()
        .args(["text", "detect", "--scheme", "vllm_gumbel", "--config", "own.json", "--json"])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut peak = 0;
    for part in parts {
        input.write_all(part.as_bytes()).unwrap();
        peak = peak.max(resident_kib(child.id()));
    }
    drop(input);
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0));
    (serde_json::from_slice(&done.stdout).unwrap(), peak)
}

#[cfg(target_os = "linux")]
#[test]
fn ids_and_text_beyond_what_is_held_are_read_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    lay_out(folder.path());
    let answer = marked(300);
    // a marked passage in 40 MB of other ids
    let ids = |seed: u32| {
        let state = |i: u32| (seed * 4096 + i).wrapping_mul(2_654_435_761).rotate_left(13) % 59 + 1;
        (0..4096).map(|i| format!("{} ", state(i))).collect::<String>()
    };
    let passage = answer.iter().map(|id| format!("{id}, ")).collect::<String>();
    let parts = (0..3600).map(|k| if k == 2000 { passage.clone() } else { ids(k) });
    let (found, peak) = detect_in_pieces(folder.path(), &["--tokens"], parts);
    assert_eq!((&found["read_in_pieces"], &found["tokens"]), (&true.into(), &(3599 * 4096 + 300).into()));
    let region = &found["candidates"][0]["regions"][0];
    let place = 2000 * 4096;
    let near = |x: &serde_json::Value, at: u64| x.as_u64().unwrap().abs_diff(at) < 100;
    assert!(near(&region["start"], place) && near(&region["end"], place + 300), "{found}");
    assert!(peak > 0 && peak < 200 << 10, "{peak} KiB");

    // the same passage in 35 MB of text, most of it words the tokenizer does not know
    let line = format!("w1 w2 w3 w5 w7 {}\n", "word".repeat(60)).repeat(1 << 8);
    let text = words(&answer);
    let parts = (0..540).map(|k| if k == 100 { format!("{text}\n") } else { line.clone() });
    let (found, peak) = detect_in_pieces(folder.path(), &["--tokenizer", "tokenizer.json"], parts);
    assert_eq!((&found["read_in_pieces"], &found["cuts_that_change_tokens"]), (&true.into(), &0.into()));
    let start = &found["candidates"][0]["regions"][0]["start"];
    assert!(near(start, 100 * 6 * 256), "{found}");
    assert!(peak > 0 && peak < 200 << 10, "{peak} KiB");
}
