//! Whether the first page holds what people really went on to have: accuracy of page 1
//! against the persona's held-out items, at k = items a full page holds.
//! Agents without held-out items, and those who never saw a page, have no accuracy.
//! Must not know scores or models: the order on the page is the ranking.

use super::ranking::{self, AccuracySample};
use super::{Measure, Measured, Metric, MetricKind, Setting};
use crate::event::Session;

/// The family of accuracy measures of the first page.
pub struct Accuracy;

impl MetricKind for Accuracy {
    fn name(&self) -> &'static str {
        "accuracy"
    }

    fn about(&self) -> &'static str {
        "precision, recall, hit rate, NDCG, MRR and MAP of page 1 against held-out items"
    }

    fn measures(&self) -> &'static [Measure] {
        &ranking::MEASURES
    }

    fn start(&self) -> Box<dyn Metric> {
        Box::new(Accumulator::default())
    }
}

#[derive(Default)]
struct Accumulator {
    sample: AccuracySample,
    hits: Vec<usize>,
}

impl Metric for Accumulator {
    fn observe(&mut self, session: &Session, setting: Setting<'_>) {
        if session.round > 0 {
            // What was held out is partly known by then: the figure would fall by itself.
            return;
        }
        let n_held_out = setting.person(session).n_held_out as usize;
        let Some(page) = session.pages.iter().find(|page| page.number == 1) else { return };
        if n_held_out == 0 || page.slots.is_empty() || setting.items_per_page == 0 {
            return;
        }
        self.hits.clear();
        self.hits
            .extend(page.slots.iter().enumerate().filter(|(_, slot)| slot.held_out).map(|(place, _)| place));
        let accuracy = ranking::Accuracy::at(setting.items_per_page, &self.hits, n_held_out);
        self.sample.push(setting.witness(session), &accuracy);
    }

    fn finish(self: Box<Self>, setting: Setting<'_>) -> Vec<Measured> {
        self.sample.finish(setting.items_per_page)
    }
}
