//! Reading the mark: windows of sound, one after another, in bounded memory.

use std::collections::BTreeMap;

use super::analysis::{BandMap, Field, Hops, Spectra};
use super::bound::{
    ACCEPT_LOG10_P, FURTHER_ATTEMPTS, PRESENT_LOG10_P, log10_attempt_share, log10_payload, log10_presence,
    log10_window_share,
};
use super::code::Decoder;
use super::layout::{HOP, Layout, RATE};
use super::locate::locate;
use super::search::{Candidate, Correlation, PERIOD_HOPS, Stretch, hypotheses, unwarped, warped};
use super::soft::SoftBits;
use super::{Detection, NotChecked, Segment, Warp};
use crate::resample::Resampler;

/// Window and step from one window to the next, in hops (14 s, 10 s).
const WINDOW: usize = 1750;
const STEP: usize = 1250;
/// Sound up to this long is one window.
const LONGEST: usize = WINDOW + WINDOW / 4;
/// Shortest sound in which presence is looked for, in hops (2 s).
const SHORTEST_PRESENCE: usize = 250;
/// Least stretch outside all known segments for which a window is searched once more (4.6 s).
const REST: usize = 2 * PERIOD_HOPS;
/// Second searches of one window.
const MORE_PAYLOADS: usize = 2;
/// How far a known pattern may have drifted from its prediction, in hops.
const DRIFT: usize = 6;
/// Statistic at which a predicted pattern counts as present.
const FOLLOW_Z: f64 = 8.0;

/// A payload with the alignment it was read at, in hops of the whole sound.
#[derive(Clone, Copy)]
struct Track {
    payload: u64,
    stretch: Stretch,
    origin: i64,
}

/// The state of a detection in progress.
pub(super) struct Reader {
    layout: Layout,
    mono: Resampler,
    hops: Hops,
    decoder: Decoder,
    converted: Vec<f32>,
    spectra: Spectra,
    /// Hop at which the next window starts.
    next: usize,
    window: usize,
    expected: usize,
    track: Option<Track>,
    /// Folded cells of the best candidate of every window so far.
    accumulated: Vec<f32>,
    accumulated_windows: usize,
    segments: Vec<(usize, usize, u64)>,
    best: Best,
    energy: f64,
    received: u64,
    rate: u32,
    warp_search: bool,
}

/// The best evidence so far.
struct Best {
    payload: Option<u64>,
    log10_p: f64,
    stretch: Stretch,
    presence: f64,
}

impl Reader {
    /// `rate` is above zero.
    pub(super) fn new(rate: u32, layout: Layout, expected_s: f64, warp_search: bool) -> Self {
        let expected_hops = (expected_s.max(0.0) * f64::from(RATE) / HOP as f64) as usize;
        let expected =
            if expected_hops <= LONGEST { 1 } else { (expected_hops - LONGEST).div_ceil(STEP) + 1 };
        Self {
            layout,
            mono: Resampler::new(rate, RATE),
            hops: Hops::new(),
            decoder: Decoder::new(),
            converted: Vec::new(),
            spectra: Spectra::default(),
            next: 0,
            window: 0,
            expected,
            track: None,
            accumulated: Vec::new(),
            accumulated_windows: 0,
            segments: Vec::new(),
            best: Best { payload: None, log10_p: 0.0, stretch: Stretch::NONE, presence: 0.0 },
            energy: 0.0,
            received: 0,
            rate,
            warp_search,
        }
    }

    /// Takes one channel of sound.
    pub(super) fn push(&mut self, mono: &[f32]) {
        self.received += mono.len() as u64;
        // Keeps the working set small whatever the size of the pieces.
        for part in mono.chunks(1 << 16) {
            self.energy += part.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum::<f64>();
            self.converted.clear();
            self.mono.push(part, &mut self.converted);
            let spectra = &mut self.spectra;
            self.hops.push(&self.converted, &mut |power| spectra.push(power));
            while self.spectra.end() > self.next + LONGEST {
                self.examine(self.next, self.next + WINDOW);
                self.next += STEP;
                // One step of the past is kept: a mark that begins there is still to be located.
                self.spectra.forget(self.next.saturating_sub(STEP));
            }
        }
    }

    /// Whether a payload has been accepted.
    pub(super) fn certain(&self) -> bool {
        !self.segments.is_empty()
    }

    /// Ends the sound and says what was found.
    pub(super) fn finish(mut self) -> Detection {
        self.converted.clear();
        self.mono.finish(&mut self.converted);
        let spectra = &mut self.spectra;
        self.hops.push(&self.converted, &mut |power| spectra.push(power));
        self.hops.finish(&mut |power| spectra.push(power));
        let end = self.spectra.end();
        let length = self.received * u64::from(RATE) / u64::from(self.rate);
        let not_checked = if length < (SHORTEST_PRESENCE * HOP) as u64 {
            Some(NotChecked::TooShort)
        } else if self.energy == 0.0 || !self.energy.is_finite() {
            Some(NotChecked::Silent)
        } else {
            self.examine(self.next, end);
            None
        };
        self.report(not_checked)
    }

