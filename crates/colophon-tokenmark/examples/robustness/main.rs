//! Measures the token watermarks and writes the tables of `docs/robustness/text.md` to standard output.
//!
//! ```text
//! robustness --peer FOLDER
//! robustness [--quick | --speed | --texts] [--english FILE…] [--chinese FILE…]
//! ```
//!
//! `--quick` takes fewer texts, `--speed` writes the last table alone, `--texts` the tables from files and that of speed, `--peer` times rows another program wrote.
//! Files are plain human text, used for false positives and for the tokenizer tables; without them those tables are
//! left out. Everything else comes from simulated languages with fixed seeds.
// A measuring program: it uses most of the library by name, and what cannot be measured ends it.
#![allow(clippy::wildcard_imports, clippy::expect_used, clippy::unwrap_used, clippy::single_match_else)]

mod edits;
mod language;
mod peer;
mod speed;
mod tables;
mod tokenized;

use std::io::Write;

/// What to run.
struct Settings {
    /// Sequences per row of a table; twice as many where payloads are read.
    rows: usize,
    english: Vec<String>,
    chinese: Vec<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut settings = Settings { rows: 100, english: Vec::new(), chinese: Vec::new() };
    let (mut english, mut simulated) = (true, true);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--quick" => settings.rows = 40,
            "--peer" => {
                let folder = std::env::args().next_back().unwrap_or_default();
                return peer::run(folder.as_ref(), &mut std::io::stdout().lock());
            }
            "--speed" => return Ok(speed::table(&mut std::io::stdout().lock())?),
            "--texts" => simulated = false,
            "--english" => english = true,
            "--chinese" => english = false,
            file => {
                let list = if english { &mut settings.english } else { &mut settings.chinese };
                list.push(file.to_owned());
            }
        }
    }
    let mut out = std::io::stdout().lock();
    if simulated {
        write!(out, "{INTRODUCTION}")?;
        tables::survival(&settings, &mut out)?;
        tables::power(&settings, &mut out)?;
        tables::weighted(&settings, &mut out)?;
        tables::edited(&settings, &mut out)?;
        tables::mixtures(&settings, &mut out)?;
        tables::payloads(&settings, &mut out)?;
    }
    tables::human_text(&settings, &mut out)?;
    tokenized::tables(&settings, &mut out)?;
    speed::table(&mut out)?;
    write!(out, "{METHOD}")?;
    Ok(())
}

const INTRODUCTION: &str = "\
# Token watermarks: what they survive

Written by `xtask/robustness/text/run.sh`; do not edit.

## What no token watermark survives

* **Paraphrase and translation.** Every scheme here ties a token to the few tokens before it. A text written anew, by a
  person or by a model, has none of those pairs left. This is a property of the method, not of an engine, and is not
  measured below because simulated languages have no meaning to keep.
* **Half of the tokens replaced.** With a context of four, a token counts only if it and the four before it are intact:
  at 50 % replaced, 3 % of the evidence is left. The first table shows it.
* **Text with nothing to choose.** Code, quotations, formulas, greedy decoding: where the model is sure there is no
  choice that could carry a mark. All power below is per nat of entropy; look up the row of your model.
* **A published key.** Who knows the key can add the mark and avoid it.

A missing mark therefore says nothing about who wrote a text, and no result of the detector says so.

";

const METHOD: &str = "\
## How this was measured

Simulated languages draw, for every pair of preceding tokens, a power law over 64 of 32,000 tokens whose exponent is
itself random, scaled to the given mean entropy; three in ten contexts are nearly certain. Repeated contexts are left
unmarked, as in the engines. p-values are those of the whole text unless a column says otherwise. `TPR at 1e-4` is the share
of marked texts with a p-value of at most 1e-4. Each row is of 100 texts, or of 200 where payloads are read: a share of
1.000 means above 0.97 with 95 % confidence.
Times are those of one core of the machine that ran the script, the best of many runs of a few milliseconds.

What falls short: SynthID's hashing mode takes 30 layers times a chain of eleven 64-bit products and shifts per candidate, about 45
vector instructions for eight of its bits; the aims of 3 µs and 1.5 ms, taken from the table mode, are beyond it. KGW's
detector is quick only where contexts come back: a context seen for the first time costs a walk through a quarter of a
permutation of the vocabulary. Twenty keys cost twelve times as much as one, not three.
";
