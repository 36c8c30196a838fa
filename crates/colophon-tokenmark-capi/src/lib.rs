//! C interface of the token watermarks, shaped for the sampler chain of llama.cpp.
//!
//! The functions are described in `include/colophon_tokenmark.h`; `include/colophon_llama.h` makes a sampler of
//! llama.cpp's chain out of them. This is the one crate of the watermark with unsafe code: it turns pointers of the
//! caller into slices, and nothing else.
#![deny(unsafe_op_in_unsafe_fn)]

use colophon_tokenmark::{
    DetectOptions, Detector, Fate, Generator, GeneratorOptions, Key64, Result, Row, Sample, Scheme, Scratch,
    SeededDraws, Sequence, Step, SynthId, VllmGumbel,
};
use std::ffi::{CStr, c_char, c_int};
use std::slice;
use std::sync::Arc;

/// Nothing chosen, the logits were rewritten or left for the caller to sample from.
const NOT_CHOSEN: i64 = -1;
/// The candidates could not be used.
const BAD_INPUT: i64 = -2;
/// Too few tokens to test.
const TOO_SHORT: f64 = 1.0;
/// The tokens could not be used.
const BAD_TOKENS: f64 = 2.0;

/// One answer in the making.
pub struct Sampler {
    shared: Arc<Shared>,
    sequence: Sequence,
    scratch: Scratch,
    ids: Vec<u32>,
    logits: Vec<f32>,
    fate: Fate,
    seed: u64,
}

/// What copies of a sampler share.
struct Shared {
    generator: Generator,
    chooses: bool,
    name: &'static CStr,
}

/// A candidate, with the layout of `llama_token_data`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Token id.
    pub id: i32,
    /// Its logit.
    pub logit: f32,
    /// Its probability; not read.
    pub p: f32,
}

/// How many tokens had which fate; see [`colophon_tokenmark::Counters`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of `colophon_tokenmark::Counters`")]
pub struct Counters {
    pub marked: u64,
    pub repeated: u64,
    pub gated: u64,
    pub greedy: u64,
    pub single: u64,
    pub without_context: u64,
    pub limit_reached: u64,
    pub unknown: u64,
}

impl Sampler {
    fn new(scheme: Scheme, seed: u64) -> Result<Self> {
        let (chooses, name) = match scheme {
            Scheme::SynthId(_) => (false, c"colophon-synthid-text"),
            _ => (true, c"colophon-gumbel"),
        };
        let generator = Generator::new(scheme, GeneratorOptions::default())?;
        let shared = Arc::new(Shared { generator, chooses, name });
        Ok(Self::from_shared(shared, seed))
    }

    fn from_shared(shared: Arc<Shared>, seed: u64) -> Self {
        Self {
            sequence: shared.generator.begin(&[]),
            shared,
            scratch: Scratch::default(),
            ids: Vec::new(),
            logits: Vec::new(),
            fate: Fate::Unknown,
            seed,
        }
    }

    fn apply(&mut self, candidates: &mut [Candidate]) -> Result<i64> {
        self.ids.clear();
        self.logits.clear();
        for candidate in candidates.iter() {
            self.ids.push(candidate.id as u32);
            self.logits.push(candidate.logit);
        }
        let generator = &self.shared.generator;
        let mut row = Row::sparse(&self.ids, &mut self.logits)?;
        let step = Step::default();
        if self.shared.chooses {
            let mut draws = SeededDraws::new(self.seed, self.sequence.tokens().len() as u64);
            let pick = generator.pick(&self.sequence, &step, &mut row, &mut draws, &mut self.scratch)?;
            self.fate = pick.fate;
            return Ok(pick.index as i64);
        }
        self.fate = generator.apply(&self.sequence, &step, &mut row, &mut self.scratch)?;
        for (candidate, &logit) in candidates.iter_mut().zip(row.logits()) {
            candidate.logit = logit;
        }
        Ok(NOT_CHOSEN)
    }

