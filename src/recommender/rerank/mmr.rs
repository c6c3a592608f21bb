//! `mmr`: maximal marginal relevance, after Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking for
//! Reordering Documents and Producing Summaries" (SIGIR 1998).
//!
//! From the paper: of the items not chosen yet, the next is the one with the highest
//! `lambda · relevance − (1 − lambda) · (its highest similarity to any chosen item)`. Deviations: relevance is the
//! wrapped arm's score, scaled to 0..=1 over the candidates, since scores of recommenders are no similarities; how
//! alike items are is told by genres (Jaccard) or by an encoder's vectors (cosine); what the session has shown counts
//! as chosen.

use super::super::wrapping::{Inner, Rerank, Reranked};
use super::super::{
    About, ColdItems, FitContext, Needs, Ranked, RecommendError, Recommender, RecommenderKind, Request,
    Surroundings, Trainer, Training, model_file,
};
use super::similarity::{SavedAs, Similarity};
use super::{N_CANDIDATES, best, check_shared, chosen, relevances, sizes};
use crate::scenario::params::{self, Complaint, within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

const NAME: &str = "mmr";

/// Settings of `mmr`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MmrParams {
    /// The arm whose lists are reordered; must be given.
    pub wraps: String,
    /// Weight of relevance, 0..=1: 1 leaves the list as it is, 0 looks at differences alone.
    pub lambda: f64,
    /// Items from the head of the list that are chosen from, 2..=1000.
    pub n_candidates: u32,
    /// The encoder whose item vectors tell how alike items are; their genres do, where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// Whether it is asked again on every page; as the arm that it wraps, where this is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapts: Option<bool>,
}

impl Default for MmrParams {
    fn default() -> Self {
        MmrParams {
            wraps: String::new(),
            lambda: 0.7,
            n_candidates: N_CANDIDATES,
            encoder: None,
            adapts: None,
        }
    }
}

impl MmrParams {
    fn check(&self, at: &str) -> Result<(), Complaint> {
        check_shared(at, &self.wraps, self.n_candidates)?;
        within(at, "lambda", self.lambda, 0.0, 1.0)
    }
}

/// The kind `mmr`.
pub struct Mmr;

impl RecommenderKind for Mmr {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "reorders another arm's list so that each item is relevant and unlike those above it",
            source: "Carbonell and Goldstein, SIGIR 1998",
            needs: Needs::Arm,
            folds_in: true,
            cold_items: ColdItems::Ranked,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(MmrParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let params: MmrParams = params::parse(at, table)?;
        params.check(at)?;
        Ok(Box::new(Checked { params }))
    }

    fn load(&self, dir: &Path, around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        let (params, saved): (MmrParams, SavedAs) = model_file::read_header(dir, NAME)?;
        let bad = |complaint: Complaint| model_file::bad(&dir.join("model.json"), complaint.to_string());
        params.check("model").map_err(bad)?;
        let similarity = Similarity::load(dir, saved)?;
        let inner = Inner::load(dir, around, params.n_candidates, params.adapts)?;
        Ok(Box::new(Reranked { inner, by: Box::new(Fitted { params, similarity }) }))
    }
}

/// Checked settings.
struct Checked {
    params: MmrParams,
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
    params: MmrParams,
    similarity: Similarity,
}

