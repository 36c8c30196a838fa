//! Payload ↔ coded bits: CRC-16, tail-biting convolutional code of rate 1/6, list decoding.
//!
//! Constraint length 15, generators 46321 51271 63667 70535 73277 76513 (octal): the rate-1/6 code published for
//! deep-space links. Tail-biting, because 14 of 94 steps spent on a tail would be lost to the payload. The decoder works
//! in 16-bit integers and keeps path metrics instead of decisions, so that its inner loop is a handful of vector
//! operations.

use colophon_signal::crc::crc16;

/// Payload bits.
const PAYLOAD_BITS: usize = 64;
/// Check bits after the payload.
const CHECK_BITS: usize = 16;
/// Message bits, one trellis step each.
const STEPS: usize = PAYLOAD_BITS + CHECK_BITS;
/// Coded bits per message bit.
const RATE: usize = 6;
/// Coded bits of one payload.
pub(super) const CODED_BITS: usize = STEPS * RATE;

const CONSTRAINT: u32 = 15;
const GENERATORS: [u32; RATE] = [0o46321, 0o51271, 0o63667, 0o70535, 0o73277, 0o76513];
const STATES: usize = 1 << (CONSTRAINT - 1);
const HALF: usize = STATES / 2;
/// The decoder goes round the circle twice and reads the middle, where both ends are settled.
const TURNS: usize = 2;
const READ_FROM: usize = STEPS / 2;
/// Single deviations from the best path that are tried, weakest decision first.
const DEVIATIONS: usize = 24;
/// States that share one vector of branch metrics.
const BLOCK: usize = 16;
/// Sum of all soft magnitudes after scaling: two turns stay within an `i16`.
const FULL_SCALE: f32 = 14_000.0;

/// The coded bits of `payload` as signs: bit 0 is +1, bit 1 is −1.
pub(super) fn encode(payload: u64) -> Vec<i8> {
    encode_message(message(payload))
}

/// Payload in the upper, CRC-16 in the lower bits.
fn message(payload: u64) -> u128 {
    (u128::from(payload) << CHECK_BITS) | u128::from(crc16(&payload.to_be_bytes()))
}

fn encode_message(message: u128) -> Vec<i8> {
    let mut coded = Vec::with_capacity(CODED_BITS);
    // Tail-biting: the register starts with the last bits of the message.
    let mut register = message as u32 & ((1 << (CONSTRAINT - 1)) - 1);
    for step in 0..STEPS {
        let bit = (message >> (STEPS - 1 - step)) as u32 & 1;
        register = ((register << 1) | bit) & ((1 << CONSTRAINT) - 1);
        coded.extend(GENERATORS.map(|generator| parity_sign(register & generator)));
    }
    coded
}

fn parity_sign(word: u32) -> i8 {
    if word.count_ones() & 1 == 0 { 1 } else { -1 }
}

/// A payload whose check bits hold, with its correlation with the soft bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Decoded {
    pub(super) payload: u64,
    /// Sum of coded sign times soft bit.
    pub(super) correlation: f64,
}

/// Branch words and working memory, reusable from one call to the next.
pub(super) struct Decoder {
    /// Output word of register `2 · BLOCK · block`, for every block of states.
    block_words: Vec<u8>,
    /// Output word of register `2 · i` for `i` below [`BLOCK`].
    inner_words: [u8; BLOCK],
    /// Path metrics before every step and after the last.
    metrics: Vec<i16>,
}

impl Decoder {
    pub(super) fn new() -> Self {
        let word = |register: u32| {
            GENERATORS.iter().enumerate().fold(0u8, |word, (i, generator)| {
                word | (((register & generator).count_ones() as u8 & 1) << i)
            })
        };
        Self {
            block_words: (0..HALF / BLOCK).map(|block| word(2 * (block * BLOCK) as u32)).collect(),
            inner_words: std::array::from_fn(|i| word(2 * i as u32)),
            metrics: vec![0; (TURNS * STEPS + 1) * STATES],
        }
    }

