//! Hybrid taste: what like-minded people meet, what items are and how well known they are,
//! weighed against each other by how well they tell what a person went on to choose.
//!
//! The parts are the contrasts of correspondence analysis, the latent factors, popularity, and the
//! likings of genres, years and words. A quarter of everybody's evidence is hidden, the parts are
//! fitted to the rest, and a logistic regression weighs them on questions about what is hidden:
//! half against items drawn at random, half against items just as popular, so that fame cannot
//! stand in for taste. The parts are then fitted again to all the evidence. (A weighted hybrid in
//! the terms of Burke, "Hybrid recommender systems", 2002.)

use super::content::{self, Content};
use super::factors::Factors;
use super::questions::{Examiner, Negatives, Question};
use super::solve::solve;
use super::{Basis, RawTaste, contrast, latent};
use crate::dataset::{Interaction, Interactions};
use crate::id::UserId;
use crate::rng::Purpose;
use rand::seq::SliceRandom;

/// Contrasts, latent factors, popularity, and the parts of content.
const N_PARTS: usize = 3 + content::N_PARTS;
/// A person with fewer interactions keeps all of them in sight.
const HIDE_FROM: usize = 8;
/// People asked at most.
const N_ASKED_MAX: usize = 2000;
/// Of a question's items, those that are hidden favourites and those that are not.
const N_POSITIVES: usize = 5;
const N_NEGATIVES: usize = 15;
const N_NEWTON_STEPS: usize = 12;

type Parts = [Option<Factors>; N_PARTS];

/// Fits the hybrid taste of a dataset's people.
pub(super) fn fit(basis: &Basis<'_>) -> Factors {
    let content = Content::of(basis.dataset, basis.streams);
    let (shown, hidden) = hide(basis);
    let questions = questions(basis, &shown, &hidden);
    let half = Basis { interactions: shown, ..*basis };
    let weights = weigh(&parts(&half, &content), &questions);
    let parts = weights.into_iter().zip(parts(basis, &content));
    let parts = parts.filter_map(|(weight, part)| Some((weight, part?))).collect();
    Factors::sum(basis.dataset.n_users(), basis.dataset.n_items(), parts)
}

/// Every part with a standard deviation of 1; `None` where the dataset has no such content.
fn parts(basis: &Basis<'_>, content: &Content) -> Parts {
    let n_users = basis.dataset.n_users();
    let fame = basis.interactions.item_counts().into_iter().map(|n| (n as f32 + 1.0).ln()).collect();
    let [genres, years, words] = content.tastes(basis);
    let [contrast, latent, fame] = [contrast::fit(basis), latent::fit(basis), Factors::of_quality(fame)]
        .map(|part| Some(part.standardised(n_users, basis.streams)));
    [contrast, latent, fame, genres, years, words]
}

/// The evidence cut in two: three quarters of everybody's in sight, one hidden.
fn hide(basis: &Basis<'_>) -> (Interactions, Interactions) {
    let all = &basis.interactions;
    let (mut shown, mut hidden) = (Vec::new(), Vec::new());
    for user in (0..all.matrix.n_rows as u32).map(UserId) {
        let mut own: Vec<Interaction> = all.history_of(user).collect();
        let n_hidden = if own.len() < HIDE_FROM { 0 } else { own.len() / 4 };
        own.shuffle(&mut basis.streams.stream(Purpose::Taste, 3, u64::from(user.0), 0));
        hidden.extend(own.drain(..n_hidden));
        shown.extend(own);
    }
    let gathered = |x: &[Interaction]| Interactions::from_sorted(all.matrix.n_rows, all.matrix.n_cols, x);
    (gathered(&shown), gathered(&hidden))
}

/// Questions about what is hidden, of both kinds, for everybody or a fair share of people.
fn questions(basis: &Basis<'_>, shown: &Interactions, hidden: &Interactions) -> Vec<Question> {
    let examiner = Examiner::new(&shown.item_counts(), basis.streams);
    let n_users = hidden.matrix.n_rows;
    let every = n_users.div_ceil(N_ASKED_MAX).max(1);
    let mut questions = Vec::new();
    for user in (0..n_users as u32).step_by(every).map(UserId) {
        let (positives, observed) = (hidden.items_of(user), basis.interactions.items_of(user));
        for (page, negatives) in [(0, Negatives::Unobserved), (1, Negatives::PopularityMatched)] {
            let mut rng = basis.streams.stream(Purpose::Taste, 4, u64::from(user.0), page);
            let question =
                examiner.ask(user, positives, observed, [N_POSITIVES, N_NEGATIVES], negatives, &mut rng);
            questions.extend(question);
        }
    }
    questions
}

/// The weights of a logistic regression of favourites on the parts, by Newton's method with the
/// ridge of a standard normal prior; all alike where there is nothing to learn from.
fn weigh(parts: &Parts, questions: &[Question]) -> [f32; N_PARTS] {
    const N: usize = N_PARTS + 1;
    if questions.is_empty() {
        return [1.0; N_PARTS];
    }
    let row = |user, item| -> [f64; N] {
        std::array::from_fn(|k| match parts.get(k) {
            Some(part) => part.as_ref().map_or(0.0, |part| f64::from(part.raw(user, item))),
            None => 1.0,
        })
    };
    let answers = questions.iter().flat_map(|q| q.items.iter().map(move |&(item, yes)| (q.user, item, yes)));
    let rows: Vec<([f64; N], f64)> =
        answers.map(|(user, item, yes)| (row(user, item), f64::from(u8::from(yes)))).collect();
    let mut weights = [0f64; N];
    for _ in 0..N_NEWTON_STEPS {
        let mut gradient = weights.map(|w| -w);
        let mut hessian: [[f64; N]; N] =
            std::array::from_fn(|i| std::array::from_fn(|j| if i == j { 1.0 } else { 0.0 }));
        for (x, y) in &rows {
            let sum: f64 = weights.iter().zip(x).map(|(w, x)| w * x).sum();
            let p = 1.0 / (1.0 + (-sum).exp());
            for i in 0..N {
                gradient[i] += (y - p) * x[i];
                (0..=i).for_each(|j| hessian[i][j] += p * (1.0 - p) * x[i] * x[j]);
            }
        }
        let step = solve(hessian, gradient);
        weights.iter_mut().zip(step).for_each(|(w, step)| *w += step);
    }
    std::array::from_fn(|k| weights[k] as f32)
}
