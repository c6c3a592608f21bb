//! The taste test: can the agents tell what their people chose from what they did not?
//!
//! Agent4Rec's protocol (Zhang et al., SIGIR 2024, §3.1): before a person's agent stand 20 items, one
//! in 1 + m of them chosen by the person outside training, the others never observed; the agent says
//! yes or no to each. As published the others are drawn from the whole catalogue, and mere popularity
//! passes. So the test is also run with others as popular as the chosen ones, and whoever is
//! tested stands beside popularity and recommenders fitted to the same training part.
//!
//! A scorer says yes above a cut. Nobody is told the right cut: people are dealt into two halves, and
//! for each half a scorer uses the cut, and the form of its scores, that served it best on the other.
//! This must not know how a scorer came by its scores.

mod cut;
pub mod scorer;

pub use crate::agent::taste::questions::Negatives;
use crate::agent::taste::questions::{Examiner, Question};
use crate::dataset::{Dataset, Split};
use crate::id::UserId;
use crate::recommender::RecommendError;
use crate::rng::{Purpose, Streams};
use crate::stats::summary;
use cut::{Answers, Confusion};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use scorer::{Role, Scorer};

/// Items a person is asked about.
pub const N_ITEMS_ASKED: usize = 20;

/// Negatives for every positive.
pub const RATIOS: [u32; 4] = [1, 2, 3, 9];

/// Both kinds of negatives.
pub const NEGATIVES: [Negatives; 2] = [Negatives::Unobserved, Negatives::PopularityMatched];

/// The recommenders whose best is the bar, fitted to the training part at their defaults.
pub const BASELINES: [&str; 8] =
    ["popular", "item_knn", "user_knn", "ease", "als", "mf", "lightgcn", "mult_vae"];

/// Accuracies reported by others for negatives never observed: who, negatives for every
/// positive, accuracy. (Agent4Rec: Zhang et al., SIGIR 2024; SimUSER: Bougie & Watanabe, 2025.)
pub const PUBLISHED: [(&str, u32, f64); 6] = [
    ("Agent4Rec", 1, 0.691),
    ("Agent4Rec", 3, 0.668),
    ("Agent4Rec", 9, 0.618),
    ("SimUSER", 1, 0.791),
    ("SimUSER", 3, 0.774),
    ("SimUSER", 9, 0.679),
];

/// People scored at a time.
const BLOCK: usize = 64;

/// Half the width of a 95 % interval in standard errors.
const Z95: f64 = 1.959_964;

/// Somebody who takes the test.
pub struct Contestant<'a> {
    /// Its name in tables.
    pub name: String,
    /// What it stands for.
    pub role: Role,
    /// Its opinion.
    pub scorer: &'a dyn Scorer,
}

/// How one scorer did against one kind of negatives at one ratio.
#[derive(Clone, Debug, PartialEq)]
pub struct TasteTestRow {
    /// Where the negatives come from.
    pub negatives: Negatives,
    /// Negatives for every positive.
    pub ratio: u32,
    /// Whose row it is.
    pub scorer: String,
    /// What it stands for.
    pub role: Role,
    /// People asked.
    pub n_persons: usize,
    /// Share of right answers, the mean over people, 0..=1.
    pub accuracy: f64,
    /// Lower end of its 95 % interval, clustered by person.
    pub ci_low: f64,
    /// Upper end.
    pub ci_high: f64,
    /// Share of the yeses that are right, over all people; 0 where nobody says yes.
    pub precision: f64,
    /// Share of the chosen items that get a yes, over all people.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// How far ahead of the best baseline an agents' row is.
    pub lead: Option<Lead>,
}

/// The paired difference in accuracy to the baseline that did best on the very same questions.
#[derive(Clone, Debug, PartialEq)]
pub struct Lead {
    /// That baseline.
    pub over: String,
    /// Accuracy minus its accuracy.
    pub difference: f64,
    /// Lower end of the 95 % interval, clustered by person.
    pub ci_low: f64,
    /// Upper end.
    pub ci_high: f64,
}

/// One way to ask: kind of negatives, ratio and the questions.
struct Cell {
    negatives: Negatives,
    ratio: u32,
    questions: Vec<Question>,
}

/// People who can be asked at every ratio, at most `n_max`, evenly over all of them.
pub fn persons(split: &Split, n_max: usize) -> Vec<UserId> {
    let n_needed = n_positives(RATIOS[0]);
    let able =
        |user: &UserId| split.valid.items_of(*user).len() + split.test.items_of(*user).len() >= n_needed;
    let able: Vec<UserId> = (0..split.train.matrix.n_rows as u32).map(UserId).filter(able).collect();
    let n = able.len().min(n_max);
    (0..n).map(|k| able[k * able.len() / n]).collect()
}

