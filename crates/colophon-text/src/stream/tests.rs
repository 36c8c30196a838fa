use proptest::prelude::*;

use super::*;

fn options(kind: StreamKind, places: Places, words: Words) -> StreamOptions {
    StreamOptions { kind, places, words }
}

fn run(options: &StreamOptions, chunks: &[&str]) -> String {
    let mut labeller = Labeller::new(options.clone()).unwrap();
    let mut out: String = chunks.iter().map(|c| labeller.push(c)).collect();
    out.push_str(&labeller.finish().unwrap());
    out
}

fn md(text: &str, places: Places) -> String {
    run(&options(StreamKind::Markdown, places, Words::OfText), &[text])
}

#[test]
fn gb45438_5_1_the_label_is_first_last_or_both() {
    let plain = |places| run(&options(StreamKind::Plain, places, Words::OfText), &["你好。\n再见。"]);
    assert_eq!(plain(Places::Start), "AI生成\n\n你好。\n再见。");
    assert_eq!(plain(Places::End), "你好。\n再见。\n\nAI生成\n");
    assert_eq!(plain(Places::Both), "AI生成\n\n你好。\n再见。\n\nAI生成\n");
}

#[test]
fn words_are_of_the_language_of_the_text_or_as_told() {
    assert_eq!(md("Hello.", Places::Start), "> AI GENERATED\n\nHello.");
    let told = |words| run(&options(StreamKind::Plain, Places::Start, words), &["Guten Tag."]);
    assert_eq!(told(Words::Language("de".into())), "AI · KI-GENERIERT\n\nGuten Tag.");
    assert_eq!(told(Words::Fixed("由AI生成".into())), "由AI生成\n\nGuten Tag.");
    assert!(Labeller::new(options(StreamKind::Plain, Places::Start, Words::Language("xx".into()))).is_err());
    assert!(Labeller::new(options(StreamKind::Plain, Places::Start, Words::Fixed("a\nb".into()))).is_err());
}

#[test]
fn front_matter_stays_first() {
    assert_eq!(md("---\na: b\n---\ntext", Places::Start), "---\na: b\n---\n> AI GENERATED\n\ntext");
    assert_eq!(md("---\nno end", Places::Start), "> AI GENERATED\n\n---\nno end");
    let long = format!("---\n{}---\ntext\n", "key: value\n".repeat(10_000));
    let out = md(&long, Places::Start);
    assert!(out.starts_with(&long) && out.ends_with("\n\n> AI GENERATED\n"));
}

#[test]
fn an_open_code_block_or_comment_is_closed_before_the_label() {
    assert_eq!(md("a\n~~~~rs\nfn", Places::End), "a\n~~~~rs\nfn\n~~~~\n\n> AI GENERATED\n");
    assert_eq!(md("```\nx\n```\n", Places::End), "```\nx\n```\n\n> AI GENERATED\n");
    assert_eq!(md("a <!-- b", Places::End), "a <!-- b\n-->\n\n> AI GENERATED\n");
    assert_eq!(md("```\n<!-- b\n```", Places::End), "```\n<!-- b\n```\n\n> AI GENERATED\n");
}

#[test]
fn json_is_left_alone_and_said() {
    for text in ["{\"a\": 1}", "[ {\"a\": 1} ]", " [\"x\"]"] {
        let options = options(StreamKind::Plain, Places::Both, Words::OfText);
        let mut labeller = Labeller::new(options).unwrap();
        let out = labeller.push(text) + &labeller.finish().unwrap();
        assert_eq!((out.as_str(), labeller.outcome()), (text, Outcome::Structured));
    }
    assert!(md("[a link](b)", Places::Start).starts_with("> "));
}

#[test]
fn subtitles_keep_times_and_numbers() {
    let options = options(StreamKind::Subtitles, Places::End, Words::OfText);
    let srt =
        "1\r\n00:00:01,000 --> 00:00:02,000\r\nHello\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nBye\r\n";
    let out = run(&options, &[srt]);
    assert_eq!(out, srt.replace("Hello", "AI GENERATED\r\nHello"));
    assert_eq!(run(&options, &[&out]), out);
    assert_eq!(run(&options, &["WEBVTT\n"]), "WEBVTT\n");
}

