//! A test in which tokens count by how much room they left for a mark.
//!
//! Where the model was sure, the watermark could not choose, and the token's score is noise. Who can run the model over the
//! text knows the entropy of every token, or estimates it with a smaller model, and weighs scores with it. Weights come from
//! the text alone, so scores stay what they are without the key, and the sum of weighted scores has a known distribution
//! for any weights: a wrong estimate costs power and never raises the rate of false alarms.

use super::{Detection, Detector, Outcome, Sample};
use crate::error::{Error, Result};
use crate::null::Null;
use crate::scheme::Scheme;
use crate::window::Windows;
use colophon_signal::stats::log10_q;
use std::f64::consts::{LN_10, LOG10_2};

impl Detector {
    /// As [`Self::detect`], with one weight per token of the sample, finite and at least 0: the entropy in nats of the
    /// model's distribution before the token, as it was sampled from (after temperature), or an estimate.
    ///
    /// [`Tested::log10_p_weighted`](super::Tested::log10_p_weighted) is the test of the weighted sum, and takes the place of the text as a
    /// whole in `log10_p`. It is left out where the weights leave fewer tokens to count than are needed for a test (the
    /// square of their sum over the sum of their squares), and for payloads, which are read without weights.
    ///
    /// # Errors
    /// As [`Self::detect`]; [`Error::RowShape`] for another number of weights than tokens, [`Error::Parameter`] for
    /// one that is negative or not finite.
    pub fn detect_weighted(&self, sample: &Sample<'_>, weights: &[f32]) -> Result<Detection> {
        if weights.len() != sample.tokens.len() {
            return Err(Error::RowShape { ids: sample.tokens.len(), logits: weights.len() });
        }
        if weights.iter().any(|w| !(w.is_finite() && *w >= 0.0)) {
            return Err(Error::Parameter { scheme: "detector", name: "weights", allowed: "finite, from 0" });
        }
        let Detection { mut candidates, tokens, .. } = self.detect(sample)?;
        let mut scores = Vec::new();
        for (candidate, prepared) in candidates.iter_mut().zip(&self.candidates) {
            let Outcome::Tested(tested) = &mut candidate.outcome else { continue };
            if matches!(prepared.scheme(), Scheme::Payload(_)) {
                continue;
            }
            let (windows, _) =
                Windows::new(prepared.rule(), sample.tokens, sample.prompt, &self.options.ignore);
            prepared.score(&windows, &mut scores);
            let weights: Vec<f64> = windows
                .positions
                .iter()
                .map(|&position| f64::from(weights[position as usize - windows.offset]))
                .collect();
            let (sum, squares) = weights.iter().fold((0.0, 0.0), |(s, q), w| (s + w, q + w * w));
            if sum * sum < squares * self.options.min_scored as f64 || sum == 0.0 {
                continue;
            }
            let weighted = log10_tail(prepared.null(), &weights, &scores);
            tested.log10_p_weighted = Some(weighted);
            tested.log10_p = tested.log10_p_window.map_or(weighted, |w| (weighted.min(w) + LOG10_2).min(0.0));
        }
        Ok(Detection::new(candidates, tokens))
    }
}

