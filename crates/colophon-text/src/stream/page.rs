//! An HTML page, whole.

use colophon_core::{Format, RenderCx};
use colophon_core::{LabelForm, LabelSpec, Limits, Result, SignalOp, TextPosition, Tools, WrittenSpec};
use colophon_label::written;

use super::{Outcome, Places, StreamOptions};
use crate::html::{HTML, visible};

/// Labels a page: a paragraph that is the first of the body, the last, or both.
///
/// # Errors
/// `Limit` for a page of too many pieces, `Unsupported` for a page of frames, `Usage` as in [`super::Labeller::new`].
pub fn label_page(page: &str, options: &StreamOptions) -> Result<(String, Outcome)> {
    options.check()?;
    let limits = Limits::default();
    let text = visible(page, &limits)?;
    if text.trim().is_empty() {
        return Ok((page.to_owned(), Outcome::Empty));
    }
    // what a browser shows of white space between elements is nothing
    let words = options.words(text.trim_start());
    let found = written::find(&text).filter(|f| options.accepts(&f.text));
    let wanted = match (options.places, found.map(|f| f.position)) {
        (Places::Both, None) => vec![TextPosition::Start, TextPosition::End],
        (Places::Start, None) => vec![TextPosition::Start],
        (Places::End, None) => vec![TextPosition::End],
        // a label that is there is enough where one place was asked for, and both were written together
        (_, Some(_)) => return Ok((page.to_owned(), Outcome::Present)),
    };
    let tools = Tools::default();
    let cx = RenderCx { limits: &limits, tools: &tools };
    let ops: Vec<SignalOp> = wanted
        .into_iter()
        .map(|position| {
            let form = LabelForm::Written(WrittenSpec { position });
            SignalOp::Label(LabelSpec { text: words.clone(), form })
        })
        .collect();
    let mut out = Vec::with_capacity(page.len() + 128);
    HTML.render(&page.as_bytes(), &ops, &cx, &mut out)?;
    // pieces of a text between its characters are text
    Ok((String::from_utf8_lossy(&out).into_owned(), Outcome::Added))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{StreamKind, Words};

    #[test]
    fn a_page_is_labelled_once_in_its_own_language() {
        let options = |places| StreamOptions { kind: StreamKind::Plain, places, words: Words::OfText };
        let page = "<title>t</title>\n<p>你好</p>\n";
        let (out, outcome) = label_page(page, &options(Places::Both)).unwrap();
        let label = "<p role=\"note\">AI生成</p>";
        assert_eq!(out, format!("<title>t</title>\n{label}<p>你好</p>\n{label}"));
        assert_eq!(outcome, Outcome::Added);
        assert_eq!(label_page(&out, &options(Places::End)).unwrap(), (out.clone(), Outcome::Present));
        assert_eq!(label_page("<p></p>", &options(Places::Start)).unwrap().1, Outcome::Empty);
    }
}