    fn log10_p(&self, tokens: &[i32]) -> Result<f64> {
        let tokens: Vec<u32> = tokens.iter().map(|&token| token as u32).collect();
        let detector = Detector::new(self.shared.generator.scheme().clone(), DetectOptions::default())?;
        Ok(detector.detect(&Sample::new(&tokens))?.log10_p.unwrap_or(TOO_SHORT))
    }
}

/// Makes a sampler, or writes why not.
///
/// # Safety
/// `message` is null or points to `message_len` writable bytes.
unsafe fn make(scheme: Result<Scheme>, seed: u64, message: *mut c_char, message_len: usize) -> *mut Sampler {
    match scheme.and_then(|scheme| Sampler::new(scheme, seed)) {
        Ok(sampler) => Box::into_raw(Box::new(sampler)),
        Err(error) => {
            if !message.is_null() && message_len > 0 {
                // SAFETY: checked for null; the caller vouches for the length.
                let room = unsafe { slice::from_raw_parts_mut(message.cast::<u8>(), message_len) };
                let text = error.to_string();
                let len = text.len().min(message_len - 1);
                room[..len].copy_from_slice(&text.as_bytes()[..len]);
                room[len] = 0;
            }
            std::ptr::null_mut()
        }
    }
}

/// See `colophon_tokenmark.h`.
///
/// # Safety
/// `key_hex` is null or a string that ends with a zero; `message` is null or points to `message_len` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn colophon_sampler_gumbel(
    key_hex: *const c_char,
    context_width: usize,
    seed: u64,
    message: *mut c_char,
    message_len: usize,
) -> *mut Sampler {
    let key = if key_hex.is_null() {
        ""
    } else {
        // SAFETY: not null; the caller vouches for the final zero.
        unsafe { CStr::from_ptr(key_hex) }.to_str().unwrap_or_default()
    };
    let scheme = Key64::from_hex(key).and_then(|key| VllmGumbel::new(key, context_width)).map(Scheme::Vllm);
    // SAFETY: passed on from the caller.
    unsafe { make(scheme, seed, message, message_len) }
}

/// See `colophon_tokenmark.h`.
///
/// # Safety
/// `keys` is null or points to `key_count` numbers; `message` is null or points to `message_len` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn colophon_sampler_synthid(
    keys: *const i64,
    key_count: usize,
    ngram_len: usize,
    seed: u64,
    message: *mut c_char,
    message_len: usize,
) -> *mut Sampler {
    // SAFETY: passed on from the caller.
    let keys = unsafe { slice_of(keys, key_count) };
    let scheme = SynthId::hashing(keys, ngram_len).map(Scheme::SynthId);
    // SAFETY: passed on from the caller.
    unsafe { make(scheme, seed, message, message_len) }
}

/// See `colophon_tokenmark.h`.
///
/// # Safety
/// `sampler` comes from this library and is not in use elsewhere; `candidates` points to `count` writable candidates.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn colophon_sampler_apply(
    sampler: *mut Sampler,
    candidates: *mut Candidate,
    count: usize,
) -> i64 {
    // SAFETY: null is ruled out; the caller vouches for the rest.
    let Some(sampler) = (unsafe { sampler.as_mut() }) else { return BAD_INPUT };
    if candidates.is_null() {
        return BAD_INPUT;
    }
    // SAFETY: as above.
    let candidates = unsafe { slice::from_raw_parts_mut(candidates, count) };
    sampler.apply(candidates).unwrap_or(BAD_INPUT)
}

/// See `colophon_tokenmark.h`.
///
/// # Safety
/// `sampler` is null or comes from this library and is not in use elsewhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn colophon_sampler_accept(sampler: *mut Sampler, token: i32) {
    // SAFETY: null is ruled out; the caller vouches for the rest.
    if let Some(sampler) = unsafe { sampler.as_mut() } {
        let fate = std::mem::replace(&mut sampler.fate, Fate::Unknown);
        sampler.sequence.accept(token as u32, fate);
    }
}