#[test]
fn a_label_of_any_wording_is_enough_unless_words_are_told() {
    let text = "**AI生成**\n\nHello.\n";
    assert_eq!(md(text, Places::Start), text);
    assert_eq!(md(text, Places::End), text);
    let fixed = options(StreamKind::Markdown, Places::Start, Words::Fixed("本内容由人工智能生成".into()));
    assert!(run(&fixed, &[text]).starts_with("> 本内容由人工智能生成\n\n**AI生成**"));
}

#[test]
fn bytes_may_be_cut_inside_a_character() {
    let mut labeller = Labeller::new(options(StreamKind::Plain, Places::Start, Words::OfText)).unwrap();
    let mut out = String::new();
    for b in "\u{feff}字👩\u{200d}💻".as_bytes() {
        out.push_str(&labeller.push_bytes(&[*b]).unwrap());
    }
    out.push_str(&labeller.finish().unwrap());
    assert_eq!(out, "\u{feff}AI生成\n\n字👩\u{200d}💻");
    let mut labeller = Labeller::new(options(StreamKind::Plain, Places::Start, Words::OfText)).unwrap();
    labeller.push_bytes(b"abc").unwrap();
    assert_eq!(labeller.push_bytes(b"d\xffe").unwrap_err().offset(), Some(4));
    let mut labeller = Labeller::new(options(StreamKind::Plain, Places::Start, Words::OfText)).unwrap();
    labeller.push_bytes(b"ab\xe5").unwrap();
    assert_eq!(labeller.finish().unwrap_err().offset(), Some(2));
}

#[test]
fn text_passes_at_once_after_the_beginning() {
    let mut labeller = Labeller::new(options(StreamKind::Plain, Places::End, Words::OfText)).unwrap();
    assert_eq!(labeller.push("short"), "");
    assert!(labeller.push(&"word ".repeat(40)).starts_with("shortword"));
    assert_eq!(labeller.push("more"), "more");
}

fn event(content: &str) -> String {
    format!(
        "data: {{\"id\":\"x\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{}}},\"finish_reason\":null}}]}}\n\n",
        serde_json::json!(content)
    )
}

const STOP: &str =
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

