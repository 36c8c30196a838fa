//! One self-contained page that shows marked items, their labels and the verdicts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use colophon::{Evidence, Finding, MarkKind, Media, Outcome, Record, Report, Slot, State, Verdict};

use super::human;

/// One marked item.
pub(crate) struct Item {
    /// File name.
    pub(crate) name: String,
    /// The marked bytes.
    pub(crate) bytes: Vec<u8>,
    /// Length before marking.
    pub(crate) before: u64,
    /// A picture of it, PNG, where the page cannot show the bytes themselves.
    pub(crate) preview: Option<Vec<u8>>,
    /// What was recorded.
    pub(crate) record: Record,
    /// What was read back.
    pub(crate) report: Report,
}

/// The page. Everything is inside it: no script, no font and no picture is fetched.
pub(crate) fn render(items: &[Item]) -> String {
    let failed: usize = items.iter().map(|i| i.report.count(Outcome::Fail)).sum();
    let passed: usize = items.iter().map(|i| i.report.count(Outcome::Pass)).sum();
    let profiles = items.first().map(|i| i.record.profiles.join(", ")).unwrap_or_default();
    let mut out = String::with_capacity(items.iter().map(|i| i.bytes.len() * 4 / 3 + 8192).sum());
    out.push_str(HEAD);
    out.push_str(&format!(
        "<header><p class=brand>Colophon</p><h1>{} items marked, each read back from its file</h1>\
         <p class=lead>Profiles {} · {passed} rules pass · {failed} fail. Every label, metadata object, signature and \
         watermark below was found by the verifier in the written file.</p>{}</header><main>",
        items.len(),
        escape(&profiles),
        overview(items)
    ));
    for item in items {
        article(&mut out, item);
    }
    out.push_str(&format!(
        "</main><footer>{} Made by {}.</footer></body></html>\n",
        sentence(Report::LIMITS),
        escape(items.first().map_or("colophon", |i| &i.report.tool))
    ));
    out
}

/// Every item in a row, every kind of mark in a column.
fn overview(items: &[Item]) -> String {
    let kinds = [MarkKind::Label, MarkKind::Metadata, MarkKind::Manifest, MarkKind::Watermark];
    let mut out = String::from(
        "<table class=overview><thead><tr><th>item</th><th>label</th><th>metadata</th><th>signature</th>\
         <th>watermark</th><th>rules</th></tr></thead><tbody>",
    );
    for item in items {
        out.push_str(&format!(
            "<tr><td><a href=\"#{0}\">{0}</a> <small>{1}</small></td>",
            escape(&item.name),
            escape(colophon::registry().format(&item.report.subject.format).map_or("", |f| f.info().name))
        ));
        for kind in kinds {
            let there = item.report.findings.iter().filter(|f| f.kind == kind && f.state.is_there()).count();
            // Marks of one kind, as dots: how many, not how good.
            let cell = match there {
                0 => "<span class=none>–</span>".to_owned(),
                n => format!("<span class=yes>{}</span>", "●".repeat(n.min(4))),
            };
            out.push_str(&format!("<td>{cell}</td>"));
        }
        let of = |o| item.report.count(o);
        out.push_str(&format!("<td>{}", badge(of(Outcome::Fail), of(Outcome::Undetermined))));
        out.push_str("</td></tr>");
    }
    out.push_str("</tbody></table>");
    out
}

fn badge(failed: usize, open: usize) -> String {
    match (failed, open) {
        (0, 0) => "<span class='badge pass'>every rule holds</span>".to_owned(),
        (0, open) => format!("<span class='badge unsure'>{open} undetermined</span>"),
        (failed, _) => format!("<span class='badge fail'>{failed} fail</span>"),
    }
}

