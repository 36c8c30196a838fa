//! Two-dimensional Fourier transform of real pictures, single precision.

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

pub use rustfft::num_complex::Complex32;

/// Longest side of a transform.
pub const MAX_SIDE: usize = 1 << 14;

/// A buffer did not have the size the transform needs, or the transform would be empty or above [`MAX_SIDE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeError;

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("buffer size does not match the transform")
    }
}

impl std::error::Error for SizeError {}

/// Transforms planned on one thread before its plans are forgotten, so that ever new sizes do not pile up.
const MOST_PLANS: usize = 4096;

/// Plans already made on this thread: their tables cost about as much as the transform itself.
struct Plans {
    real: RealFftPlanner<f32>,
    complex: FftPlanner<f32>,
    made: usize,
}

impl Plans {
    fn new() -> Self {
        Self { real: RealFftPlanner::new(), complex: FftPlanner::new(), made: 0 }
    }
}

thread_local! {
    static PLANS: RefCell<Plans> = RefCell::new(Plans::new());
}

/// A planned transform of `width` x `height` real samples, with its working memory.
///
/// A spectrum holds the columns `kx` = 0 to `width / 2`, each with all `height` values of `ky`, **column after column**:
/// bin (kx, ky) is at `kx * height + ky`. Columns at negative `kx` follow from symmetry. No direction scales, so forward
/// and back multiplies by `width * height`.
pub struct RealFft2 {
    width: usize,
    height: usize,
    row_forward: Arc<dyn RealToComplex<f32>>,
    row_inverse: Arc<dyn ComplexToReal<f32>>,
    column_forward: Arc<dyn Fft<f32>>,
    column_inverse: Arc<dyn Fft<f32>>,
    row: Vec<f32>,
    half_rows: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl RealFft2 {
    /// Plans a transform; both sides from 1 to [`MAX_SIDE`].
    pub fn new(width: usize, height: usize) -> Result<Self, SizeError> {
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return Err(SizeError);
        }
        let (row_forward, row_inverse, column_forward, column_inverse) = PLANS.with_borrow_mut(|plans| {
            plans.made += 1;
            if plans.made > MOST_PLANS {
                *plans = Plans::new();
            }
            (
                plans.real.plan_fft_forward(width),
                plans.real.plan_fft_inverse(width),
                plans.complex.plan_fft_forward(height),
                plans.complex.plan_fft_inverse(height),
            )
        });
        let scratch = [
            row_forward.get_scratch_len(),
            row_inverse.get_scratch_len(),
            column_forward.get_inplace_scratch_len(),
            column_inverse.get_inplace_scratch_len(),
        ];
        Ok(Self {
            width,
            height,
            row_forward,
            row_inverse,
            column_forward,
            column_inverse,
            row: vec![0.0; width],
            half_rows: vec![Complex32::default(); (width / 2 + 1) * height],
            scratch: vec![Complex32::default(); scratch.into_iter().max().unwrap_or(0)],
        })
    }

    /// Number of complex bins in a spectrum.
    pub fn spectrum_len(&self) -> usize {
        (self.width / 2 + 1) * self.height
    }

    /// Number of columns in a spectrum.
    pub fn columns(&self) -> usize {
        self.width / 2 + 1
    }

    /// Length of a column of the spectrum, which is the height of the transform.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Width of the transform.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Transforms the picture of `image_width` columns in `image`, row after row, placed at the origin and padded with
    /// zeros.
    pub fn forward(
        &mut self,
        image: &[f32],
        image_width: usize,
        spectrum: &mut [Complex32],
    ) -> Result<(), SizeError> {
        let rows = self.check(image.len(), image_width, spectrum.len())?;
        let columns = self.columns();
        for (line, out) in image.chunks_exact(image_width).zip(self.half_rows.chunks_exact_mut(columns)) {
            self.row[..image_width].copy_from_slice(line);
            self.row[image_width..].fill(0.0);
            self.row_forward
                .process_with_scratch(&mut self.row, out, &mut self.scratch)
                .map_err(|_| SizeError)?;
        }
        self.half_rows[rows * columns..].fill(Complex32::default());
        transpose(&self.half_rows, columns, spectrum, self.height);
        self.column_forward.process_with_scratch(spectrum, &mut self.scratch);
        Ok(())
    }

