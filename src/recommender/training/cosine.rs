//! Rows on the unit sphere: cosines are inner products of them. Forward and backward.
//! Must not know losses.

use rayon::prelude::*;

/// Below this length a row counts as zero: it stays as it is and gets no gradient.
const NORM_MIN: f32 = 1e-12;

/// Rows a thread takes at once.
const ROWS: usize = 256;

/// Scales every row to length 1; writes what the lengths were.
///
/// # Panics
/// When there is not one length a row.
pub fn normalise(rows: &mut [f32], norms: &mut [f32], stride: usize) {
    assert_eq!(rows.len(), norms.len() * stride, "one length a row");
    let parts = rows.par_chunks_mut(ROWS * stride).zip(norms.par_chunks_mut(ROWS));
    parts.for_each(|(rows, norms)| {
        for (row, norm) in rows.chunks_exact_mut(stride).zip(norms) {
            *norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            if *norm > NORM_MIN {
                let scale = 1.0 / *norm;
                row.iter_mut().for_each(|x| *x *= scale);
            }
        }
    });
}

/// Turns the loss gradient with respect to unit rows into that with respect to the rows before scaling:
/// `(g − u (u · g)) / |x|`.
///
/// # Panics
/// When the shapes differ.
pub fn backward(gradient: &mut [f32], unit: &[f32], norms: &[f32], stride: usize) {
    assert_eq!(gradient.len(), unit.len(), "one gradient a number");
    assert_eq!(unit.len(), norms.len() * stride, "one length a row");
    let parts = gradient.par_chunks_mut(ROWS * stride).zip(unit.par_chunks(ROWS * stride));
    parts.zip(norms.par_chunks(ROWS)).for_each(|((gradient, unit), norms)| {
        let rows = gradient.chunks_exact_mut(stride).zip(unit.chunks_exact(stride));
        for ((gradient, unit), &norm) in rows.zip(norms) {
            if norm <= NORM_MIN {
                gradient.fill(0.0);
                continue;
            }
            let along: f32 = gradient.iter().zip(unit).map(|(g, u)| g * u).sum();
            let scale = 1.0 / norm;
            gradient.iter_mut().zip(unit).for_each(|(g, u)| *g = (*g - along * u) * scale);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_agrees_with_finite_differences() {
        let x = [0.3f64, -1.2, 2.0, 0.7];
        let weights = [1.5, -0.2, 0.9, -2.0];
        let loss = |x: &[f64]| {
            let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt();
            x.iter().zip(weights).map(|(x, w)| w * x / norm).sum::<f64>()
        };
        let mut unit: Vec<f32> = x.iter().map(|&x| x as f32).chain([0.0; 4]).collect();
        let mut norms = [0f32; 2];
        normalise(&mut unit, &mut norms, 4);
        let mut gradient: Vec<f32> = weights.iter().chain(&weights).map(|&w| w as f32).collect();
        backward(&mut gradient, &unit, &norms, 4);
        for k in 0..4 {
            let (mut up, mut down) = (x, x);
            up[k] += 1e-6;
            down[k] -= 1e-6;
            let slope = (loss(&up) - loss(&down)) / 2e-6;
            assert!((f64::from(gradient[k]) - slope).abs() < 1e-5, "{k}: {} {slope}", gradient[k]);
        }
        assert_eq!(gradient[4..], [0.0; 4], "a row of zeros has no direction");
        assert_eq!(unit[4..], [0.0; 4]);
    }
}
