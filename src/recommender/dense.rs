//! Dense matrices: one row-major form, and safe doors to the GEMM kernels.
//!
//! Must not know what the numbers mean. Kernels run on the calling thread; callers spread
//! fixed blocks over threads, so that no result depends on how many there are. A product
//! may round differently for another **shape** (kernels are chosen by shape), never for
//! other numbers in other rows: whoever needs a row to be the same in every batch calls
//! with one fixed shape.

/// A dense row-major matrix of `f32`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// Number of rows.
    pub n_rows: usize,
    /// Number of columns.
    pub n_cols: usize,
    /// The values, row after row.
    pub data: Vec<f32>,
}

impl Matrix {
    /// A matrix from its values.
    ///
    /// # Panics
    /// When there are not `n_rows × n_cols` of them.
    pub fn new(n_rows: usize, n_cols: usize, data: Vec<f32>) -> Self {
        assert_eq!(data.len(), n_rows * n_cols, "a {n_rows} × {n_cols} matrix");
        Matrix { n_rows, n_cols, data }
    }

    /// A matrix of zeros.
    pub fn zeros(n_rows: usize, n_cols: usize) -> Self {
        Matrix { n_rows, n_cols, data: vec![0.0; n_rows * n_cols] }
    }

    /// One row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.n_cols..(row + 1) * self.n_cols]
    }

    /// One row, to write.
    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.data[row * self.n_cols..(row + 1) * self.n_cols]
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// The numbers the kernels compute with: `f32` and `f64`.
pub trait Real: sealed::Sealed + Copy + Send + Sync + From<f32> + 'static {}
impl Real for f32 {}
impl Real for f64 {}

/// A read-only matrix inside a slice: element (r, c) is `data[r * row_stride + c * col_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, T> {
    data: &'a [T],
    n_rows: usize,
    n_cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, T: Real> View<'a, T> {
    /// A row-major matrix whose rows start `stride` apart.
    ///
    /// # Panics
    /// When it does not fit into the slice.
    pub fn new(data: &'a [T], n_rows: usize, n_cols: usize, stride: usize) -> Self {
        assert!(fits(data.len(), n_rows, n_cols, stride), "a {n_rows} × {n_cols} view in {}", data.len());
        View { data, n_rows, n_cols, row_stride: stride, col_stride: 1 }
    }

    /// The transpose, without moving anything.
    pub fn t(self) -> Self {
        View {
            data: self.data,
            n_rows: self.n_cols,
            n_cols: self.n_rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }
}

/// Whether a row-major matrix with rows `stride` apart lies inside a slice of this length.
fn fits(len: usize, n_rows: usize, n_cols: usize, stride: usize) -> bool {
    if n_rows == 0 || n_cols == 0 {
        return true;
    }
    (stride >= n_cols || n_rows == 1)
        && (n_rows - 1)
            .checked_mul(stride)
            .and_then(|end| end.checked_add(n_cols))
            .is_some_and(|end| end <= len)
}

/// `dst = keep · dst + scale · a · b`, where `dst` is row-major with rows `stride` apart.
///
/// `keep = 0` overwrites, whatever stood there. Runs on the calling thread.
///
/// # Panics
/// When the shapes do not fit each other or their slices.
#[expect(unsafe_code, reason = "the GEMM kernels take raw pointers")]
pub fn multiply<T: Real>(
    dst: &mut [T],
    stride: usize,
    keep: f32,
    scale: f32,
    a: View<'_, T>,
    b: View<'_, T>,
) {
    let (m, n, k) = (a.n_rows, b.n_cols, a.n_cols);
    assert_eq!(k, b.n_rows, "inner sizes must agree");
    assert!(fits(dst.len(), m, n, stride), "a {m} × {n} product in {}", dst.len());
    // SAFETY: all three matrices lie inside their slices (asserted here and when the views
    // were made), `dst` is borrowed exclusively and so overlaps neither operand, and every
    // bit pattern of a `Real` is a valid number.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.as_mut_ptr(),
            1,
            stride as isize,
            keep != 0.0,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            T::from(keep),
            T::from(scale),
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// The inner product, summed in a fixed order (eight lanes, then pairwise).
///
/// # Panics
/// When the lengths differ.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "an inner product of equal lengths");
    let mut lanes = [0f32; 8];
    let (a_lanes, b_lanes) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a_lanes.remainder().iter().zip(b_lanes.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_lanes.zip(b_lanes) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    let [a0, a1, a2, a3, a4, a5, a6, a7] = lanes;
    ((a0 + a4) + (a2 + a6)) + ((a1 + a5) + (a3 + a7)) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_match_by_hand_and_keep_what_they_should() {
        let a = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0];
        let b = [1.0f32, 0.0, -1.0, 2.0, 1.0, 0.0];
        let mut dst = [f32::NAN, f32::NAN, 9.0, f32::NAN, f32::NAN];
        // [1 2 3; 4 5 6] · [1 0 -1; 2 1 0]ᵀ, into a 2 × 2 corner with rows 3 apart.
        multiply(&mut dst, 3, 0.0, 1.0, View::new(&a, 2, 3, 3), View::new(&b, 2, 3, 3).t());
        assert_eq!(dst, [-2.0, 4.0, 9.0, -2.0, 13.0]);
        multiply(&mut dst, 3, 1.0, -1.0, View::new(&a, 2, 3, 3), View::new(&b, 2, 3, 3).t());
        assert_eq!(dst, [0.0, 0.0, 9.0, 0.0, 0.0]);
    }

    #[test]
    #[should_panic(expected = "2 × 3 view")]
    fn a_view_past_its_slice_is_refused() {
        View::new(&[0.0f32; 5], 2, 3, 3);
    }

    #[test]
    fn dot_of_any_length() {
        for len in 0..40 {
            let x: Vec<f32> = (0..len).map(|i| i as f32).collect();
            let expected: f32 = (0..len).map(|i| (i * i) as f32).sum();
            assert_eq!(dot(&x, &x), expected, "length {len}");
        }
    }
}
