//! Draws every label style over a picture, to be looked at: `labels IN.png OUT.png [STYLE] [PLACE] [WORDS]`.
//!
//! STYLE is `plate`, `outline`, `adaptive` or `pill`; PLACE as `--label-at` takes it.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a program for people at a terminal"
)]

use colophon_core::{
    Format as _, LabelAt, LabelForm, LabelLook, LabelSpec, Limits, RenderCx, SignalOp, Tools, VisibleSpec,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (Some(input), Some(output)) = (args.first(), args.get(1)) else {
        eprintln!("labels IN.png OUT.png [STYLE] [PLACE] [WORDS]");
        return Ok(());
    };
    let look = match args.get(2).map(String::as_str) {
        Some("outline") => LabelLook::Outline,
        Some("adaptive") => LabelLook::Adaptive,
        Some("pill") => LabelLook::Pill,
        _ => LabelLook::Plate,
    };
    let at = match args.get(3).map(String::as_str) {
        Some("top-left") => LabelAt::TopLeft,
        Some("top") => LabelAt::Top,
        Some("left") => LabelAt::Left,
        Some("right") => LabelAt::Right,
        Some("bottom-left") => LabelAt::BottomLeft,
        Some("bottom") => LabelAt::Bottom,
        Some("bottom-right") => LabelAt::BottomRight,
        Some("below") => LabelAt::Below,
        _ => LabelAt::TopRight,
    };
    let text = args.get(4).cloned().unwrap_or_else(|| "AI生成 · AI GENERATED".to_owned());
    let form = LabelForm::Visible(VisibleSpec { at, look, min_height: 0.05, ..VisibleSpec::default() });
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    let mut out = Vec::new();
    let bytes = std::fs::read(input)?;
    let op = SignalOp::Label(LabelSpec { text, form });
    let placed = colophon_image::png::FORMAT.render(&bytes, &[op], &cx, &mut out)?;
    println!("{placed:?}");
    std::fs::write(output, out)?;
    Ok(())
}