    /// The valid payload that fits `soft` best among the most likely path and its single deviations, if any.
    ///
    /// `soft` holds one value per coded bit, positive for +1.
    pub(super) fn decode(&mut self, soft: &[f32; CODED_BITS]) -> Option<Decoded> {
        let total: f32 = soft.iter().map(|value| value.abs()).sum();
        if !(total.is_finite() && total > 0.0) {
            return None;
        }
        let scale = FULL_SCALE / total;
        let quantised: Vec<i16> = soft.iter().map(|value| (value * scale).round() as i16).collect();
        self.forward(&quantised);
        self.candidates(&quantised)
            .into_iter()
            .filter(|&found| message((found >> CHECK_BITS) as u64) == found)
            .map(|found| {
                let coded = encode_message(found);
                let correlation =
                    coded.iter().zip(soft).map(|(&sign, &value)| f64::from(sign) * f64::from(value)).sum();
                Decoded { payload: (found >> CHECK_BITS) as u64, correlation }
            })
            .max_by(|a, b| a.correlation.total_cmp(&b.correlation))
    }

    /// Fills `metrics` for all steps.
    fn forward(&mut self, soft: &[i16]) {
        let mut now = vec![0i16; STATES];
        self.metrics.resize((TURNS * STEPS + 1) * STATES, 0);
        for (rows, step) in self.metrics.chunks_exact_mut(STATES).zip((0..STEPS).cycle()) {
            rows.copy_from_slice(&now);
            let by_word = branch_metrics(&soft[step * RATE..(step + 1) * RATE]);
            // Register bits add modulo two, so the word of a block and of a place inside it combine by exclusive or.
            let mut vectors = [[0i16; BLOCK]; 1 << RATE];
            for (outer, vector) in vectors.iter_mut().enumerate() {
                for (value, &inner) in vector.iter_mut().zip(&self.inner_words) {
                    *value = by_word[outer ^ inner as usize];
                }
            }
            let (low, high) = rows.split_at(HALF);
            let sources = low.chunks_exact(BLOCK).zip(high.chunks_exact(BLOCK));
            for (((low, high), &word), target) in
                sources.zip(&self.block_words).zip(now.chunks_exact_mut(2 * BLOCK))
            {
                butterfly(low, high, &vectors[word as usize & 63], target);
            }
        }
    }

    /// Distinct messages, most likely first.
    fn candidates(&self, soft: &[i16]) -> Vec<u128> {
        let steps = TURNS * STEPS;
        let last = &self.metrics[steps * STATES..];
        let mut state =
            last.iter().enumerate().max_by_key(|&(_, metric)| metric).map_or(0, |(state, _)| state);
        // states[t]: state after t steps on the best path; margins[t]: how clearly step t was decided
        let mut states = vec![0usize; steps + 1];
        let mut margins: Vec<(i32, usize)> = Vec::with_capacity(steps);
        for t in (0..steps).rev() {
            states[t + 1] = state;
            let (upper, margin) = self.choice(soft, t, state);
            margins.push((margin, t));
            state = predecessor(state, upper);
        }
        states[0] = state;
        let mut found = vec![read(&states)];
        // A deviation before the part that is read changes nothing.
        margins.retain(|&(_, t)| t >= READ_FROM);
        margins.sort_unstable();
        for &(_, deviation) in margins.iter().take(DEVIATIONS) {
            let mut other = states.clone();
            let (upper, _) = self.choice(soft, deviation, states[deviation + 1]);
            let mut state = predecessor(states[deviation + 1], !upper);
            for t in (0..deviation).rev() {
                other[t + 1] = state;
                state = predecessor(state, self.choice(soft, t, state).0);
            }
            other[0] = state;
            let message = read(&other);
            if !found.contains(&message) {
                found.push(message);
            }
        }
        found
    }

    /// Whether the upper predecessor wins step `t` into `state`, and by how much.
    fn choice(&self, soft: &[i16], t: usize, state: usize) -> (bool, i32) {
        let register = state as u32;
        let step = t % STEPS;
        let branch: i32 = GENERATORS
            .iter()
            .zip(&soft[step * RATE..(step + 1) * RATE])
            .map(|(generator, &value)| i32::from(parity_sign(register & generator)) * i32::from(value))
            .sum();
        let row = &self.metrics[t * STATES..(t + 1) * STATES];
        // Every generator taps the oldest bit: the upper branch carries the complement.
        let lower = i32::from(row[state >> 1]) + branch;
        let upper = i32::from(row[(state >> 1) + HALF]) - branch;
        (upper > lower, (upper - lower).abs())
    }
}

/// The message along the middle of the path; the circle is unrolled so that step `STEPS` is step 0 again.
fn read(states: &[usize]) -> u128 {
    (0..STEPS).fold(0u128, |message, step| {
        let t = if step < READ_FROM { step + STEPS } else { step };
        (message << 1) | (states[t + 1] & 1) as u128
    })
}

