//! One channel of a picture as numbers, and the filters the mark needs on it.

use colophon_signal::simd::vectorised;

/// A picture of one channel, row after row without gaps.
#[derive(Clone, Debug)]
pub(crate) struct Plane {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) data: Vec<f32>,
}

impl Plane {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self { width, height, data: vec![0.0; width * height] }
    }

    pub(crate) fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.data.chunks_exact(self.width)
    }

    /// Mean of every 2 x 2 block; a last odd row or column is dropped.
    pub(crate) fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut half = Self::new(width, height);
        for (out, pair) in half.data.chunks_exact_mut(width).zip(self.data.chunks_exact(2 * self.width)) {
            let (upper, lower) = pair.split_at(self.width);
            for ((o, a), b) in out.iter_mut().zip(upper.chunks_exact(2)).zip(lower.chunks_exact(2)) {
                *o = (a[0] + a[1] + b[0] + b[1]) * 0.25;
            }
        }
        half
    }

    /// Three passes of a moving mean of `2 * radius + 1` samples along both axes: close to a Gaussian of deviation
    /// `sqrt(radius * (radius + 1))`. Borders repeat.
    pub(crate) fn blur(&mut self, radius: usize) {
        match radius {
            1 => self.smooth(&[1.0, 3.0, 6.0, 7.0]),
            2 => self.smooth(&[1.0, 3.0, 6.0, 10.0, 15.0, 18.0, 19.0]),
            _ => {
                let mut spare = vec![0.0; self.data.len()];
                for _ in 0..3 {
                    vectorised(
                        #[inline(always)]
                        || self.mean_filter(radius, &mut spare),
                    );
                }
            }
        }
    }

    /// One pass of a symmetric filter along both axes, given by its weights from the outermost to the middle one. What the
    /// rows give waits in a few lines, so that every sample is read once and written once.
    fn smooth<const HALF: usize>(&mut self, weights: &[f32; HALF]) {
        vectorised(
            #[inline(always)]
            || self.smooth_here(weights),
        );
    }

    #[inline(always)]
    fn smooth_here<const HALF: usize>(&mut self, weights: &[f32; HALF]) {
        let (w, h, reach) = (self.width, self.height, HALF - 1);
        if w == 0 || h == 0 {
            return;
        }
        let total = 2.0 * weights[..reach].iter().sum::<f32>() + weights[reach];
        let weights = weights.map(|v| v / total);
        let lines = 2 * reach + 1;
        let (mut padded, mut ring) = (vec![0f32; w + 2 * reach], vec![0f32; lines * w]);
        let mut taken = 0;
        for y in 0..h {
            while taken <= (y + reach).min(h - 1) {
                let row = &self.data[taken * w..][..w];
                padded[..reach].fill(row[0]);
                padded[reach..reach + w].copy_from_slice(row);
                padded[reach + w..].fill(row[w - 1]);
                let taps: [&[f32]; HALF] = std::array::from_fn(|k| &padded[k..k + w]);
                let mirrored: [&[f32]; HALF] = std::array::from_fn(|k| &padded[2 * reach - k..][..w]);
                weigh(&weights, &taps, &mirrored, &mut ring[taken % lines * w..][..w]);
                taken += 1;
            }
            let line = |y: usize| &ring[y.min(h - 1) % lines * w..][..w];
            let above: [&[f32]; HALF] = std::array::from_fn(|k| line((y + k).saturating_sub(reach)));
            let below: [&[f32]; HALF] = std::array::from_fn(|k| line(y + reach - k));
            weigh(&weights, &above, &below, &mut self.data[y * w..][..w]);
        }
    }

    /// One pass of a moving mean over a square of side `2 * radius + 1`.
    #[inline(always)]
    fn mean_filter(&mut self, radius: usize, spare: &mut [f32]) {
        let (w, h) = (self.width, self.height);
        if w == 0 || h == 0 || radius == 0 {
            return;
        }
        let scale = 1.0 / ((2 * radius + 1) * (2 * radius + 1)) as f32;
        for (line, out) in self.data.chunks_exact(w).zip(spare.chunks_exact_mut(w)) {
            moving_sum(line, radius, out);
        }
        // sums down the columns, one row at a time; restarted now and then so that rounding does not build up
        let row = |y: isize| -> usize { y.clamp(0, h as isize - 1) as usize * w };
        let mut sums = vec![0f32; w];
        for y in 0..h {
            if y % 64 == 0 {
                sums.fill(0.0);
                for dy in -(radius as isize)..=radius as isize {
                    let from = row(y as isize + dy);
                    sums.iter_mut().zip(&spare[from..from + w]).for_each(|(s, &v)| *s += v);
                }
            } else {
                let (new, old) = (row((y + radius) as isize), row(y as isize - 1 - radius as isize));
                let pair = spare[new..new + w].iter().zip(&spare[old..old + w]);
                sums.iter_mut().zip(pair).for_each(|(s, (&n, &o))| *s += n - o);
            }
            self.data[y * w..(y + 1) * w].iter_mut().zip(&sums).for_each(|(d, &s)| *d = s * scale);
        }
    }

    /// The smallest value in a square of side `2 * radius + 1` around every sample.
    pub(crate) fn eroded(&self, radius: usize) -> Self {
        let mut out = Self::new(self.width, self.height);
        vectorised(
            #[inline(always)]
            || self.erode_into(radius, &mut out),
        );
        out
    }

    #[inline(always)]
    fn erode_into(&self, radius: usize, out: &mut Self) {
        let (w, h, lines) = (self.width, self.height, 2 * radius + 1);
        let mut ring = vec![0f32; lines * w];
        let mut taken = 0;
        for y in 0..h {
            while taken <= (y + radius).min(h - 1) {
                let line = &self.data[taken * w..][..w];
                let least = &mut ring[taken % lines * w..][..w];
                least.copy_from_slice(line);
                for shift in 1..=radius.min(w - 1) {
                    least[shift..].iter_mut().zip(line).for_each(|(o, &v)| *o = o.min(v));
                    least.iter_mut().zip(&line[shift..]).for_each(|(o, &v)| *o = o.min(v));
                }
                taken += 1;
            }
            let least = &mut out.data[y * w..][..w];
            let near = y.saturating_sub(radius)..(y + radius + 1).min(h);
            least.copy_from_slice(&ring[near.start % lines * w..][..w]);
            for other in near.skip(1) {
                let line = &ring[other % lines * w..][..w];
                least.iter_mut().zip(line).for_each(|(o, &v)| *o = o.min(v));
            }
        }
    }
}

