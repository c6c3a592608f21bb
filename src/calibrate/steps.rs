//! The six steps as things that can be fitted: how likely what was seen is under some parameters,
//! which numbers are fixed to make the step identified, and how likely a model without any
//! covariate finds it. Must not know how the search is done.

use super::observe::{PageSeen, PersonSeen};
use super::vector::Scale;
use crate::agent::behavior::choice::ChoiceParameters;
use crate::agent::behavior::choice::logit::{log_probability, ordered_probability};
use crate::agent::behavior::choice::view::{Prospect, Remembered};
use crate::agent::behavior::choice::watch::Fitting;

/// A step of a session, as it is fitted.
pub struct StepKind {
    /// Its name in the parameter file.
    pub name: &'static str,
    /// What one observation of it is.
    pub observation: &'static str,
    /// Numbers that stay as the template has them, by path or by the path of an array.
    pub fixed: &'static [&'static str],
    /// On which scale each number is searched.
    pub scale: fn(&str) -> Scale,
    /// log P(what this person was seen to do | parameters), unweighted.
    pub log_likelihood: fn(&ChoiceParameters, &PersonSeen) -> f64,
    /// What the model without covariates makes of this person.
    pub outcomes: fn(&PersonSeen) -> Outcomes,
    /// How many outcomes there can be.
    pub n_outcomes: usize,
}

/// What one person did in one step, for a model that knows nothing but how often each outcome occurs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcomes {
    /// Observations of the step.
    pub n: usize,
    /// The outcome of every draw.
    pub drawn: Vec<usize>,
    /// log-probability that does not depend on how often outcomes occur.
    pub constant: f64,
}

impl Outcomes {
    /// One draw an observation.
    fn of(drawn: Vec<usize>) -> Self {
        Outcomes { n: drawn.len(), drawn, constant: 0.0 }
    }
}

/// Every step, in the order of a session.
pub static ALL: &[StepKind] = &[
    StepKind {
        name: "align",
        observation: "slots shown",
        fixed: &["by_slot[0]", "by_diversity[0]"],
        scale: |path| if path.starts_with("examination") { Scale::Probability } else { Scale::Plain },
        log_likelihood: align,
        outcomes: |seen| pages(seen, |page| page.aligned.iter().map(|a| a.map_or(2, usize::from)).collect()),
        n_outcomes: 3,
    },
    StepKind {
        name: "watch",
        observation: "pages with something that fits",
        fixed: &["by_activity[0]", "by_diversity[0]", "by_slot[0]"],
        // Repetition never adds, and what is left to watch never deters.
        scale: |path| match path {
            "worth" | "satiation_on_page" | "satiation_earlier" => Scale::Positive,
            _ => Scale::Plain,
        },
        log_likelihood: watch,
        outcomes: going_on,
        n_outcomes: 2,
    },
    StepKind {
        name: "rating",
        observation: "ratings",
        fixed: &[],
        scale: cuts,
        log_likelihood: rating,
        outcomes: |seen| Outcomes::of(seen.ratings.iter().map(|r| usize::from(r.rating) - 1).collect()),
        n_outcomes: 5,
    },
    StepKind {
        name: "reflection",
        observation: "feelings",
        fixed: &["threshold", "by_diversity[0]"],
        scale: |_| Scale::Plain,
        log_likelihood: reflection,
        outcomes: |seen| pages(seen, |page| page.feeling.into_iter().map(usize::from).collect()),
        n_outcomes: 2,
    },
    StepKind {
        name: "exit",
        observation: "decisions to stay or leave",
        fixed: &["by_diversity[0]"],
        scale: |_| Scale::Plain,
        log_likelihood: exit,
        outcomes: |seen| pages(seen, |page| page.left.into_iter().map(usize::from).collect()),
        n_outcomes: 2,
    },
    StepKind {
        name: "interview",
        observation: "interviews",
        fixed: &["by_page[0][0]", "by_diversity[0]"],
        scale: cuts,
        log_likelihood: interview,
        outcomes: |seen| Outcomes::of(seen.sessions.iter().map(|s| usize::from(s.score) - 1).collect()),
        n_outcomes: 10,
    },
];

fn cuts(path: &str) -> Scale {
    if path.starts_with("cuts[") && path != "cuts[0]" { Scale::Ascending } else { Scale::Plain }
}

fn pages(seen: &PersonSeen, of: fn(&PageSeen) -> Vec<usize>) -> Outcomes {
    Outcomes::of(seen.pages.iter().flat_map(of).collect())
}