    fn report(self, not_checked: Option<NotChecked>) -> Detection {
        let seconds = |hop: usize| (hop * HOP) as f64 / f64::from(RATE);
        let total = self.received as f64 / f64::from(self.rate);
        let mut length: BTreeMap<u64, usize> = BTreeMap::new();
        for &(from, to, payload) in &self.segments {
            *length.entry(payload).or_default() += to - from;
        }
        // Of several payloads the one that covers most of the sound is named first.
        let payload = length
            .into_iter()
            .max_by_key(|&(_, hops)| hops)
            .map(|(payload, _)| payload)
            .or(self.best.payload);
        let segments = self
            .segments
            .iter()
            .map(|&(from, to, payload)| Segment {
                start_s: seconds(from),
                end_s: seconds(to).min(total),
                payload,
            })
            .collect();
        let found = payload.is_some();
        let presence_only = !found && self.best.presence <= PRESENT_LOG10_P;
        Detection {
            found,
            payload,
            log10_p: if found { self.best.log10_p } else { self.best.presence },
            segments,
            presence_only,
            warp: (found || presence_only).then_some(Warp {
                frequency: self.best.stretch.frequency,
                duration: self.best.stretch.duration,
            }),
            not_checked,
        }
    }

    /// Looks for marks between two hops.
    fn examine(&mut self, from: usize, to: usize) {
        let share = log10_window_share(self.window, self.expected);
        self.window += 1;
        let straight = Field::new(&self.spectra, from, to, &BandMap::new(1.0));
        let followed = self.follow(from, to, &straight);
        let mut search = Window { share, attempt: 0, from };
        if !followed && let Some(track) = self.read(&mut search, to, &straight) {
            self.place(track, from.saturating_sub(STEP).max(self.spectra.first()), to);
            self.track = Some(track);
        }
        for _ in 0..MORE_PAYLOADS {
            let Some((begin, end)) = self.gap(from, to).filter(|_| self.track.is_some()) else { break };
            let Some(track) = self.read_rest(&mut search, &straight, begin - from, end - from) else { break };
            self.place(track, from, to);
            self.track = Some(track);
        }
    }

    /// The longest stretch of a window outside all segments, if long enough to hold another mark.
    fn gap(&self, from: usize, to: usize) -> Option<(usize, usize)> {
        let mut inside: Vec<(usize, usize)> =
            self.segments.iter().map(|&(a, b, _)| (a.max(from), b.min(to))).collect();
        inside.retain(|(a, b)| a < b);
        inside.sort_unstable();
        let mut gaps = Vec::new();
        let mut at = from;
        for (a, b) in inside {
            gaps.push((at, a.max(at)));
            at = at.max(b);
        }
        gaps.push((at, to));
        gaps.into_iter().filter(|(a, b)| b - a >= REST).max_by_key(|(a, b)| b - a)
    }

    /// Whether the last mark goes on where it is expected; if so its place is noted.
    fn follow(&mut self, from: usize, to: usize, straight: &Field) -> bool {
        let Some(track) = self.track else { return false };
        let built;
        let field = if track.stretch.frequency == 1.0 {
            straight
        } else {
            built = Field::new(&self.spectra, from, to, &BandMap::new(track.stretch.frequency));
            &built
        };
        let pattern = self.layout.pattern(track.payload);
        let period = track.stretch.period() as i64;
        let expected = (track.origin - from as i64).rem_euclid(period);
        let drift = DRIFT as i64;
        let best = (-drift..=drift)
            .map(|shift| {
                let origin = (expected + shift).rem_euclid(period) as usize;
                let candidate =
                    Candidate { z: 0.0, stretch: track.stretch, origin, from: 0, to: field.len() };
                Candidate { z: agreement(field, &pattern, &candidate), ..candidate }
            })
            .max_by(|a, b| a.z.total_cmp(&b.z));
        let Some(best) = best.filter(|best| best.z >= FOLLOW_Z) else {
            // It may end inside this window: note what is left of it.
            self.place(track, from, to);
            return false;
        };
        let track = Track { origin: from as i64 + best.origin as i64, ..track };
        self.place(track, from, to);
        self.track = Some(track);
        true
    }

    /// Notes where the track lies between two hops.
    fn place(&mut self, track: Track, from: usize, to: usize) {
        let field = Field::new(&self.spectra, from, to, &BandMap::new(track.stretch.frequency));
        let origin = (track.origin - from as i64).rem_euclid(track.stretch.period() as i64) as usize;
        let candidate = Candidate { z: 0.0, stretch: track.stretch, origin, from: 0, to: field.len() };
        for (begin, end) in locate(&field, &self.layout.pattern(track.payload), &candidate) {
            self.note(from + begin, from + end, track.payload);
        }
    }

