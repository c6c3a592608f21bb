//! The calibration page: what was fitted, how sure it is, and fitted beside observed.
//!
//! "Fitted" is the probability the model gives to what could have happened in the very situations that
//! were observed (the same page, the same mood), averaged within a group. Must not know how to fit.

use super::Calibrated;
use super::observe::{PageSeen, PersonSeen};
use super::spec::Calibration;
use super::steps;
use crate::agent::behavior::choice::ChoiceParameters;
use crate::agent::behavior::choice::logit::{logistic, ordered_probability};
use crate::agent::behavior::choice::view::Remembered;
use crate::report::beside::{Series, beside};
use crate::report::document::{Document, Figure, Section};
use crate::report::format;
use crate::report::plot::DataTable;

/// The page of a calibration.
pub fn page(calibration: &Calibration, calibrated: &Calibrated) -> Document {
    let n_fitted = calibrated.steps.iter().filter(|(_, step)| step.is_some()).count();
    let gains = calibrated.steps.iter().filter_map(|(name, step)| {
        let step = step.as_ref()?;
        let gain = step.held_out - step.held_out_intercept_only;
        Some(format!("{name} {}", format::difference(gain, "nats")))
    });
    Document {
        title: format!("Calibration of {}", calibration.file.name),
        subtitle: calibration.file.description.clone(),
        headline: format!("{n_fitted} of {} steps of a session are fitted.", steps::ALL.len()),
        grounds: vec![format!(
            "Gain in log-likelihood an observation over a model without covariates, on people left out of the \
             fit: {}.",
            gains.collect::<Vec<_>>().join(", ")
        )],
        sections: vec![
            Section {
                heading: "Steps".to_owned(),
                paragraphs: vec![
                    "Log-likelihoods are means an observation; nearer to 0 is better. \"Left out\" is on people the \
                     fit had not seen, by cross-validation."
                        .to_owned(),
                ],
                table: step_table(calibrated),
                ..Section::default()
            },
            Section {
                heading: "Fitted beside observed".to_owned(),
                figures: figures(calibrated),
                ..Section::default()
            },
            Section {
                heading: "Sources".to_owned(),
                table: source_table(calibrated),
                ..Section::default()
            },
            Section {
                heading: "The parameter file".to_owned(),
                source: Some(calibrated.text.clone()),
                ..Section::default()
            },
        ],
    }
}

fn step_table(calibrated: &Calibrated) -> DataTable {
    let columns =
        ["step", "observations", "n", "people", "log-likelihood", "left out", "left out, no covariates"];
    let mut table = DataTable::new(2, columns);
    for ((name, step), kind) in calibrated.steps.iter().zip(steps::ALL) {
        table.push(match step {
            Some(step) => vec![
                (*name).to_owned(),
                kind.observation.to_owned(),
                format::count(step.n as u64),
                format::count(step.n_people as u64),
                format::fixed(step.log_likelihood, 4),
                format::fixed(step.held_out, 4),
                format::fixed(step.held_out_intercept_only, 4),
            ],
            None => {
                let mut row = vec![(*name).to_owned(), "none: taken from the base set".to_owned()];
                row.resize(7, format::UNKNOWN.to_owned());
                row
            }
        });
    }
    table
}

fn source_table(calibrated: &Calibrated) -> DataTable {
    let mut table = DataTable::new(3, ["source", "record", "SHA-256", "people"]);
    for material in &calibrated.materials {
        table.push(vec![
            material.name.clone(),
            material.about.clone(),
            material.sha256.clone(),
            format::count(material.people.len() as u64),
        ]);
    }
    table
}

/// Observed and fitted frequencies by category.
struct Tally {
    seen: Vec<f64>,
    fitted: Vec<f64>,
    /// What each category is divided by; shares of the total when empty.
    n: Vec<f64>,
}

impl Tally {
    fn new(n_categories: usize) -> Self {
        Tally { seen: vec![0.0; n_categories], fitted: vec![0.0; n_categories], n: vec![0.0; n_categories] }
    }

    /// One observation in a category that may or may not have happened.
    fn add(&mut self, category: usize, happened: bool, probability: f64) {
        let category = category.min(self.n.len() - 1);
        self.n[category] += 1.0;
        self.seen[category] += f64::from(u8::from(happened));
        self.fitted[category] += probability;
    }

