//! Key and payload → the sign of every cell.
//!
//! A cell is one band during one row; 72 rows make a period of 2.304 s that repeats for ever. In every row the key
//! picks 12 of the 60 bands for synchronisation: their signs are known to whoever has the key, so they show where the
//! pattern starts and how well each band has survived. The other 3456 cells carry the coded payload.

use colophon_signal::key::MarkKey;

use super::code::{self, CODED_BITS};

/// Rate at which the mark is defined, in hertz. Other rates are converted to and from it.
pub(super) const RATE: u32 = 16_000;
/// Length of the short-time Fourier transform in samples (32 ms).
pub(super) const FFT: usize = 512;
/// Spectrum bins per frame.
pub(super) const BINS: usize = FFT / 2 + 1;
/// Samples from one analysis frame to the next (8 ms).
pub(super) const HOP: usize = 128;
/// Analysis frames per row (32 ms).
pub(super) const HOPS_PER_ROW: usize = 4;
/// Rows per period (2.304 s).
pub(super) const ROWS: usize = 72;
/// Bands.
pub(super) const BANDS: usize = 60;
/// Synchronisation cells in each row.
pub(super) const SYNC_PER_ROW: usize = 12;
/// Cells per period that carry the payload.
#[cfg(test)]
const DATA_CELLS: usize = ROWS * (BANDS - SYNC_PER_ROW);
/// Cells per period.
pub(super) const CELLS: usize = ROWS * BANDS;

/// Lower edge of the first band in hertz.
const FIRST_EDGE_HZ: f64 = 420.0;
/// Narrowest band in hertz: two bins.
const NARROWEST_HZ: f64 = 62.5;
/// Width of a band as a share of its lower edge, where that is more than [`NARROWEST_HZ`].
const RELATIVE_WIDTH: f64 = 0.035;

/// Band edges in hertz, ascending: 420 Hz to about 6.7 kHz.
pub(super) fn band_edges() -> [f64; BANDS + 1] {
    let mut edges = [FIRST_EDGE_HZ; BANDS + 1];
    for band in 0..BANDS {
        edges[band + 1] = edges[band] + NARROWEST_HZ.max(edges[band] * RELATIVE_WIDTH);
    }
    edges
}

/// One data cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct DataCell {
    /// Index into the period: row · [`BANDS`] + band.
    pub(super) cell: u16,
    /// Coded bit it carries.
    pub(super) bit: u16,
    /// Sign by which the coded bit is multiplied.
    pub(super) sign: i8,
}

/// The cells of one key.
#[derive(Clone)]
pub(super) struct Layout {
    /// Known sign of each synchronisation cell, zero on data cells; row-major.
    pub(super) sync: Vec<i8>,
    /// The data cells in keyed order.
    pub(super) data: Vec<DataCell>,
}

impl Layout {
    /// The layout of `key`.
    ///
    /// Three independent keyed streams: which bands of a row are synchronisation (the first 12 of a shuffled list, row
    /// by row) with their signs, the order of the data cells, and the signs of the data cells. The false-positive
    /// bound rests on the last being independent of everything a detector has looked at before decoding.
    pub(super) fn new(key: &MarkKey) -> Self {
        let mut sync = vec![0i8; CELLS];
        let mut stream = key.stream("org.colophon.audio.1/sync");
        for row in 0..ROWS {
            let mut bands: Vec<usize> = (0..BANDS).collect();
            stream.shuffle(&mut bands);
            for &band in bands.iter().take(SYNC_PER_ROW) {
                sync[row * BANDS + band] = sign(stream.next_u32());
            }
        }
        let mut order: Vec<u16> = (0..CELLS as u16).filter(|&cell| sync[cell as usize] == 0).collect();
        key.stream("org.colophon.audio.1/order").shuffle(&mut order);
        let mut signs = key.stream("org.colophon.audio.1/signs");
        let data = order
            .into_iter()
            .enumerate()
            .map(|(i, cell)| DataCell { cell, bit: (i % CODED_BITS) as u16, sign: sign(signs.next_u32()) })
            .collect();
        Self { sync, data }
    }

    /// Sign of every cell of a period that carries `payload`, row-major, ±1.
    pub(super) fn pattern(&self, payload: u64) -> Vec<i8> {
        let coded = code::encode(payload);
        let mut pattern = self.sync.clone();
        for cell in &self.data {
            pattern[cell.cell as usize] = cell.sign * coded[cell.bit as usize];
        }
        pattern
    }
}

/// The lowest bit as a sign: 0 is +1.
fn sign(word: u32) -> i8 {
    if word & 1 == 0 { 1 } else { -1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a over the pattern as bytes.
    fn digest(pattern: &[i8]) -> u64 {
        pattern.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &sign| {
            (hash ^ u64::from(sign as u8)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    #[test]
    fn bands_end_below_the_codec_edge() {
        let edges = band_edges();
        assert!((edges[BANDS] - 6674.0).abs() < 100.0, "{}", edges[BANDS]);
        assert!(edges.windows(2).all(|pair| pair[1] - pair[0] >= NARROWEST_HZ));
    }

    #[test]
    fn every_row_has_its_synchronisation_and_every_bit_its_cells() {
        let layout = Layout::new(&MarkKey::public());
        for row in layout.sync.chunks(BANDS) {
            assert_eq!(row.iter().filter(|&&sign| sign != 0).count(), SYNC_PER_ROW);
        }
        assert_eq!(layout.data.len(), DATA_CELLS);
        let mut cells = [0usize; CODED_BITS];
        for cell in &layout.data {
            cells[cell.bit as usize] += 1;
        }
        assert!(cells.iter().all(|&count| count == 7 || count == 8), "{cells:?}");
        assert!(layout.pattern(0).iter().all(|&sign| sign == 1 || sign == -1));
    }

    #[test]
    fn the_pattern_is_the_published_one() {
        let public = Layout::new(&MarkKey::public());
        let secret = Layout::new(&MarkKey::from_secret(b"test vector").unwrap());
        let digests = [
            digest(&public.pattern(0)),
            digest(&public.pattern(0x0123_4567_89ab_cdef)),
            digest(&secret.pattern(0x0123_4567_89ab_cdef)),
        ];
        assert_eq!(digests, VECTORS, "{digests:#x?}");
    }

    const VECTORS: [u64; 3] = [0x2ae1_ffca_f156_ac7b, 0x87e9_18dd_8381_d54f, 0x1eaa_62a8_2521_7f57];
}