    /// Adds a segment, joined with those of the same payload it touches.
    fn note(&mut self, mut from: usize, mut to: usize, payload: u64) {
        let near = HOP / 2;
        self.segments.retain(|&(a, b, other)| {
            let touches = other == payload && a <= to + near && from <= b + near;
            if touches {
                from = from.min(a);
                to = to.max(b);
            }
            !touches
        });
        self.segments.push((from, to, payload));
        self.segments.sort_unstable();
    }

    /// Searches a whole window.
    fn read(&mut self, search: &mut Window, to: usize, straight: &Field) -> Option<Track> {
        let correlation = Correlation::new(straight, &self.layout, 1.0);
        let (whole, part) = unwarped(&correlation);
        let first = self.attempt(search, straight, &whole, true);
        if first.is_some() {
            return first;
        }
        if let Some(part) = part
            && let Some(track) = self.attempt(search, straight, &part, false)
        {
            return Some(track);
        }
        if !self.warp_search {
            return None;
        }
        let (fields, found) = warped((&self.spectra, search.from, to), &self.layout, &correlation);
        for (index, found) in found.iter().enumerate() {
            let field = &fields[found.field].1;
            if let Some(track) = self.attempt(search, field, &found.candidate, index == 0) {
                return Some(track);
            }
        }
        None
    }

    /// Searches a stretch of a window next to a mark already found, at that mark's stretch and at none.
    fn read_rest(
        &mut self,
        search: &mut Window,
        straight: &Field,
        begin: usize,
        end: usize,
    ) -> Option<Track> {
        let rest = straight.part(begin, end);
        let correlation = Correlation::new(&rest, &self.layout, 1.0);
        let (whole, part) = unwarped(&correlation);
        let mut inner = Window { from: search.from + begin, ..*search };
        let mut track = self.attempt(&mut inner, &rest, &whole, false);
        if let (None, Some(part)) = (track, part) {
            track = self.attempt(&mut inner, &rest, &part, false);
        }
        search.attempt = inner.attempt;
        track
    }

    /// Decodes one candidate; with `accumulate` also the sum over windows.
    fn attempt(
        &mut self,
        search: &mut Window,
        field: &Field,
        candidate: &Candidate,
        accumulate: bool,
    ) -> Option<Track> {
        let soft = SoftBits::new(field, &self.layout, candidate);
        let presence = log10_presence(soft.sync_z, hypotheses(field.len()), search.share);
        if presence < self.best.presence {
            self.best.presence = presence;
            if self.best.payload.is_none() {
                self.best.stretch = candidate.stretch;
            }
        }
        if candidate.to - candidate.from < PERIOD_HOPS {
            return None;
        }
        let origin = (search.from + candidate.origin) as i64;
        let stretch = candidate.stretch;
        if let Some(payload) = self.decode(search, &soft, stretch) {
            return Some(Track { payload, stretch, origin });
        }
        if accumulate {
            if self.accumulated.is_empty() {
                self.accumulated = vec![0.0; soft.cells.len()];
            }
            for (sum, cell) in self.accumulated.iter_mut().zip(&soft.cells) {
                *sum += cell;
            }
            self.accumulated_windows += 1;
            if self.accumulated_windows > 1 {
                let sum = SoftBits::from_cells(self.accumulated.clone(), &self.layout, 0.0);
                if let Some(payload) = self.decode(search, &sum, stretch) {
                    return Some(Track { payload, stretch, origin });
                }
            }
        }
        None
    }

    fn decode(&mut self, search: &mut Window, soft: &SoftBits, stretch: Stretch) -> Option<u64> {
        if search.attempt > FURTHER_ATTEMPTS {
            return None;
        }
        let share = search.share + log10_attempt_share(search.attempt);
        search.attempt += 1;
        let decoded = self.decoder.decode(&soft.bits)?;
        let log10_p = log10_payload(decoded.correlation / soft.energy.sqrt(), share);
        if log10_p > ACCEPT_LOG10_P {
            return None;
        }
        if self.best.payload.is_none() || log10_p < self.best.log10_p {
            self.best =
                Best { payload: Some(decoded.payload), log10_p, stretch, presence: self.best.presence };
        }
        Some(decoded.payload)
    }
}

/// Bookkeeping of one window.
#[derive(Clone, Copy)]
struct Window {
    /// Its share of the error budget, log10.
    share: f64,
    /// Decode attempts made in it.
    attempt: usize,
    /// Its first hop.
    from: usize,
}

/// Statistic of a known pattern over the rows of a candidate.
fn agreement(field: &Field, pattern: &[i8], candidate: &Candidate) -> f64 {
    let (mut sum, mut square) = (0.0f64, 1e-9f64);
    for (row, hop) in candidate.rows() {
        let signs = &pattern[row * super::layout::BANDS..(row + 1) * super::layout::BANDS];
        for (&sign, &value) in signs.iter().zip(&field.values[hop]) {
            sum += f64::from(sign) * f64::from(value);
            square += f64::from(value) * f64::from(value);
        }
    }
    sum / square.sqrt()
}