impl Rerank for Fitted {
    fn rerank(&self, request: &Request<'_>, list: Ranked) -> Ranked {
        let (n_pool, n) = sizes(request, &list, self.params.n_candidates as usize);
        let pool = &list.items[..n_pool];
        let relevance = relevances(&list, n_pool);
        let lambda = self.params.lambda;
        // The highest similarity to anything chosen; nothing is chosen yet where it is none.
        let mut nearest: Vec<Option<f32>> = vec![None; n_pool];
        let take_in = |nearest: &mut [Option<f32>], is_left: &[bool], item| {
            for at in (0..n_pool).filter(|&at| is_left[at]) {
                let similarity = self.similarity.between(pool[at], item);
                nearest[at] = Some(nearest[at].map_or(similarity, |highest| highest.max(similarity)));
            }
        };
        let mut is_left = vec![true; n_pool];
        request.shown.iter().for_each(|&item| take_in(&mut nearest, &is_left, item));
        let mut picks = Vec::with_capacity(n);
        for _ in 0..n {
            let value = |at: usize| {
                lambda * f64::from(relevance[at]) - (1.0 - lambda) * f64::from(nearest[at].unwrap_or(0.0))
            };
            let Some(pick) = best(&is_left, value) else { break };
            is_left[pick] = false;
            picks.push(pick);
            take_in(&mut nearest, &is_left, pool[pick]);
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

    fn rerank(case: &Case, lambda: f64, request: &Request<'_>) -> Vec<u32> {
        let params = MmrParams { lambda, ..MmrParams::default() };
        let fitted = Fitted { params, similarity: case.similarity() };
        fitted.rerank(request, case.list()).items.iter().map(|item| item.0).collect()
    }

    /// The definition, worked out anew for every candidate at every step.
    fn by_definition(case: &Case, lambda: f64, n: usize, shown: &[u32]) -> Vec<u32> {
        let (list, similarity) = (case.list(), case.similarity());
        let relevance = relevances(&list, list.items.len());
        let like = |a: u32, b: u32| f64::from(similarity.between(crate::id::ItemId(a), crate::id::ItemId(b)));
        let mut picks: Vec<u32> = Vec::new();
        while picks.len() < n.min(list.items.len()) {
            let mut best: Option<(f64, u32)> = None;
            for (place, item) in list.items.iter().enumerate().filter(|(_, item)| !picks.contains(&item.0)) {
                let chosen = shown.iter().chain(&picks);
                let nearest = chosen.map(|&other| like(item.0, other)).reduce(f64::max).unwrap_or(0.0);
                let value = lambda * f64::from(relevance[place]) - (1.0 - lambda) * nearest;
                if best.is_none_or(|(highest, _)| value > highest) {
                    best = Some((value, item.0));
                }
            }
            picks.extend(best.map(|(_, item)| item));
        }
        picks
    }

    #[test]
    fn lists_are_those_of_the_definition() {
        for case in toy::cases() {
            for lambda in [0.0, 0.2, 0.5, 0.8, 1.0] {
                let shown = [3, 1].map(crate::id::ItemId);
                let request = Request { shown: &shown, page: 2, ..toy::request(7) };
                assert_eq!(rerank(&case, lambda, &toy::request(7)), by_definition(&case, lambda, 7, &[]));
                assert_eq!(rerank(&case, lambda, &request), by_definition(&case, lambda, 7, &[3, 1]));
            }
        }
    }

    #[test]
    fn the_head_of_a_list_is_the_list_of_less() {
        for case in toy::cases() {
            let long = rerank(&case, 0.4, &toy::request(12));
            assert_eq!(rerank(&case, 0.4, &toy::request(4)), long[..4]);
        }
    }

    #[test]
    fn less_weight_on_relevance_makes_lists_more_diverse_and_weight_one_changes_nothing() {
        let cases = toy::cases();
        let mean = |lambda: f64| {
            let of = |case: &Case| distance(&case.similarity(), &rerank(case, lambda, &toy::request(5)));
            cases.iter().map(of).sum::<f64>() / cases.len() as f64
        };
        let distances = [1.0, 0.8, 0.5, 0.2].map(mean);
        assert!(distances.is_sorted_by(|a, b| a < b), "{distances:?}");
        for case in &cases {
            let as_is: Vec<u32> = case.list().items.iter().take(5).map(|item| item.0).collect();
            assert_eq!(rerank(case, 1.0, &toy::request(5)), as_is);
        }
    }

    #[test]
    fn settings_out_of_bounds_are_told() {
        let told = |toml: &str| {
            let table = toml.parse().expect("test TOML");
            Mmr.check("arms.x", &table).err().map(|complaint| complaint.to_string()).unwrap_or_default()
        };
        assert_eq!(told("wraps = \"mf\"\nencoder = \"minilm\"\nadapts = true"), "");
        assert!(told("").starts_with("arms.x.wraps is missing"));
        assert_eq!(told("wraps = \"mf\"\nlambda = 1.5"), "arms.x.lambda is 1.5, must be 0..=1");
        assert_eq!(told("wraps = \"mf\"\nn_candidates = 1"), "arms.x.n_candidates is 1, must be 2..=1000");
        assert!(told("wraps = \"mf\"\nlamda = 1").contains("did you mean `lambda`"));
    }
}
