//! Fits one step: the search, the standard errors, and how well it does on people it has not seen.
//!
//! Maximum a posteriori: every number has a weak normal prior around where the template has it
//! (0 for coefficients), so that what never occurs gets a small probability instead of none.
//! Must not know where observations came from.

use super::maximise::{covariance, maximise};
use super::observe::PersonSeen;
use super::steps::StepKind;
use super::vector::{self, Coordinate};
use crate::agent::behavior::choice::ChoiceParameters;
use rayon::prelude::*;
use toml::{Table, Value};

/// How a step was fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The step's parameters.
    pub parameters: Table,
    /// Standard errors of the same form; 0 for what was fixed.
    pub standard_errors: Table,
    /// Observations.
    pub n: usize,
    /// Of how many people.
    pub n_people: usize,
    /// Mean log-likelihood an observation, on the data fitted to.
    pub log_likelihood: f64,
    /// The same of the model without covariates.
    pub intercept_only: f64,
    /// Mean log-likelihood an observation on people left out of the fit, over all folds.
    pub held_out: f64,
    /// The same of the model without covariates.
    pub held_out_intercept_only: f64,
    /// Whether the search came to rest.
    pub converged: bool,
}

/// How to fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FitSettings {
    /// Standard deviation of the prior of every number, in logits.
    pub prior_sd: f64,
    /// Folds of the cross-validation.
    pub n_folds: usize,
}

/// Fits a step to what these people did; `None` where they did nothing that bears on it.
pub fn fit(
    kind: &StepKind,
    template: &ChoiceParameters,
    people: &[PersonSeen],
    settings: FitSettings,
) -> Option<Fitted> {
    let bearing: Vec<&PersonSeen> = people.iter().filter(|seen| (kind.outcomes)(seen).n > 0).collect();
    if bearing.is_empty() {
        return None;
    }
    let search = Search::new(kind, template, settings.prior_sd);
    let top = maximise(&|free| search.posterior(free, &bearing), search.start());
    let (mut held_out, mut held_out_plain) = (0.0, 0.0);
    let n_folds = settings.n_folds.min(bearing.len());
    for fold in 0..n_folds {
        let part = |inside: bool| -> Vec<&PersonSeen> {
            let is_in = |seen: &&PersonSeen| (seen.user.idx() % n_folds == fold) == inside;
            bearing.iter().copied().filter(is_in).collect()
        };
        let (train, test) = (part(false), part(true));
        if !train.is_empty() {
            let own = maximise(&|free| search.posterior(free, &train), top.at.clone());
            held_out += search.log_likelihood(&own.at, &test);
            held_out_plain += plain(kind, &train, &test);
        }
    }
    let weight: f64 = bearing.iter().map(|seen| seen.weight * (kind.outcomes)(seen).n as f64).sum();
    Some(Fitted {
        standard_errors: search.standard_errors(&top.at, &bearing),
        parameters: vector::with_numbers(&search.table, &rounded(&search.numbers(&top.at))),
        n: bearing.iter().map(|seen| (kind.outcomes)(seen).n).sum(),
        n_people: bearing.len(),
        log_likelihood: search.log_likelihood(&top.at, &bearing) / weight,
        intercept_only: plain(kind, &bearing, &bearing) / weight,
        held_out: held_out / weight,
        held_out_intercept_only: held_out_plain / weight,
        converged: top.converged,
    })
}

/// The search for one step's numbers.
struct Search<'a> {
    kind: &'a StepKind,
    template: &'a ChoiceParameters,
    /// The step's table in the template.
    table: Table,
    coordinates: Vec<Coordinate>,
    at_template: Vec<f64>,
    prior_sd: f64,
}

impl<'a> Search<'a> {
    fn new(kind: &'a StepKind, template: &'a ChoiceParameters, prior_sd: f64) -> Self {
        let all = Table::try_from(template).expect("parameters are TOML");
        let table = all.get(kind.name).and_then(Value::as_table).expect("a step is a table").clone();
        let coordinates = vector::coordinates(&table, kind.fixed, kind.scale);
        let at_template = vector::numbers(&table);
        Search { kind, template, table, coordinates, at_template, prior_sd }
    }

