//! Unigram (Zhao et al., "Provable robust watermarking for AI-generated text", ICLR 2024): one green list for every
//! position. Detection only: a fixed list is easily learnt from marked text.

use crate::error::{Error, Result};
use crate::prf::pcg::Pcg64;
use sha2::{Digest, Sha256};
use std::fmt;

/// The parameters of Unigram.
#[derive(Clone)]
pub struct Unigram {
    green: Vec<bool>,
    count: u32,
    fraction: f64,
    published: bool,
    fingerprint: [u8; 8],
}

impl Unigram {
    /// `fraction` of the `vocabulary` is green (0.5 in the reference), chosen by `key`.
    pub fn new(key: i64, vocabulary: u32, fraction: f64) -> Result<Self> {
        let wrong = |name, allowed| Err(Error::Parameter { scheme: "unigram", name, allowed });
        if !(2..=1 << 24).contains(&vocabulary) {
            return wrong("vocabulary size", "2 to 16777216");
        }
        if !(fraction > 0.0 && fraction < 1.0) {
            return wrong("fraction", "between 0 and 1");
        }
        let digest = Sha256::digest(key.to_le_bytes());
        let seed = digest.iter().take(4).rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
        let count = (fraction * f64::from(vocabulary)) as u32;
        let mut green: Vec<bool> = (0..vocabulary).map(|id| id < count).collect();
        Pcg64::new(seed).shuffle(&mut green);
        Ok(Self {
            green,
            count,
            fraction,
            published: matches!(key, 0 | 1 | 42),
            fingerprint: key.to_le_bytes(),
        })
    }

    /// Number of ids.
    pub fn vocabulary(&self) -> u32 {
        self.green.len() as u32
    }

    /// Whether `token` is green; ids beyond the vocabulary are not.
    pub fn is_green(&self, token: u32) -> bool {
        self.green.get(token as usize).copied().unwrap_or(false)
    }

    /// Chance that an unrelated token is green: the list's length over the vocabulary.
    pub fn chance(&self) -> f64 {
        f64::from(self.count) / self.green.len() as f64
    }

    /// The z score of the reference: `green` hits of `scored`, with its nominal fraction.
    pub fn z_score(&self, green: u64, scored: u64) -> f64 {
        let (green, scored) = (green as f64, scored as f64);
        (green - self.fraction * scored) / (scored * self.fraction * (1.0 - self.fraction)).sqrt()
    }

    pub(crate) fn is_published(&self) -> bool {
        self.published
    }

    pub(crate) fn key_bytes(&self) -> [u8; 8] {
        self.fingerprint
    }
}

impl fmt::Debug for Unigram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unigram")
            .field("vocabulary", &self.green.len())
            .field("fraction", &self.fraction)
            .finish_non_exhaustive()
    }
}
