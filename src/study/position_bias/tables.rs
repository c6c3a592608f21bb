//! The numbers of slots and click models, as tables and charts. Must not compute anything.

use super::Found;
use super::propensity::Propensity;
use crate::study::{Axis, Cell, Chart, ChartData, Point, Series, StudyTable};

fn ends(interval: Option<(f64, f64)>) -> [Cell; 2] {
    [interval.map(|(low, _)| low).into(), interval.map(|(_, high)| high).into()]
}

impl Found<'_> {
    pub(super) fn tables(&self) -> Vec<StudyTable> {
        vec![self.slots(), self.arms(), self.models()]
    }

    fn slots(&self) -> StudyTable {
        let mut table = StudyTable::new(
            "slots",
            "Slots against the first",
            if self.is_shuffled {
                "Watch rates over that of slot 0 on pages in random order, and what the position-based model makes of \
                 examination; truth is what the agents' parameters say."
            } else {
                "Watch rates over that of slot 0 on ranked pages (no estimate of examination), and among items that two \
                 arms showed the same agent in both slots; truth is what the agents' parameters say."
            },
            &[
                ("slot", "text"),
                ("watch_rate", "share"),
                ("ratio", "ratio"),
                ("ci_low", "ratio"),
                ("ci_high", "ratio"),
                ("position_based", "ratio"),
                ("position_based_ci_low", "ratio"),
                ("position_based_ci_high", "ratio"),
                ("harvested", "ratio"),
                ("harvested_ci_low", "ratio"),
                ("harvested_ci_high", "ratio"),
                ("harvested_n", ""),
                ("truth", "ratio"),
            ],
        );
        for (slot, estimate) in self.by_slot.iter().enumerate() {
            let (based, of_based) = self.position_based[slot];
            let pair = self.harvested.get(slot).filter(|_| !self.is_shuffled);
            let truth = self.truth.as_ref().map(|truth| truth.relative_examination[slot]);
            let mut row: Vec<Cell> =
                vec![slot.to_string().into(), estimate.watch_rate.into(), estimate.ratio.into()];
            row.extend(ends(estimate.interval));
            row.push(based.into());
            row.extend(ends(of_based));
            row.push(pair.and_then(|pair| pair.ratio).into());
            row.extend(ends(pair.and_then(|pair| pair.interval)));
            row.push(pair.map(|pair| pair.n as f64).into());
            row.push(truth.into());
            table.push(row);
        }
        table
    }

    fn arms(&self) -> StudyTable {
        let mut table = StudyTable::new(
            "arms",
            "Slots against the first, arm by arm",
            "On pages in random order arms should agree, whatever they show.",
            &[
                ("arm", "text"),
                ("slot", "text"),
                ("pages", "count"),
                ("watch_rate", "share"),
                ("ratio", "ratio"),
                ("ci_low", "ratio"),
                ("ci_high", "ratio"),
            ],
        );
        for (arm, slots) in self.evidence.arms.iter().zip(&self.by_arm) {
            for (slot, estimate) in slots.iter().enumerate() {
                let Propensity { watch_rate, ratio, interval, n } = *estimate;
                let mut row: Vec<Cell> =
                    vec![arm.name.clone().into(), slot.to_string().into(), (n as f64).into()];
                row.extend([watch_rate.into(), ratio.into()]);
                row.extend(ends(interval));
                table.push(row);
            }
        }
        table
    }

    fn models(&self) -> StudyTable {
        let mut table = StudyTable::new(
            "models",
            "Click models on people they were not fitted on",
            "Log-likelihood a page in nats: higher is better. A model that calls a page impossible has none; where the \
             first watch is, all can tell. Behind: what the best model is ahead, with its interval by person.",
            &[
                ("model", "text"),
                ("log_likelihood", ""),
                ("behind", ""),
                ("ci_low", ""),
                ("ci_high", ""),
                ("first_watch_log_likelihood", ""),
                ("impossible_pages", "share"),
                ("mean_perplexity", ""),
            ],
        );
        for score in &self.scores {
            let behind = self.behind(score);
            let mut row: Vec<Cell> = vec![score.model.into(), score.per_page().into()];
            row.push(behind.map(|(value, _)| value).into());
            row.extend(ends(behind.and_then(|(_, interval)| interval)));
            row.push(score.first_watch_per_page().into());
            row.push((score.n_impossible as f64 / self.n_pages as f64).into());
            row.push((score.perplexity.iter().sum::<f64>() / score.perplexity.len() as f64).into());
            table.push(row);
        }
        table
    }

    pub(super) fn charts(&self) -> Vec<Chart> {
        let lines = |name: &str, title: &str, help: &str, y: Axis, series: Vec<Series>| Chart {
            name: name.to_owned(),
            title: title.to_owned(),
            help: help.to_owned(),
            data: ChartData::Lines { x: Axis::new("place on the page, from the top", ""), y, series },
        };
        let perplexity = self.scores.iter().map(|score| {
            let points = score.perplexity.iter().enumerate().map(|(slot, &y)| (slot, Some(y), None));
            series(score.model, points)
        });
        vec![
            lines(
                "slots",
                "Slots against the first",
                if self.is_shuffled {
                    "How often a slot is watched against the first, on pages in random order."
                } else {
                    "How often a slot is watched against the first, on ranked pages: position and relevance together."
                },
                Axis::new("against the first place", "ratio"),
                self.ratios(),
            ),
            lines(
                "perplexity",
                "Click models by slot",
                "Surprise at what people watch whom the model was not fitted on: lower is better.",
                Axis::new("perplexity", ""),
                perplexity.collect(),
            ),
        ]
    }

    fn ratios(&self) -> Vec<Series> {
        let of = |slots: &[Propensity]| -> Vec<_> {
            slots.iter().enumerate().map(|(slot, p)| (slot, p.ratio, p.interval)).collect()
        };
        let name = if self.is_shuffled { "watch rates" } else { "watch rates (naive)" };
        let mut all = vec![series(name, of(&self.by_slot).into_iter())];
        let based = self.position_based.iter().enumerate();
        all.push(series(
            "position-based model",
            based.map(|(slot, (ratio, ends))| (slot, Some(*ratio), *ends)),
        ));
        if self.harvested.iter().skip(1).any(|pair| pair.ratio.is_some()) {
            all.push(series("same item in both slots", of(&self.harvested).into_iter()));
        }
        if let Some(truth) = &self.truth {
            let points =
                truth.relative_examination.iter().enumerate().map(|(slot, &y)| (slot, Some(y), None));
            all.push(series("truth", points));
        }
        all
    }
}

/// A line through what is known of (slot from 0, value, interval), over places from 1.
fn series(name: &str, points: impl Iterator<Item = (usize, Option<f64>, Option<(f64, f64)>)>) -> Series {
    let point = |(slot, y, ends): (usize, Option<f64>, Option<(f64, f64)>)| {
        let (low, high) = ends.unzip();
        y.map(|y| Point { x: (slot + 1) as f64, y, low, high })
    };
    Series { name: name.to_owned(), arm: None, points: points.filter_map(point).collect() }
}