/// The text a client of the service puts together.
fn text_of_events(stream: &[u8]) -> String {
    std::str::from_utf8(stream)
        .unwrap()
        .lines()
        .filter_map(|l| l.strip_prefix("data: "))
        .filter_map(|d| serde_json::from_str::<serde_json::Value>(d).ok())
        .filter_map(|e| e["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect()
}

fn run_events(options: &StreamOptions, stream: &[u8], cut: usize) -> Vec<u8> {
    let mut labeller = EventLabeller::new(options.clone()).unwrap();
    let mut out = Vec::new();
    for chunk in stream.chunks(cut) {
        out.extend(labeller.push(chunk).unwrap());
    }
    out.extend(labeller.finish().unwrap());
    out
}

#[test]
fn events_carry_one_label_and_keep_their_order() {
    let options = options(StreamKind::Markdown, Places::Both, Words::OfText);
    let stream = format!(
        ": ping\n\ndata: {{\"choices\":[{{\"index\":0,\"delta\":{{\"role\":\"assistant\"}}}}]}}\n\n{}{}{STOP}data: [DONE]\n\n",
        event("你"),
        event("好")
    );
    let out = run_events(&options, stream.as_bytes(), 7);
    assert_eq!(text_of_events(&out), "> AI生成\n\n你好\n\n> AI生成\n");
    let text = String::from_utf8(out.clone()).unwrap();
    assert!(text.starts_with(": ping\n\n") && text.ends_with(&format!("{STOP}data: [DONE]\n\n")), "{text}");
    assert_eq!(text_of_events(&run_events(&options, &out, 5)), text_of_events(&out), "labelled once");
}

#[test]
fn a_stream_that_breaks_off_still_gets_its_label() {
    let options = options(StreamKind::Plain, Places::End, Words::OfText);
    let out = run_events(&options, event("Hi").as_bytes(), 100);
    assert_eq!(text_of_events(&out), "Hi\n\nAI GENERATED\n");
}

#[test]
fn tool_calls_and_foreign_events_pass_unchanged() {
    let options = options(StreamKind::Plain, Places::Start, Words::OfText);
    let stream = "event: x\ndata: {\"choices\":[{\"delta\":{\"tool_calls\":[]}}]}\n\ndata: not json\n\ndata: {\"a\":1.50}\n\n";
    assert_eq!(run_events(&options, stream.as_bytes(), 3), stream.as_bytes());
}

#[test]
fn answers_of_every_service_are_labelled() {
    let options = options(StreamKind::Markdown, Places::Start, Words::OfText);
    for json in [
        r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"}}]}"#,
        r#"{"choices":[{"text":"Hi"}]}"#,
        r#"{"output":[{"type":"message","content":[{"type":"output_text","text":"Hi"}]}]}"#,
        r#"{"content":[{"type":"text","text":"Hi"}]}"#,
        r#"{"message":{"content":"Hi"}}"#,
        r#"{"response":"Hi"}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]}"#,
    ] {
        let labelled = label_answer(json, &options).unwrap();
        assert_eq!(labelled.json, json.replace("\"Hi\"", "\"> AI GENERATED\\n\\nHi\""));
        assert_eq!(labelled.outcomes, [Outcome::Added]);
        assert_eq!(label_answer(&labelled.json, &options).unwrap().json, labelled.json);
    }
    let data = r#"{"choices":[{"message":{"content":"{\"a\":1}"}}]}"#;
    assert_eq!(label_answer(data, &options).unwrap().outcomes, [Outcome::Structured]);
    assert!(label_answer("{\"a\":1}", &options).is_err());
    assert!(label_answer("{", &options).is_err());
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_output_and_twice_is_once(
        text in "(---\\n)?(\u{feff})?(> AI GENERATED\\n)?[a你<!>`~\\-\\r\\n #]{0,80}(```\\nx\\n)?([a你 ]{0,60}\\n){0,4}",
        cuts in proptest::collection::vec(1_usize..20, 1..20),
        kind in prop_oneof![Just(StreamKind::Plain), Just(StreamKind::Markdown), Just(StreamKind::Subtitles)],
        places in prop_oneof![Just(Places::Start), Just(Places::End), Just(Places::Both)],
    ) {
        let options = options(kind, places, Words::OfText);
        let whole = run(&options, &[&text]);
        let chars: Vec<char> = text.chars().collect();
        let (mut chunks, mut at, mut i) = (Vec::new(), 0, 0);
        while at < chars.len() {
            let end = (at + cuts[i % cuts.len()]).min(chars.len());
            chunks.push(chars[at..end].iter().collect::<String>());
            (at, i) = (end, i + 1);
        }
        let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
        prop_assert_eq!(run(&options, &chunks), &whole[..]);
        prop_assert_eq!(run(&options, &[&whole]), &whole[..], "labelled twice: {:?}", text);
        // what was written is still there, whole
        let mut kept = whole.as_str();
        for c in text.chars() {
            let at = kept.find(c);
            prop_assert!(at.is_some());
            kept = &kept[at.unwrap() + c.len_utf8()..];
        }
    }

    #[test]
    fn any_cut_of_the_events_gives_the_same_text(
        pieces in proptest::collection::vec("[a你\\n\"\\\\ ]{0,30}", 1..8),
        cut in 1_usize..64,
        places in prop_oneof![Just(Places::Start), Just(Places::End), Just(Places::Both)],
    ) {
        let options = options(StreamKind::Markdown, places, Words::OfText);
        let stream: String = pieces.iter().map(|p| event(p)).chain([STOP.to_owned()]).collect();
        let out = run_events(&options, stream.as_bytes(), cut);
        prop_assert_eq!(&out, &run_events(&options, stream.as_bytes(), usize::MAX));
        prop_assert_eq!(text_of_events(&out), run(&options, &[&pieces.concat()]));
    }
}
