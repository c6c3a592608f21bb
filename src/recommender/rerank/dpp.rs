//! `dpp`: the most probable list of a determinantal point process, greedily, after Chen, Zhang and Zhou, "Fast Greedy
//! MAP Inference for Determinantal Point Process to Improve Recommendation Diversity" (NeurIPS 2018).
//!
//! From the paper: a list S is worth `theta · Σ relevance + (1 − theta) · ln det(similarity of S)` (their equation 12),
//! the next item is the one that adds most, and what it adds to the determinant is kept up to date by an
//! incremental Cholesky factor (algorithm 1); with `window` an item has to differ only from the `window − 1` chosen
//! before it, whose factor is kept by rank-one updates (algorithm 2). Deviations: relevance is the wrapped arm's score,
//! scaled to 0..=1 over the candidates; how alike items are is told by genres (Jaccard) or by an encoder's vectors
//! (cosine), as it stands and not moved into 0..=1; what the session has shown counts as chosen; where nothing left would add
//! volume (more items than genres tell apart) the authors stop, while here the longest chosen is forgotten until
//! something does.
//!
//! `cholesky` keeps the determinants.

mod cholesky;

use super::super::wrapping::{Inner, Rerank, Reranked};
use super::super::{
    About, ColdItems, FitContext, Needs, Ranked, RecommendError, Recommender, RecommenderKind, Request,
    Surroundings, Trainer, Training, model_file,
};
use super::similarity::{SavedAs, Similarity};
use super::{N_CANDIDATES, best, check_shared, chosen, relevances, sizes};
use crate::id::ItemId;
use crate::scenario::params::{self, Complaint, within};
use cholesky::Volumes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

const NAME: &str = "dpp";

/// A factor by which an item multiplies the determinant that is as good as none: what rounding of single-precision
/// similarities leaves of it.
const VOLUME_MIN: f64 = 1e-6;

/// Settings of `dpp`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DppParams {
    /// The arm whose lists are reordered; must be given.
    pub wraps: String,
    /// Weight of relevance, 0..=1: 1 leaves the list as it is, 0 looks at differences alone.
    pub theta: f64,
    /// An item differs from this many minus one chosen before it, 2..=1000; 0 from all.
    pub window: u32,
    /// Items from the head of the list that are chosen from, 2..=1000.
    pub n_candidates: u32,
    /// The encoder whose item vectors tell how alike items are; their genres do, where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// Whether it is asked again on every page; as the arm that it wraps, where this is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapts: Option<bool>,
}

impl Default for DppParams {
    fn default() -> Self {
        DppParams {
            wraps: String::new(),
            theta: 0.7,
            window: 0,
            n_candidates: N_CANDIDATES,
            encoder: None,
            adapts: None,
        }
    }
}

impl DppParams {
    fn check(&self, at: &str) -> Result<(), Complaint> {
        check_shared(at, &self.wraps, self.n_candidates)?;
        if self.window == 1 || self.window > 1000 {
            return Err(Complaint::out_of_range(format!("{at}.window"), self.window, "0 or 2..=1000"));
        }
        within(at, "theta", self.theta, 0.0, 1.0)
    }
}

/// The kind `dpp`.
pub struct Dpp;

impl RecommenderKind for Dpp {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "reorders another arm's list so that its items span much, by a determinantal point process",
            source: "Chen, Zhang and Zhou, NeurIPS 2018",
            needs: Needs::Arm,
            folds_in: true,
            cold_items: ColdItems::Ranked,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(DppParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let params: DppParams = params::parse(at, table)?;
        params.check(at)?;
        Ok(Box::new(Checked { params }))
    }

    fn load(&self, dir: &Path, around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        let (params, saved): (DppParams, SavedAs) = model_file::read_header(dir, NAME)?;
        let bad = |complaint: Complaint| model_file::bad(&dir.join("model.json"), complaint.to_string());
        params.check("model").map_err(bad)?;
        let similarity = Similarity::load(dir, saved)?;
        let inner = Inner::load(dir, around, params.n_candidates, params.adapts)?;
        Ok(Box::new(Reranked { inner, by: Box::new(Fitted { params, similarity }) }))
    }
}

/// Checked settings.
struct Checked {
    params: DppParams,
}

