//! Click models held against each other by what they say of people whom they were not fitted on.
//! Must not know any one model.
//!
//! People are dealt into folds; each fold's pages are judged by models fitted to all others. Log-likelihoods are kept
//! person by person, so that differences have intervals clustered by person. Perplexity by slot is 2 to the mean
//! surprise in bits about that slot alone (Dupret and Piwowarski 2008; Chuklin et al. 2015, §5.2): 1 is foresight,
//! 2 a fair coin.

use super::click_model::{ClickModel, FittedClickModel, first_watch, inside};
use super::pages::Pages;
use crate::rng::{Purpose, Streams};
use crate::stats::bootstrap::{Quantity, Table};
use crate::stats::params::StatsParams;
use rand::seq::SliceRandom;
use rayon::prelude::*;

/// Folds that people are dealt into.
pub const N_FOLDS: usize = 5;

/// What a model made of pages of people whom it was not fitted on.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The model.
    pub model: &'static str,
    /// Σ ln P(page), by person; −∞ where one of the pages is impossible.
    pub log_likelihood: Vec<f64>,
    /// Σ ln P(where the first watch is), by person.
    pub first_watch: Vec<f64>,
    /// Pages, by person.
    pub n_pages: Vec<f64>,
    /// Pages that the model says cannot be.
    pub n_impossible: u64,
    /// Perplexity by slot.
    pub perplexity: Vec<f64>,
}

impl Score {
    /// Mean log-likelihood of a page; −∞ where one is impossible.
    pub fn per_page(&self) -> f64 {
        self.log_likelihood.iter().sum::<f64>() / self.n_pages.iter().sum::<f64>()
    }

    /// Mean log-likelihood of where the first watch is.
    pub fn first_watch_per_page(&self) -> f64 {
        self.first_watch.iter().sum::<f64>() / self.n_pages.iter().sum::<f64>()
    }
}

/// Every model's score, in the order given. The same bits at any thread count.
pub fn cross_fitted(pages: &Pages, models: &[&dyn ClickModel], streams: &Streams) -> Vec<Score> {
    let folds = deal(pages.n_persons(), streams);
    let each = |&model: &&dyn ClickModel| {
        let fitted: Vec<Box<dyn FittedClickModel>> = (0..N_FOLDS)
            .into_par_iter()
            .map(|fold| {
                let weights: Vec<f64> =
                    folds.iter().map(|&own| if own == fold { 0.0 } else { 1.0 }).collect();
                model.fit(pages, &weights)
            })
            .collect();
        judge(model.name(), pages, |person| &*fitted[folds[person as usize]])
    };
    models.par_iter().map(each).collect()
}

/// The fold of every person: of equal sizes, dealt at random.
fn deal(n_persons: usize, streams: &Streams) -> Vec<usize> {
    let mut folds: Vec<usize> = (0..n_persons).map(|person| person % N_FOLDS).collect();
    folds.shuffle(&mut streams.stream(Purpose::ClickModel, 0, 0, 0));
    folds
}

fn judge<'a>(
    model: &'static str,
    pages: &Pages,
    judge_of: impl Fn(u32) -> &'a dyn FittedClickModel,
) -> Score {
    let none = vec![0.0; pages.n_persons()];
    let mut score = Score {
        model,
        log_likelihood: none.clone(),
        first_watch: none.clone(),
        n_pages: none,
        n_impossible: 0,
        perplexity: vec![0.0; pages.n_slots()],
    };
    for page in pages.iter() {
        let (fitted, person) = (judge_of(page.person), page.person as usize);
        let log = fitted.log_likelihood(page);
        score.n_impossible += u64::from(log == f64::NEG_INFINITY);
        score.log_likelihood[person] += log;
        score.first_watch[person] += first_watch(&fitted.hazards(page.kinds), page.watched);
        score.n_pages[person] += 1.0;
        for (slot, p) in fitted.marginals(page.kinds).into_iter().enumerate() {
            let p = inside(p);
            score.perplexity[slot] -= if page.watched[slot] { p.log2() } else { (1.0 - p).log2() };
        }
    }
    score.perplexity.iter_mut().for_each(|bits| *bits = (*bits / pages.len().max(1) as f64).exp2());
    score
}

/// A difference of log-likelihoods a page, with its interval.
pub type Advantage = (f64, Option<(f64, f64)>);

/// How much more likely a page is to the first model than to the second: the mean difference of what `of` gives,
/// with its interval clustered by person. `None` where one of them calls a page impossible, or nobody saw any.
pub fn advantage(
    (first, second): (&Score, &Score),
    of: fn(&Score) -> &[f64],
    statistics: &StatsParams,
    streams: &Streams,
) -> Option<Advantage> {
    let mut table = Table::new(first.n_pages.len());
    let persons: Vec<u32> = (0..first.n_pages.len() as u32).collect();
    let differences = of(first).iter().zip(of(second)).map(|(a, b)| a - b);
    let column = table.by_unit(&persons, differences);
    let numerator = table.add(column);
    let column = table.by_unit(&persons, first.n_pages.iter().copied());
    let denominator = table.add(column);
    let ratio = Quantity::Ratio(numerator, denominator);
    let replicates = table.resample(statistics.n_bootstrap as usize, streams);
    let value = Some(replicates.value(ratio)).filter(|value| value.is_finite())?;
    Some((value, replicates.interval(ratio, statistics.confidence, statistics.method)))
}