fn article(out: &mut String, item: &Item) {
    let r = &item.report;
    let badge = badge(r.count(Outcome::Fail), r.count(Outcome::Undetermined));
    let format = colophon::registry().format(&r.subject.format).map_or("", |f| f.info().name);
    out.push_str(&format!(
        "<article id=\"{0}\"><div class=top><h2>{0}</h2>{badge}</div><p class=meta>{1} · {2} → {3}</p><div class=cols><div class=show>",
        escape(&item.name),
        escape(format),
        human::size(item.before),
        human::size(r.subject.size)
    ));
    exhibit(out, item);
    out.push_str("</div><div><table class=marks><tbody>");
    let slots = colophon::registry().format(&r.subject.format).map_or(&[][..], |f| f.info().slots);
    for f in &r.findings {
        // A container without XMP has no place for the source type: nothing is missing there.
        let no_place = f.mark == "iptc.digital-source-type" && !slots.iter().any(|s| s.slot == Slot::Xmp);
        if !(no_place && f.state == State::Absent) {
            finding(out, f);
        }
    }
    out.push_str("</tbody></table></div></div>");
    let mut profile = "";
    for v in &r.verdicts {
        if v.profile != profile {
            if !profile.is_empty() {
                out.push_str("</tbody></table></details>");
            }
            profile = &v.profile;
            let of = |o| r.verdicts.iter().filter(|v| v.profile == profile && v.outcome == o).count();
            out.push_str(&format!(
                "<details{}><summary><b>{}</b> {} pass · {} fail · {} undetermined · {} not applicable</summary><table class=rules><tbody>",
                if of(Outcome::Fail) + of(Outcome::Undetermined) > 0 { " open" } else { "" },
                escape(profile),
                of(Outcome::Pass),
                of(Outcome::Fail),
                of(Outcome::Undetermined),
                of(Outcome::NotApplicable)
            ));
        }
        rule(out, v);
    }
    if !profile.is_empty() {
        out.push_str("</tbody></table></details>");
    }
    out.push_str("</article>");
}

