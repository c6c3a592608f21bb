//! Gradient-boosted trees for two classes (Friedman 2001, algorithms 1 and 5): least-squares trees
//! on the residuals of the logistic loss, leaves by one Newton step. Splits are searched among
//! all thresholds. Must not know what the rows are.

/// Trees, their depth, how much of each is taken, and the fewest rows of a leaf.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoostingParams {
    /// Trees.
    pub n_trees: usize,
    /// Splits from root to leaf.
    pub depth: usize,
    /// How much of each tree is taken.
    pub learning_rate: f64,
    /// Fewest rows of a leaf.
    pub rows_min: usize,
}

impl Default for BoostingParams {
    fn default() -> Self {
        BoostingParams { n_trees: 100, depth: 3, learning_rate: 0.1, rows_min: 10 }
    }
}

/// A fitted model.
#[derive(Clone, Debug, PartialEq)]
pub struct Boosting {
    prior: f64,
    trees: Vec<Tree>,
}

/// A binary tree: node `k` has children `2k + 1` and `2k + 2`.
#[derive(Clone, Debug, PartialEq)]
struct Tree {
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Node {
    /// Rows with a feature at most the threshold go left.
    Split {
        feature: usize,
        threshold: f64,
    },
    Leaf {
        value: f64,
    },
}

/// Splits that gain less than this, in units of squared residuals, are not worth making.
const GAIN_MIN: f64 = 1e-12;

/// The best split of a node found so far.
#[derive(Clone, Copy)]
struct Best {
    gain: f64,
    feature: usize,
    threshold: f64,
}

/// What a node holds: its rows and their residuals summed, all of them and those left of a threshold.
#[derive(Clone, Copy, Default)]
struct Sums {
    n: usize,
    total: f64,
    n_left: usize,
    left: f64,
    last: f64,
}

impl Boosting {
    /// Fits to the rows.
    ///
    /// # Panics
    /// When there is not one label a row, or rows differ in length.
    pub fn fit(rows: &[&[f64]], labels: &[bool], params: BoostingParams) -> Boosting {
        assert_eq!(rows.len(), labels.len(), "one label a row");
        let n_features = rows.first().map_or(0, |row| row.len());
        let order: Vec<Vec<u32>> = (0..n_features).map(|feature| ascending(rows, feature)).collect();
        let n_positive = labels.iter().filter(|label| **label).count() as f64;
        let share = (n_positive / rows.len().max(1) as f64).clamp(1e-6, 1.0 - 1e-6);
        let mut model = Boosting { prior: (share / (1.0 - share)).ln(), trees: Vec::new() };
        let mut scores = vec![model.prior; rows.len()];
        for _ in 0..params.n_trees {
            let p: Vec<f64> = scores.iter().map(|score| 1.0 / (1.0 + (-score).exp())).collect();
            let residuals: Vec<f64> =
                labels.iter().zip(&p).map(|(&label, p)| f64::from(u8::from(label)) - p).collect();
            let (mut tree, leaf_of) = grow(rows, &order, &residuals, params);
            tree.newton(&leaf_of, &residuals, &p, params.learning_rate);
            scores.iter_mut().zip(rows).for_each(|(score, row)| *score += tree.value(row));
            model.trees.push(tree);
        }
        model
    }

