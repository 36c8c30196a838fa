//! One row of candidates with their logits.

use crate::error::{Error, Result};

/// Candidates of one position: some ids with their logits, or the logits of all ids.
///
/// After truncation only a few hundred candidates are left, and computing on those alone is exact: an excluded token
/// has no probability. Dense rows are for samplers that do not truncate.
#[derive(Debug)]
pub struct Row<'a> {
    ids: Option<&'a [u32]>,
    logits: &'a mut [f32],
}

impl<'a> Row<'a> {
    /// Logits of all ids from 0 on.
    pub fn dense(logits: &'a mut [f32]) -> Self {
        Self { ids: None, logits }
    }

    /// Logits of the given ids.
    pub fn sparse(ids: &'a [u32], logits: &'a mut [f32]) -> Result<Self> {
        if ids.len() != logits.len() {
            return Err(Error::RowShape { ids: ids.len(), logits: logits.len() });
        }
        Ok(Self { ids: Some(ids), logits })
    }

    /// Splits a batch buffer into dense rows of `stride` logits each.
    pub fn batch(logits: &'a mut [f32], stride: usize) -> Result<impl Iterator<Item = Row<'a>>> {
        if stride == 0 || !logits.len().is_multiple_of(stride) {
            return Err(Error::RowShape { ids: stride, logits: logits.len() });
        }
        Ok(logits.chunks_exact_mut(stride).map(Row::dense))
    }

    /// The ids, `None` for a dense row.
    pub fn ids(&self) -> Option<&[u32]> {
        self.ids
    }

    /// The logits.
    pub fn logits(&self) -> &[f32] {
        self.logits
    }

    /// The logits, to change them.
    pub(crate) fn logits_mut(&mut self) -> (Option<&[u32]>, &mut [f32]) {
        (self.ids, self.logits)
    }

    /// The id at an index.
    pub(crate) fn id(&self, index: usize) -> u32 {
        self.ids.map_or(index as u32, |ids| ids.get(index).copied().unwrap_or_default())
    }

    /// Refuses logits that are not numbers or plus infinity, and ids beyond the vocabulary.
    pub(crate) fn check(&self, vocabulary: Option<u32>) -> Result<()> {
        #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "not-a-numbers are bad too, in one comparison")]
        let bad = |x: f32| !(x <= f32::MAX);
        // a sum without branches first: rows are good but for a broken model
        let any = crate::simd::vectorized(
            #[inline(always)]
            || self.logits.iter().fold(false, |any, &x| any | bad(x)),
        );
        if any {
            let index = self.logits.iter().position(|&x| bad(x)).unwrap_or_default();
            return Err(Error::BadLogit { index });
        }
        let Some(vocabulary) = vocabulary else { return Ok(()) };
        match self.ids {
            Some(ids) => match ids.iter().position(|&id| id >= vocabulary) {
                Some(position) => {
                    Err(Error::TokenBeyondVocabulary { position, id: ids[position], vocabulary })
                }
                None => Ok(()),
            },
            None if self.logits.len() > vocabulary as usize => Err(Error::TokenBeyondVocabulary {
                position: self.logits.len() - 1,
                id: self.logits.len() as u32 - 1,
                vocabulary,
            }),
            None => Ok(()),
        }
    }
}