    fn rate(values: &[f64], n: &[f64]) -> Vec<f64> {
        values.iter().zip(n).map(|(value, n)| if *n > 0.0 { value / n } else { f64::NAN }).collect()
    }

    fn figure(self, words: Words, categories: &[String]) -> Option<Figure> {
        (self.n.iter().sum::<f64>() > 0.0).then(|| {
            let series = [
                Series::new("observed", Self::rate(&self.seen, &self.n)),
                Series::new("fitted", Self::rate(&self.fitted, &self.n)),
            ];
            Figure {
                name: words.name.to_owned(),
                title: words.title.to_owned(),
                help: words.help.to_owned(),
                plotted: beside(categories, &series, words.x, words.y, true),
            }
        })
    }
}

/// What a figure is called.
struct Words {
    name: &'static str,
    title: &'static str,
    help: &'static str,
    x: &'static str,
    y: &'static str,
}

fn figures(calibrated: &Calibrated) -> Vec<Figure> {
    let people: Vec<&PersonSeen> = calibrated.materials.iter().flat_map(|m| &m.people).collect();
    let parameters = &calibrated.parameters;
    let is_fitted = |name: &str| calibrated.steps.iter().any(|(step, fit)| *step == name && fit.is_some());
    let mut figures = Vec::new();
    if is_fitted("align") {
        figures.extend(align(&people, parameters));
    }
    if is_fitted("watch") {
        figures.extend(watched(&people, parameters));
    }
    if is_fitted("rating") {
        figures.extend(ratings(&people, parameters));
    }
    if is_fitted("reflection") {
        figures.extend(feelings(&people, parameters));
    }
    if is_fitted("exit") {
        figures.extend(exits(&people, parameters));
    }
    if is_fitted("interview") {
        figures.extend(scores(&people, parameters));
    }
    figures
}

fn pages<'a>(people: &'a [&PersonSeen]) -> impl Iterator<Item = &'a PageSeen> {
    people.iter().flat_map(|seen| &seen.pages)
}

fn numbered(n: usize) -> Vec<String> {
    (1..=n).map(|k| k.to_string()).collect()
}

fn n_pages(people: &[&PersonSeen]) -> usize {
    pages(people).map(|page| page.page as usize).max().unwrap_or(1)
}

fn align(people: &[&PersonSeen], parameters: &ChoiceParameters) -> Vec<Figure> {
    let n_slots = pages(people).map(|page| page.items.len()).max().unwrap_or(1);
    let (mut by_slot, mut by_quality) = (Tally::new(n_slots), Tally::new(6));
    for page in pages(people) {
        for (item, aligned) in page.items.iter().zip(&page.aligned) {
            let p = parameters.align.probability(page.person, *item);
            by_slot.add(item.slot, *aligned == Some(true), p);
            by_quality.add((item.quality + 3.0).clamp(0.0, 5.0) as usize, *aligned == Some(true), p);
        }
    }
    let below = ["below −2", "−2 to −1", "−1 to 0", "0 to 1", "1 to 2", "above 2"].map(str::to_owned);
    let slots = Words {
        name: "align_by_slot",
        title: "What fits, by slot",
        help: "The share of the items shown in a slot that were looked at and found to fit.",
        x: "slot",
        y: "found to fit (%)",
    };
    let quality = Words {
        name: "align_by_quality",
        title: "What fits, by general quality",
        help: "The same by the standing of an item, in standard deviations over the catalogue.",
        x: "quality",
        y: "found to fit (%)",
    };
    [by_slot.figure(slots, &numbered(n_slots)), by_quality.figure(quality, &below)]
        .into_iter()
        .flatten()
        .collect()
}

