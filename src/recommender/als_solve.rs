//! The inner problem of implicit ALS: one row of factors, given all rows of the other side.
//!
//! For a row that met the items `owned` (rows y_i of `others`), with the Gram matrix
//! `gram = YᵀY`, confidence `1 + alpha` for what was met and 1 for everything else:
//!
//! ```text
//! A = YᵀY + reg · I + alpha Σ_owned y_i y_iᵀ,   b = (1 + alpha) Σ_owned y_i,   A x = b
//! ```
//!
//! Either exactly by Cholesky, of A or, for rows shorter than the factors are wide, of a
//! smaller matrix ([`low_rank`]); or nearly by a few steps of conjugate gradient that never
//! form A. All widths are multiples of [`LANES`]; padding columns are zero and stay zero.
//! Nothing here may know users from items, nor look at another row: that is what makes
//! training the same bits at any thread count.
//!
//! The inner loops are compiled twice, plain and for AVX2 with FMA, and chosen at run time
//! (measured on ML-1M, 64 wide, conjugate gradient: .07 s of processor time an epoch instead
//! of .48). The two round differently, so factors are
//! the same bits on one kind of machine, not across kinds.

use super::dense::{View, multiply};

#[cfg(target_arch = "x86_64")]
mod avx2;
pub mod low_rank;

/// Numbers handled in one step; factor widths are padded to a multiple of it.
pub const LANES: usize = 8;

/// Rows gathered for one product of the exact solver.
const GATHER: usize = 256;

/// How to solve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Exactly.
    Cholesky,
    /// This many steps of conjugate gradient from the old row.
    ConjugateGradient(u32),
}

/// One side's problem: everything that is the same for all of its rows.
#[derive(Clone, Copy)]
pub struct Problem<'a> {
    /// Row width, a multiple of [`LANES`].
    pub width: usize,
    /// The other side's rows, `n × width`.
    pub others: &'a [f32],
    /// Their Gram matrix, `width × width`.
    pub gram: &'a [f32],
    /// Extra confidence in what was met.
    pub alpha: f32,
    /// Regularisation.
    pub reg: f32,
    /// The other side's rows times the inverse of `gram + reg · I`, from
    /// [`low_rank::solve_all`]: where given, the exact solver uses it for short rows.
    pub solved: Option<&'a [f32]>,
}

/// Memory that solving reuses from row to row.
#[derive(Debug, Default)]
pub struct Scratch {
    matrix: Vec<f32>,
    gathered: Vec<f32>,
    vectors: [Vec<f32>; 3],
}

impl Problem<'_> {
    /// Solves for one row: `x` comes in as the old row (the starting point of conjugate
    /// gradient) and goes out as the new one. `false`, and `x` unchanged, where A is not
    /// positive definite in `f32`.
    pub fn solve(&self, method: Method, owned: &[u32], x: &mut [f32], scratch: &mut Scratch) -> bool {
        assert_eq!(x.len(), self.width, "one row");
        assert!(self.width.is_multiple_of(LANES), "padded rows");
        if owned.is_empty() {
            x.fill(0.0);
            return true;
        }
        match method {
            Method::Cholesky => self.exact_if_short(owned, x, scratch) || self.exact(owned, x, scratch),
            Method::ConjugateGradient(steps) => {
                scratch.vectors.iter_mut().for_each(|v| v.resize(self.width, 0.0));
                conjugate_gradient(self, owned, steps, x, &mut scratch.vectors);
                true
            }
        }
    }

    /// Whether the row is short enough for the smaller system, and that gave a solution.
    fn exact_if_short(&self, owned: &[u32], x: &mut [f32], scratch: &mut Scratch) -> bool {
        let Scratch { matrix, vectors: [c, ..], .. } = scratch;
        owned.len() <= self.width
            && self.solved.is_some_and(|solved| low_rank::solve(self, solved, owned, x, matrix, c))
    }

    fn exact(&self, owned: &[u32], x: &mut [f32], scratch: &mut Scratch) -> bool {
        let width = self.width;
        let Scratch { matrix, gathered, vectors: [b, ..] } = scratch;
        matrix.clear();
        matrix.extend_from_slice(self.gram);
        (0..width).for_each(|at| matrix[at * width + at] += self.reg);
        b.clear();
        b.resize(width, 0.0);
        for owned in owned.chunks(GATHER) {
            gathered.clear();
            owned.iter().for_each(|&other| gathered.extend_from_slice(self.row(other)));
            let rows = View::new(gathered, owned.len(), width, width);
            multiply(matrix, width, 1.0, self.alpha, rows.t(), rows);
            for row in gathered.chunks_exact(width) {
                b.iter_mut().zip(row).for_each(|(sum, y)| *sum += y);
            }
        }
        b.iter_mut().for_each(|sum| *sum *= 1.0 + self.alpha);
        let solved = solve_positive(matrix, width, b);
        if solved {
            x.copy_from_slice(b);
        }
        solved
    }

    fn row(&self, other: u32) -> &[f32] {
        &self.others[other as usize * self.width..][..self.width]
    }
}

