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

use colophon_tokenmark::{
    DetectOptions, Detector, Key64, Kgw, Sample, Scheme, SglangGumbel, SynthId, TextSeal, Unigram, VllmGumbel,
};
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
    let detector = Detector::new(scheme(value("--scheme")?, &config)?, DetectOptions::default())?;
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

fn scheme(name: &str, config: &Value) -> Result<Scheme, Box<dyn std::error::Error>> {
    let number = |key: &str| -> Result<i128, String> {
        match &config[key] {
            Value::String(s) => s.parse().map_err(|_| format!("{key} is not a number")),
            v => v.as_i64().map(i128::from).ok_or(format!("{key} is missing")),
        }
    };
    let real = |key: &str, default: f64| config[key].as_f64().unwrap_or(default);
    let keys = || -> Vec<i64> {
        let one = |v: &Value| v.as_i64().or_else(|| v.as_str()?.parse().ok());
        config["keys"].as_array().map(|keys| keys.iter().filter_map(one).collect()).unwrap_or_default()
    };
    let text = |key: &str| config[key].as_str().unwrap_or_default();
    Ok(match name {
        "hf_synthid" => {
            let size = number("sampling_table_size").unwrap_or(65_536) as usize;
            let seed = number("sampling_table_seed").unwrap_or(0) as u64;
            Scheme::SynthId(SynthId::table(&keys(), number("ngram_len")? as usize, size, seed)?)
        }
        "deepmind_synthid" => Scheme::SynthId(SynthId::hashing(&keys(), number("ngram_len")? as usize)?),
        "vllm_gumbel" => {
            let (key, width) =
                (Key64::new(number("key")? as u64), number("context_width").unwrap_or(4) as usize);
            Scheme::Vllm(if text("algorithm") == "dual_key_gumbel" {
                VllmGumbel::dual(&key, real("alpha", 0.1), width)?
            } else {
                VllmGumbel::new(key, width)?
            })
        }
        "sglang_gumbel" => {
            let width = number("context_window").unwrap_or(4) as usize;
            let first = SglangGumbel::new(Key64::from_hex(text("key"))?, width)?;
            Scheme::Sglang(if config["key_b"].is_string() {
                first.with_second_key(Key64::from_hex(text("key_b"))?, real("mixing_probability", 0.5))?
            } else {
                first
            })
        }
        "textseal" => Scheme::TextSeal(TextSeal::new(
            Key64::new(number("secret_key")? as u64),
            number("ngram")? as usize,
        )?),
        "hf_kgw" => {
            let make = if text("seeding_scheme") == "selfhash" { Kgw::self_hash } else { Kgw::left_hash };
            Scheme::Kgw(make(
                number("hashing_key")? as u64,
                number("vocab")? as u32,
                real("greenlist_ratio", 0.25),
                real("bias", 2.0) as f32,
                number("context_width").unwrap_or(1) as usize,
            )?)
        }
        "unigram" => Scheme::Unigram(Unigram::new(
            number("key")? as i64,
            number("vocab")? as u32,
            real("fraction", 0.5),
        )?),
        other => return Err(format!("unknown scheme {other}").into()),
    })
}
