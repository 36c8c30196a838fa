//! What the audio watermark promises, on sound made here.
// A test may end at the first surprise, and its arrays are small enough for any test thread.
#![allow(clippy::unwrap_used, clippy::large_stack_arrays)]

use colophon_audio::watermark::{
    DetectOptions, Detection, Detector, EmbedError, EmbedOptions, Embedder, NotChecked, SHORTEST_S, Sample,
    detect, embed, embed_planar,
};
use colophon_signal::key::MarkKey;
use proptest::prelude::*;

const PAYLOAD: u64 = 0x0123_4567_89ab_cdef;

/// Something like speech over a room: a gliding voice in syllables, hiss in the gaps, a faint floor. Interleaved; the
/// channels differ a little.
fn sound(seconds: f64, rate: u32, channels: u16, seed: u32) -> Vec<f32> {
    let mut noise = Noise(seed.wrapping_mul(2_654_435_761) | 1);
    let mut phase = 0.0f64;
    let mut hiss = 0.0f64;
    let mut samples = Vec::new();
    for n in 0..(seconds * f64::from(rate)) as usize {
        let t = n as f64 / f64::from(rate);
        let syllable = (t * 4.3 + f64::from(seed % 7)).sin().max(0.0).powf(0.7);
        let pitch = 130.0 + 30.0 * (t * 1.7).sin() + 12.0 * (t * 5.1).sin();
        phase += pitch / f64::from(rate);
        let formant = 700.0 + 500.0 * (t * 2.9).sin();
        let voice: f64 = (1..45)
            .map(|k| {
                let hertz = pitch * f64::from(k);
                let near = (-((hertz - formant) / 400.0).powi(2)).exp()
                    + 0.4 * (-((hertz - 2400.0) / 700.0).powi(2)).exp();
                (near + 0.03) * (std::f64::consts::TAU * phase * f64::from(k)).sin()
            })
            .sum();
        let white = noise.next();
        hiss += 0.5 * (white - hiss);
        let burst = (-(t * 4.3).sin()).max(0.0).powi(3);
        let main = 0.1 * syllable * voice + 0.15 * burst * (white - hiss) + 0.003 * white;
        for channel in 0..channels {
            samples.push((main * (1.0 - 0.2 * f64::from(channel)) + 0.002 * noise.next()) as f32);
        }
    }
    samples
}

struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        f64::from(self.0) / f64::from(u32::MAX) * 2.0 - 1.0
    }
}

fn key() -> MarkKey {
    MarkKey::from_secret(b"a secret of the tests").unwrap()
}

fn marked(seconds: f64, rate: u32, channels: u16) -> Vec<f32> {
    let mut samples = sound(seconds, rate, channels, 1);
    embed(&mut samples, rate, channels, PAYLOAD, &key(), &EmbedOptions::default()).unwrap();
    samples
}

fn look<S: Sample>(samples: &[S], rate: u32, channels: u16) -> Detection {
    detect(samples, rate, channels, &key(), &DetectOptions::default())
}

/// Plays at `speed` times the speed by cubic interpolation.
fn played(samples: &[f32], speed: f64) -> Vec<f32> {
    (0..((samples.len() - 4) as f64 / speed) as usize)
        .map(|n| {
            let at = n as f64 * speed + 1.0;
            let (i, x) = (at as usize, (at.fract()) as f32);
            let [a, b, c, d] = [samples[i - 1], samples[i], samples[i + 1], samples[i + 2]];
            b + 0.5 * x * (c - a + x * (2.0 * a - 5.0 * b + 4.0 * c - d + x * (3.0 * (b - c) + d - a)))
        })
        .collect()
}

