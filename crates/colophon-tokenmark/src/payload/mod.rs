//! A Gumbel watermark that carries 24 bits, so that a text names its issuer.
//!
//! The 24 bits become a codeword of 16 symbols of 4 bits. The context of a token picks one of the 16 places; the symbol
//! there picks one of 16 keys; the token is drawn with that key exactly as in the plain watermark. Over random keys
//! nothing is distorted. The reader scores every token under all 16 keys, adds up per place, and finds the codeword.
//!
//! 24 of the 64 coded bits are data; the other 40 are the check. Codewords differ in at least 11 places, so a wrong one
//! must be lucky in 11 places at once, while the right one has bad luck there and only there; the reader bounds that chance
//! before it reports anything.

mod code;
mod doubt;
mod read;

use crate::error::{Error, Result};
use crate::gumbel::VllmContext;
use crate::key::{Key64, MasterKey};
use std::fmt;

pub use read::PayloadReading;

pub(crate) use code::{PLACES, SYMBOLS};
pub(crate) use read::Tally;

/// What a text carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Payload {
    /// The issuer's number, the same as in the watermarks of other media.
    pub issuer: u16,
    /// The issuer's own use, for instance a model or an epoch.
    pub tag: u8,
}

impl Payload {
    fn bits(self) -> u32 {
        u32::from(self.issuer) << 8 | u32::from(self.tag)
    }

    fn from_bits(bits: u32) -> Self {
        Self { issuer: (bits >> 8) as u16, tag: bits as u8 }
    }
}

/// Keys of the watermark with a payload, and the payload when generating.
#[derive(Clone)]
pub struct PayloadMark {
    symbol_keys: [Key64; SYMBOLS],
    place_key: Key64,
    width: usize,
    codeword: Option<[u8; PLACES]>,
}

impl PayloadMark {
    /// For reading. `label` names the key below the master key; `width` is the number of context tokens, 1 to 64.
    pub fn reader(master: &MasterKey, label: &str, width: usize) -> Result<Self> {
        if !(1..=64).contains(&width) {
            return Err(Error::Parameter {
                scheme: "colophon-payload",
                name: "context width",
                allowed: "1 to 64",
            });
        }
        let words: [u64; SYMBOLS + 1] = master.derive_words(&format!("payload/1/{label}"));
        let [place, symbols @ ..] = words.map(Key64::new);
        Ok(Self { symbol_keys: symbols, place_key: place, width, codeword: None })
    }

    /// For generating text that carries `payload`; parameters as in [`Self::reader`].
    pub fn writer(master: &MasterKey, label: &str, width: usize, payload: Payload) -> Result<Self> {
        let codeword = Some(code::encode(payload.bits()));
        Ok(Self { codeword, ..Self::reader(master, label, width)? })
    }

    /// Number of context tokens.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The draws of a context; `None` for a reader.
    pub(crate) fn draws(&self, context: &[u32]) -> Option<VllmContext> {
        let symbol = self.codeword.as_ref()?.get(self.place(context))?;
        let key = self.symbol_keys.get(usize::from(*symbol))?;
        Some(VllmContext::new(key, context))
    }

    /// The place of the codeword a context carries.
    fn place(&self, context: &[u32]) -> usize {
        VllmContext::new(&self.place_key, context).word() as usize % PLACES
    }

    pub(crate) fn key_bytes(&self) -> Vec<u8> {
        self.symbol_keys.iter().flat_map(|key| key.value().to_be_bytes()).collect()
    }
}

impl fmt::Debug for PayloadMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PayloadMark").field("width", &self.width).finish_non_exhaustive()
    }
}
