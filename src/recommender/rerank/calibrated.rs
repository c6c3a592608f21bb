//! `calibrated`: lists that hold the mix of a person's own history, after Steck, "Calibrated Recommendations"
//! (RecSys 2018).
//!
//! From the paper: with p the mix of the history and q that of the list S, the next item is the one after which
//! `(1 − lambda) · Σ relevance − lambda · KL(p ‖ q̃)` is largest (equation 5, greedily), where q̃ is q with a share of
//! 0.01 of p, so that the divergence stays finite. By genre, an item's weight of 1 is divided equally among its genres.
//! By popularity the mix is that of head, middle and tail (Abdollahpouri, Mansoury, Burke, Mobasher and Malthouse,
//! UMAP 2021, who measure it by the Jensen–Shannon divergence; here it is Steck's). Deviations: relevance is the wrapped arm's
//! score, scaled to 0..=1 over the candidates; every interaction of the history counts alike, and so does every place
//! of the list; what the session has shown counts as chosen. A person without a history keeps the list as it is.

use super::super::history::History;
use super::super::wrapping::{Inner, Rerank, Reranked};
use super::super::{
    About, ColdItems, FitContext, Needs, Ranked, RecommendError, Recommender, RecommenderKind, Request,
    Surroundings, Trainer, Training, model_file,
};
use super::labels::Labels;
use super::{N_CANDIDATES, best, check_shared, chosen, relevances, sizes};
use crate::dataset::popularity;
use crate::id::{ItemId, UserId};
use crate::scenario::params::{self, Complaint, within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

const NAME: &str = "calibrated";

/// Share of the history mixed into what the list holds (Steck's α).
const ALPHA: f64 = 0.01;

/// Of what the mix is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Genres.
    #[default]
    Genres,
    /// Head, middle and tail of the catalogue.
    Popularity,
}

/// Settings of `calibrated`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CalibratedParams {
    /// The arm whose lists are reordered; must be given.
    pub wraps: String,
    /// Of what the mix is kept: `genres`, or `popularity` (head, middle and tail).
    pub by: By,
    /// Weight of the mix, 0..=1: 0 leaves the list as it is, 1 looks at the mix alone.
    pub lambda: f64,
    /// Items from the head of the list that are chosen from, 2..=1000.
    pub n_candidates: u32,
    /// Whether it is asked again on every page; as the arm that it wraps, where this is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapts: Option<bool>,
}

impl Default for CalibratedParams {
    fn default() -> Self {
        CalibratedParams {
            wraps: String::new(),
            by: By::default(),
            lambda: 0.5,
            n_candidates: N_CANDIDATES,
            adapts: None,
        }
    }
}

impl CalibratedParams {
    fn check(&self, at: &str) -> Result<(), Complaint> {
        check_shared(at, &self.wraps, self.n_candidates)?;
        within(at, "lambda", self.lambda, 0.0, 1.0)
    }
}

/// The kind `calibrated`.
pub struct Calibrated;

impl RecommenderKind for Calibrated {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "reorders another arm's list so that it holds the genres, or the popular and the obscure, in \
                      the shares of a person's history",
            source: "Steck, RecSys 2018; Abdollahpouri et al., UMAP 2021",
            needs: Needs::Arm,
            folds_in: true,
            cold_items: ColdItems::Ranked,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(CalibratedParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let params: CalibratedParams = params::parse(at, table)?;
        params.check(at)?;
        Ok(Box::new(Checked { params }))
    }

    fn load(&self, dir: &Path, around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        let (params, n_labels, n_items): (CalibratedParams, usize, usize) =
            model_file::read_header(dir, NAME)?;
        let bad = |problem: String| model_file::bad(&dir.join("model.json"), problem);
        params.check("model").map_err(|complaint| bad(complaint.to_string()))?;
        if n_labels > N_LABELS_MAX {
            return Err(bad(format!("names {n_labels} labels, must be at most {N_LABELS_MAX}")));
        }
        let labels = Labels::load(dir, n_labels)?;
        let history = History::load(dir, n_items)?;
        let inner = Inner::load(dir, around, params.n_candidates, params.adapts)?;
        Ok(Box::new(Reranked { inner, by: Box::new(Fitted { params, labels, history }) }))
    }
}

/// Labels that a model may claim to know: as many as genres can be numbered.
const N_LABELS_MAX: usize = 1 << 16;

/// Checked settings.
struct Checked {
    params: CalibratedParams,
}

impl Trainer for Checked {
    fn fit(
        &self,
        training: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let params = self.params.clone();
        let inner = Inner::fitted(NAME, &params.wraps, context, params.n_candidates, params.adapts)?;
        let labels = match params.by {
            By::Genres => Labels::genres(training),
            By::Popularity => {
                let groups = popularity::groups(&training.train.item_counts());
                Labels::new(popularity::N_GROUPS, groups.iter().map(|&group| [group as u32]))
            }
        };
        let history = History::new(training.train);
        Ok(Box::new(Reranked { inner, by: Box::new(Fitted { params, labels, history }) }))
    }

    fn wraps(&self) -> Option<&str> {
        Some(&self.params.wraps)
    }
}

