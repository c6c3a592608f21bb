//! What reward to expect of an item at a place for a person: ridge regression on features, then what is left over item
//! by item, shrunken to 0. Fitted in folds by person, so that nobody's expectation comes from their own rewards.
//! Must not know policies or propensities.

/// One reward and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Who, dense from 0.
    pub person: u32,
    /// Which item, dense from 0.
    pub item: u32,
    /// At which place, from 0.
    pub place: u32,
}

/// What is known of a case besides its item: writes as many numbers every time.
pub type Features<'a> = dyn Fn(Case, &mut Vec<f64>) + Sync + 'a;

/// Ridge penalty on standardised features, in rows: it weighs as much as this many rows.
const PENALTY_ROWS: f64 = 4.0;

/// Models of several folds.
pub struct CrossFitted<'a> {
    n_folds: u32,
    models: Vec<Model>,
    features: &'a Features<'a>,
}

/// Fits one model a fold to the rewards of everybody outside it.
///
/// A person's fold is their number modulo `n_folds` (at least 2). Rewards of an empty outside are expected to be 0.
///
/// # Panics
/// When there are not as many rewards as cases.
pub fn cross_fit<'a>(
    cases: &[Case],
    rewards: &[f64],
    n_items: usize,
    n_folds: u32,
    features: &'a Features<'a>,
) -> CrossFitted<'a> {
    assert_eq!(cases.len(), rewards.len(), "one reward a case");
    let n_folds = n_folds.max(2);
    let fit = |fold: u32| {
        let outside: Vec<usize> = (0..cases.len()).filter(|&at| cases[at].person % n_folds != fold).collect();
        Model::fit(&outside, cases, rewards, n_items, features)
    };
    CrossFitted { n_folds, models: (0..n_folds).map(fit).collect(), features }
}

impl CrossFitted<'_> {
    /// The reward to expect, by the model that has not seen this person; within the range of rewards it has seen.
    pub fn expected(&self, case: Case) -> f64 {
        let mut row = Vec::new();
        (self.features)(case, &mut row);
        self.models[(case.person % self.n_folds) as usize].expected(&row, case.item)
    }
}

/// One fold's model.
struct Model {
    /// Mean and standard deviation of every feature.
    scale: Vec<(f64, f64)>,
    coefficients: Vec<f64>,
    intercept: f64,
    /// What every item has left over, shrunken.
    item_effects: Vec<f64>,
    range: (f64, f64),
}

impl Model {
    fn fit(
        outside: &[usize],
        cases: &[Case],
        rewards: &[f64],
        n_items: usize,
        features: &Features<'_>,
    ) -> Self {
        let mut rows = Vec::with_capacity(outside.len());
        for &at in outside {
            let mut row = Vec::new();
            features(cases[at], &mut row);
            rows.push(row);
        }
        let n = outside.len() as f64;
        let intercept = outside.iter().map(|&at| rewards[at]).sum::<f64>() / n.max(1.0);
        let scale = scales(&rows);
        for row in &mut rows {
            row.iter_mut().zip(&scale).for_each(|(x, (mean, deviation))| *x = (*x - mean) / deviation);
        }
        let targets: Vec<f64> = outside.iter().map(|&at| rewards[at] - intercept).collect();
        let coefficients = ridge(&rows, &targets);
        let left: Vec<f64> =
            rows.iter().zip(&targets).map(|(row, target)| target - dot(row, &coefficients)).collect();
        let items: Vec<usize> = outside.iter().map(|&at| cases[at].item as usize).collect();
        let seen = outside.iter().map(|&at| rewards[at]);
        let range = seen.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), r| (low.min(r), high.max(r)));
        let range = if outside.is_empty() { (0.0, 0.0) } else { range };
        Model { scale, coefficients, intercept, item_effects: shrunken(&items, &left, n_items), range }
    }

    fn expected(&self, row: &[f64], item: u32) -> f64 {
        let standardised = row.iter().zip(&self.scale).map(|(x, (mean, deviation))| (x - mean) / deviation);
        let linear: f64 = standardised.zip(&self.coefficients).map(|(x, c)| x * c).sum();
        let effect = self.item_effects.get(item as usize).copied().unwrap_or(0.0);
        (self.intercept + linear + effect).clamp(self.range.0, self.range.1)
    }
}

/// Mean and standard deviation of every feature; a constant one is left as it is, less its mean.
fn scales(rows: &[Vec<f64>]) -> Vec<(f64, f64)> {
    let n_features = rows.first().map_or(0, Vec::len);
    let n = rows.len() as f64;
    let of = |at: usize| {
        let mean = rows.iter().map(|row| row[at]).sum::<f64>() / n;
        let variance = rows.iter().map(|row| (row[at] - mean) * (row[at] - mean)).sum::<f64>() / n;
        (mean, if variance > 1e-18 { variance.sqrt() } else { 1.0 })
    };
    (0..n_features).map(of).collect()
}

