use colophon_core::{LabelSpec, State, Tools, WrittenSpec};

use super::*;

const PAGE: &str = "<!DOCTYPE html>\n<html lang=zh>\n<head>\n<meta charset=\"utf-8\">\n<title>a</title>\n</head>\n<body class=x>\n<h1>标题</h1>\n<p>正文</p>\n</body>\n</html>\n";

fn labelled(text: &str, position: TextPosition) -> String {
    let form = LabelForm::Written(WrittenSpec { position });
    let spec = LabelSpec { text: "AI生成".to_owned(), form };
    let mut out = Vec::new();
    let cx = RenderCx { limits: &Limits::default(), tools: &Tools::default() };
    HTML.render(&text.as_bytes(), &[SignalOp::Label(spec)], &cx, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn set(text: &str, slot: Slot, key: &str, value: &[u8]) -> Result<String> {
    let source = text.as_bytes();
    let patch = HTML.edit(&source, &[Edit::set(slot, key, value)], &Limits::default())?;
    Ok(String::from_utf8(patch.apply_to_vec(&source)?).unwrap())
}

fn layout(text: &str) -> Layout {
    HTML.inspect(&text.as_bytes(), &Limits::default()).unwrap()
}

const LABEL: &str = "<p role=\"note\">AI生成</p>";

#[test]
fn gb45438_5_1_label_is_the_first_element_of_the_body_once() {
    let once = labelled(PAGE, TextPosition::Start);
    assert_eq!(once, PAGE.replace("<body class=x>", &format!("<body class=x>{LABEL}")));
    assert_eq!(labelled(&once, TextPosition::Start), once);
    assert_eq!(labelled(&once, TextPosition::End), once, "a label that is there is not repeated");
}

#[test]
fn gb45438_5_1_label_is_the_last_element_of_the_body() {
    assert_eq!(labelled(PAGE, TextPosition::End), PAGE.replace("</body>", &format!("{LABEL}</body>")));
    assert_eq!(labelled("<p>a", TextPosition::End), format!("<p>a{LABEL}"));
}

#[test]
fn a_page_that_ends_inside_something_takes_its_label_at_the_start() {
    for open in [
        "<!-- </body>",
        "<script>'</body>'",
        "<select><option>b",
        "<table><tr>",
        "<template><p>",
        "<svg><g>",
        "<b class='",
        "<textarea></body>",
        "<plaintext></body>",
    ] {
        let text = format!("<p>a</p>{open}");
        assert_eq!(labelled(&text, TextPosition::End), format!("{LABEL}{text}"), "{open}");
    }
}

#[test]
fn a_body_that_no_tag_begins_begins_where_browsers_begin_it() {
    for (text, at) in [
        ("<title>a</title>\n<p>b", "<p>b"),
        ("text <b>c</b>", "text"),
        ("<!-- <body> --><script>'<body>'</script><style>body{}</style><p>b", "<p>b"),
        ("<head><title>a</title>text</head><body>", "text</head>"),
        ("<html><head><template><p>t</p></template></head><div>", "<div>"),
        ("<!doctype html><meta name=a content='<body>'><svg></svg>", "<svg>"),
        ("", ""),
    ] {
        let cut = text.len() - text[text.find(at).unwrap()..].len();
        let expected = format!("{}{LABEL}{}", &text[..cut], &text[cut..]);
        assert_eq!(labelled(text, TextPosition::Start), expected, "{text}");
    }
}

#[test]
fn words_in_scripts_comments_and_hidden_elements_are_no_label() {
    for text in [
        "<body><script>AI生成</script><p>a",
        "<body><!-- AI生成 --><p>a",
        "<body><p hidden>AI生成</p><p>a",
        "<body><div style='color:red; Display : None'><p>AI生成</p></div><p>a",
        "<body><template><p>AI生成</p></template>",
        "<head><title>AI生成</title></head><p>a",
        "<body title='AI生成'>a",
    ] {
        assert!(labelled(text, TextPosition::Start).contains(LABEL), "{text}");
    }
    for text in ["<body><p><b>AI</b>生成</p>", "<p>AI&#29983;&#x6210;</p>", "<br>AI生成<br>a"] {
        assert_eq!(labelled(text, TextPosition::Start), text);
    }
}

#[test]
fn a_label_that_readers_do_not_see_is_invalid_and_said_to_be_hidden() {
    let look = |text: &str| {
        let cx = RenderCx { limits: &Limits::default(), tools: &Tools::default() };
        let answers = HTML.observe(&text.as_bytes(), &[Query::Label(None)], &cx).unwrap();
        match answers.into_iter().next() {
            Some(Observation::Label { state, evidence, .. }) => (state, evidence),
            other => panic!("{other:?}"),
        }
    };
    for text in [
        "<body><p style='display:none'>AI生成</p><p>a",
        "<body><p style='font-size:0'>AI生成</p><p>a",
        "<body><p style='color:white'>AI生成</p><p>a",
        "<body bgcolor='#000'><p style='color:black'>AI生成</p><p>a",
        "<body><div style='background:#eee'><div>b</div><p style='color:#eee'>AI生成</p></div><p>a",
        "<body style='color:rgba(0,0,0,0)'><p>AI生成</p></body>",
        "<body><p hidden>AI生成</p><p>a",
    ] {
        let (state, evidence) = look(text);
        let evidence = evidence.unwrap_or_else(|| panic!("{text}: {state}"));
        assert_eq!((state, evidence.method.as_str()), (State::Invalid, "hidden"), "{text}");
        assert_eq!(evidence.text.as_deref(), Some("AI生成"), "{text}");
    }
    for text in [
        "<body><p>AI生成</p><p style='display:none'>AI生成</p>",
        "<head><style>body{background:#000}</style></head><body><p style='color:#fff'>AI生成</p>",
        "<body><div style='background:#eee'>b</div><p style='color:#eee'>AI生成</p>",
    ] {
        assert_eq!(look(text).0, State::Present, "{text}");
    }
    assert_eq!(look("<body><p>a</p><p hidden>b</p>").0, State::Absent);
}

#[test]
fn a_page_of_frames_is_refused() {
    let cx = RenderCx { limits: &Limits::default(), tools: &Tools::default() };
    let form = LabelForm::Written(WrittenSpec { position: TextPosition::Start });
    let op = SignalOp::Label(LabelSpec { text: "AI生成".to_owned(), form });
    let page = b"<html><frameset><frame src=a></frameset></html>".as_slice();
    assert_eq!(HTML.render(&page, &[op], &cx, &mut Vec::new()).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn the_aigc_object_is_one_meta_element_at_the_end_of_the_head() {
    let json = br#"{"Label":"1","ContentProducer":"<a> & 'b'"}"#;
    let element = "<meta name=\"AIGC\" content=\"{&quot;Label&quot;:&quot;1&quot;,&quot;ContentProducer&quot;:&quot;&lt;a&gt; &amp; 'b'&quot;}\"/>";
    let out = set(PAGE, Slot::Field, "AIGC", json).unwrap();
    assert_eq!(out, PAGE.replace("</head>", &format!("{element}</head>")));
    assert_eq!(layout(&out).entries[0].value, json);
    // others of the name go, wherever they stand
    let crowded = "<head><META NAME=aigc CONTENT='{}'><meta name='AIGC'></head><meta name=AIGC content=x><p>a<meta name=AIGC>";
    assert_eq!(set(crowded, Slot::Field, "AIGC", json).unwrap(), format!("<head>{element}</head><p>a"));
    // neither a comment nor a string is one
    let text = "<!-- <meta name=AIGC content=x> --><script>'<meta name=AIGC>'</script><template><meta name=AIGC></template>";
    assert!(layout(text).entries.is_empty());
}

#[test]
fn c2pa_a7_the_manifest_is_a_script_element_at_the_end_of_the_head() {
    let out = set(PAGE, Slot::Jumbf, "c2pa", b"store").unwrap();
    assert_eq!(out, PAGE.replace("</head>", "<script type=\"application/c2pa\">c3RvcmU=</script></head>"));
    let entry = &layout(&out).entries[0];
    assert_eq!(entry.value, b"store");
    let range = entry.range.start as usize..entry.range.end as usize;
    assert_eq!(
        &out[range], "<script type=\"application/c2pa\">c3RvcmU=</script>",
        "the exclusion is the element"
    );
    let other = "<HEAD><SCRIPT async type='application/C2PA' >\n c3Rv cmU=\n</SCRIPT ></HEAD>";
    assert_eq!(layout(other).entries[0].value, b"store");
    assert_eq!(
        set(other, Slot::Jumbf, "c2pa", b"new").unwrap(),
        "<HEAD><script type=\"application/c2pa\">bmV3</script></HEAD>"
    );
}

#[test]
fn c2pa_a7_1_several_associations_are_an_error_by_name() {
    let script = "<script type=\"application/c2pa\">c3RvcmU=</script>";
    let link = "<link rel=\"c2pa-manifest\" href=\"https://example.org/a.c2pa\">";
    for text in
        [format!("<head>{script}{script}"), format!("<head>{link}{script}"), format!("<head>{link}{link}")]
    {
        let layout = layout(&text);
        assert!(layout.entries.is_empty());
        assert!(layout.notes[0].starts_with("manifest.html.multipleManifests"), "{text}");
        assert_eq!(set(&text, Slot::Jumbf, "c2pa", b"x").unwrap_err().kind(), ErrorKind::Conflict);
    }
    let layout = layout(&format!("<head>{link}"));
    assert!(layout.entries.is_empty() && layout.notes[0].starts_with("manifest.inaccessible"));
}

#[test]
fn a_broken_manifest_is_said_and_an_inert_one_is_none() {
    for broken in ["*", "", "c3RvcmU"] {
        let layout = layout(&format!("<head><script type=\"application/c2pa\">{broken}</script></head>"));
        assert!(layout.entries.is_empty() && layout.notes.len() == 1, "{broken}");
    }
    let inert = "<!-- <script type=\"application/c2pa\">YQ==</script> --><textarea><script type=\"application/c2pa\">YQ==</script></textarea>";
    assert!(layout(inert).entries.is_empty() && layout(inert).notes.is_empty());
}

#[test]
fn pages_are_told_from_text_that_mentions_tags() {
    assert!(HTML.score(b"\xef\xbb\xbf \n<!doctype HTML><p>") > 30);
    assert!(HTML.score(b"<html>") > 30);
    assert!(HTML.score(b"<p>a fragment") <= 30);
    assert!(HTML.score(b"Write <html> first.") < 10);
    assert!(HTML.score(b"<svg xmlns='http://www.w3.org/2000/svg'>") < 10);
}

#[test]
fn too_many_pieces_are_a_limit() {
    let limits = Limits { parts: 100, ..Limits::default() };
    let e = HTML.inspect(&"<b>".repeat(1000).as_bytes(), &limits).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Limit);
}

#[test]
fn conformance() {
    colophon_conformance::check(
        &HTML,
        &[
            ("page", PAGE.into()),
            ("fragment", "<p>a</p>\n".into()),
            ("no head", "<!DOCTYPE html>\r\n<body>\r\nx".into()),
            ("xhtml", "<?xml version=\"1.0\"?>\n<html xmlns=\"http://www.w3.org/1999/xhtml\"><head><title/></head><body><p><![CDATA[</body>]]></p></body></html>".into()),
            ("hostile", "<head><script>'</head>'</script><!-- </head> --><title></head></title><meta a='</head>'><body><a href='>'>b".into()),
        ],
    );
}

proptest::proptest! {
    #[test]
    fn a_label_is_an_insertion_between_pieces(
        text in "([a \n]|<!--|-->|<script>|</script>|<body>|</body>|<svg>|</svg>|<title>|</title>|<b a='|'>|<head>|</head>|</html>|&){0,30}",
        end in proptest::prelude::any::<bool>(),
    ) {
        let out = labelled(&text, if end { TextPosition::End } else { TextPosition::Start });
        let at = out.find(LABEL).unwrap();
        proptest::prop_assert_eq!(&[&out[..at], &out[at + LABEL.len()..]].concat(), &text);
        let pieces = scan::scan(&text, 1000).unwrap();
        proptest::prop_assert!(
            at == text.len() || pieces.iter().any(|p| p.range.start == at || (p.kind == scan::Kind::Text { of: None } && p.range.contains(&at))),
            "{} is inside a piece of {:?}", at, text
        );
    }
}