    fn start(&self) -> Vec<f64> {
        vector::free_of(&self.coordinates, &self.at_template)
    }

    fn numbers(&self, free: &[f64]) -> Vec<f64> {
        vector::numbers_of(&self.coordinates, &self.at_template, free)
    }

    /// The template with this step's numbers in it.
    fn parameters(&self, free: &[f64]) -> ChoiceParameters {
        let step = vector::with_numbers(&self.table, &self.numbers(free));
        let mut parameters = self.template.clone();
        let filled = match self.kind.name {
            "align" => step.try_into().map(|step| parameters.align = step),
            "watch" => step.try_into().map(|step| parameters.watch = step),
            "rating" => step.try_into().map(|step| parameters.rating = step),
            "reflection" => step.try_into().map(|step| parameters.reflection = step),
            "exit" => step.try_into().map(|step| parameters.exit = step),
            _ => step.try_into().map(|step| parameters.interview = step),
        };
        filled.expect("a table of the template's form");
        parameters
    }

    /// Weighted log-likelihood, summed in the order of the people whatever the number of threads.
    fn log_likelihood(&self, free: &[f64], people: &[&PersonSeen]) -> f64 {
        const PEOPLE_PER_TASK: usize = 16;
        let parameters = self.parameters(free);
        let sum = |people: &[&PersonSeen]| -> f64 {
            people.iter().map(|seen| seen.weight * (self.kind.log_likelihood)(&parameters, seen)).sum()
        };
        let sums: Vec<f64> = people.par_chunks(PEOPLE_PER_TASK).map(sum).collect();
        sums.iter().sum()
    }

    /// Log-likelihood plus the log of the prior.
    fn posterior(&self, free: &[f64], people: &[&PersonSeen]) -> f64 {
        let away = free.iter().zip(self.start()).map(|(x, start)| ((x - start) / self.prior_sd).powi(2));
        self.log_likelihood(free, people) - 0.5 * away.sum::<f64>()
    }

    /// Standard errors in the file's units, by the delta method.
    fn standard_errors(&self, free: &[f64], people: &[&PersonSeen]) -> Table {
        let n = self.at_template.len();
        let Some(covariance) = covariance(&|free| self.posterior(free, people), free) else {
            return vector::with_numbers(&self.table, &vec![0.0; n]);
        };
        let numbers = self.numbers(free);
        let slopes: Vec<Vec<f64>> = (0..free.len())
            .map(|k| {
                let mut moved = free.to_vec();
                moved[k] += 1e-5;
                self.numbers(&moved).iter().zip(&numbers).map(|(a, b)| (a - b) / 1e-5).collect()
            })
            .collect();
        let variance = |number: usize| -> f64 {
            let pair = |i: usize, j: usize| slopes[i][number] * covariance[i][j] * slopes[j][number];
            (0..free.len()).flat_map(|i| (0..free.len()).map(move |j| (i, j))).map(|(i, j)| pair(i, j)).sum()
        };
        let errors: Vec<f64> = (0..n).map(|number| variance(number).max(0.0).sqrt()).collect();
        vector::with_numbers(&self.table, &rounded(&errors))
    }
}

/// Four decimals: far below any standard error, and readable.
fn rounded(numbers: &[f64]) -> Vec<f64> {
    numbers.iter().map(|x| (x * 1e4).round() / 1e4).collect()
}

/// Weighted log-likelihood on `test` of the model that knows how often each outcome occurred in
/// `train`, every outcome counted half an observation up so that none is impossible.
fn plain(kind: &StepKind, train: &[&PersonSeen], test: &[&PersonSeen]) -> f64 {
    let mut counts = vec![0.5; kind.n_outcomes];
    for seen in train {
        (kind.outcomes)(seen).drawn.into_iter().for_each(|outcome| counts[outcome] += seen.weight);
    }
    let total: f64 = counts.iter().sum();
    let of = |seen: &&PersonSeen| {
        let outcomes = (kind.outcomes)(seen);
        let drawn: f64 = outcomes.drawn.iter().map(|&outcome| (counts[outcome] / total).ln()).sum();
        seen.weight * (drawn + outcomes.constant)
    };
    test.iter().map(of).sum()
}
