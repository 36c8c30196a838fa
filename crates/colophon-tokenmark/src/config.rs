//! Schemes from JSON: the parameter names of the engines, or a master key with a label.
//!
//! | scheme | parameters |
//! |---|---|
//! | `vllm_gumbel` | `key` (decimal), `context_width`, `algorithm` (`gumbel`, `dual_key_gumbel`), `alpha` |
//! | `sglang_gumbel` | `key` (hex), `context_window`, `key_b`, `mixing_probability` |
//! | `textseal` | `secret_key`, `ngram` |
//! | `hf_synthid` | `keys`, `ngram_len`, `sampling_table_size`, `sampling_table_seed`, `context_history_size` |
//! | `deepmind_synthid` | `keys`, `ngram_len` |
//! | `hf_kgw` | `hashing_key`, `vocab`, `greenlist_ratio`, `bias`, `seeding_scheme`, `context_width` |
//! | `unigram` | `key`, `vocab`, `fraction` |
//! | `colophon_payload` | `context_width`; always with `master` and `label` |
//!
//! In place of its key every scheme but KGW and Unigram takes `master` (64 hexadecimal digits) and `label`.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::gumbel::{SglangGumbel, TextSeal, VllmGumbel};
use crate::key::{Key64, MasterKey};
use crate::kgw::Kgw;
use crate::payload::PayloadMark;
use crate::scheme::Scheme;
use crate::synthid::SynthId;
use crate::unigram::Unigram;

/// Layers of a SynthID key set made from a master key; the number the reference uses.
const DERIVED_LAYERS: usize = 30;

/// Names taken by [`Scheme::from_json`].
pub const SCHEME_NAMES: [&str; 8] = [
    "vllm_gumbel",
    "sglang_gumbel",
    "textseal",
    "hf_synthid",
    "deepmind_synthid",
    "hf_kgw",
    "unigram",
    "colophon_payload",
];

impl Scheme {
    /// A scheme by name (`-` counts as `_`) with its parameters; numbers may be written as strings.
    ///
    /// # Errors
    /// [`Error::Config`] for an unknown scheme and a parameter that is missing or of the wrong type, and what the
    /// scheme says about its key and its ranges.
    pub fn from_json(name: &str, config: &Value) -> Result<Self> {
        let name = name.replace('-', "_");
        let config = Config(config);
        Ok(match name.as_str() {
            "vllm_gumbel" => {
                let (key, width) =
                    (config.key64("key", Key64::from_decimal)?, config.size("context_width", 4)?);
                Self::Vllm(match config.text("algorithm")? {
                    None | Some("gumbel") => VllmGumbel::new(key, width)?,
                    Some("dual_key_gumbel") => VllmGumbel::dual(&key, config.real("alpha", 0.1)?, width)?,
                    Some(_) => return Err(bad("algorithm", "gumbel or dual_key_gumbel")),
                })
            }
            "sglang_gumbel" => {
                let width = config.size("context_window", 4)?;
                let one = SglangGumbel::new(config.key64("key", Key64::from_hex)?, width)?;
                Self::Sglang(match config.text("key_b")? {
                    None => one,
                    Some(b) => {
                        one.with_second_key(Key64::from_hex(b)?, config.real("mixing_probability", 0.5)?)?
                    }
                })
            }
            "textseal" => {
                let key = config.key64("secret_key", Key64::from_decimal)?;
                Self::TextSeal(TextSeal::new(key, config.size("ngram", 4)?)?)
            }
            "hf_synthid" => {
                let size = config.size("sampling_table_size", 65_536)?;
                let seed = config.whole("sampling_table_seed", Some(0))?;
                let ngram = config.size("ngram_len", 5)?;
                Self::SynthId(
                    SynthId::table(&config.layer_keys()?, ngram, size, seed as u64)?
                        .with_history(config.size("context_history_size", 1024)?)?,
                )
            }
            "deepmind_synthid" => {
                Self::SynthId(SynthId::hashing(&config.layer_keys()?, config.size("ngram_len", 5)?)?)
            }
            "hf_kgw" => {
                let make = match config.text("seeding_scheme")? {
                    None | Some("lefthash") => Kgw::left_hash,
                    Some("selfhash") => Kgw::self_hash,
                    Some(_) => return Err(bad("seeding_scheme", "lefthash or selfhash")),
                };
                Self::Kgw(make(
                    config.whole("hashing_key", None)? as u64,
                    config.vocabulary()?,
                    config.real("greenlist_ratio", 0.25)?,
                    config.real("bias", 2.0)? as f32,
                    config.size("context_width", 1)?,
                )?)
            }
            "unigram" => Self::Unigram(Unigram::new(
                i64::try_from(config.whole("key", None)?).map_err(|_| bad("key", "a 64-bit number"))?,
                config.vocabulary()?,
                config.real("fraction", 0.5)?,
            )?),
            "colophon_payload" => {
                let (master, label) =
                    config.master()?.ok_or_else(|| bad("master", "64 hexadecimal digits, with a label"))?;
                Self::Payload(PayloadMark::reader(&master, label, config.size("context_width", 4)?)?)
            }
            _ => return Err(bad("scheme", "one of the schemes of this version")),
        })
    }
}