#[test]
fn a_marked_sound_reads_back_in_every_sample_type_and_layout() {
    let original = sound(6.0, 44_100, 2, 1);
    let quantised: Vec<i16> = original.iter().map(|sample| (sample * 32_767.0) as i16).collect();
    let wide: Vec<i32> =
        original.iter().map(|sample| (f64::from(*sample) * 2_147_483_647.0) as i32).collect();
    let options = EmbedOptions::default();
    let mut floats = original.clone();
    let done = embed(&mut floats, 44_100, 2, PAYLOAD, &key(), &options).unwrap();
    assert!((-40.0..-10.0).contains(&done.change_db), "{done:?}");
    assert!((done.duration_s - 6.0).abs() < 1e-9);
    assert_eq!(look(&floats, 44_100, 2).payload, Some(PAYLOAD));

    let mut shorts = quantised;
    embed(&mut shorts, 44_100, 2, PAYLOAD, &key(), &options).unwrap();
    assert_eq!(look(&shorts, 44_100, 2).payload, Some(PAYLOAD));

    let mut longs = wide;
    embed(&mut longs, 44_100, 2, PAYLOAD, &key(), &options).unwrap();
    assert_eq!(look(&longs, 44_100, 2).payload, Some(PAYLOAD));

    let mut left: Vec<f32> = original.iter().copied().step_by(2).collect();
    let mut right: Vec<f32> = original.iter().copied().skip(1).step_by(2).collect();
    embed_planar(&mut [&mut left, &mut right], 44_100, PAYLOAD, &key(), &options).unwrap();
    let woven: Vec<f32> = left.iter().zip(&right).flat_map(|(l, r)| [*l, *r]).collect();
    assert_eq!(woven, floats);
}

#[test]
fn rates_and_channel_counts_read_back() {
    for (rate, channels) in [(16_000, 1), (22_050, 1), (32_000, 3), (48_000, 6), (96_000, 1), (47_999, 1)] {
        let samples = marked(4.0, rate, channels);
        let found = look(&samples, rate, channels);
        assert_eq!(found.payload, Some(PAYLOAD), "{rate} Hz, {channels} channels");
        assert!(found.log10_p <= -8.0);
        assert!(found.warp.is_some_and(|warp| warp.frequency == 1.0 && warp.duration == 1.0));
    }
}

#[test]
fn pieces_of_any_size_give_the_sound_of_one_piece() {
    let original = sound(5.0, 48_000, 2, 1);
    let mut whole = original.clone();
    embed(&mut whole, 48_000, 2, PAYLOAD, &key(), &EmbedOptions::default()).unwrap();
    for piece in [2, 960, 70_000] {
        let mut embedder = Embedder::new(48_000, 2, PAYLOAD, &key(), &EmbedOptions::default()).unwrap();
        let mut output = Vec::new();
        for part in original.chunks(piece) {
            embedder.push(part, &mut output);
        }
        embedder.finish(&mut output);
        assert_eq!(output, whole, "pieces of {piece}");
    }
}

#[test]
fn the_embedder_holds_back_at_most_six_tenths_of_a_second() {
    let original = sound(5.0, 48_000, 1, 1);
    let mut embedder = Embedder::new(48_000, 1, PAYLOAD, &key(), &EmbedOptions::default()).unwrap();
    let mut output = Vec::new();
    for (i, part) in original.chunks(480).enumerate() {
        embedder.push(part, &mut output);
        let held = (i + 1) * 480 - output.len();
        assert!(held <= 48_000 * 6 / 10, "{held} samples after piece {i}");
    }
}

#[test]
fn a_detector_fed_in_pieces_answers_as_for_the_whole() {
    let samples = marked(40.0, 16_000, 1);
    let whole = look(&samples, 16_000, 1);
    let mut detector = Detector::new(16_000, 1, &key(), &DetectOptions::default(), 40.0).unwrap();
    for part in samples.chunks(777) {
        detector.push(part);
    }
    assert_eq!(detector.finish(), whole);
    assert_eq!(whole.payload, Some(PAYLOAD));
}

#[test]
fn another_key_and_unmarked_sound_read_nothing() {
    let samples = marked(20.0, 16_000, 1);
    let other = detect(&samples, 16_000, 1, &MarkKey::public(), &DetectOptions::default());
    assert!(!other.found && !other.presence_only && other.payload.is_none() && other.segments.is_empty());
    for seed in 2..6 {
        let clean = look(&sound(12.0, 16_000, 1, seed), 16_000, 1);
        assert!(!clean.found && !clean.presence_only, "{clean:?}");
    }
    let tone: Vec<f32> = (0..160_000).map(|n| (n as f32 * 0.3).sin() * 0.5).collect();
    assert!(!look(&tone, 16_000, 1).found);
    let mut noise = Noise(9);
    let white: Vec<f32> = (0..160_000).map(|_| noise.next() as f32 * 0.5).collect();
    assert!(!look(&white, 16_000, 1).found);
}

#[test]
fn a_cut_of_three_seconds_is_enough() {
    let samples = marked(12.0, 16_000, 1);
    for start in [0, 12_345, 50_001, 90_000] {
        let found = look(&samples[start..start + 48_000], 16_000, 1);
        assert_eq!(found.payload, Some(PAYLOAD), "from sample {start}");
    }
}