/// See `colophon_tokenmark.h`.
///
/// # Safety
/// `sampler` is null or comes from this library and is not in use elsewhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn colophon_sampler_rollback(sampler: *mut Sampler, count: usize) -> c_int {
    // SAFETY: null is ruled out; the caller vouches for the rest.
    let Some(sampler) = (unsafe { sampler.as_mut() }) else { return -1 };
    match sampler.sequence.rollback(count) {
        Ok(()) => 0,
        Err(_) => -1,
    }
}

/// See `colophon_tokenmark.h`.
///
/// # Safety
/// `sampler` is null or comes from this library and is not in use elsewhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn colophon_sampler_reset(sampler: *mut Sampler) {
    // SAFETY: null is ruled out; the caller vouches for the rest.
    if let Some(sampler) = unsafe { sampler.as_mut() } {
        sampler.sequence = sampler.shared.generator.begin(&[]);
        sampler.fate = Fate::Unknown;
    }
}

/// See `colophon_tokenmark.h`.
///
/// # Safety
/// `sampler` is null or comes from this library and is not changed meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn colophon_sampler_clone(sampler: *const Sampler) -> *mut Sampler {
    // SAFETY: null is ruled out; the caller vouches for the rest.
    let Some(sampler) = (unsafe { sampler.as_ref() }) else { return std::ptr::null_mut() };
    let mut copy = Sampler::from_shared(Arc::clone(&sampler.shared), sampler.seed);
    copy.sequence = sampler.sequence.clone();
    copy.fate = sampler.fate;
    Box::into_raw(Box::new(copy))
}

/// See `colophon_tokenmark.h`.
///
/// # Safety
/// `sampler` is null or comes from this library and is used no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn colophon_sampler_free(sampler: *mut Sampler) {
    if !sampler.is_null() {
        // SAFETY: it was made by `Box::into_raw`, and the caller gives it up.
        drop(unsafe { Box::from_raw(sampler) });
    }
}

/// See `colophon_tokenmark.h`.
///
/// # Safety
/// `sampler` is null or comes from this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn colophon_sampler_scheme(sampler: *const Sampler) -> *const c_char {
    // SAFETY: null is ruled out; the caller vouches for the rest.
    unsafe { sampler.as_ref() }.map_or(c"", |sampler| sampler.shared.name).as_ptr()
}

/// See `colophon_tokenmark.h`.
///
/// # Safety
/// `sampler` is null or comes from this library and is not changed meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn colophon_sampler_counters(sampler: *const Sampler) -> Counters {
    // SAFETY: null is ruled out; the caller vouches for the rest.
    let Some(sampler) = (unsafe { sampler.as_ref() }) else { return Counters::default() };
    let counters = sampler.sequence.counters();
    Counters {
        marked: counters.marked,
        repeated: counters.repeated,
        gated: counters.gated,
        greedy: counters.greedy,
        single: counters.single,
        without_context: counters.without_context,
        limit_reached: counters.limit_reached,
        unknown: counters.unknown,
    }
}

/// See `colophon_tokenmark.h`.
///
/// # Safety
/// `sampler` is null or comes from this library and is not changed meanwhile; `tokens` is null or points to `count`
/// numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn colophon_sampler_log10_p(
    sampler: *const Sampler,
    tokens: *const i32,
    count: usize,
) -> f64 {
    // SAFETY: null is ruled out; the caller vouches for the rest.
    let Some(sampler) = (unsafe { sampler.as_ref() }) else { return BAD_TOKENS };
    // SAFETY: passed on from the caller.
    let tokens = unsafe { slice_of(tokens, count) };
    sampler.log10_p(tokens).unwrap_or(BAD_TOKENS)
}

/// A slice of the caller's memory, empty for null.
///
/// # Safety
/// `start` is null or points to `len` values that stay unchanged while the slice is used.
unsafe fn slice_of<'a, T>(start: *const T, len: usize) -> &'a [T] {
    if start.is_null() {
        return &[];
    }
    // SAFETY: not null; the caller vouches for the rest.
    unsafe { slice::from_raw_parts(start, len) }
}