fn bad(name: &'static str, expected: &'static str) -> Error {
    Error::Config { name, expected }
}

struct Config<'a>(&'a Value);

impl<'a> Config<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|v| !v.is_null())
    }

    fn text(&self, name: &'static str) -> Result<Option<&'a str>> {
        self.get(name).map(|v| v.as_str().ok_or_else(|| bad(name, "a text"))).transpose()
    }

    fn whole(&self, name: &'static str, default: Option<i128>) -> Result<i128> {
        let wrong = || bad(name, "a whole number");
        match self.get(name) {
            None => default.ok_or_else(wrong),
            Some(v) => whole(v).ok_or_else(wrong),
        }
    }

    fn size(&self, name: &'static str, default: i128) -> Result<usize> {
        usize::try_from(self.whole(name, Some(default))?).map_err(|_| bad(name, "a whole number from 0"))
    }

    fn vocabulary(&self) -> Result<u32> {
        u32::try_from(self.whole("vocab", None)?).map_err(|_| bad("vocab", "the number of ids"))
    }

    fn real(&self, name: &'static str, default: f64) -> Result<f64> {
        self.get(name).map_or(Ok(default), |v| v.as_f64().ok_or_else(|| bad(name, "a number")))
    }

    /// The master key and the label, if the configuration names one.
    fn master(&self) -> Result<Option<(MasterKey, &'a str)>> {
        let Some(master) = self.text("master")? else { return Ok(None) };
        let label = self.text("label")?.ok_or_else(|| bad("label", "a text, beside the master key"))?;
        Ok(Some((MasterKey::from_hex(master)?, label)))
    }

    /// A 64-bit key as a number, as text in the engine's own notation, or derived.
    fn key64(&self, name: &'static str, parse: fn(&str) -> Result<Key64>) -> Result<Key64> {
        if let Some((master, label)) = self.master()? {
            return Ok(master.derive(label));
        }
        match self.get(name) {
            Some(Value::String(s)) => parse(s),
            Some(v) => v.as_u64().map(Key64::new).ok_or_else(|| bad(name, "a 64-bit number")),
            None => Err(bad(name, "a key, or master and label in its place")),
        }
    }

    fn layer_keys(&self) -> Result<Vec<i64>> {
        if let Some((master, label)) = self.master()? {
            let words: [u64; DERIVED_LAYERS] = master.derive_words(label);
            return Ok(words.iter().map(|&w| w as i64).collect());
        }
        let list = self.get("keys").and_then(Value::as_array);
        let list = list.ok_or_else(|| bad("keys", "a list, or master and label in its place"))?;
        let one = |v: &Value| whole(v).and_then(|n| i64::try_from(n).ok());
        list.iter().map(|v| one(v).ok_or_else(|| bad("keys", "64-bit numbers"))).collect()
    }
}