    /// The inverse transform; writes the upper left part of `image_width` columns and as many rows as `image` holds.
    /// `spectrum` is used as working memory and holds no meaning afterwards.
    pub fn inverse(
        &mut self,
        spectrum: &mut [Complex32],
        image: &mut [f32],
        image_width: usize,
    ) -> Result<(), SizeError> {
        self.check(image.len(), image_width, spectrum.len())?;
        let columns = self.columns();
        self.column_inverse.process_with_scratch(spectrum, &mut self.scratch);
        transpose(spectrum, self.height, &mut self.half_rows, columns);
        let nyquist = self.width.is_multiple_of(2).then_some(columns - 1);
        for (line, half) in image.chunks_exact_mut(image_width).zip(self.half_rows.chunks_exact_mut(columns))
        {
            // a real row has real end bins; rounding leaves a trace that the inverse would refuse
            half[0].im = 0.0;
            if let Some(last) = nyquist {
                half[last].im = 0.0;
            }
            self.row_inverse
                .process_with_scratch(half, &mut self.row, &mut self.scratch)
                .map_err(|_| SizeError)?;
            line.copy_from_slice(&self.row[..image_width]);
        }
        Ok(())
    }

    /// Rows of the picture, if all sizes fit.
    fn check(&self, image: usize, image_width: usize, spectrum: usize) -> Result<usize, SizeError> {
        let fits = (1..=self.width).contains(&image_width)
            && image.is_multiple_of(image_width)
            && image / image_width <= self.height
            && spectrum == self.spectrum_len();
        if fits { Ok(image / image_width) } else { Err(SizeError) }
    }
}

impl fmt::Debug for RealFft2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RealFft2({} x {})", self.width, self.height)
    }
}

/// Transposes a matrix of rows of length `columns` into one of rows of length `rows`, in blocks that stay in cache.
fn transpose(from: &[Complex32], columns: usize, to: &mut [Complex32], rows: usize) {
    const BLOCK: usize = 16;
    for top in (0..rows).step_by(BLOCK) {
        let bottom = (top + BLOCK).min(rows);
        for left in (0..columns).step_by(BLOCK) {
            let right = (left + BLOCK).min(columns);
            for x in left..right {
                let target = &mut to[x * rows + top..x * rows + bottom];
                for (value, y) in target.iter_mut().zip(top..bottom) {
                    *value = from[y * columns + x];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f32::consts::TAU;

    #[test]
    fn a_plane_wave_lands_in_its_bin() {
        let (w, h) = (16, 12);
        let mut fft = RealFft2::new(w, h).unwrap();
        let wave = |x: usize, y: usize| (TAU * (3.0 * x as f32 / 16.0 + 5.0 * y as f32 / 12.0)).cos();
        let image: Vec<f32> = (0..w * h).map(|i| wave(i % w, i / w)).collect();
        let mut spectrum = vec![Complex32::default(); fft.spectrum_len()];
        fft.forward(&image, w, &mut spectrum).unwrap();
        for (i, bin) in spectrum.iter().enumerate() {
            let want = if i == 3 * h + 5 { (w * h) as f32 / 2.0 } else { 0.0 };
            assert!((bin.norm() - want).abs() < 1e-3, "bin {i}: {bin}");
        }
    }

    #[test]
    fn forward_and_back_returns_the_padded_picture() {
        for (w, h, iw, ih) in [(16, 16, 16, 16), (20, 15, 13, 7), (15, 9, 1, 9), (1, 1, 1, 1)] {
            let mut fft = RealFft2::new(w, h).unwrap();
            let image: Vec<f32> = (0..iw * ih).map(|i| (i * 37 % 101) as f32).collect();
            let mut spectrum = vec![Complex32::default(); fft.spectrum_len()];
            fft.forward(&image, iw, &mut spectrum).unwrap();
            let mut back = vec![0.0; iw * ih];
            fft.inverse(&mut spectrum, &mut back, iw).unwrap();
            for (a, b) in image.iter().zip(&back) {
                assert!((a - b / (w * h) as f32).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn wrong_sizes_are_refused() {
        assert!(RealFft2::new(0, 4).is_err());
        assert!(RealFft2::new(4, MAX_SIDE + 1).is_err());
        let mut fft = RealFft2::new(8, 8).unwrap();
        let mut spectrum = vec![Complex32::default(); fft.spectrum_len()];
        assert_eq!(fft.forward(&[0.0; 72], 9, &mut spectrum), Err(SizeError));
        assert_eq!(fft.forward(&[0.0; 15], 2, &mut spectrum), Err(SizeError));
        assert_eq!(fft.forward(&[0.0; 4], 0, &mut spectrum), Err(SizeError));
        assert_eq!(fft.forward(&[0.0; 16], 4, &mut spectrum[1..]), Err(SizeError));
    }
}
