//! Time per token on one core, best of many short runs.

use crate::tables::{SCHEMES, key};
use colophon_tokenmark::prf::philox::philox;
use colophon_tokenmark::*;
use std::io::{self, Write};
use std::time::Instant;

/// Seconds per call of `run`, the best of many batches of a few milliseconds: short enough that some of them are not
/// interrupted. (What the system counts as a thread's processor time grows in steps as long as such a batch.)
pub(crate) fn best_time(mut run: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    let mut calls = 1usize;
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < 1.5 {
        let batch = Instant::now();
        for _ in 0..calls {
            run();
        }
        let seconds = batch.elapsed().as_secs_f64();
        best = best.min(seconds / calls as f64);
        if seconds < 0.001 {
            calls *= 2;
        }
    }
    best
}

fn logits(len: usize) -> Vec<f32> {
    // the sum of four uniforms: bell-shaped, as logits are
    (0..len as u32)
        .map(|i| philox([i, 0, 0, 10], [3, 5]).iter().map(|&w| w as f32 / u32::MAX as f32).sum::<f32>() * 5.0)
        .collect()
}

pub(crate) fn table(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "## Speed\n\nMarking one token; 256 candidates are what truncation leaves, 128,256 a whole vocabulary.\n"
    )?;
    writeln!(out, "| scheme | 256 candidates, µs | 128,256 candidates, ms |")?;
    writeln!(out, "|---|---|---|")?;
    for (name, make) in SCHEMES {
        let scheme = match make(1) {
            Ok(Scheme::Kgw(_)) => Kgw::left_hash(1_000_004, 128_256, 0.25, 2.0, 1).map(Scheme::Kgw),
            other => other,
        };
        let generator = Generator::new(scheme.expect("parameters are good"), GeneratorOptions::default());
        let generator = generator.expect("the key is private");
        let sequence = generator.resume(&[5, 6, 7, 8], &[1, 2, 3, 4, 5]);
        let mut scratch = Scratch::default();
        let mut time = |ids: Option<&[u32]>, len: usize| {
            let fresh = logits(len);
            let mut row = fresh.clone();
            best_time(|| {
                row.copy_from_slice(&fresh);
                let mut row = match ids {
                    Some(ids) => Row::sparse(ids, &mut row).expect("as many ids"),
                    None => Row::dense(&mut row),
                };
                let fate = generator.apply(&sequence, &Step::default(), &mut row, &mut scratch);
                assert!(std::hint::black_box(fate).is_ok());
            })
        };
        let ids: Vec<u32> = (0..256).map(|i| i * 499).collect();
        let (sparse, dense) = (time(Some(&ids), 256), time(None, 128_256));
        writeln!(out, "| {name} | {:.2} | {:.3} |", sparse * 1e6, dense * 1e3)?;
    }
    writeln!(
        out,
        "\nEach detector reads the same text of 1,000 random tokens again and again: whatever it keeps from text to text is warm. \
        KGW keeps green lists, so it is shown cold too: a new detector for every text, on the same random tokens (no context comes \
        back: one walk through a Mersenne twister each) and on 100,000 tokens of a Zipf law, as running text has.\n"
    )?;
    writeln!(out, "| detector, texts of 1,000 tokens | million tokens per second |")?;
    writeln!(out, "|---|---|")?;
    let tokens: Vec<u32> = (0..1000).map(|i| philox([i, 0, 0, 11], [3, 5])[0] % 32_000).collect();
    let rate = |name: &str, detector: Detector, out: &mut dyn Write| {
        let seconds = best_time(|| {
            assert!(std::hint::black_box(detector.detect(&Sample::new(&tokens))).is_ok());
        });
        writeln!(out, "| {name} | {:.2} |", 1e-3 / seconds)
    };
    for (name, make) in SCHEMES {
        let scheme = make(1).expect("parameters are good");
        rate(name, Detector::new(scheme, DetectOptions::default()).expect("options are good"), out)?;
    }
    let zipf: Vec<u32> = (0..100_000)
        .map(|i| 32_000f64.powf(f64::from(philox([i, 0, 0, 12], [3, 5])[0]) / 2f64.powi(32)) as u32 - 1)
        .collect();
    for (name, tokens) in
        [("KGW left hash, cold, random tokens", &tokens), ("KGW left hash, cold, Zipf", &zipf)]
    {
        let scheme =
            Scheme::Kgw(Kgw::left_hash(1_000_004, 32_000, 0.25, 2.0, 1).expect("parameters are good"));
        let seconds = best_time(|| {
            let detector = Detector::new(scheme.clone(), DetectOptions::default()).expect("options are good");
            assert!(std::hint::black_box(detector.detect(&Sample::new(tokens))).is_ok());
        });
        writeln!(out, "| {name} | {:.2} |", tokens.len() as f64 * 1e-6 / seconds)?;
    }
    let many = (0..20).map(|k| Scheme::Vllm(VllmGumbel::new(key(k), 4).expect("width"))).collect();
    rate(
        "vLLM Gumbel, 20 keys",
        Detector::for_all(many, DetectOptions::default()).expect("options are good"),
        out,
    )?;
    writeln!(out)
}