/// How many of the fitting items are watched; pages where very many fit are left out, since every set is summed.
fn watched(people: &[&PersonSeen], parameters: &ChoiceParameters) -> Option<Figure> {
    const FITTING_MAX: usize = 8;
    let usable = |page: &&PageSeen| steps::fitting(page).is_none_or(|(items, _)| items.len() <= FITTING_MAX);
    let n_max = pages(people).filter(usable).map(|page| page.items.len().min(FITTING_MAX)).max()?;
    let mut tally = Tally::new(n_max + 1);
    for page in pages(people).filter(usable) {
        let mut by_count = vec![0.0; n_max + 1];
        match steps::fitting(page) {
            Some((items, _)) => {
                for set in 0..1usize << items.len() {
                    let places: Vec<usize> = (0..items.len()).filter(|place| set >> place & 1 == 1).collect();
                    by_count[places.len()] +=
                        steps::watch_log_probability(parameters, page, &items, &places).exp();
                }
            }
            None => by_count[0] = 1.0,
        }
        by_count.into_iter().enumerate().for_each(|(k, p)| tally.add(k, page.watched.len() == k, p));
    }
    let words = Words {
        name: "watched",
        title: "Watched a page",
        help: "The share of the pages on which so many items were watched.",
        x: "items watched",
        y: "of the pages (%)",
    };
    tally.figure(words, &(0..=n_max).map(|k| k.to_string()).collect::<Vec<_>>())
}

fn ratings(people: &[&PersonSeen], parameters: &ChoiceParameters) -> Option<Figure> {
    let mut tally = Tally::new(5);
    for rated in people.iter().flat_map(|seen| &seen.ratings) {
        let utility = parameters.rating.utility(rated.person, rated.item);
        for level in 0..5 {
            let p = ordered_probability(&parameters.rating.cuts, utility, level);
            tally.add(level, usize::from(rated.rating) == level + 1, p);
        }
    }
    let words = Words {
        name: "ratings",
        title: "Ratings",
        help: "The share of each rating among the ratings given.",
        x: "rating",
        y: "of the ratings (%)",
    };
    tally.figure(words, &numbered(5))
}

fn feelings(people: &[&PersonSeen], parameters: &ChoiceParameters) -> Option<Figure> {
    let mut tally = Tally::new(n_pages(people));
    for page in pages(people) {
        if let Some(good) = page.feeling {
            let p = &parameters.reflection;
            let utility = p.utility(page.person, page.page, page.before, page.outcome);
            tally.add(page.page as usize - 1, good, logistic(utility));
        }
    }
    let words = Words {
        name: "feelings",
        title: "Good feelings, by page",
        help: "The share of the agents on a page that looked back on it with a good feeling.",
        x: "page",
        y: "good feelings (%)",
    };
    tally.figure(words, &numbered(n_pages(people)))
}

fn exits(people: &[&PersonSeen], parameters: &ChoiceParameters) -> Vec<Figure> {
    const TIERS: [&str; 3] = ["low", "middle", "high"];
    let p = &parameters.exit;
    let n = n_pages(people);
    let mut tallies: Vec<Tally> = TIERS.iter().map(|_| Tally::new(n)).collect();
    for page in pages(people) {
        if let Some(left) = page.left {
            let fatigue = Some(p.fatigue(page.person, page.page));
            let utility = p.utility(page.person, Remembered { fatigue, ..page.remembered });
            tallies[page.person.activity].add(page.page as usize - 1, left, logistic(utility));
        }
    }
    let words = |tier: usize| Words {
        name: ["exits_low", "exits_middle", "exits_high"][tier],
        title: ["Leaving, low activity", "Leaving, middle activity", "Leaving, high activity"][tier],
        help: "Of those on a page, the share that left after it.",
        x: "page",
        y: "leave (%)",
    };
    tallies
        .into_iter()
        .enumerate()
        .filter_map(|(tier, tally)| tally.figure(words(tier), &numbered(n)))
        .collect()
}

fn scores(people: &[&PersonSeen], parameters: &ChoiceParameters) -> Option<Figure> {
    let p = &parameters.interview;
    let mut tally = Tally::new(10);
    for seen in people.iter().flat_map(|seen| &seen.sessions) {
        let utility = p.utility(seen.person, seen.page, seen.remembered, seen.outcome);
        for level in 0..10 {
            let probability = ordered_probability(&p.cuts, utility, level);
            tally.add(level, usize::from(seen.score) == level + 1, probability);
        }
    }
    let words = Words {
        name: "scores",
        title: "Interview scores",
        help: "The share of each score among the interviews.",
        x: "score",
        y: "of the interviews (%)",
    };
    tally.figure(words, &numbered(10))
}