/// `YᵀY` of a matrix of `width` columns, in chunks of rows summed in order.
pub fn gram(rows: &[f32], width: usize) -> Vec<f32> {
    use rayon::prelude::*;
    const CHUNK: usize = 1024;
    let parts: Vec<Vec<f32>> = rows
        .par_chunks(CHUNK * width)
        .map(|rows| {
            let rows = View::new(rows, rows.len() / width, width, width);
            let mut part = vec![0f32; width * width];
            multiply(&mut part, width, 0.0, 1.0, rows.t(), rows);
            part
        })
        .collect();
    let mut sum = vec![0f32; width * width];
    for part in parts {
        sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
    }
    sum
}

fn conjugate_gradient(
    problem: &Problem<'_>,
    owned: &[u32],
    steps: u32,
    x: &mut [f32],
    vectors: &mut [Vec<f32>; 3],
) {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: the processor has just said that it knows AVX2 and FMA.
        #[expect(unsafe_code, reason = "calls a function compiled for a detected feature")]
        return unsafe { conjugate_gradient_avx2(problem, owned, steps, x, vectors) };
    }
    conjugate_gradient_on::<false>(problem, owned, steps, x, vectors);
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn conjugate_gradient_avx2(
    problem: &Problem<'_>,
    owned: &[u32],
    steps: u32,
    x: &mut [f32],
    vectors: &mut [Vec<f32>; 3],
) {
    conjugate_gradient_on::<true>(problem, owned, steps, x, vectors);
}

