//! Small systems of linear equations. Must not know what they mean.

/// A square matrix by rows.
pub(super) type Square<const N: usize> = [[f64; N]; N];

/// Solves `a x = b` by Cholesky; `a` is positive definite, only its lower triangle is read.
pub(super) fn solve<const N: usize>(mut a: Square<N>, mut b: [f64; N]) -> [f64; N] {
    for i in 0..N {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| a[i][k] * a[j][k]).sum();
            a[i][j] = if i == j { (a[i][i] - dot).sqrt() } else { (a[i][j] - dot) / a[j][j] };
        }
    }
    for i in 0..N {
        let dot: f64 = (0..i).map(|k| a[i][k] * b[k]).sum();
        b[i] = (b[i] - dot) / a[i][i];
    }
    for i in (0..N).rev() {
        let dot: f64 = (i + 1..N).map(|k| a[k][i] * b[k]).sum();
        b[i] = (b[i] - dot) / a[i][i];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_solver_solves() {
        const N: usize = 32;
        let entry = |i: usize, j: usize| {
            if i == j { 5.0 + i as f64 } else { 1.0 / (1.0 + i.abs_diff(j) as f64) }
        };
        let a: Square<N> =
            std::array::from_fn(|i| std::array::from_fn(|j| if j <= i { entry(i, j) } else { 0.0 }));
        let x: [f64; N] = std::array::from_fn(|i| i as f64 - 3.0);
        let b = std::array::from_fn(|i| (0..N).map(|j| entry(i, j) * x[j]).sum());
        for (found, expected) in solve(a, b).iter().zip(x) {
            assert!((found - expected).abs() < 1e-10);
        }
    }
}
