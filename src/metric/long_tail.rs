//! What the long tail and cold items get of a session, and how people like it: shares of what is
//! shown, watched and liked, and rates among the items of each group. [`super::groups`] says which items
//! they are, by the training interactions of the first round. Must not know why an item was shown.
//!
//! All are ratios of sums over all agents, as `p_view` is. Nothing is told of a group without items.

use super::groups::{Group, Groups};
use super::{Gathering, Measure, Measured, Metric, MetricKind, Setting};
use crate::event::Session;

/// The family of long-tail measures.
pub struct LongTail;

static MEASURES: [Measure; 10] = [
    Measure {
        name: "tail_share",
        unit: "share",
        better: None,
        about: "items of the tail (least popular warm items with 20 % of training interactions) / items shown",
    },
    Measure {
        name: "cold_share",
        unit: "share",
        better: None,
        about: "items that nobody has in training / items shown",
    },
    Measure {
        name: "tail_watch_share",
        unit: "share",
        better: None,
        about: "items of the tail / items watched",
    },
    Measure {
        name: "cold_watch_share",
        unit: "share",
        better: None,
        about: "items that nobody has in training / items watched",
    },
    Measure {
        name: "tail_like_share",
        unit: "share",
        better: None,
        about: "items of the tail / ratings of at least 4",
    },
    Measure {
        name: "cold_like_share",
        unit: "share",
        better: None,
        about: "items that nobody has in training / ratings of at least 4",
    },
    Measure {
        name: "p_view.tail",
        unit: "share",
        better: Some(true),
        about: "items of the tail watched / items of the tail shown",
    },
    Measure {
        name: "p_view.cold",
        unit: "share",
        better: Some(true),
        about: "the same of items that nobody has in training",
    },
    Measure {
        name: "p_like.tail",
        unit: "share",
        better: Some(true),
        about: "ratings of at least 4 of items of the tail / items of the tail shown",
    },
    Measure {
        name: "p_like.cold",
        unit: "share",
        better: Some(true),
        about: "the same of items that nobody has in training",
    },
];

impl MetricKind for LongTail {
    fn name(&self) -> &'static str {
        "long_tail"
    }

    fn about(&self) -> &'static str {
        "what tail and cold items get and how they are liked (tail as in Abdollahpouri et al. 2017: 20 % of interactions)"
    }

    fn measures(&self) -> &'static [Measure] {
        &MEASURES
    }

    fn start(&self) -> Box<dyn Metric> {
        Box::new(Accumulator::default())
    }
}

#[derive(Default)]
struct Accumulator {
    /// Made of the catalogue at the first session.
    groups: Option<Groups>,
    /// One a measure.
    samples: [Gathering; 10],
}

/// What a session holds of some items.
#[derive(Clone, Copy, Default)]
struct Counts {
    shown: f64,
    watched: f64,
    liked: f64,
}

impl Metric for Accumulator {
    fn observe(&mut self, session: &Session, setting: Setting<'_>) {
        let groups = self.groups.get_or_insert_with(|| {
            let counts: Vec<u32> = setting.catalogue.items.iter().map(|item| item.n_train).collect();
            Groups::new(&counts)
        });
        let (mut all, mut tail, mut cold) = (Counts::default(), Counts::default(), Counts::default());
        for slot in session.slots() {
            let count = |counts: &mut Counts| {
                counts.shown += 1.0;
                counts.watched += if slot.watched { 1.0 } else { 0.0 };
                counts.liked += if slot.rating.is_some_and(|rating| rating >= 4) { 1.0 } else { 0.0 };
            };
            count(&mut all);
            match groups.of(slot.item) {
                Group::Tail => count(&mut tail),
                Group::Cold => count(&mut cold),
                Group::Head => {}
            }
        }
        for (at, (group, of)) in [(Group::Tail, tail), (Group::Cold, cold)].into_iter().enumerate() {
            if !groups.has_any(group) {
                continue;
            }
            let ratios = [
                (of.shown, all.shown),
                (of.watched, all.watched),
                (of.liked, all.liked),
                (of.watched, of.shown),
                (of.liked, of.shown),
            ];
            for (nth, (numerator, denominator)) in ratios.into_iter().enumerate() {
                self.samples[2 * nth + at].push_ratio(setting.witness(session), numerator, denominator);
            }
        }
    }

    fn finish(self: Box<Self>, _setting: Setting<'_>) -> Vec<Measured> {
        MEASURES.iter().zip(self.samples).map(|(measure, sample)| measure.gathered(sample)).collect()
    }
}