fn predecessor(state: usize, upper: bool) -> usize {
    (state >> 1) + if upper { HALF } else { 0 }
}

/// Correlation of one step's soft bits with every output word.
fn branch_metrics(soft: &[i16]) -> [i16; 1 << RATE] {
    let mut metrics = [0i16; 1 << RATE];
    for (word, metric) in metrics.iter_mut().enumerate() {
        *metric =
            soft.iter().enumerate().map(|(i, &value)| if word >> i & 1 == 0 { value } else { -value }).sum();
    }
    metrics
}

/// States `i` and `i + HALF` lead to `2 i` and `2 i + 1`; newest and oldest bit are tapped by every generator, so one
/// word and its complement serve the four branches.
fn butterfly(low: &[i16], high: &[i16], branch: &[i16; BLOCK], target: &mut [i16]) {
    let mut even = [0i16; BLOCK];
    let mut odd = [0i16; BLOCK];
    for i in 0..BLOCK.min(low.len()).min(high.len()) {
        let (a, b, g) = (low[i], high[i], branch[i]);
        even[i] = a.wrapping_add(g).max(b.wrapping_sub(g));
        odd[i] = a.wrapping_sub(g).max(b.wrapping_add(g));
    }
    for (pair, (even, odd)) in target.chunks_exact_mut(2).zip(even.into_iter().zip(odd)) {
        pair[0] = even;
        pair[1] = odd;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use colophon_signal::conv::ConvCode;
    use colophon_signal::key::MarkKey;
    use proptest::prelude::*;

    fn noisy(payload: u64, amplitude: f64, seed: u32) -> [f32; CODED_BITS] {
        let coded = encode(payload);
        let mut noise = MarkKey::public().stream(&format!("test/{seed}"));
        std::array::from_fn(|i| {
            let normal = (0..12).map(|_| noise.unit_f64()).sum::<f64>() - 6.0;
            (amplitude * f64::from(coded[i]) + normal) as f32
        })
    }

    #[test]
    fn the_code_is_the_tail_biting_one_of_the_signal_crate() {
        let code = ConvCode::new(CONSTRAINT, &GENERATORS).unwrap();
        let payload = 0x0123_4567_89ab_cdef;
        let bits: Vec<u8> = (0..STEPS).map(|i| (message(payload) >> (STEPS - 1 - i)) as u8 & 1).collect();
        let signs: Vec<i8> = code.encode(&bits).unwrap().iter().map(|&bit| 1 - 2 * bit as i8).collect();
        assert_eq!(encode(payload), signs);
    }

    #[test]
    fn the_first_coded_bits_are_the_published_ones() {
        let head: Vec<i8> = encode(0x0123_4567_89ab_cdef).into_iter().take(18).collect();
        assert_eq!(head, HEAD);
    }

    const HEAD: [i8; 18] = [-1, -1, -1, -1, 1, 1, 1, 1, 1, -1, 1, 1, -1, 1, 1, -1, 1, 1];

    #[test]
    fn soft_noise_is_corrected_where_acceptance_begins() {
        // a correlation of 12.5 times its deviation is the amplitude 12.5 / sqrt(480) = 0.57
        let mut decoder = Decoder::new();
        let right = (0..40)
            .filter(|&seed| {
                let payload = 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(u64::from(seed) + 1);
                decoder.decode(&noisy(payload, 0.57, seed)).is_some_and(|found| found.payload == payload)
            })
            .count();
        assert!(right >= 36, "{right} of 40");
    }

    #[test]
    fn noise_alone_stays_below_the_acceptance_threshold() {
        let mut decoder = Decoder::new();
        for seed in 0..20 {
            let soft = noisy(0, 0.0, 1000 + seed);
            let norm: f64 = soft.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
            if let Some(found) = decoder.decode(&soft) {
                assert!(found.correlation / norm < 10.9, "{}", found.correlation / norm);
            }
        }
    }

    #[test]
    fn values_that_are_no_numbers_are_no_payload() {
        let mut decoder = Decoder::new();
        assert_eq!(decoder.decode(&[f32::NAN; CODED_BITS]), None);
        assert_eq!(decoder.decode(&[f32::INFINITY; CODED_BITS]), None);
        assert_eq!(decoder.decode(&[0.0; CODED_BITS]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn every_payload_comes_back(payload: u64, seed: u32) {
            let found = Decoder::new().decode(&noisy(payload, 1.2, seed));
            prop_assert_eq!(found.map(|found| found.payload), Some(payload));
        }
    }
}