/// The settings, what items are labelled with, and who has what.
struct Fitted {
    params: CalibratedParams,
    labels: Labels,
    history: History,
}

impl Fitted {
    /// The share of each label in a person's history; all 0 where nothing in it is labelled.
    fn wanted(&self, user: UserId) -> Vec<f64> {
        let mut mix = Mix::new(self.labels.n_labels());
        self.history.of(user).iter().for_each(|&item| mix.take_in(self.labels.of(ItemId(item))));
        mix.shares()
    }
}

/// How much of each label some items have.
struct Mix {
    weights: Vec<f64>,
    total: f64,
}

impl Mix {
    fn new(n_labels: usize) -> Self {
        Mix { weights: vec![0.0; n_labels], total: 0.0 }
    }

    /// An item's weight of 1 is divided equally among its labels; one without any weighs nothing.
    fn take_in(&mut self, labels: &[u32]) {
        if !labels.is_empty() {
            labels.iter().for_each(|&label| self.weights[label as usize] += 1.0 / labels.len() as f64);
            self.total += 1.0;
        }
    }

    fn shares(mut self) -> Vec<f64> {
        if self.total > 0.0 {
            self.weights.iter_mut().for_each(|weight| *weight /= self.total);
        }
        self.weights
    }
}

/// The divergence of a mix with one more item, for many items, in steps that cost the labels of the item alone.
struct Divergence<'a> {
    wanted: &'a [f64],
    weights: &'a [f64],
    /// Weight of the mix with the item.
    total: f64,
    /// `Σ p ln(p / ((1 − α) w + α p total))`, without the item.
    sum: f64,
}

impl<'a> Divergence<'a> {
    /// Of the mix and one more item of this weight: 1, or 0 for one without labels.
    fn with_one_more(wanted: &'a [f64], mix: &'a Mix, weight: f64) -> Self {
        let total = mix.total + weight;
        let mut divergence = Divergence { wanted, weights: &mix.weights, total, sum: 0.0 };
        let labels = (0..wanted.len()).filter(|&label| wanted[label] > 0.0);
        divergence.sum = labels.map(|label| divergence.term(label, 0.0)).sum();
        divergence
    }

    fn term(&self, label: usize, more: f64) -> f64 {
        let wanted = self.wanted[label];
        wanted * (wanted / ((1.0 - ALPHA) * (self.weights[label] + more) + ALPHA * wanted * self.total)).ln()
    }

    /// KL(p ‖ q̃) with an item of these labels; 0 where nothing is labelled yet.
    fn of(&self, labels: &[u32]) -> f64 {
        if self.total == 0.0 {
            return 0.0;
        }
        let more = 1.0 / labels.len().max(1) as f64;
        let wanted = labels.iter().map(|&label| label as usize).filter(|&label| self.wanted[label] > 0.0);
        let change: f64 = wanted.map(|label| self.term(label, more) - self.term(label, 0.0)).sum();
        // The shares p sum to 1, so that dividing every weight by the total adds its logarithm once.
        self.sum + change + self.total.ln()
    }
}