/// Weighted sums of pairs of lines, and of the middle one, which is the last of both.
#[inline(always)]
fn weigh<const HALF: usize>(
    weights: &[f32; HALF],
    before: &[&[f32]; HALF],
    after: &[&[f32]; HALF],
    out: &mut [f32],
) {
    let n = out.len();
    let before = before.map(|line| &line[..n]);
    let after = after.map(|line| &line[..n]);
    for (x, o) in out.iter_mut().enumerate() {
        let mut sum = weights[HALF - 1] * before[HALF - 1][x];
        for k in 0..HALF - 1 {
            sum += weights[k] * (before[k][x] + after[k][x]);
        }
        *o = sum;
    }
}

/// Sum of `2 * radius + 1` neighbours along a line whose ends repeat.
#[inline(always)]
fn moving_sum(line: &[f32], radius: usize, out: &mut [f32]) {
    let (n, last) = (line.len(), line.len() - 1);
    if radius <= 4 && n > 2 * radius {
        // few enough terms to add afresh, which vectors do faster than one running sum
        let inner = &mut out[radius..n - radius];
        inner.copy_from_slice(&line[..n - 2 * radius]);
        for shift in 1..=2 * radius {
            inner.iter_mut().zip(&line[shift..]).for_each(|(o, &v)| *o += v);
        }
        for x in (0..radius).chain(n - radius..n) {
            let near = (x as isize - radius as isize)..=(x + radius) as isize;
            out[x] = near.map(|i| line[i.clamp(0, last as isize) as usize]).sum();
        }
        return;
    }
    let at = |i: isize| line[i.clamp(0, last as isize) as usize];
    let mut sum = 0f32;
    for (x, o) in out.iter_mut().enumerate() {
        let (x, r) = (x as isize, radius as isize);
        if x % 64 == 0 {
            sum = (x - r..=x + r).map(at).sum();
        } else {
            sum += at(x + r) - at(x - r - 1);
        }
        *o = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_keep_a_constant_and_repeat_borders() {
        let mut plane = Plane::new(13, 70);
        plane.data.fill(4.0);
        plane.blur(3);
        let plane = plane.eroded(2);
        assert!(plane.data.iter().all(|v| (v - 4.0).abs() < 1e-4));
    }

    #[test]
    fn one_pass_of_the_kernel_is_three_passes_of_the_mean() {
        for radius in [1, 2] {
            let mut plane = Plane::new(61, 47);
            plane.data.iter_mut().enumerate().for_each(|(i, v)| *v = (i * 7919 % 251) as f32);
            let mut passes = plane.clone();
            let mut spare = vec![0.0; plane.data.len()];
            (0..3).for_each(|_| passes.mean_filter(radius, &mut spare));
            plane.blur(radius);
            // at the borders the two repeat different things
            let inner = |i: &usize| (6..55).contains(&(i % 61)) && (6..41).contains(&(i / 61));
            for i in (0..plane.data.len()).filter(inner) {
                assert!((plane.data[i] - passes.data[i]).abs() < 1e-3, "{radius}: {i}");
            }
        }
    }

    #[test]
    fn erosion_is_the_least_of_a_square() {
        let (w, h) = (23, 17);
        let mut plane = Plane::new(w, h);
        plane.data.iter_mut().enumerate().for_each(|(i, v)| *v = (i * 7919 % 251) as f32);
        for radius in [1, 2, 30] {
            let out = plane.eroded(radius);
            for (i, &least) in out.data.iter().enumerate() {
                let near = |n: usize, i: usize| i.saturating_sub(radius)..(i + radius + 1).min(n);
                let square = near(h, i / w).flat_map(|y| near(w, i % w).map(move |x| y * w + x));
                let want = square.map(|i| plane.data[i]).fold(f32::INFINITY, f32::min);
                assert!((least - want).abs() < 1e-6, "{radius}: {i}");
            }
        }
    }

    #[test]
    fn blurring_repeats_the_borders_of_any_size() {
        for (w, h) in [(1, 1), (2, 9), (9, 2), (5, 5)] {
            for radius in [1, 2, 3] {
                let mut plane = Plane::new(w, h);
                plane.data.fill(4.0);
                plane.blur(radius);
                assert!(plane.data.iter().all(|v| (v - 4.0).abs() < 1e-4), "{w} x {h}, {radius}");
            }
        }
    }

    #[test]
    fn the_mean_filter_is_the_mean_of_a_square() {
        let mut plane = Plane::new(200, 150);
        let value = |i: usize| (i * 7919 % 251) as f32;
        plane.data.iter_mut().enumerate().for_each(|(i, v)| *v = value(i));
        let mut spare = vec![0.0; plane.data.len()];
        plane.mean_filter(2, &mut spare);
        for (x, y) in [(2, 2), (100, 70), (197, 147), (65, 129)] {
            let square = (y - 2..=y + 2).flat_map(|v| (x - 2..=x + 2).map(move |u| value(v * 200 + u)));
            assert!((plane.data[y * 200 + x] - square.sum::<f32>() / 25.0).abs() < 1e-2);
        }
    }
}
