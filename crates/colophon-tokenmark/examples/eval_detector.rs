//! Scores token lists for comparison with other detectors.
//!
//! ```text
//! eval_detector --scheme vllm_gumbel --config config.json < rows.jsonl
//! ```
//!
//! Reads lines `{"id":…,"tokens":[…]}`; writes `{"id":…,"p_value":…,"log10_p":…,"regions":[[start,end],…]}`. `p_value` is
//! that of the row as a whole, `log10_p` is corrected for having looked at windows too. Rows too short to test get
//! `"p_value":1`. Schemes: `hf_synthid`, `deepmind_synthid`, `vllm_gumbel`, `sglang_gumbel`, `textseal`, `hf_kgw`,
//! `unigram`, with the parameter names of the engines.

use colophon_tokenmark::{DetectOptions, Detector, Sample, Scheme};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "{message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|a| a == name).ok_or(format!("{name} is missing"))?;
        arguments.get(at + 1).ok_or(format!("{name} needs a value"))
    };
    let config: Value = serde_json::from_slice(&std::fs::read(value("--config")?)?)?;
    let detector = Detector::new(Scheme::from_json(value("--scheme")?, &config)?, DetectOptions::default())?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let row: Line = serde_json::from_str(&line?)?;
        let detection = detector.detect(&Sample::new(&row.tokens))?;
        let tested = detection.candidates.first().and_then(|c| c.outcome.tested());
        let answer = match tested {
            Some(t) => json!({
                "id": row.id,
                "p_value": 10f64.powf(t.log10_p_whole),
                "log10_p": t.log10_p,
                "score": t.score,
                "regions": t.regions.iter().map(|r| [r.start, r.end]).collect::<Vec<_>>(),
            }),
            None => json!({ "id": row.id, "p_value": 1.0, "too_short": true }),
        };
        writeln!(out, "{answer}")?;
    }
    out.flush()?;
    Ok(())
}

#[derive(Deserialize)]
struct Line {
    id: Value,
    tokens: Vec<u32>,
}
