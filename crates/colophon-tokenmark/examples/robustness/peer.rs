//! The same rows as another implementation, timed and written out for comparison.
//!
//! The folder holds `rows.json` (`vocab`, `contexts` of four tokens per row, `keys` of SynthID, `hashing_key` of KGW) and
//! `rows.f32`, the logits of all rows. Written are `synthid.f32` and `kgw.f32`; seconds per row go to standard output.

use crate::speed::best_time;
use colophon_tokenmark::*;
use std::io::Write;
use std::path::Path;

type Failure = Box<dyn std::error::Error>;

pub(crate) fn run(folder: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let about: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("rows.json"))?)?;
    let vocabulary = about["vocab"].as_u64().ok_or("vocab")? as usize;
    let contexts: Vec<Vec<u32>> = serde_json::from_value(about["contexts"].clone())?;
    let keys: Vec<i64> = serde_json::from_value(about["keys"].clone())?;
    let key = about["hashing_key"].as_u64().ok_or("hashing_key")?;
    let bytes = std::fs::read(folder.join("rows.f32"))?;
    let logits: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let schemes = [
        ("synthid", Scheme::SynthId(SynthId::table(&keys, 5, 1 << 16, 0)?)),
        ("kgw", Scheme::Kgw(Kgw::left_hash(key, vocabulary as u32, 0.25, 2.0, 1)?)),
    ];
    let mut answer = serde_json::Map::new();
    for (name, scheme) in schemes {
        let generator = Generator::new(scheme, GeneratorOptions::default())?;
        let mut results = Vec::with_capacity(logits.len());
        for (row, context) in logits.chunks_exact(vocabulary).zip(&contexts) {
            let mut row = row.to_vec();
            let sequence = generator.resume(&[], context);
            generator.apply(
                &sequence,
                &Step::default(),
                &mut Row::dense(&mut row),
                &mut Scratch::default(),
            )?;
            results.extend(row.iter().flat_map(|x| x.to_le_bytes()));
        }
        std::fs::write(folder.join(format!("{name}.f32")), results)?;
        // another last token at every call, and twice as many of them as lists are kept of: none that was kept helps
        let sequences: Vec<Sequence> =
            (0..8192).map(|i| generator.resume(&[], &[3, 1, 4, 1000 + 13 * i])).collect();
        let (mut scratch, mut turn, mut row) = (Scratch::default(), 0, vec![0.0; vocabulary]);
        let seconds = best_time(|| {
            row.copy_from_slice(&logits[..vocabulary]);
            turn = (turn + 1) % sequences.len();
            let fate =
                generator.apply(&sequences[turn], &Step::default(), &mut Row::dense(&mut row), &mut scratch);
            assert!(std::hint::black_box(fate).is_ok());
        });
        answer.insert(name.to_owned(), seconds.into());
    }
    writeln!(out, "{}", serde_json::Value::Object(answer))?;
    Ok(())
}
