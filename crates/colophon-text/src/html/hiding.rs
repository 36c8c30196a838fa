//! Which elements a page does not show, as far as their own tags and those around them say: not laid out, not painted, of no
//! size, out of the window, or in the colour of what is behind them (CSS 2.2, 9.2.4, 11.2; CSS Color 4). Style sheets are not
//! applied.

use super::scan::value;

/// Elements without an end tag: they cannot hide what follows.
const VOID: [&str; 12] =
    ["br", "hr", "img", "input", "link", "meta", "source", "wbr", "area", "col", "embed", "track"];
/// How far out of the window counts as gone, in pixels.
const GONE: f64 = -500.0;

/// What an element does to what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Effect {
    /// Nothing in it is seen.
    pub(super) hidden: bool,
    /// The colour behind its text, where its tag names one.
    pub(super) behind: Option<String>,
}

/// The effect of a start tag in front of a colour: the one an element around it names, or the page's where nothing styles
/// the page.
pub(super) fn effect(name: &str, tag: &str, behind: Option<&str>) -> Effect {
    if matches!(name, "template" | "svg" | "math") {
        return Effect { hidden: true, behind: None };
    }
    if VOID.contains(&name) {
        return Effect::default();
    }
    let mut own = value(tag, "bgcolor").map(|c| colour(&c));
    let mut text = if name == "font" { value(tag, "color").map(|c| colour(&c)) } else { None };
    let mut hidden = value(tag, "hidden").is_some();
    let (mut cut, mut out_of_flow) = (false, false);
    let style = value(tag, "style").unwrap_or_default().to_ascii_lowercase();
    let declarations: Vec<(&str, &str)> = style
        .split(';')
        .filter_map(|d| d.split_once(':'))
        .map(|(n, v)| (n.trim(), v.trim().trim_end_matches("!important").trim()))
        .collect();
    for (property, value) in &declarations {
        match *property {
            "position" => out_of_flow = matches!(*value, "absolute" | "fixed"),
            "overflow" => cut = matches!(*value, "hidden" | "clip"),
            "background-color" | "background" => own = Some(colour(value)),
            "color" => text = Some(colour(value)),
            _ => {}
        }
    }
    for (property, value) in &declarations {
        hidden |= match *property {
            "display" => *value == "none",
            "visibility" => matches!(*value, "hidden" | "collapse"),
            "content-visibility" => *value == "hidden",
            "font-size" => length(value).is_some_and(|n| n < 1.0),
            "opacity" => length(value).is_some_and(|n| n <= 0.05),
            "width" | "height" | "max-width" | "max-height" => cut && length(value).is_some_and(|n| n < 2.0),
            "left" | "top" | "right" | "bottom" => out_of_flow && length(value).is_some_and(|n| n <= GONE),
            "text-indent" | "margin-left" | "margin-top" => length(value).is_some_and(|n| n <= GONE),
            "clip" => value.replace([' ', ','], "").starts_with("rect(0000)") || value.contains("rect(0px"),
            "clip-path" => value.replace(' ', "") == "inset(100%)" || value.replace(' ', "") == "inset(50%)",
            "transform" => value.replace(' ', "").contains("scale(0)"),
            _ => false,
        };
    }
    if let Some(text) = text {
        let behind = own.as_deref().or(behind);
        hidden |= text == TRANSPARENT || behind.is_some_and(|b| b == text);
    }
    Effect { hidden, behind: own.filter(|c| c != TRANSPARENT) }
}

const TRANSPARENT: &str = "transparent";

/// A number with whatever unit stands behind it; of a font's units one is taken for 16 pixels.
fn length(value: &str) -> Option<f64> {
    let end =
        value.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(value.len());
    let (number, unit) = value.split_at(end);
    let number: f64 = number.parse().ok()?;
    Some(match unit.trim() {
        "em" | "rem" | "ex" | "ch" => number * 16.0,
        "%" => number * 0.16,
        _ => number,
    })
}

/// A colour in one spelling, as far as the usual ones go; others are compared letter by letter.
fn colour(value: &str) -> String {
    let value: String = value.trim().to_ascii_lowercase().split_whitespace().collect();
    let named = match value.as_str() {
        "white" => "#ffffff",
        "black" => "#000000",
        "red" => "#ff0000",
        "gray" | "grey" => "#808080",
        other => other,
    };
    if let Some(digits) = named.strip_prefix('#') {
        return match digits.chars().collect::<Vec<char>>().as_slice() {
            [r, g, b] => format!("#{r}{r}{g}{g}{b}{b}"),
            [.., '0', '0'] if digits.len() == 8 => TRANSPARENT.to_owned(),
            _ => named.to_owned(),
        };
    }
    let Some((kind, rest)) = named.split_once('(') else { return named.to_owned() };
    let parts: Vec<f64> =
        rest.trim_end_matches(')').split([',', '/']).filter_map(|p| p.parse().ok()).collect();
    match (kind, parts.as_slice()) {
        ("rgb" | "rgba" | "hsl" | "hsla", [_, _, _, alpha]) if *alpha == 0.0 => TRANSPARENT.to_owned(),
        ("rgb" | "rgba", [r, g, b, ..]) => {
            format!(
                "#{:02x}{:02x}{:02x}",
                r.clamp(0.0, 255.0) as u8,
                g.clamp(0.0, 255.0) as u8,
                b.clamp(0.0, 255.0) as u8
            )
        }
        _ => named.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_and_what_is() {
        let white = Some("#ffffff");
        for (tag, behind, hidden) in [
            ("<p hidden>", None, true),
            ("<p style='display : NONE'>", None, true),
            ("<p style='visibility:hidden'>", None, true),
            ("<p style='font-size:0'>", None, true),
            ("<p style='font-size: 0.01em'>", None, true),
            ("<p style='font-size:12px'>", None, false),
            ("<p style='font-size:100%'>", None, false),
            ("<p style='opacity:0'>", None, true),
            ("<p style='opacity:.8'>", None, false),
            ("<p style='color:transparent'>", None, true),
            ("<p style='color:rgba(0, 0, 0, 0)'>", None, true),
            ("<p style='color:#fff;background:white'>", None, true),
            ("<p style='color:#FFF'>", white, true),
            ("<p style='color:rgb(255,255,255)'>", white, true),
            ("<p style='color:#fff'>", None, false),
            ("<p style='color:#fff;background:#000'>", white, false),
            ("<p style='color:#333'>", white, false),
            ("<p style='position:absolute;left:-9999px'>", None, true),
            ("<p style='left:-9999px'>", None, false),
            ("<p style='height:0;overflow:hidden'>", None, true),
            ("<p style='height:0'>", None, false),
            ("<p style='text-indent:-9999px'>", None, true),
            ("<p style='clip:rect(0,0,0,0)'>", None, true),
            ("<p class='note'>", white, false),
        ] {
            assert_eq!(effect("p", tag, behind).hidden, hidden, "{tag}");
        }
        assert!(effect("font", "<font color=white>", white).hidden);
        assert_eq!(effect("body", "<body bgcolor=FFF>", None).behind.as_deref(), Some("fff"));
    }
}