fn align(parameters: &ChoiceParameters, seen: &PersonSeen) -> f64 {
    let p = &parameters.align;
    let slot = |page: &PageSeen, item: &Prospect, aligned: Option<bool>| {
        let looks = p.looks(item.slot);
        match aligned {
            None => (1.0 - looks).max(1e-300).ln(),
            Some(fits) if page.tells_looks => {
                looks.max(1e-300).ln() + log_probability(fits, p.utility(page.person, *item))
            }
            Some(true) => p.probability(page.person, *item).max(1e-300).ln(),
            Some(false) => (1.0 - p.probability(page.person, *item)).max(1e-300).ln(),
        }
    };
    let page = |page: &PageSeen| -> f64 {
        page.items.iter().zip(&page.aligned).map(|(item, &aligned)| slot(page, item, aligned)).sum()
    };
    seen.pages.iter().map(page).sum()
}

/// Items of a page whose order of watching is summed over; pages with more are left out of this step.
const WATCHED_MAX: usize = 10;

/// The slots that fit, and the places among them that were watched; `None` for a page this step cannot use.
pub(super) fn fitting(page: &PageSeen) -> Option<(Vec<Prospect>, Vec<usize>)> {
    let fits = |slot: &usize| page.aligned[*slot] == Some(true) || page.watched.contains(slot);
    let slots: Vec<usize> = (0..page.items.len()).filter(fits).collect();
    let watched: Vec<usize> =
        (0..slots.len()).filter(|&place| page.watched.contains(&slots[place])).collect();
    let usable = !slots.is_empty() && watched.len() <= WATCHED_MAX;
    usable.then(|| (slots.into_iter().map(|slot| page.items[slot]).collect(), watched))
}

fn watch(parameters: &ChoiceParameters, seen: &PersonSeen) -> f64 {
    let page = |page: &PageSeen| match fitting(page) {
        Some((items, watched)) => watch_log_probability(parameters, page, &items, &watched),
        None => 0.0,
    };
    seen.pages.iter().map(page).sum()
}

/// log P(just these of the fitting items were watched); bounded, so that one impossible page is no infinity.
pub(super) fn watch_log_probability(
    parameters: &ChoiceParameters,
    page: &PageSeen,
    items: &[Prospect],
    watched: &[usize],
) -> f64 {
    let n = page.items.len();
    let likeness = |a: usize, b: usize| page.likeness[items[a].slot * n + items[b].slot];
    let fitting = Fitting { person: page.person, items, likeness: &likeness };
    parameters.watch.log_probability(&fitting, watched).max(-700.0)
}

/// Without covariates: one probability of going on, and any of the items left is as likely as another, so
/// that a set of k among n has 1 / C(n, k) of the probability of watching k.
fn going_on(seen: &PersonSeen) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for (items, watched) in seen.pages.iter().filter_map(fitting) {
        let (n, k) = (items.len(), watched.len());
        outcomes.n += 1;
        outcomes.drawn.extend(std::iter::repeat_n(1, k));
        outcomes.drawn.extend((k < n).then_some(0));
        outcomes.constant -= (0..k).map(|j| ((n - j) as f64 / (j + 1) as f64).ln()).sum::<f64>();
    }
    outcomes
}

fn rating(parameters: &ChoiceParameters, seen: &PersonSeen) -> f64 {
    let p = &parameters.rating;
    let one = |r: &super::observe::RatingSeen| {
        let utility = p.utility(r.person, r.item);
        ordered_probability(&p.cuts, utility, usize::from(r.rating) - 1).max(1e-300).ln()
    };
    seen.ratings.iter().map(one).sum()
}

fn reflection(parameters: &ChoiceParameters, seen: &PersonSeen) -> f64 {
    let p = &parameters.reflection;
    let page = |page: &PageSeen| match page.feeling {
        Some(good) => log_probability(good, p.utility(page.person, page.page, page.before, page.outcome)),
        None => 0.0,
    };
    seen.pages.iter().map(page).sum()
}

fn exit(parameters: &ChoiceParameters, seen: &PersonSeen) -> f64 {
    let p = &parameters.exit;
    let page = |page: &PageSeen| match page.left {
        Some(left) => {
            let fatigue = Some(p.fatigue(page.person, page.page));
            log_probability(left, p.utility(page.person, Remembered { fatigue, ..page.remembered }))
        }
        None => 0.0,
    };
    seen.pages.iter().map(page).sum()
}

fn interview(parameters: &ChoiceParameters, seen: &PersonSeen) -> f64 {
    let p = &parameters.interview;
    let one = |s: &super::observe::SessionSeen| {
        let utility = p.utility(s.person, s.page, s.remembered, s.outcome);
        ordered_probability(&p.cuts, utility, usize::from(s.score) - 1).max(1e-300).ln()
    };
    seen.sessions.iter().map(one).sum()
}