/// The marked item itself, playable or readable.
fn exhibit(out: &mut String, item: &Item) {
    let mime = colophon::registry()
        .format(&item.report.subject.format)
        .and_then(|f| f.info().mime.first().copied())
        .unwrap_or("application/octet-stream");
    let data = || format!("data:{mime};base64,{}", STANDARD.encode(&item.bytes));
    match item.report.subject.media {
        Media::Image => out.push_str(&format!("<img alt=\"marked picture\" src=\"{}\">", data())),
        Media::Audio => {
            out.push_str(&format!("<audio controls src=\"{}\"></audio>", data()));
            timeline(out, item);
        }
        Media::Video => out.push_str(&format!("<video controls muted src=\"{}\"></video>", data())),
        Media::Document => {
            if let Some(png) = &item.preview {
                out.push_str(&format!(
                    "<img class=page alt=\"first page of the marked document\" src=\"data:image/png;base64,{}\">",
                    STANDARD.encode(png)
                ));
            }
            out.push_str(&format!(
                "<p class=note><a download=\"{}\" href=\"{}\">The marked document</a>, {}</p>",
                escape(&item.name),
                data(),
                human::size(item.report.subject.size)
            ));
        }
        Media::Text => {
            let text = String::from_utf8_lossy(&item.bytes);
            // Variation selectors of a signed text are invisible and many; the page says how many instead.
            let hidden = text
                .chars()
                .filter(|c| matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}'))
                .count();
            let shown: String = text
                .chars()
                .filter(|c| !matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{feff}'))
                .take(1600)
                .collect();
            out.push_str(&format!("<pre>{}</pre>", escape(&shown)));
            if hidden > 0 {
                out.push_str(&format!(
                    "<p class=note>and {hidden} invisible characters that carry the signed manifest</p>"
                ));
            }
        }
    }
}

/// The length of a sound with the stretches in which the label is heard, and the rhythm as it sounds: short, long, a
/// pause, short, short (GB 45438-2025, 5.3; units of a dot: 1, 3 and 3 between letters).
fn timeline(out: &mut String, item: &Item) {
    const WIDTH: f64 = 480.0;
    let Some(length) = item.report.subject.properties.duration_s.filter(|d| *d > 0.0) else { return };
    let heard: Vec<(f64, f64)> = item
        .report
        .findings
        .iter()
        .filter_map(|f| match &f.evidence {
            Some(Evidence::Label(e)) => Some(e.seen.as_slice()),
            _ => None,
        })
        .flatten()
        .copied()
        .collect();
    if heard.is_empty() {
        return;
    }
    out.push_str(&format!(
        "<svg class=time viewBox='0 0 {WIDTH} 46' role=img aria-label='where the label is heard'>\
         <rect x=0 y=12 width={WIDTH} height=22 rx=6 class=track />"
    ));
    for (start, end) in &heard {
        let x = start / length * WIDTH;
        let width = (end - start) / length * WIDTH;
        out.push_str(&format!("<rect x={x:.1} y=8 width={width:.1} height=30 rx=4 class=heard />"));
        let unit = width / 11.0;
        for (at, len) in [(0.0, 1.0), (2.0, 3.0), (8.0, 1.0), (10.0, 1.0)] {
            out.push_str(&format!(
                "<rect x={:.1} y=16 width={:.1} height=14 class=tone />",
                x + at * unit,
                len * unit
            ));
        }
    }
    out.push_str(&format!(
        "</svg><p class=note>The rhythm 短长 短短 sounds where it is marked; the sound lasts {length:.1} s.</p>"
    ));
}

fn finding(out: &mut String, f: &Finding) {
    let class = match f.state {
        State::Present | State::Valid | State::Trusted => "pass",
        State::Malformed | State::Invalid => "fail",
        State::Absent | State::NotChecked => "none",
    };
    let kind = match f.kind {
        MarkKind::Label => "Label",
        MarkKind::Metadata => "Metadata",
        MarkKind::Manifest => "Signature",
        MarkKind::Watermark => "Watermark",
    };
    let state =
        f.why.map_or_else(|| f.state.to_string(), |w| format!("not checked: {}", human::why_words(w)));
    out.push_str(&format!(
        "<tr><th>{kind}<small>{}</small></th><td><span class='state {class}'>{}</span> {}</td></tr>",
        escape(&f.mark),
        escape(&state),
        detail(f)
    ));
}

fn detail(f: &Finding) -> String {
    match &f.evidence {
        Some(Evidence::Label(e)) => {
            let mut parts: Vec<String> = e.text.iter().map(|t| format!("“{}”", escape(t))).collect();
            parts.extend(e.position.iter().map(|p| escape(p)));
            parts.extend(
                e.height_ratio.map(|r| format!("ink height {:.1} % of the shortest side", r * 100.0)),
            );
            parts.extend(e.seen.iter().map(|(a, b)| format!("{a:.2}–{b:.2} s")));
            parts.join(" · ")
        }
        Some(Evidence::Aigc(e)) => format!(
            "producer <code>{}</code><br>id <code>{}</code>{}",
            escape(&e.content_producer),
            escape(&e.produce_id),
            f.place
                .as_ref()
                .map(|p| format!("<br><span class=place>{}</span>", escape(&p.path)))
                .unwrap_or_default()
        ),
        Some(Evidence::SourceType(e)) => format!("<code>{}</code>", escape(&e.code)),
        Some(Evidence::Manifest(e)) => {
            let signer =
                e.signer.as_ref().and_then(|s| s.common_name.clone().or_else(|| s.organisation.clone()));
            format!(
                "signed by {}<br>{}{}",
                escape(signer.as_deref().unwrap_or("unnamed")),
                escape(&e.actions.join(", ")),
                if e.status.failure.is_empty() {
                    String::new()
                } else {
                    format!("<br>{}", escape(&e.status.failure.join(", ")))
                }
            )
        }
        Some(Evidence::Watermark(e)) => {
            let p = f
                .confidence
                .as_ref()
                .and_then(|c| c.log10_p)
                .map(|p| format!(" · log₁₀ p {p:.0}"))
                .unwrap_or_default();
            format!(
                "<code>{}</code> payload <code>{}</code>{p}",
                escape(&e.scheme),
                escape(e.payload.as_deref().unwrap_or("none"))
            )
        }
        _ => String::new(),
    }
}

fn rule(out: &mut String, v: &Verdict) {
    let (class, word) = match v.outcome {
        Outcome::Pass => ("pass", "pass"),
        Outcome::Fail => ("fail", "fail"),
        Outcome::NotApplicable => ("none", "n/a"),
        Outcome::Undetermined => ("unsure", "open"),
    };
    out.push_str(&format!(
        "<tr class={class}><td><span class='state {class}'>{word}</span></td><td><code>{}</code></td><td>{}</td><td class=place>{}</td></tr>",
        escape(&v.rule),
        escape(&v.reason),
        escape(&v.clause)
    ));
}

fn sentence(text: &str) -> String {
    let mut c = text.chars();
    c.next().map(|f| f.to_uppercase().chain(c).collect::<String>() + ".").unwrap_or_default()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

const HEAD: &str = r#"<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>Colophon: marked and verified</title>
<style>
:root{--ink:#1b1f24;--soft:#5c6670;--line:#dfe4e8;--paper:#fff;--ground:#f4f5f3;--pass:#13703c;--passbg:#e3f3e9;--fail:#a4262c;--failbg:#fbe7e7;--open:#8a5a00;--openbg:#fdf2d8}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaec;--soft:#9aa5af;--line:#30363c;--paper:#1b1f23;--ground:#121517;--pass:#6fd29b;--passbg:#15301f;--fail:#ff9c9c;--failbg:#3a1a1c;--open:#f0c368;--openbg:#33290f}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI","Noto Sans","Noto Sans CJK SC",sans-serif}
header,main,footer{max-width:1080px;margin:0 auto;padding:0 24px}header{padding-top:44px}
.brand{margin:0;font-weight:600;letter-spacing:.08em;text-transform:uppercase;font-size:12px;color:var(--soft)}
h1{font-size:28px;line-height:1.2;margin:6px 0 8px;font-weight:650}.lead{color:var(--soft);max-width:72ch;margin:0 0 18px}
article{background:var(--paper);border:1px solid var(--line);border-radius:12px;padding:22px 24px;margin-bottom:22px}
.top{display:flex;align-items:center;gap:14px;flex-wrap:wrap}h2{margin:0;font-size:19px;font-weight:600}.meta{margin:2px 0 14px;color:var(--soft);font-size:13px}
.badge,.state{display:inline-block;border-radius:6px;padding:1px 8px;font-size:12.5px;font-weight:600}.badge{white-space:nowrap}
.pass>.state,.state.pass,.badge.pass{color:var(--pass);background:var(--passbg)}.state.fail,.badge.fail{color:var(--fail);background:var(--failbg)}.state.unsure,.badge.unsure{color:var(--open);background:var(--openbg)}.state.none{color:var(--soft);background:var(--ground)}
.marks{table-layout:fixed}.cols{display:grid;grid-template-columns:minmax(0,1.05fr) minmax(0,1fr);gap:24px;align-items:start}@media(max-width:800px){.cols{grid-template-columns:1fr}}
.show img,.show video{max-width:100%;height:auto;border-radius:8px;display:block;background:#000}.show audio{width:100%}.show img.page{background:#fff;border:1px solid var(--line);width:100%;height:430px;object-fit:cover;object-position:top}
.time{display:block;width:100%;margin-top:14px}.time .track{fill:var(--ground)}.time .heard{fill:var(--passbg)}.time .tone{fill:var(--pass)}
.overview{background:var(--paper);border:1px solid var(--line);border-radius:12px;border-spacing:0;border-collapse:separate;margin-bottom:26px;font-size:14px}.overview th{text-align:left;font-weight:500;color:var(--soft);font-size:12.5px}.overview th,.overview td{padding:8px 18px;border-top:1px solid var(--line)}.overview thead th{border-top:0}.overview a{color:inherit;font-weight:600;text-decoration:none}.overview a:hover,.overview a:focus{text-decoration:underline}.overview small{color:var(--soft);margin-left:6px}.overview .yes{color:var(--pass);letter-spacing:2px;font-size:12px}.overview .none{color:var(--soft)}
pre{margin:0;max-height:340px;overflow:auto;padding:14px;border-radius:8px;background:var(--ground);white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,"SFMono-Regular",Menlo,monospace}
.note,.place{color:var(--soft);font-size:12.5px}table{border-collapse:collapse;width:100%}.marks th{text-align:left;vertical-align:top;font-weight:600;padding:7px 14px 7px 0;width:132px}.marks small{display:block;font-weight:400;color:var(--soft);font-size:11.5px;overflow-wrap:anywhere}
.marks td{padding:7px 0;overflow-wrap:anywhere}.marks tr+tr>*{border-top:1px solid var(--line)}code{font:12.5px ui-monospace,"SFMono-Regular",Menlo,monospace;overflow-wrap:anywhere}
details{margin-top:14px;border-top:1px solid var(--line);padding-top:10px}summary{cursor:pointer;color:var(--soft);font-size:13.5px}summary b{color:var(--ink);font-weight:600;margin-right:6px}
.rules{margin-top:8px;font-size:13.5px}.rules td{padding:4px 12px 4px 0;vertical-align:top}.rules tr.none td{color:var(--soft)}
footer{padding:8px 24px 48px;color:var(--soft);font-size:13px}
</style></head><body>"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_files_is_escaped() {
        assert_eq!(escape("<b a=\"1\">&'"), "&lt;b a=&quot;1&quot;&gt;&amp;&#39;");
    }

    #[test]
    fn the_page_fetches_nothing() {
        let page = render(&[]);
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"));
    }
}