fn whole(v: &Value) -> Option<i128> {
    match v {
        Value::String(s) => s.parse().ok(),
        _ => v.as_i64().map(i128::from).or_else(|| v.as_u64().map(i128::from)),
    }
}

/// Parameters an engine takes for a derived key, key included: what an operator copies into the engine.
///
/// # Errors
/// As [`Scheme::from_json`]; [`Error::Config`] for a scheme that has no engine or no derived key.
pub fn engine_config(name: &str, config: &Value) -> Result<Value> {
    let name = name.replace('-', "_");
    let view = Config(config);
    Scheme::from_json(&name, config)?;
    let mut out = config.clone();
    let Value::Object(map) = &mut out else { return Err(bad("config", "an object")) };
    map.remove("master");
    map.remove("label");
    let decimal = |key: &Key64| Value::from(key.value().to_string());
    match name.as_str() {
        "vllm_gumbel" => map.insert("key".to_owned(), decimal(&view.key64("key", Key64::from_decimal)?)),
        "textseal" => {
            map.insert("secret_key".to_owned(), decimal(&view.key64("secret_key", Key64::from_decimal)?))
        }
        "sglang_gumbel" => {
            let key = view.key64("key", Key64::from_hex)?;
            map.insert("key".to_owned(), Value::from(format!("{:016x}", key.value())))
        }
        "hf_synthid" | "deepmind_synthid" => map.insert("keys".to_owned(), Value::from(view.layer_keys()?)),
        _ => return Err(bad("scheme", "a scheme with an engine of its own")),
    };
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_and_parameters_are_those_of_the_engines() {
        let cases = [
            ("vllm_gumbel", json!({"key": "18446744073709551614", "context_width": 4})),
            ("vllm-gumbel", json!({"key": 77, "algorithm": "dual_key_gumbel"})),
            ("sglang_gumbel", json!({"key": "1f", "key_b": "2e", "mixing_probability": 0.3})),
            ("textseal", json!({"secret_key": 99, "ngram": 3})),
            ("hf_synthid", json!({"keys": [3, "4"], "ngram_len": 5})),
            ("deepmind_synthid", json!({"keys": [-3, 4]})),
            ("hf_kgw", json!({"hashing_key": 15485864, "vocab": 1000})),
            ("unigram", json!({"key": -9, "vocab": 1000})),
        ];
        for (name, config) in cases {
            assert!(Scheme::from_json(name, &config).is_ok(), "{name}");
        }
    }

    #[test]
    fn derived_keys_come_out_as_the_engine_takes_them() {
        let master = "0f".repeat(31) + "77";
        for name in ["vllm_gumbel", "sglang_gumbel", "textseal", "hf_synthid", "deepmind_synthid"] {
            let config = json!({"master": master, "label": format!("{name}/a")});
            let derived = Scheme::from_json(name, &config).unwrap();
            let engine = engine_config(name, &config).unwrap();
            assert!(engine.get("master").is_none(), "{name}");
            assert_eq!(Scheme::from_json(name, &engine).unwrap().key_id(), derived.key_id(), "{name}");
        }
        let config = json!({"master": master, "label": "a"});
        assert!(Scheme::from_json("colophon_payload", &config).is_ok());
        assert!(engine_config("colophon_payload", &config).is_err());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |name: &str, config: Value| Scheme::from_json(name, &config).unwrap_err().to_string();
        assert_eq!(wrong("markov", json!({})), "scheme must be one of the schemes of this version");
        assert_eq!(wrong("vllm_gumbel", json!({})), "key must be a key, or master and label in its place");
        assert_eq!(wrong("hf_kgw", json!({"hashing_key": 5})), "vocab must be a whole number");
        assert!(wrong("sglang_gumbel", json!({"key": "00112233445566778"})).contains("length 17"));
        assert!(wrong("colophon_payload", json!({"master": "ab", "label": "x"})).contains("length 2"));
    }
}
