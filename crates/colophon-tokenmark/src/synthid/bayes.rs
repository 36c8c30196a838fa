//! The Bayesian score of the SynthID-Text paper, for matches with two leaves, with parameters trained elsewhere.

use super::SynthIdScores;
use crate::error::{Error, Result};

/// Likelihoods are not let below this.
const FLOOR: f64 = 1e-30;
/// Priors are kept inside this distance of 0 and 1.
const PRIOR_MARGIN: f64 = 1e-5;

/// How likely a layer's bit is 1 in marked text, given the bits of earlier layers.
#[derive(Clone, Debug)]
pub struct BayesLikelihood {
    beta: Vec<f64>,
    delta: Vec<f64>,
}

impl BayesLikelihood {
    /// `beta` has one entry per layer, `delta` one row of as many per layer, of which the part left of the diagonal is
    /// used: the log-odds that the match of layer `l` had two different candidates are
    /// `beta[l] + sum over j < l of delta[l][j] * bit[j]`.
    pub fn new(beta: Vec<f64>, delta: Vec<f64>) -> Result<Self> {
        if delta.len() != beta.len() * beta.len() {
            return Err(Error::RowShape { ids: beta.len() * beta.len(), logits: delta.len() });
        }
        if beta.iter().chain(&delta).any(|x| !x.is_finite()) {
            return Err(Error::Parameter {
                scheme: "synthid",
                name: "bayesian parameters",
                allowed: "finite",
            });
        }
        Ok(Self { beta, delta })
    }

    /// `ln P(bits | marked) - ln P(bits | unmarked)` of one position.
    fn log_ratio(&self, bits: u64) -> f64 {
        let layers = self.beta.len();
        (0..layers)
            .map(|l| {
                let row = &self.delta[l * layers..][..l];
                let odds = self.beta[l]
                    + row.iter().enumerate().filter(|(j, _)| bits >> j & 1 == 1).map(|(_, d)| d).sum::<f64>();
                let two = 1.0 / (1.0 + (-odds).exp());
                let bit = (bits >> l & 1) as f64;
                let marked = 0.5 * ((bit + 0.5) * two + 1.0 - two);
                marked.max(FLOOR).ln() - 0.5f64.ln()
            })
            .sum()
    }
}

/// The posterior of the mark, as the reference's Bayesian detector reports it.
///
/// It depends on the training data and on the prior; unlike a p-value it bounds no error rate.
#[derive(Clone, Debug)]
pub struct BayesScorer {
    likelihood: BayesLikelihood,
    prior: f64,
}

impl BayesScorer {
    /// `prior` is the probability of marked text before looking, 0 to 1.
    pub fn new(likelihood: BayesLikelihood, prior: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&prior) {
            return Err(Error::Parameter { scheme: "synthid", name: "prior", allowed: "0 to 1" });
        }
        Ok(Self { likelihood, prior })
    }

    /// Natural logarithm of the posterior probability of the mark.
    pub fn ln_posterior(&self, scores: &SynthIdScores) -> f64 {
        let prior = self.prior.clamp(PRIOR_MARGIN, 1.0 - PRIOR_MARGIN);
        let odds = (prior / (1.0 - prior)).ln()
            + scores
                .bits
                .iter()
                .zip(&scores.mask)
                .filter(|&(_, &counts)| counts)
                .map(|(&bits, _)| self.likelihood.log_ratio(bits))
                .sum::<f64>();
        // ln sigmoid, without overflow on either side
        if odds < 0.0 { odds - odds.exp().ln_1p() } else { -(-odds).exp().ln_1p() }
    }
}