/// Coefficients of centred targets on standardised features: (XᵀX + λI)⁻¹ Xᵀy, by Cholesky.
fn ridge(rows: &[Vec<f64>], targets: &[f64]) -> Vec<f64> {
    let k = rows.first().map_or(0, Vec::len);
    let mut gram = vec![vec![0.0; k]; k];
    let mut right = vec![0.0; k];
    for (row, target) in rows.iter().zip(targets) {
        for i in 0..k {
            right[i] += row[i] * target;
            (0..=i).for_each(|j| gram[i][j] += row[i] * row[j]);
        }
    }
    for (i, row) in gram.iter_mut().enumerate() {
        row[i] += PENALTY_ROWS;
    }
    for i in 0..k {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|l| gram[i][l] * gram[j][l]).sum();
            gram[i][j] = if i == j { (gram[i][i] - sum).sqrt() } else { (gram[i][j] - sum) / gram[j][j] };
        }
    }
    for i in 0..k {
        let sum: f64 = (0..i).map(|l| gram[i][l] * right[l]).sum();
        right[i] = (right[i] - sum) / gram[i][i];
    }
    for i in (0..k).rev() {
        let sum: f64 = (i + 1..k).map(|l| gram[l][i] * right[l]).sum();
        right[i] = (right[i] - sum) / gram[i][i];
    }
    right
}

/// The mean of every item, shrunken to 0: n / (n + σ² / τ²) of it, where σ² is the variance within items and τ² that
/// between them, both by moments (one-way random effects; Searle, Casella and McCulloch 1992, section 3.6).
fn shrunken(items: &[usize], values: &[f64], n_items: usize) -> Vec<f64> {
    let (mut counts, mut sums) = (vec![0.0f64; n_items], vec![0.0f64; n_items]);
    for (&item, value) in items.iter().zip(values) {
        counts[item] += 1.0;
        sums[item] += value;
    }
    let means: Vec<f64> =
        sums.iter().zip(&counts).map(|(sum, &n)| if n > 0.0 { sum / n } else { 0.0 }).collect();
    let (n, groups) = (values.len() as f64, counts.iter().filter(|&&n| n > 0.0).count() as f64);
    let within: f64 =
        items.iter().zip(values).map(|(&item, value)| (value - means[item]) * (value - means[item])).sum();
    let grand = values.iter().sum::<f64>() / n.max(1.0);
    let between: f64 = counts.iter().zip(&means).map(|(n, mean)| n * (mean - grand) * (mean - grand)).sum();
    if n <= groups || groups < 2.0 {
        return vec![0.0; n_items];
    }
    let noise = within / (n - groups);
    let spread = n - counts.iter().map(|n| n * n).sum::<f64>() / n;
    let signal = (between - (groups - 1.0) * noise) / spread;
    if signal.is_nan() || signal <= 0.0 {
        return vec![0.0; n_items];
    }
    counts.iter().zip(&means).map(|(n, mean)| mean * n / (n + noise / signal)).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: Case, _: &mut Vec<f64>) {}

    #[test]
    fn nobody_is_expected_from_their_own_rewards() {
        let cases: Vec<Case> = (0..40).map(|k| Case { person: k % 4, item: k % 3, place: 0 }).collect();
        let rewards: Vec<f64> = cases.iter().map(|case| f64::from(case.person)).collect();
        let features = |_: Case, _: &mut Vec<f64>| {};
        let fitted = cross_fit(&cases, &rewards, 3, 2, &features);
        // People 0 and 2 are of the fold that learns from 1 and 3, and the other way round.
        let expected = |person| fitted.expected(Case { person, item: 0, place: 0 });
        assert!((expected(0) - 2.0).abs() < 0.2 && (expected(1) - 1.0).abs() < 0.2);
    }

    #[test]
    fn features_and_items_are_both_learnt() {
        let cases: Vec<Case> =
            (0..4000).map(|k| Case { person: k % 97, item: (k / 7) % 5, place: (k / 3) % 3 }).collect();
        let truth =
            |case: Case| 0.2 + 0.1 * f64::from(case.place) + [0.0, 0.3, 0.0, -0.1, 0.1][case.item as usize];
        let noise = |k: usize| ((k * k * 31 + k * 7 + 17) % 1009) as f64 / 1009.0 - 0.5;
        let rewards: Vec<f64> = cases.iter().enumerate().map(|(k, &case)| truth(case) + noise(k)).collect();
        let features = |case: Case, row: &mut Vec<f64>| row.push(f64::from(case.place));
        let fitted = cross_fit(&cases, &rewards, 5, 3, &features);
        for (item, place) in [(0, 0), (1, 2), (3, 1), (4, 2)] {
            let case = Case { person: 5, item, place };
            assert!(
                (fitted.expected(case) - truth(case)).abs() < 0.05,
                "{case:?}: {}",
                fitted.expected(case)
            );
        }
    }

    #[test]
    fn without_a_difference_between_items_there_is_none_expected() {
        let cases: Vec<Case> = (0..900).map(|k| Case { person: k % 10, item: k % 30, place: 0 }).collect();
        let rewards: Vec<f64> = (0..900).map(|k| f64::from(k / 30 % 2)).collect();
        let fitted = cross_fit(&cases, &rewards, 30, 2, &nothing);
        assert!((fitted.expected(Case { person: 0, item: 7, place: 0 }) - 0.5).abs() < 0.02);
        let none = cross_fit(&[], &[], 30, 2, &nothing);
        assert_eq!(none.expected(Case { person: 0, item: 7, place: 0 }), 0.0);
    }
}