/// `a · b + c`, fused where the processor can.
#[inline(always)]
fn fused<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Conjugate gradient for A x = b from the old x (G. Takács, I. Pilászy, D. Tikk,
/// "Applications of the conjugate gradient method for implicit feedback collaborative
/// filtering", RecSys 2011), without a preconditioner.
#[inline(always)]
fn conjugate_gradient_on<const FMA: bool>(
    problem: &Problem<'_>,
    owned: &[u32],
    steps: u32,
    x: &mut [f32],
    [residual, direction, image]: &mut [Vec<f32>; 3],
) {
    let alpha = problem.alpha;
    // b - A x in one pass: what was met contributes ((1 + alpha) - alpha · y·x) y.
    apply::<FMA>(problem, owned, x, -1.0, 1.0 + alpha, -alpha, residual);
    direction.copy_from_slice(residual);
    let mut square = dot::<FMA>(residual, residual);
    for _ in 0..steps {
        if square < 1e-20 {
            break;
        }
        apply::<FMA>(problem, owned, direction, 1.0, 0.0, alpha, image);
        let curvature = dot::<FMA>(direction, image);
        if curvature <= 0.0 || !curvature.is_finite() {
            break;
        }
        let step = square / curvature;
        for at in 0..x.len() {
            x[at] = fused::<FMA>(step, direction[at], x[at]);
            residual[at] = fused::<FMA>(-step, image[at], residual[at]);
        }
        let next = dot::<FMA>(residual, residual);
        let turn = next / square;
        for (direction, residual) in direction.iter_mut().zip(residual.iter()) {
            *direction = fused::<FMA>(turn, *direction, *residual);
        }
        square = next;
    }
}

/// `out = sign · (YᵀY + reg · I) v + Σ_owned (base + slope · y·v) y`.
#[inline(always)]
fn apply<const FMA: bool>(
    problem: &Problem<'_>,
    owned: &[u32],
    v: &[f32],
    sign: f32,
    base: f32,
    slope: f32,
    out: &mut [f32],
) {
    let scaled = sign * problem.reg;
    out.iter_mut().zip(v).for_each(|(out, v)| *out = scaled * v);
    #[cfg(target_arch = "x86_64")]
    if FMA {
        // SAFETY: only functions compiled for AVX2 and FMA pass `FMA = true`.
        #[expect(unsafe_code, reason = "calls a function compiled for a detected feature")]
        return unsafe { avx2::add_products(problem, owned, v, sign, base, slope, out) };
    }
    for (row, v) in problem.gram.chunks_exact(problem.width).zip(v) {
        add::<FMA>(out, row, sign * v);
    }
    for &other in owned {
        let row = problem.row(other);
        add::<FMA>(out, row, fused::<FMA>(slope, dot::<FMA>(row, v), base));
    }
}

/// `out += factor · row`.
#[inline(always)]
fn add<const FMA: bool>(out: &mut [f32], row: &[f32], factor: f32) {
    for (out, row) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(row.as_chunks::<LANES>().0) {
        *out = fused_lanes::<FMA>(&[factor; LANES], row, *out);
    }
}

/// `a · b + c` in every lane.
#[inline(always)]
fn fused_lanes<const FMA: bool>(a: &[f32; LANES], b: &[f32; LANES], c: [f32; LANES]) -> [f32; LANES] {
    let mut out = c;
    for lane in 0..LANES {
        out[lane] = fused::<FMA>(a[lane], b[lane], c[lane]);
    }
    out
}

#[inline(always)]
fn dot<const FMA: bool>(a: &[f32], b: &[f32]) -> f32 {
    let (a, b) = (a.as_chunks::<LANES>().0, b.as_chunks::<LANES>().0);
    let mut sum = [0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        sum = fused_lanes::<FMA>(a, b, sum);
    }
    sum_lanes(sum)
}

#[inline(always)]
fn sum_lanes([a, b, c, d, e, f, g, h]: [f32; LANES]) -> f32 {
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// Solves A x = b for a symmetric positive definite A (`n × n`, n a multiple of
/// [`LANES`]); `b` becomes x, `a` is used up. `false` where a pivot is not positive.
///
/// The factor is the upper one, A = Uᵀ U, built by subtracting from every later row: all
/// inner loops then run along rows.
fn solve_positive(a: &mut [f32], n: usize, b: &mut [f32]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: the processor has just said that it knows AVX2 and FMA.
        #[expect(unsafe_code, reason = "calls a function compiled for a detected feature")]
        return unsafe { solve_positive_avx2(a, n, b) };
    }
    solve_positive_on::<false>(a, n, b)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn solve_positive_avx2(a: &mut [f32], n: usize, b: &mut [f32]) -> bool {
    solve_positive_on::<true>(a, n, b)
}

#[inline(always)]
fn solve_positive_on<const FMA: bool>(a: &mut [f32], n: usize, b: &mut [f32]) -> bool {
    for pivot in 0..n {
        let (done, later) = a.split_at_mut((pivot + 1) * n);
        let row = &mut done[pivot * n..];
        if row[pivot] <= 0.0 || !row[pivot].is_finite() {
            return false;
        }
        let scale = 1.0 / row[pivot].sqrt();
        // Whole lanes from the one that holds the pivot on: what stands before it is never read.
        let start = pivot / LANES * LANES;
        row[start..].iter_mut().for_each(|value| *value *= scale);
        for (at, other) in later.chunks_exact_mut(n).enumerate() {
            let at = pivot + 1 + at;
            let factor = -row[at];
            let start = at / LANES * LANES;
            let (other, row) =
                (other[start..].as_chunks_mut::<LANES>().0, row[start..].as_chunks::<LANES>().0);
            for (other, row) in other.iter_mut().zip(row) {
                *other = fused_lanes::<FMA>(&[factor; LANES], row, *other);
            }
        }
    }
    // Uᵀ z = b forwards, then U x = z backwards.
    for pivot in 0..n {
        let row = &a[pivot * n..][..n];
        let z = b[pivot] / row[pivot];
        b[pivot] = z;
        for (b, u) in b[pivot + 1..].iter_mut().zip(&row[pivot + 1..]) {
            *b -= z * u;
        }
    }
    for pivot in (0..n).rev() {
        let row = &a[pivot * n..][..n];
        // To the end of the pivot's lane one by one, then whole lanes.
        let whole = (pivot / LANES + 1) * LANES;
        let mut sum = b[pivot] - dot::<FMA>(&row[whole..], &b[whole..]);
        for at in pivot + 1..whole {
            sum -= row[at] * b[at];
        }
        b[pivot] = sum / row[pivot];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Streams};
    use rand::RngExt;

    fn rows(n: usize, width: usize) -> Vec<f32> {
        let mut rng = Streams::new(8).stream(Purpose::Init, 0, 0, 0);
        (0..n * width).map(|_| rng.random::<f32>() - 0.5).collect()
    }

    /// A x - b, from the definition in f64.
    fn residual(problem: &Problem<'_>, owned: &[u32], x: &[f32]) -> f64 {
        let (width, alpha) = (problem.width, f64::from(problem.alpha));
        let row = |i: usize| &problem.others[i * width..][..width];
        let product =
            |i: usize| row(i).iter().zip(x).map(|(y, x)| f64::from(*y) * f64::from(*x)).sum::<f64>();
        let mut left: Vec<f64> = x.iter().map(|&x| f64::from(problem.reg) * f64::from(x)).collect();
        for i in 0..problem.others.len() / width {
            let met = owned.contains(&(i as u32));
            let confidence = if met { 1.0 + alpha } else { 1.0 };
            let wanted = if met { 1.0 } else { 0.0 };
            for (left, &y) in left.iter_mut().zip(row(i)) {
                *left += confidence * (product(i) - wanted) * f64::from(y);
            }
        }
        left.iter().map(|value| value.abs()).fold(0.0, f64::max)
    }

    #[test]
    fn both_methods_solve_the_normal_equations() {
        for (n, width) in [(30, 8), (400, 24), (700, 64)] {
            let others = rows(n, width);
            let gram = gram(&others, width);
            let problem =
                Problem { width, others: &others, gram: &gram, alpha: 10.0, reg: 0.5, solved: None };
            for n_owned in [0, 1, 3, 4, 9, 300] {
                let owned: Vec<u32> = (0..n_owned.min(n as u32)).map(|i| (i * 11) % n as u32).collect();
                for method in [Method::Cholesky, Method::ConjugateGradient(200)] {
                    let mut x = vec![0.1f32; width];
                    let mut scratch = Scratch::default();
                    assert!(problem.solve(method, &owned, &mut x, &mut scratch));
                    let left = residual(&problem, &owned, &x);
                    assert!(left < 2e-2, "{n} × {width}, {n_owned} owned, {method:?}: {left}");
                    // Reused memory must not matter.
                    let mut again = vec![0.1f32; width];
                    assert!(problem.solve(method, &owned, &mut again, &mut scratch));
                    assert_eq!(x, again);
                }
            }
        }
    }

    #[test]
    fn the_plain_and_the_fused_loops_agree() {
        let (n, width) = (100, 16);
        let others = rows(n, width);
        let gram = gram(&others, width);
        let problem = Problem { width, others: &others, gram: &gram, alpha: 5.0, reg: 1.0, solved: None };
        let owned: Vec<u32> = (0..23).collect();
        let vectors = || [vec![0f32; width], vec![0f32; width], vec![0f32; width]];
        let (mut plain, mut chosen) = (vec![0f32; width], vec![0f32; width]);
        conjugate_gradient_on::<false>(&problem, &owned, 5, &mut plain, &mut vectors());
        conjugate_gradient(&problem, &owned, 5, &mut chosen, &mut vectors());
        for (a, b) in plain.iter().zip(&chosen) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }

    #[test]
    fn what_is_not_positive_definite_is_refused() {
        let mut a = vec![0f32; 64];
        assert!(!solve_positive(&mut a, 8, &mut [1.0; 8]));
        a[0] = f32::NAN;
        assert!(!solve_positive(&mut a, 8, &mut [1.0; 8]));
    }
}
