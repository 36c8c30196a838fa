//! The watermarks of all engines under one name.

use crate::gumbel::{SglangGumbel, TextSeal, VllmGumbel};
use crate::key::fingerprint;
use crate::kgw::Kgw;
use crate::payload::PayloadMark;
use crate::synthid::SynthId;
use crate::unigram::Unigram;

/// A watermark with its key and parameters.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Scheme {
    /// vLLM `gumbel` and `dual_key_gumbel`; also the native format of Colophon.
    Vllm(VllmGumbel),
    /// SGLang's Gumbel watermark.
    Sglang(SglangGumbel),
    /// TextSeal.
    TextSeal(TextSeal),
    /// SynthID-Text in hashing or table mode.
    SynthId(SynthId),
    /// KGW of transformers, left hash or self hash.
    Kgw(Kgw),
    /// Unigram (detected, never written).
    Unigram(Unigram),
    /// Colophon's Gumbel watermark that carries 24 bits.
    Payload(PayloadMark),
}

impl Scheme {
    /// Name and version of the scheme, as reports print it.
    pub fn id(&self) -> &'static str {
        match self {
            Self::Vllm(s) if s.alpha().is_some() => "vllm-dual-key-gumbel/philox4x32-10-v1",
            Self::Vllm(_) => "vllm-gumbel/philox4x32-10-v1",
            Self::Sglang(_) => "sglang-gumbel/murmur3",
            Self::TextSeal(_) => "textseal/8191",
            Self::SynthId(s) if s.is_hashing() => "synthid-text/hashing",
            Self::SynthId(_) => "synthid-text/table",
            Self::Kgw(_) => "kgw/transformers",
            Self::Unigram(_) => "unigram/numpy",
            Self::Payload(_) => "colophon-payload/1",
        }
    }

    /// Number of tokens before a token that decide about it.
    pub fn context_len(&self) -> usize {
        match self {
            Self::Vllm(s) => s.width(),
            Self::Sglang(s) => s.width(),
            Self::TextSeal(s) => s.width(),
            Self::SynthId(s) => s.width(),
            Self::Kgw(s) => s.context_len(),
            Self::Unigram(_) => 0,
            Self::Payload(s) => s.width(),
        }
    }

    /// Number of ids, where the scheme depends on it.
    pub fn vocabulary(&self) -> Option<u32> {
        match self {
            Self::Kgw(s) => Some(s.vocabulary()),
            Self::Unigram(s) => Some(s.vocabulary()),
            _ => None,
        }
    }

    /// Whether the key is an example or a default, known to everybody: such marks prove nothing about their origin.
    pub fn key_is_published(&self) -> bool {
        match self {
            // dual keys are derived, so a published parent does not show
            Self::Vllm(s) => s.parent_is_published(),
            Self::Sglang(s) => s.keys().0.is_published(),
            Self::TextSeal(s) => s.key().is_published(),
            Self::SynthId(s) => s.is_published(),
            Self::Kgw(s) => s.is_published(),
            Self::Unigram(s) => s.is_published(),
            Self::Payload(_) => false,
        }
    }

    /// A public name of the key: 16 hexadecimal digits that do not help to guess a key of full entropy.
    pub fn key_id(&self) -> String {
        let words = |key: &crate::key::Key64| key.value().to_be_bytes().to_vec();
        let pair = |(a, b): (&crate::key::Key64, Option<&crate::key::Key64>)| {
            let mut bytes = words(a);
            bytes.extend(b.map(words).unwrap_or_default());
            bytes
        };
        let mut bytes = match self {
            Self::Vllm(s) => pair(s.keys()),
            Self::Sglang(s) => pair(s.keys()),
            Self::TextSeal(s) => words(s.key()),
            Self::SynthId(s) => s.key_bytes(),
            Self::Kgw(s) => s.key_bytes().to_vec(),
            Self::Unigram(s) => s.key_bytes().to_vec(),
            Self::Payload(s) => s.key_bytes(),
        };
        let id = fingerprint(self.id(), &bytes);
        zeroize::Zeroize::zeroize(&mut bytes);
        id
    }
}