/// Tests everybody on the same questions about these people; one row a scorer, ratio and kind
/// of negatives, in the order of [`NEGATIVES`], [`RATIOS`] and `contestants`. People of whom
/// too little is held out for a ratio are not asked.
pub fn taste_test(
    dataset: &Dataset,
    split: &Split,
    persons: &[UserId],
    contestants: &[Contestant<'_>],
    streams: Streams,
) -> Result<Vec<TasteTestRow>, RecommendError> {
    let cells = cells(dataset, split, persons, streams);
    let mut rows = Vec::new();
    let answers: Result<Vec<Vec<Answers>>, RecommendError> =
        contestants.iter().map(|contestant| answers(contestant.scorer, persons, &cells)).collect();
    let answers = answers?;
    for (k, cell) in cells.iter().enumerate() {
        let halves = halves(cell.questions.len(), streams);
        let confusions: Vec<Vec<Confusion>> =
            answers.par_iter().map(|answers| cut::cross_fit(&answers[k], &cell.questions, &halves)).collect();
        rows.extend(rows_of(cell, contestants, &confusions));
    }
    Ok(rows)
}

/// The positives among the items asked about at a ratio.
fn n_positives(ratio: u32) -> usize {
    ((N_ITEMS_ASKED as f64 / f64::from(1 + ratio)).round() as usize).max(1)
}

fn cells(dataset: &Dataset, split: &Split, persons: &[UserId], streams: Streams) -> Vec<Cell> {
    let examiner = Examiner::new(&split.train.item_counts(), streams);
    let (observed, empty) = (dataset.all(), Vec::new());
    let ask = |negatives: Negatives, ratio: u32, user: UserId| {
        let positives = [split.valid.items_of(user), split.test.items_of(user)].concat();
        let n = n_positives(ratio);
        let round = 1 + u32::from(negatives == Negatives::PopularityMatched);
        let mut rng = streams.stream(Purpose::TasteTest, round, u64::from(user.0), ratio);
        let observed = observed.items_of(user);
        examiner.ask(user, &positives, observed, [n, N_ITEMS_ASKED - n], negatives, &mut rng)
    };
    let mut cells = Vec::new();
    for (negatives, ratio) in NEGATIVES.iter().flat_map(|&n| RATIOS.iter().map(move |&ratio| (n, ratio))) {
        let mut cell = Cell { negatives, ratio, questions: empty.clone() };
        let asked: Vec<Option<Question>> =
            persons.par_iter().map(|&user| ask(negatives, ratio, user)).collect();
        cell.questions.extend(asked.into_iter().flatten());
        cells.push(cell);
    }
    cells
}

/// The scores of all that is asked, one [`Answers`] a cell.
fn answers(scorer: &dyn Scorer, persons: &[UserId], cells: &[Cell]) -> Result<Vec<Answers>, RecommendError> {
    let mut answers: Vec<Answers> = cells.iter().map(|_| Answers::default()).collect();
    let mut next = vec![0; cells.len()];
    for block in persons.chunks(BLOCK) {
        let scored = scorer.scores(block)?;
        assert_eq!(scored.len(), block.len(), "one row of scores a person");
        let opinions: Vec<cut::Opinion> = scored.into_par_iter().map(cut::Opinion::new).collect();
        for (user, opinion) in block.iter().zip(&opinions) {
            for ((cell, answers), next) in cells.iter().zip(&mut answers).zip(&mut next) {
                // Questions stand in the order of persons.
                if let Some(question) = cell.questions.get(*next).filter(|question| question.user == *user) {
                    answers.push(opinion, question);
                    *next += 1;
                }
            }
        }
    }
    Ok(answers)
}

/// To which half each question belongs: dealt at random, as equal as can be.
fn halves(n: usize, streams: Streams) -> Vec<bool> {
    let mut halves: Vec<bool> = (0..n).map(|k| k % 2 == 1).collect();
    halves.shuffle(&mut streams.stream(Purpose::TasteTest, 3, 0, 0));
    halves
}

fn rows_of(cell: &Cell, contestants: &[Contestant<'_>], confusions: &[Vec<Confusion>]) -> Vec<TasteTestRow> {
    let accuracies: Vec<Vec<f64>> =
        confusions.iter().map(|own| own.iter().map(Confusion::accuracy).collect()).collect();
    let means: Vec<f64> = accuracies.iter().map(|own| summary::mean(own).unwrap_or(0.0)).collect();
    let baselines = (0..contestants.len()).filter(|&k| contestants[k].role != Role::Agents);
    // The first of equals.
    let best = baselines.reduce(|best, k| if means[k] > means[best] { k } else { best });
    let row = |(k, contestant): (usize, &Contestant<'_>)| {
        let total = confusions[k].iter().fold(Confusion::default(), |sum, own| sum.plus(own));
        let (accuracy, ci_low, ci_high) = interval(&accuracies[k]);
        let lead = best.filter(|_| contestant.role == Role::Agents).map(|best| {
            let differences: Vec<f64> =
                accuracies[k].iter().zip(&accuracies[best]).map(|(own, other)| own - other).collect();
            let (difference, ci_low, ci_high) = interval(&differences);
            Lead { over: contestants[best].name.clone(), difference, ci_low, ci_high }
        });
        TasteTestRow {
            negatives: cell.negatives,
            ratio: cell.ratio,
            scorer: contestant.name.clone(),
            role: contestant.role,
            n_persons: cell.questions.len(),
            accuracy,
            ci_low,
            ci_high,
            precision: total.precision(),
            recall: total.recall(),
            f1: total.f1(),
            lead,
        }
    };
    contestants.iter().enumerate().map(row).collect()
}

/// A mean over people with its 95 % interval.
fn interval(values: &[f64]) -> (f64, f64, f64) {
    let mean = summary::mean(values).unwrap_or(0.0);
    let half_width = Z95 * summary::std_error(values).unwrap_or(0.0);
    (mean, mean - half_width, mean + half_width)
}

#[cfg(test)]
mod tests;