impl Trainer for Checked {
    fn fit(
        &self,
        training: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let params = self.params.clone();
        let inner = Inner::fitted(NAME, &params.wraps, context, params.n_candidates, params.adapts)?;
        let similarity = Similarity::new(training, context, params.encoder.as_deref())?;
        Ok(Box::new(Reranked { inner, by: Box::new(Fitted { params, similarity }) }))
    }

    fn encoder(&self) -> Option<&str> {
        self.params.encoder.as_deref()
    }

    fn wraps(&self) -> Option<&str> {
        Some(&self.params.wraps)
    }
}

/// The settings, and how alike items are.
struct Fitted {
    params: DppParams,
    similarity: Similarity,
}

impl Fitted {
    /// How many chosen items an item has to differ from.
    fn n_before(&self) -> usize {
        match self.params.window {
            0 => usize::MAX,
            window => window as usize - 1,
        }
    }
}

impl Rerank for Fitted {
    fn rerank(&self, request: &Request<'_>, list: Ranked) -> Ranked {
        let (n_pool, n) = sizes(request, &list, self.params.n_candidates as usize);
        let theta = self.params.theta;
        if theta == 1.0 {
            // An item that adds no volume is as good as any here.
            return chosen(request, list, &[]);
        }
        let relevance = relevances(&list, n_pool);
        let n_before = self.n_before();
        // Candidates first, then what the session has shown.
        let n_shown = request.shown.len().min(n_before);
        let shown = &request.shown[request.shown.len() - n_shown..];
        let items: Vec<ItemId> = list.items[..n_pool].iter().chain(shown).copied().collect();
        let mut volumes = Volumes::new(items.len(), n_shown + n.min(n_before));
        let like = |a: usize, b: usize| f64::from(self.similarity.between(items[a], items[b]));
        for at in n_pool..items.len() {
            if volumes.added(at) > VOLUME_MIN {
                volumes.choose(at, like);
            }
        }
        let mut is_left = vec![true; n_pool];
        let mut picks = Vec::with_capacity(n);
        for _ in 0..n {
            while volumes.n_chosen() > n_before {
                volumes.forget();
            }
            let adds_any =
                |volumes: &Volumes| (0..n_pool).any(|at| is_left[at] && volumes.added(at) > VOLUME_MIN);
            while volumes.n_chosen() > 0 && !adds_any(&volumes) {
                volumes.forget();
            }
            let value = |at: usize| match volumes.added(at) {
                added if added > VOLUME_MIN => theta * f64::from(relevance[at]) + (1.0 - theta) * added.ln(),
                _ => f64::NEG_INFINITY,
            };
            let Some(pick) = best(&is_left, value) else { break };
            is_left[pick] = false;
            picks.push(pick);
            volumes.choose(pick, like);
        }
        chosen(request, list, &picks)
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        model_file::write_header(dir, NAME, &(&self.params, self.similarity.saved_as()))?;
        self.similarity.save(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::super::toy::{self, Case, distance};
    use super::*;

    fn rerank(case: &Case, (theta, window): (f64, u32), request: &Request<'_>) -> Vec<u32> {
        let params = DppParams { theta, window, ..DppParams::default() };
        let fitted = Fitted { params, similarity: case.similarity() };
        fitted.rerank(request, case.list()).items.iter().map(|item| item.0).collect()
    }

    /// A determinant by Gaussian elimination with pivots.
    fn determinant(mut rows: Vec<Vec<f64>>) -> f64 {
        let mut product = 1.0;
        for step in 0..rows.len() {
            let pivot =
                (step..rows.len()).max_by(|&a, &b| rows[a][step].abs().total_cmp(&rows[b][step].abs()));
            let pivot = pivot.expect("a row is left");
            if rows[pivot][step] == 0.0 {
                return 0.0;
            }
            if pivot != step {
                rows.swap(pivot, step);
                product = -product;
            }
            product *= rows[step][step];
            let (done, below) = rows.split_at_mut(step + 1);
            for row in below {
                let factor = row[step] / done[step][step];
                row.iter_mut().zip(&done[step]).skip(step).for_each(|(x, pivot)| *x -= factor * pivot);
            }
        }
        product
    }

    /// The definition: every determinant worked out anew, for every candidate at every step.
    fn by_definition(case: &Case, (theta, window): (f64, u32), n: usize, shown: &[u32]) -> Vec<u32> {
        let (list, similarity) = (case.list(), case.similarity());
        let relevance = relevances(&list, list.items.len());
        let det = |items: &[u32]| {
            let row = |&a: &u32| {
                items.iter().map(|&b| f64::from(similarity.between(ItemId(a), ItemId(b)))).collect()
            };
            determinant(items.iter().map(row).collect())
        };
        let added = |chosen: &[u32], item: u32| det(&[chosen, &[item]].concat()) / det(chosen);
        let n_before = if window == 0 { usize::MAX } else { window as usize - 1 };
        let mut before: Vec<u32> = Vec::new();
        for &item in &shown[shown.len() - shown.len().min(n_before)..] {
            if added(&before, item) > VOLUME_MIN {
                before.push(item);
            }
        }
        let mut picks: Vec<u32> = Vec::new();
        while picks.len() < n {
            let left: Vec<(usize, u32)> = list
                .items
                .iter()
                .map(|item| item.0)
                .enumerate()
                .filter(|(_, item)| !picks.contains(item))
                .collect();
            while before.len() > n_before
                || (!before.is_empty() && left.iter().all(|&(_, item)| added(&before, item) <= VOLUME_MIN))
            {
                before.remove(0);
            }
            let mut best: Option<(f64, u32)> = None;
            for (place, item) in left {
                let added = added(&before, item);
                let value = theta * f64::from(relevance[place]) + (1.0 - theta) * added.ln();
                if added > VOLUME_MIN && best.is_none_or(|(highest, _)| value > highest) {
                    best = Some((value, item));
                }
            }
            let (_, item) = best.expect("an item is left");
            picks.push(item);
            before.push(item);
        }
        picks
    }

    #[test]
    fn lists_are_those_of_explicit_determinants() {
        for (number, case) in toy::cases().iter().enumerate() {
            for settings in [(0.3, 0), (0.6, 0), (0.9, 0), (0.3, 2), (0.5, 4), (0.8, 7)] {
                let shown = [3, 1, 6].map(ItemId);
                let request = Request { shown: &shown, page: 2, ..toy::request(9) };
                let at = format!("case {number}, {settings:?}");
                let first = rerank(case, settings, &toy::request(9));
                assert_eq!(first, by_definition(case, settings, 9, &[]), "{at}");
                let later = rerank(case, settings, &request);
                assert_eq!(later, by_definition(case, settings, 9, &[3, 1, 6]), "{at}, shown");
            }
        }
    }

    #[test]
    fn the_head_of_a_list_is_the_list_of_less_even_where_genres_tell_fewer_apart() {
        for case in toy::cases() {
            let long = rerank(&case, (0.4, 0), &toy::request(toy::N_ITEMS));
            assert_eq!(long.len(), toy::N_ITEMS);
            assert_eq!(rerank(&case, (0.4, 0), &toy::request(4)), long[..4]);
        }
    }

    #[test]
    fn less_weight_on_relevance_makes_lists_more_diverse_and_weight_one_changes_nothing() {
        let cases = toy::cases();
        let mean = |theta: f64| {
            let of = |case: &Case| distance(&case.similarity(), &rerank(case, (theta, 0), &toy::request(5)));
            cases.iter().map(of).sum::<f64>() / cases.len() as f64
        };
        let distances = [1.0, 0.9, 0.7, 0.4].map(mean);
        assert!(distances.is_sorted_by(|a, b| a < b), "{distances:?}");
        for case in &cases {
            let as_is: Vec<u32> = case.list().items.iter().take(5).map(|item| item.0).collect();
            assert_eq!(rerank(case, (1.0, 0), &toy::request(5)), as_is);
        }
    }

    #[test]
    fn settings_out_of_bounds_are_told() {
        let told = |toml: &str| {
            let table = toml.parse().expect("test TOML");
            Dpp.check("arms.x", &table).err().map(|complaint| complaint.to_string()).unwrap_or_default()
        };
        assert_eq!(told("wraps = \"mf\"\nwindow = 8"), "");
        assert!(told("theta = 1").starts_with("arms.x.wraps is missing"));
        assert_eq!(told("wraps = \"mf\"\ntheta = -0.5"), "arms.x.theta is -0.5, must be 0..=1");
        assert_eq!(told("wraps = \"mf\"\nwindow = 1"), "arms.x.window is 1, must be 0 or 2..=1000");
    }
}
