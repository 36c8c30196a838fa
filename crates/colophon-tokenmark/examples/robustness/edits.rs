//! What happens to a text on its way.

use colophon_tokenmark::prf::philox::philox;

/// A change to a text of tokens.
#[derive(Clone, Copy)]
pub(crate) enum Edit {
    None,
    /// This share of tokens replaced by tokens of unmarked text.
    Replace(f64),
    /// This share of tokens removed.
    Delete(f64),
    /// Tokens of unmarked text put in after this share of tokens.
    Insert(f64),
    /// Cut into so many pieces, which are shuffled.
    Shuffle(usize),
    /// Put whole into unmarked text, so that it is this share of it.
    Mix(f64),
}

impl Edit {
    pub(crate) fn name(self) -> String {
        match self {
            Self::None => "none".into(),
            Self::Replace(rate) => format!("{:.0} % replaced", 100.0 * rate),
            Self::Delete(rate) => format!("{:.0} % deleted", 100.0 * rate),
            Self::Insert(rate) => format!("{:.0} % inserted", 100.0 * rate),
            Self::Shuffle(pieces) => format!("{pieces} pieces shuffled"),
            Self::Mix(share) => format!("{:.0} % of a longer text", 100.0 * share),
        }
    }

    /// The changed text; `pool` is unmarked text of the same language.
    pub(crate) fn apply(self, tokens: &[u32], pool: &[u32], seed: u32) -> Vec<u32> {
        let word = |i: usize, kind: u32| philox([i as u32, seed, kind, 4], [13, 17])[0];
        let hit = |i: usize, rate: f64| f64::from(word(i, 0)) < rate * 4_294_967_296.0;
        let other = |i: usize| pool[word(i, 1) as usize % pool.len()];
        match self {
            Self::None => tokens.to_vec(),
            Self::Replace(rate) => {
                tokens.iter().enumerate().map(|(i, &t)| if hit(i, rate) { other(i) } else { t }).collect()
            }
            Self::Delete(rate) => {
                tokens.iter().enumerate().filter(|(i, _)| !hit(*i, rate)).map(|(_, &t)| t).collect()
            }
            Self::Insert(rate) => tokens
                .iter()
                .enumerate()
                .flat_map(|(i, &t)| [Some(t), hit(i, rate).then(|| other(i))])
                .flatten()
                .collect(),
            Self::Shuffle(pieces) => {
                let mut parts: Vec<&[u32]> = tokens.chunks(tokens.len().div_ceil(pieces)).collect();
                for i in (1..parts.len()).rev() {
                    parts.swap(i, word(i, 2) as usize % (i + 1));
                }
                parts.concat()
            }
            Self::Mix(share) => {
                let around = (tokens.len() as f64 / share) as usize - tokens.len();
                let start = word(0, 3) as usize % (pool.len() - around);
                let cut = word(1, 3) as usize % (around + 1);
                let around = &pool[start..start + around];
                [&around[..cut], tokens, &around[cut..]].concat()
            }
        }
    }
}