    /// The log-odds that a row is positive.
    pub fn score(&self, row: &[f64]) -> f64 {
        self.prior + self.trees.iter().map(|tree| tree.value(row)).sum::<f64>()
    }
}

/// Row numbers by ascending feature; equal values keep the order of rows.
fn ascending(rows: &[&[f64]], feature: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    order.sort_by(|&a, &b| rows[a as usize][feature].total_cmp(&rows[b as usize][feature]));
    order
}

/// Grows a tree level by level; with it comes the node in which every row ends.
fn grow(
    rows: &[&[f64]],
    order: &[Vec<u32>],
    residuals: &[f64],
    params: BoostingParams,
) -> (Tree, Vec<usize>) {
    let n_nodes = (1usize << (params.depth + 1)) - 1;
    let mut nodes = vec![Node::Leaf { value: 0.0 }; n_nodes];
    let mut node_of = vec![0usize; rows.len()];
    for level in 0..params.depth {
        let first = (1usize << level) - 1;
        let best = best_splits(rows, order, residuals, &node_of, first..2 * first + 1, params.rows_min);
        for (k, best) in best.into_iter().enumerate() {
            if let Some(Best { feature, threshold, .. }) = best {
                nodes[first + k] = Node::Split { feature, threshold };
            }
        }
        for (row, node) in rows.iter().zip(&mut node_of) {
            if let Node::Split { feature, threshold } = nodes[*node] {
                *node = 2 * *node + if row[feature] <= threshold { 1 } else { 2 };
            }
        }
    }
    (Tree { nodes }, node_of)
}

/// The best split of each of these nodes: the one that lowers the sum of squares most; of equal
/// ones the lowest feature, then the lowest threshold.
fn best_splits(
    rows: &[&[f64]],
    order: &[Vec<u32>],
    residuals: &[f64],
    node_of: &[usize],
    nodes: std::ops::Range<usize>,
    rows_min: usize,
) -> Vec<Option<Best>> {
    let mut whole = vec![Sums::default(); nodes.len()];
    for (node, residual) in node_of.iter().zip(residuals) {
        if nodes.contains(node) {
            let sums = &mut whole[node - nodes.start];
            sums.n += 1;
            sums.total += residual;
        }
    }
    let mut best: Vec<Option<Best>> = vec![None; nodes.len()];
    for (feature, order) in order.iter().enumerate() {
        let mut sums = whole.clone();
        for &row in order {
            let row = row as usize;
            if !nodes.contains(&node_of[row]) {
                continue;
            }
            let at = node_of[row] - nodes.start;
            let (node, value) = (&mut sums[at], rows[row][feature]);
            if node.n_left > 0 && value > node.last {
                let gain = node.gain(rows_min);
                if gain > best[at].map_or(GAIN_MIN, |best| best.gain) {
                    let middle = 0.5 * (node.last + value);
                    // Two neighbours may have nothing between them.
                    let threshold = if middle < value { middle } else { node.last };
                    best[at] = Some(Best { gain, feature, threshold });
                }
            }
            node.n_left += 1;
            node.left += residuals[row];
            node.last = value;
        }
    }
    best
}

impl Sums {
    /// How much the sum of squares falls by splitting here; nothing where a side is too small.
    fn gain(&self, rows_min: usize) -> f64 {
        let n_right = self.n - self.n_left;
        if self.n_left < rows_min || n_right < rows_min {
            return 0.0;
        }
        let (n_left, n_right) = (self.n_left as f64, n_right as f64);
        let difference = self.left / n_left - (self.total - self.left) / n_right;
        n_left * n_right / (n_left + n_right) * difference * difference
    }
}

impl Tree {
    /// Gives every leaf its Newton step, Σ residual / Σ p (1 − p), times the learning rate.
    fn newton(&mut self, leaf_of: &[usize], residuals: &[f64], p: &[f64], learning_rate: f64) {
        let mut sums = vec![(0.0, 0.0); self.nodes.len()];
        for ((&leaf, residual), p) in leaf_of.iter().zip(residuals).zip(p) {
            sums[leaf].0 += residual;
            sums[leaf].1 += p * (1.0 - p);
        }
        for (node, (above, below)) in self.nodes.iter_mut().zip(sums) {
            if let Node::Leaf { value } = node {
                *value = if below > 1e-150 { learning_rate * above / below } else { 0.0 };
            }
        }
    }

    fn value(&self, row: &[f64]) -> f64 {
        let mut at = 0;
        loop {
            match self.nodes[at] {
                Node::Leaf { value } => return value,
                Node::Split { feature, threshold } => {
                    at = 2 * at + if row[feature] <= threshold { 1 } else { 2 };
                }
            }
        }
    }
}