impl Rerank for Fitted {
    fn rerank(&self, request: &Request<'_>, list: Ranked) -> Ranked {
        let wanted = self.wanted(request.user);
        if wanted.iter().all(|&share| share == 0.0) {
            return chosen(request, list, &[]);
        }
        let (n_pool, n) = sizes(request, &list, self.params.n_candidates as usize);
        let relevance = relevances(&list, n_pool);
        let lambda = self.params.lambda;
        let mut mix = Mix::new(self.labels.n_labels());
        request.shown.iter().for_each(|&item| mix.take_in(self.labels.of(item)));
        let mut is_left = vec![true; n_pool];
        let mut picks = Vec::with_capacity(n);
        for _ in 0..n {
            let labelled = Divergence::with_one_more(&wanted, &mix, 1.0);
            let unlabelled = Divergence::with_one_more(&wanted, &mix, 0.0).of(&[]);
            let value = |at: usize| {
                let labels = self.labels.of(list.items[at]);
                let divergence = if labels.is_empty() { unlabelled } else { labelled.of(labels) };
                (1.0 - lambda) * f64::from(relevance[at]) - lambda * divergence
            };
            let Some(pick) = best(&is_left, value) else { break };
            is_left[pick] = false;
            picks.push(pick);
            mix.take_in(self.labels.of(list.items[pick]));
        }
        chosen(request, list, &picks)
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        let header = (&self.params, self.labels.n_labels(), self.history.n_items());
        model_file::write_header(dir, NAME, &header)?;
        self.labels.save(dir)?;
        self.history.save(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::super::toy::{self, Case};
    use super::*;
    use crate::dataset::{Interaction, Interactions};

    /// What person 0 has.
    const HISTORY: [u32; 4] = [2, 5, 6, 11];

    fn fitted(case: &Case, lambda: f64) -> Fitted {
        let pair = |item| Interaction { user: UserId(0), item: ItemId(item), rating: 1.0, order: 0 };
        let train = Interactions::from_sorted(2, toy::N_ITEMS, &HISTORY.map(pair));
        let params = CalibratedParams { lambda, ..CalibratedParams::default() };
        Fitted { params, labels: case.labels(), history: History::new(&train) }
    }

    fn rerank(case: &Case, lambda: f64, request: &Request<'_>) -> Vec<u32> {
        fitted(case, lambda).rerank(request, case.list()).items.iter().map(|item| item.0).collect()
    }

    fn shares(labels: &Labels, items: &[u32]) -> Option<Vec<f64>> {
        let labelled: Vec<&[u32]> =
            items.iter().map(|&item| labels.of(ItemId(item))).filter(|labels| !labels.is_empty()).collect();
        let share = |label: u32| {
            let of = |labels: &&[u32]| f64::from(u8::from(labels.contains(&label))) / labels.len() as f64;
            labelled.iter().map(of).sum::<f64>() / labelled.len() as f64
        };
        (!labelled.is_empty()).then(|| (0..labels.n_labels() as u32).map(share).collect())
    }

    /// Steck's equations 2 and 3, term by term; 0 where nothing is labelled.
    fn divergence(labels: &Labels, items: &[u32]) -> f64 {
        let (Some(wanted), Some(found)) = (shares(labels, &HISTORY), shares(labels, items)) else {
            return 0.0;
        };
        let pairs = wanted.iter().zip(&found).filter(|(p, _)| **p > 0.0);
        pairs.map(|(p, q)| p * (p / (0.99 * q + 0.01 * p)).ln()).sum()
    }

    /// Every objective worked out anew, for every candidate at every step.
    fn by_definition(case: &Case, lambda: f64, n: usize, shown: &[u32]) -> Vec<u32> {
        let (list, labels) = (case.list(), case.labels());
        let relevance = relevances(&list, list.items.len());
        let mut picks: Vec<u32> = Vec::new();
        let mut sum = 0.0;
        for _ in 0..n {
            let mut best: Option<(f64, usize)> = None;
            for (place, item) in list.items.iter().enumerate().filter(|(_, item)| !picks.contains(&item.0)) {
                let with: Vec<u32> = shown.iter().chain(&picks).copied().chain([item.0]).collect();
                let value = (1.0 - lambda) * (sum + f64::from(relevance[place]))
                    - lambda * divergence(&labels, &with);
                if best.is_none_or(|(highest, _)| value > highest + 1e-12) {
                    best = Some((value, place));
                }
            }
            let (_, place) = best.expect("an item is left");
            sum += f64::from(relevance[place]);
            picks.push(list.items[place].0);
        }
        picks
    }

    #[test]
    fn lists_are_those_of_the_objective_worked_out_anew() {
        for (number, case) in toy::cases().iter().enumerate() {
            for lambda in [0.0, 0.3, 0.6, 0.9] {
                let shown = [3, 1].map(ItemId);
                let request = Request { shown: &shown, page: 2, ..toy::request(8) };
                let at = format!("case {number}, lambda {lambda}");
                assert_eq!(
                    rerank(case, lambda, &toy::request(8)),
                    by_definition(case, lambda, 8, &[]),
                    "{at}"
                );
                assert_eq!(
                    rerank(case, lambda, &request),
                    by_definition(case, lambda, 8, &[3, 1]),
                    "{at}, shown"
                );
            }
        }
    }

    #[test]
    fn more_weight_on_the_mix_brings_it_nearer_and_no_weight_changes_nothing() {
        let cases = toy::cases();
        let mean = |lambda: f64| {
            let of = |case: &Case| divergence(&case.labels(), &rerank(case, lambda, &toy::request(6)));
            cases.iter().map(of).sum::<f64>() / cases.len() as f64
        };
        let divergences = [0.0, 0.2, 0.5, 0.9].map(mean);
        assert!(divergences.is_sorted_by(|a, b| a > b), "{divergences:?}");
        for case in &cases {
            let as_is: Vec<u32> = case.list().items.iter().take(6).map(|item| item.0).collect();
            assert_eq!(rerank(case, 0.0, &toy::request(6)), as_is);
            // Person 1 has nothing, person 9 is not known.
            for user in [1, 9] {
                let request = Request { user: UserId(user), ..toy::request(6) };
                assert_eq!(rerank(case, 0.9, &request), as_is);
            }
            assert_eq!(rerank(case, 0.5, &toy::request(4)), rerank(case, 0.5, &toy::request(9))[..4]);
        }
    }

    #[test]
    fn settings_out_of_bounds_are_told() {
        let told = |toml: &str| {
            let table = toml.parse().expect("test TOML");
            Calibrated
                .check("arms.x", &table)
                .err()
                .map(|complaint| complaint.to_string())
                .unwrap_or_default()
        };
        assert_eq!(told("wraps = \"mf\"\nby = \"popularity\""), "");
        assert!(told("by = \"genres\"").starts_with("arms.x.wraps is missing"));
        assert_eq!(told("wraps = \"mf\"\nlambda = 2"), "arms.x.lambda is 2, must be 0..=1");
        assert!(told("wraps = \"mf\"\nby = \"fame\"").contains("arms.x.by"));
    }
}