#[test]
fn changed_speed_is_found_and_named() {
    let samples = marked(14.0, 44_100, 1);
    for speed in [0.91, 0.973, 1.04, 1.1] {
        let found = look(&played(&samples, speed), 44_100, 1);
        assert_eq!(found.payload, Some(PAYLOAD), "{speed}");
        let named = found.warp.and_then(|warp| warp.speed());
        assert!(named.is_some_and(|named| (named - speed).abs() < 0.006), "{speed}: {:?}", found.warp);
    }
    let mut straight = DetectOptions::default();
    straight.warped = false;
    assert!(!detect(&played(&samples, 1.1), 44_100, 1, &key(), &straight).found);
}

#[test]
fn a_lower_rate_noise_and_a_polarity_change_do_not_matter() {
    let samples = marked(12.0, 16_000, 1);
    let mut noise = Noise(5);
    let level = (samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32).sqrt();
    // uniform noise has a third of its squared peak as power: 20 dB below the sound
    let noisy: Vec<f32> = samples.iter().map(|s| s + noise.next() as f32 * level * 0.173).collect();
    assert_eq!(look(&noisy, 16_000, 1).payload, Some(PAYLOAD));
    let halved: Vec<f32> = samples.chunks_exact(2).map(|pair| f32::midpoint(pair[0], pair[1])).collect();
    assert_eq!(look(&halved, 8_000, 1).payload, Some(PAYLOAD));
    let turned: Vec<f32> = samples.iter().map(|s| -0.3 * s).collect();
    assert_eq!(look(&turned, 16_000, 1).payload, Some(PAYLOAD));
}

#[test]
fn one_channel_with_its_polarity_turned_still_reads() {
    let mut samples = marked(8.0, 44_100, 2);
    samples.iter_mut().skip(1).step_by(2).for_each(|sample| *sample = -*sample);
    assert_eq!(look(&samples, 44_100, 2).payload, Some(PAYLOAD));
}

#[test]
fn marked_stretches_are_located() {
    let mut samples = sound(20.0, 16_000, 1, 3);
    samples.extend(marked(12.0, 16_000, 1));
    samples.extend(sound(17.0, 16_000, 1, 4));
    let found = look(&samples, 16_000, 1);
    assert_eq!(found.payload, Some(PAYLOAD));
    assert_eq!(found.segments.len(), 1, "{:?}", found.segments);
    let segment = found.segments[0];
    assert!((segment.start_s - 20.0).abs() < 0.7 && (segment.end_s - 32.0).abs() < 0.7, "{segment:?}");
}

#[test]
fn two_marks_in_one_file_are_told_apart() {
    let mut samples = marked(16.0, 16_000, 1);
    let mut second = sound(12.0, 16_000, 1, 8);
    embed(&mut second, 16_000, 1, 42, &key(), &EmbedOptions::default()).unwrap();
    samples.extend(second);
    let found = look(&samples, 16_000, 1);
    assert_eq!(found.payload, Some(PAYLOAD));
    let payloads: Vec<u64> = found.segments.iter().map(|segment| segment.payload).collect();
    assert_eq!(payloads, [PAYLOAD, 42], "{:?}", found.segments);
    assert!((found.segments[1].start_s - 16.0).abs() < 0.7, "{:?}", found.segments);
}

#[test]
fn what_cannot_be_marked_is_refused_untouched() {
    let options = EmbedOptions::default();
    let mut short = sound(2.2, 16_000, 1, 1);
    let before = short.clone();
    assert!(
        matches!(embed(&mut short, 16_000, 1, 1, &key(), &options), Err(EmbedError::TooShort(s)) if s < SHORTEST_S)
    );
    assert_eq!(short, before);
    assert_eq!(embed(&mut [0i16; 160_000], 16_000, 1, 1, &key(), &options), Err(EmbedError::Silent));
    assert_eq!(embed(&mut [0.1f32; 90_000], 8_000, 1, 1, &key(), &options), Err(EmbedError::Rate(8_000)));
    assert_eq!(embed(&mut [0.1f32; 90_000], 16_000, 0, 1, &key(), &options), Err(EmbedError::Channels(0)));
    assert_eq!(embed(&mut [0.1f32; 90_001], 16_000, 2, 1, &key(), &options), Err(EmbedError::Frames));
    let nonsense = EmbedOptions::with_strength(f32::NAN);
    assert!(matches!(
        embed(&mut [0.1f32; 90_000], 16_000, 1, 1, &key(), &nonsense),
        Err(EmbedError::Strength(_))
    ));
}