/// `log10` of the chance that independent scores of this distribution, weighted, add up to as much as `scores` do; 0 for
/// less than their mean.
///
/// By the saddlepoint method (Barndorff-Nielsen's r*), with the step of the heaviest weight where scores are whole numbers:
/// sums that lie closer have smaller tails, so the chance is not too small.
fn log10_tail(null: &Null, weights: &[f64], scores: &[f64]) -> f64 {
    let (mean, deviation) = (null.mean(), null.deviation());
    // in units of the heaviest weight and of the scores' deviation
    let heaviest = weights.iter().copied().fold(0.0, f64::max);
    let weights: Vec<f64> = weights.iter().map(|w| w / heaviest).collect();
    let sum: f64 = weights.iter().zip(scores).map(|(w, score)| w * (score - mean) / deviation).sum();
    if sum <= 0.0 {
        return 0.0;
    }
    let cumulants = |tilt: f64| {
        weights.iter().filter(|&&w| w > 0.0).fold([0.0; 3], |[value, slope, curve], &w| {
            let [v, s, c] = null.cumulants(tilt * w);
            [value + v, slope + w * s, curve + w * w * c]
        })
    };
    let (mut low, mut high) = (0.0, null.most_tilt());
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if cumulants(middle)[1] < sum { low = middle } else { high = middle }
    }
    let tilt = 0.5 * (low + high);
    let [value, _, curve] = cumulants(tilt);
    let exponent = tilt * sum - value;
    if null.most_tilt() - tilt < 1e-9 {
        // beyond the table: Chernoff's bound
        return (-exponent / LN_10).min(0.0);
    }
    let root = (2.0 * exponent).max(0.0).sqrt();
    if root < 1e-2 {
        // the correction is 0/0 here, and such a chance of one half says nothing
        return 0.0;
    }
    let span = null.standard_span();
    let step = if span > 0.0 { -(-tilt * span).exp_m1() / span } else { tilt };
    log10_q(root + (step * curve.sqrt() / root).ln() / root).min(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        DetectOptions, Generator, GeneratorOptions, Key64, Kgw, Row, Scratch, SeededDraws, Step, SynthId,
        Uniform, VllmGumbel,
    };

    fn key() -> Key64 {
        Key64::new(0x0BAD_5EED_1234_9876)
    }

    fn schemes() -> Vec<Scheme> {
        vec![
            Scheme::Vllm(VllmGumbel::new(key(), 4).unwrap()),
            Scheme::SynthId(SynthId::hashing(&(1000..1030).collect::<Vec<_>>(), 5).unwrap()),
            Scheme::Kgw(Kgw::left_hash(77_777, 5000, 0.25, 2.0, 1).unwrap()),
        ]
    }

    #[test]
    fn equal_weights_give_the_plain_test() {
        for null in [Null::Gamma { shape: 1.0, scale: 1.0 }, Null::Binomial { chance: 0.25 }] {
            let top = if matches!(null, Null::Gamma { .. }) { 1.9 } else { 1.0 };
            for high in [25, 40, 55, 60] {
                let scores: Vec<f64> = (0..60).map(|i| if i < high { top } else { 0.0 }).collect();
                let want = null.log10_tail(60, scores.iter().sum());
                let got = log10_tail(&null, &[0.7; 60], &scores);
                // at the very end of what is possible the method gives up power
                let close = (got - want).abs() < 0.02 * want.abs().max(1.0);
                let end = high == 60 && got > want && matches!(null, Null::Binomial { .. });
                assert!(want > -0.4 || close || end, "{got} is not {want}");
            }
        }
    }

    /// A sum of exponentials with two weights, whose tail is a sum of exponentials times powers: by integration.
    #[test]
    fn two_weights_agree_with_the_exact_distribution() {
        let null = Null::Gamma { shape: 1.0, scale: 1.0 };
        let weights: Vec<f64> = (0..30).map(|i| if i < 15 { 1.0 } else { 0.3 }).collect();
        for total in [24.0, 30.0, 40.0] {
            // P(A + 0.3 B >= t) for A, B of Gamma(15): integrate over B
            let steps = 20_000;
            let width = 60.0 / f64::from(steps);
            let want: f64 = (0..steps)
                .map(|i| (f64::from(i) + 0.5) * width)
                .map(|b| {
                    let density = (14.0 * b.ln() - b - colophon_signal::stats::ln_gamma(15.0)).exp();
                    let rest: f64 = total - 0.3 * b;
                    density * width * if rest <= 0.0 { 1.0 } else { 10f64.powf(null.log10_tail(15, rest)) }
                })
                .sum();
            // any scores with this weighted sum
            let scores: Vec<f64> = vec![total / (15.0 * 1.3); 30];
            let got = log10_tail(&null, &weights, &scores);
            assert!((got - want.log10()).abs() < 0.01, "{total}: {got} is not {}", want.log10());
        }
    }

    /// Under keys that did not mark it, a text scores no better than chance, however odd the weights.
    #[test]
    fn foreign_text_rarely_looks_marked() {
        let detector = Detector::for_all(schemes(), DetectOptions::default()).unwrap();
        let mut low = [0; 3];
        for text in 0..400u32 {
            let word = |i: u32| crate::prf::philox::philox([i, text, 0, 0], [7, 9])[0];
            let tokens: Vec<u32> = (0..120).map(|i| word(i) % 5000).collect();
            let weights: Vec<f32> = (0..120).map(|i| (word(i + 500) % 100) as f32 / 25.0).collect();
            let found = detector.detect_weighted(&Sample::new(&tokens), &weights).unwrap();
            for (low, candidate) in low.iter_mut().zip(&found.candidates) {
                let p = candidate.outcome.tested().and_then(|t| t.log10_p_weighted).unwrap();
                *low += usize::from(p <= -1.0);
            }
        }
        // 40 are expected, 6 is a standard deviation
        assert!(low.iter().all(|&n| (10..=62).contains(&n)), "{low:?}");
    }

    /// Half of the tokens have no choice: weights of 0 take their noise away.
    #[test]
    fn weights_find_marks_that_noise_hides() {
        let generator = Generator::new(schemes().remove(0), GeneratorOptions::default()).unwrap();
        let (mut better, mut scratch) = (0, Scratch::default());
        for text in 0..20u64 {
            let mut sequence = generator.begin(&[]);
            let mut weights = Vec::new();
            for i in 0..120u64 {
                let free = SeededDraws::new(text, i + 7000).next_uniform() < 0.4;
                let ids: Vec<u32> = (0..4).map(|k| ((text * 977 + i * 131) as u32 + k * 13) % 5000).collect();
                let mut logits = if free { vec![0.0, -0.3, -1.0, -1.5] } else { vec![0.0, -9.0, -9.0, -9.0] };
                weights.push(if free { 1.2 } else { 0.004 });
                let mut row = Row::sparse(&ids, &mut logits).unwrap();
                let mut draws = SeededDraws::new(text, i);
                let pick =
                    generator.pick(&sequence, &Step::default(), &mut row, &mut draws, &mut scratch).unwrap();
                sequence.accept(pick.token, pick.fate);
            }
            let detector = Detector::new(schemes().remove(0), DetectOptions::default()).unwrap();
            let found = detector.detect_weighted(&Sample::new(sequence.tokens()), &weights).unwrap();
            let tested = found.candidates[0].outcome.tested().unwrap();
            better += usize::from(tested.log10_p_weighted.unwrap() < tested.log10_p_whole - 1.0);
        }
        assert!(better >= 15, "{better}");
    }

    #[test]
    fn bad_weights_are_named() {
        let detector = Detector::for_all(schemes(), DetectOptions::default()).unwrap();
        let tokens: Vec<u32> = (0..40).collect();
        let sample = Sample::new(&tokens);
        assert!(matches!(detector.detect_weighted(&sample, &[1.0; 39]), Err(Error::RowShape { .. })));
        assert!(matches!(detector.detect_weighted(&sample, &[-1.0; 40]), Err(Error::Parameter { .. })));
        assert!(matches!(detector.detect_weighted(&sample, &[f32::NAN; 40]), Err(Error::Parameter { .. })));
        // all the weight on a few tokens leaves too few
        let mut few = [0.0; 40];
        few[20..24].fill(1.0);
        let found = detector.detect_weighted(&sample, &few).unwrap();
        assert!(found.candidates.iter().all(|c| c.outcome.tested().unwrap().log10_p_weighted.is_none()));
    }
}
