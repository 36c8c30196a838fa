//! What software between the model and the reader does to text, with a byte-level tokenizer trained on a book.

use crate::Settings;
use crate::language::{Trigram, answer};
use crate::tables::key;
use colophon_tokenmark::text::{ModelTokenizer, TextDetector};
use colophon_tokenmark::*;
use std::io::Write;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{
    DecoderWrapper, NormalizedString, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    Tokenizer, TokenizerBuilder,
};

type Failure = Box<dyn std::error::Error>;
type Change = fn(&str) -> String;

const CHANGES: [(&str, Change); 9] = [
    ("none (decoded and encoded again)", str::to_owned),
    ("NFKC", nfkc),
    ("NFKC, then full stops and quotes made ASCII", |t| {
        nfkc(t)
            .chars()
            .map(|c| match c {
                '。' => '.',
                '“' | '”' => '"',
                c => c,
            })
            .collect()
    }),
    ("curly quotes, dashes, full-width comma and stop made ASCII", |t| {
        let mut out = String::new();
        for c in t.chars() {
            match c {
                '“' | '”' => out.push('"'),
                '‘' | '’' => out.push('\''),
                '—' | '–' => out.push('-'),
                '，' => out.push(','),
                '。' => out.push('.'),
                c => out.push(c),
            }
        }
        out
    }),
    ("white space collapsed", |t| t.split_whitespace().collect::<Vec<_>>().join(" ")),
    ("cut into lines of 72", |t| {
        let chars: Vec<char> = t.chars().collect();
        chars.chunks(72).map(|line| line.iter().collect::<String>()).collect::<Vec<_>>().join("\n")
    }),
    ("a selector after each sentence", |t| {
        t.chars().flat_map(|c| [Some(c), ".!?。！？".contains(c).then_some('\u{FE01}')]).flatten().collect()
    }),
    ("first and last tenth cut off", |t| {
        let chars: Vec<char> = t.chars().collect();
        chars[chars.len() / 10..chars.len() - chars.len() / 10].iter().collect()
    }),
    ("lower-cased", str::to_lowercase),
];

fn nfkc(text: &str) -> String {
    let mut normal = NormalizedString::from(text);
    normal.nfkc();
    normal.get().to_owned()
}

pub(crate) fn tables(settings: &Settings, out: &mut impl Write) -> Result<(), Failure> {
    let files = [("English", settings.english.first()), ("Chinese", settings.chinese.first())];
    for (language, file) in files {
        if let Some(file) = file {
            table(settings, language, &std::fs::read_to_string(file)?, out)?;
        }
    }
    Ok(())
}

fn table(settings: &Settings, language: &str, book: &str, out: &mut impl Write) -> Result<(), Failure> {
    let tokenizer = train(book)?;
    let json = tokenizer.to_string(false).map_err(|e| e.to_string())?;
    let model = ModelTokenizer::from_json(json.as_bytes())?;
    let trigram = Trigram::train(model.encode(book)?);
    let scheme = Scheme::Vllm(VllmGumbel::new(key(1), 4)?);
    let generator = Generator::new(scheme.clone(), GeneratorOptions::default())?;
    let detector = |scheme| Detector::new(scheme, DetectOptions::default());
    let plain = detector(scheme.clone())?;
    let forms = TextDetector::new(ModelTokenizer::from_json(json.as_bytes())?, detector(scheme)?)?;
    let mut scratch = Scratch::default();
    let texts: Vec<String> = (0..settings.rows)
        .map(|row| {
            let at = (row * 7919) % (trigram.tokens.len() - 8);
            let ids = answer(
                &trigram,
                Some(&generator),
                &trigram.tokens[at..at + 8],
                200,
                row as u64,
                &mut scratch,
            );
            tokenizer.decode(&ids, false).map_err(|e| e.to_string())
        })
        .collect::<Result<_, _>>()?;
    writeln!(out, "## {language} text changed by other software\n")?;
    writeln!(
        out,
        "200 tokens of vLLM's watermark from a trigram model over a byte-level tokenizer of 16,000 entries. `as given` \
         scores the changed text, `with forms` also tries the forms it may have had before, with the correction for \
         trying them.\n"
    )?;
    writeln!(
        out,
        "| change | median log10 p, as given | with forms | TPR at 1e-6, as given | with forms | form that hit most often |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    for (name, change) in CHANGES {
        let (mut given, mut best, mut hits) = (Vec::new(), Vec::new(), Vec::new());
        for text in &texts {
            let changed = change(text);
            let detection = plain.detect(&Sample::new(&model.encode(&changed)?))?;
            given.push(detection.log10_p.unwrap_or(0.0));
            let detection = forms.detect(&changed)?;
            best.push(detection.log10_p.unwrap_or(0.0));
            hits.push(format!("{:?}", detection.form));
        }
        hits.sort();
        let most =
            hits.chunk_by(|a, b| a == b).max_by_key(|run| run.len()).map_or("-", |run| run[0].as_str());
        let rate = |p: &[f64]| p.iter().filter(|&&p| p <= -6.0).count() as f64 / p.len() as f64;
        let middle = |p: &[f64]| {
            let mut sorted = p.to_vec();
            sorted.sort_by(f64::total_cmp);
            sorted[sorted.len() / 2]
        };
        writeln!(
            out,
            "| {name} | {:.1} | {:.1} | {:.3} | {:.3} | {most} |",
            middle(&given),
            middle(&best),
            rate(&given),
            rate(&best)
        )?;
    }
    writeln!(out)?;
    Ok(())
}

fn train(book: &str) -> Result<Tokenizer, Failure> {
    let mut trainer = BpeTrainer::builder()
        .vocab_size(16_000)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let bytes = ByteLevel::default().add_prefix_space(false);
    let mut tokenizer = TokenizerBuilder::<
        BPE,
        NormalizerWrapper,
        PreTokenizerWrapper,
        PostProcessorWrapper,
        DecoderWrapper,
    >::default()
    .with_model(BPE::default())
    .with_pre_tokenizer(Some(bytes.into()))
    .with_decoder(Some(bytes.into()))
    .build()
    .map_err(|e| e.to_string())?;
    tokenizer.train(&mut trainer, book.lines()).map_err(|e| e.to_string())?;
    // a full circle through the file format gives the type the library uses
    let json = tokenizer.to_string(false).map_err(|e| e.to_string())?;
    Ok(Tokenizer::from_bytes(json.as_bytes()).map_err(|e| e.to_string())?)
}
