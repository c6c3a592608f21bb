//! By how much each of some items would multiply the determinant of those chosen, kept up to date as items are
//! chosen and as the first of them are forgotten (Chen, Zhang and Zhou 2018, algorithms 1 and 2).
//!
//! With `V Vᵀ` the similarity matrix of the chosen items, every item has a row `c` with `V cᵀ` = its similarities to
//! them, and what it adds is `d² = 1 − |c|²`. A choice costs one number an item for each chosen before, and so does
//! forgetting one. Must not know what items are.

/// Rows of all items over those chosen.
pub struct Volumes {
    /// Columns that there is room for.
    width: usize,
    /// Row-major, `width` numbers an item, one for each that is chosen.
    rows: Vec<f64>,
    /// d², one an item.
    added: Vec<f64>,
    /// Who is chosen, the longest first; the row of the k-th is filled up to its own diagonal at k.
    chosen: Vec<usize>,
    /// The entry of each item that a factor loses with its first column.
    carried: Vec<f64>,
}

impl Volumes {
    /// Nothing chosen yet of `n_items`; no more than `n_chosen_max` will be at a time.
    pub fn new(n_items: usize, n_chosen_max: usize) -> Self {
        let width = n_chosen_max + 1;
        Volumes {
            width,
            rows: vec![0.0; n_items * width],
            added: vec![1.0; n_items],
            chosen: Vec::with_capacity(width),
            carried: vec![0.0; n_items],
        }
    }

    /// How many are chosen.
    pub fn n_chosen(&self) -> usize {
        self.chosen.len()
    }

    /// The factor by which this item would multiply the determinant; that it had, of one that is chosen.
    pub fn added(&self, item: usize) -> f64 {
        self.added[item]
    }

    /// Chooses an item that adds something. `like` tells how alike two items are.
    pub fn choose(&mut self, item: usize, like: impl Fn(usize, usize) -> f64) {
        let (k, width) = (self.chosen.len(), self.width);
        let diagonal = self.added[item].sqrt();
        let own = self.rows[item * width..item * width + k].to_vec();
        for (other, row) in self.rows.chunks_exact_mut(width).enumerate() {
            if other == item || self.chosen.contains(&other) {
                continue;
            }
            let dot: f64 = own.iter().zip(&*row).map(|(a, b)| a * b).sum();
            row[k] = (like(item, other) - dot) / diagonal;
            self.added[other] -= row[k] * row[k];
        }
        self.rows[item * width + k] = diagonal;
        self.chosen.push(item);
    }

    /// Forgets the one chosen longest ago, by a rank-one update of the factor of the others.
    pub fn forget(&mut self) {
        if self.chosen.is_empty() {
            return;
        }
        let first = self.chosen.remove(0);
        let (width, n_left) = (self.width, self.chosen.len());
        for (item, row) in self.rows.chunks_exact_mut(width).enumerate() {
            self.carried[item] = row[0];
            row.copy_within(1..n_left + 1, 0);
            row[n_left] = 0.0;
        }
        // One that is forgotten is no longer kept up to date: it cannot be chosen again.
        self.rows[first * width..(first + 1) * width].fill(0.0);
        self.carried[first] = 0.0;
        for k in 0..n_left {
            let pivot = self.chosen[k];
            let (diagonal, carried) = (self.rows[pivot * width + k], self.carried[pivot]);
            let length = diagonal.hypot(carried);
            for (item, row) in self.rows.chunks_exact_mut(width).enumerate() {
                let (entry, other) = (row[k], self.carried[item]);
                row[k] = (diagonal * entry + carried * other) / length;
                self.carried[item] = (diagonal * other - carried * entry) / length;
            }
        }
        // What a row no longer shares with any chosen item, it would add; those chosen stand by their diagonals.
        for (item, added) in self.added.iter_mut().enumerate() {
            if !self.chosen.contains(&item) {
                *added += self.carried[item] * self.carried[item];
            }
        }
    }
}