#[test]
fn what_cannot_be_read_is_said() {
    let options = DetectOptions::default();
    assert_eq!(look(&sound(1.9, 16_000, 1, 1), 16_000, 1).not_checked, Some(NotChecked::TooShort));
    assert_eq!(look::<f32>(&[], 16_000, 1).not_checked, Some(NotChecked::TooShort));
    assert_eq!(look(&[0i16; 100_000], 16_000, 1).not_checked, Some(NotChecked::Silent));
    assert_eq!(detect(&[0.0f32; 10], 100, 1, &key(), &options).not_checked, Some(NotChecked::Unsupported));
    assert_eq!(detect(&[0.0f32; 10], 16_000, 0, &key(), &options).not_checked, Some(NotChecked::Unsupported));
    assert!(Detector::new(0, 1, &key(), &options, 0.0).is_none());
}

#[test]
fn samples_that_are_no_numbers_are_left_and_spoil_nothing() {
    let mut samples = sound(6.0, 16_000, 1, 1);
    samples[40_000] = f32::NAN;
    samples[50_000] = f32::INFINITY;
    embed(&mut samples, 16_000, 1, PAYLOAD, &key(), &EmbedOptions::default()).unwrap();
    assert!(samples[40_000].is_nan() && samples[50_000] == f32::INFINITY);
    assert_eq!(samples.iter().filter(|sample| !sample.is_finite()).count(), 2);
    assert_eq!(look(&samples, 16_000, 1).payload, Some(PAYLOAD));
}

#[test]
fn the_low_and_the_high_end_stay_as_they_were() {
    // Below 300 Hz and above 7.5 kHz the change is at least 50 dB below its strongest part.
    let original = sound(8.0, 48_000, 1, 1);
    let mut samples = original.clone();
    embed(&mut samples, 48_000, 1, PAYLOAD, &key(), &EmbedOptions::default()).unwrap();
    let change: Vec<f32> = samples.iter().zip(&original).map(|(a, b)| a - b).collect();
    let power = |hertz: f64| {
        // Hann-windowed single bins, averaged over blocks
        let n = 4800;
        change
            .chunks_exact(n)
            .map(|block| {
                let (mut re, mut im) = (0.0f64, 0.0f64);
                for (i, sample) in block.iter().enumerate() {
                    let turn = std::f64::consts::TAU * i as f64;
                    let window = 0.5 - 0.5 * (turn / n as f64).cos();
                    let angle = turn * hertz / 48_000.0;
                    re += f64::from(*sample) * window * angle.cos();
                    im += f64::from(*sample) * window * angle.sin();
                }
                re * re + im * im
            })
            .sum::<f64>()
    };
    let strongest = [600.0, 800.0, 1000.0, 1200.0, 2400.0].map(power).into_iter().fold(0.0, f64::max);
    for hertz in [100.0, 200.0, 250.0, 300.0, 7600.0, 9000.0, 12_000.0, 20_000.0] {
        let ratio = power(hertz) / strongest;
        assert!(ratio < 1e-5, "{hertz} Hz: {:.1} dB", 10.0 * ratio.log10());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_length_and_no_content_breaks_it(
        len in 0usize..60_000,
        rate in prop_oneof![Just(8_000u32), Just(16_000), Just(44_100), 16_000u32..50_000],
        channels in 1u16..4,
        seed: u32,
        loudness in prop_oneof![Just(0.0f32), Just(1e-6), Just(0.5), Just(3.0)],
    ) {
        let mut noise = Noise(seed | 1);
        let frames = len / usize::from(channels);
        let mut samples: Vec<f32> =
            (0..frames * usize::from(channels)).map(|_| noise.next() as f32 * loudness).collect();
        let before = samples.clone();
        let found = detect(&samples, rate, channels, &key(), &DetectOptions::default());
        prop_assert!(!found.found);
        let done = embed(&mut samples, rate, channels, u64::from(seed), &key(), &EmbedOptions::default());
        prop_assert_eq!(samples.len(), before.len());
        if done.is_err() {
            prop_assert_eq!(&samples, &before);
        }
        if frames as f64 / f64::from(rate) < SHORTEST_S && rate >= 16_000 {
            let refused = matches!(done, Err(EmbedError::TooShort(_)));
            prop_assert!(refused);
        }
    }
}
