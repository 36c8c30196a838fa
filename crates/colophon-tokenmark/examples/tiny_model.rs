//! Marks the output of a language model that is trained right here, through the hooks two servers offer.
//!
//! The model counts which word follows which pair of words in a page of text. Its sampler is driven twice:
//!
//! * `per_request` has the shape of a logits processor that is called once per token, before temperature and
//!   truncation, knows the tokens so far and nothing else (as in mistral.rs). The library takes over those steps and
//!   returns a row that forces its token.
//! * `per_distribution` has the shape of a closure over the final probabilities (as `sample_f` in candle): it is handed
//!   the distribution and turns it into one that is certain of the chosen token.
//!
//! Both are then looked for with the right key and with another one.

use colophon_tokenmark::{
    DetectOptions, Detector, Generator, GeneratorOptions, MasterKey, Result, Row, Sample, SamplerSpec,
    Scheme, Scratch, SeededDraws, Sequence, Step, VllmGumbel,
};
use std::collections::HashMap;
use std::io::Write;

const PAGE: &str = "the lamp was lit before the rain came and the harbour lay quiet under it . the keeper wrote the \
hour in the book and the height of the water and the name of every boat that had gone out . when the wind turned he \
wrote that too . the boats came back one by one and the keeper counted them and the rain came harder and the lamp \
turned above the water . one boat was late . the keeper lit the second lamp and rang the bell and wrote the hour in \
the book . the wind came from the north and the water rose in the harbour and the boats lay close under the wall . \
when the late boat came in the keeper wrote its name and put out the second lamp . the rain turned to mist before \
the morning and the harbour was quiet and the book lay open under the lamp .";

fn main() -> Result<()> {
    let model = Model::train(PAGE);
    let master = MasterKey::new(&std::array::from_fn::<u8, 32, _>(|i| (i * 37 + 11) as u8))?;
    let scheme = |label: &str| VllmGumbel::new(master.derive(label), 4).map(Scheme::Vllm);
    let generator = Generator::new(scheme("harbour/2026-11")?, GeneratorOptions::default())?;
    let sampler = SamplerSpec { temperature: 1.0, top_k: 40, top_p: 0.98, min_p: 0.0, seed: 3 };
    let prompt = model.encode("the keeper wrote");

    let mut answers = Vec::new();
    let mut scratch = Scratch::default();
    let mut tokens = prompt.clone();
    for _ in 0..300 {
        let mut logits = model.logits(&tokens);
        per_request(&generator, &sampler, &mut logits, &tokens, prompt.len(), &mut scratch)?;
        tokens.push(argmax(&logits));
    }
    answers.push(("per request", tokens[prompt.len()..].to_vec()));

    let mut sequence = generator.begin(&prompt);
    let mut tokens = prompt.clone();
    for _ in 0..300 {
        let mut probabilities = softmax(&model.logits(&tokens));
        per_distribution(&generator, &mut sequence, &mut probabilities, &mut scratch)?;
        tokens.push(argmax(&probabilities));
    }
    answers.push(("per distribution", tokens[prompt.len()..].to_vec()));

    let mut out = std::io::stdout().lock();
    let mut say = |line: String| {
        let _ = writeln!(out, "{line}");
    };
    say(format!("marked {:?}", sequence.counters()));
    for (name, answer) in &answers {
        say(format!("{name}: {} …", model.decode(&answer[..24])));
        for label in ["harbour/2026-11", "harbour/2026-12"] {
            let detector = Detector::new(scheme(label)?, DetectOptions::default())?;
            let detection = detector.detect(&Sample::new(answer))?;
            say(format!("  key {label}: log10 p = {:.1}", detection.log10_p.unwrap_or(f64::NAN)));
        }
    }
    Ok(())
}

/// A hook without state that runs before temperature and truncation.
fn per_request(
    generator: &Generator,
    sampler: &SamplerSpec,
    logits: &mut [f32],
    context: &[u32],
    prompt_len: usize,
    scratch: &mut Scratch,
) -> Result<()> {
    let (prompt, generated) = context.split_at(prompt_len);
    let sequence = generator.resume(prompt, generated);
    sampler.force(generator, &sequence, &Step::default(), logits, scratch)?;
    Ok(())
}

/// A hook over the final distribution.
fn per_distribution(
    generator: &Generator,
    sequence: &mut Sequence,
    probabilities: &mut [f32],
    scratch: &mut Scratch,
) -> Result<()> {
    let mut logits: Vec<f32> = probabilities.iter().map(|p| p.ln()).collect();
    let mut draws = SeededDraws::new(4, sequence.tokens().len() as u64);
    let pick =
        generator.pick(sequence, &Step::default(), &mut Row::dense(&mut logits), &mut draws, scratch)?;
    probabilities.fill(0.0);
    probabilities[pick.index] = 1.0;
    sequence.accept(pick.token, pick.fate);
    Ok(())
}

/// Word counts after pairs of words, single words, and anywhere, mixed.
struct Model {
    words: Vec<String>,
    pairs: HashMap<[u32; 2], Vec<u32>>,
    singles: HashMap<u32, Vec<u32>>,
    all: Vec<u32>,
}

impl Model {
    fn train(text: &str) -> Self {
        let mut model =
            Self { words: Vec::new(), pairs: HashMap::new(), singles: HashMap::new(), all: Vec::new() };
        for word in text.split_whitespace() {
            let id = model.words.iter().position(|w| w == word).unwrap_or_else(|| {
                model.words.push(word.to_owned());
                model.words.len() - 1
            });
            model.all.push(id as u32);
        }
        for window in model.all.windows(3) {
            model.pairs.entry([window[0], window[1]]).or_default().push(window[2]);
            model.singles.entry(window[1]).or_default().push(window[2]);
        }
        model
    }

    fn logits(&self, tokens: &[u32]) -> Vec<f32> {
        let mut weights = vec![0.0f32; self.words.len()];
        let mut add = |next: Option<&Vec<u32>>, share: f32| {
            for &id in next.into_iter().flatten() {
                weights[id as usize] += share / next.map_or(1, Vec::len) as f32;
            }
        };
        if let [.., a, b] = tokens {
            add(self.pairs.get(&[*a, *b]), 0.4);
            add(self.singles.get(b), 0.35);
        }
        add(Some(&self.all), 0.25);
        weights.into_iter().map(f32::ln).collect()
    }

    fn encode(&self, text: &str) -> Vec<u32> {
        text.split_whitespace()
            .filter_map(|w| self.words.iter().position(|k| k == w))
            .map(|i| i as u32)
            .collect()
    }

    fn decode(&self, tokens: &[u32]) -> String {
        tokens.iter().map(|&t| self.words[t as usize].as_str()).collect::<Vec<_>>().join(" ")
    }
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = logits.iter().map(|x| (x - top).exp()).collect();
    let total: f32 = weights.iter().sum();
    weights.into_iter().map(|w| w / total).collect()
}

fn argmax(values: &[f32]) -> u32 {
    let best = values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(i, _)| i as u32)
}
