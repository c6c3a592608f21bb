//! How popular what is shown is, absolutely and against the taste of those it is shown to.
//! Popularity of an item = its number of training interactions. Must not know exposure counts.

use super::{Gathering, Measure, Measured, Metric, MetricKind, Setting};
use crate::event::Session;

/// The family of popularity measures.
pub struct Popularity;

static MEASURES: [Measure; 3] = [
    Measure {
        name: "average_popularity",
        unit: "interactions",
        better: None,
        about: "training interactions of an item shown, mean over a session, then over agents (ARP)",
    },
    Measure {
        name: "popularity_lift",
        unit: "ratio",
        better: None,
        about: "(popularity of what is shown − popularity of the profiles) / popularity of the profiles (GAP)",
    },
    Measure {
        name: "novelty",
        unit: "bits",
        better: None,
        about: "−log2 of the share of training users who had the item (add-one), mean over a session, then over agents",
    },
];

impl MetricKind for Popularity {
    fn name(&self) -> &'static str {
        "popularity"
    }

    fn about(&self) -> &'static str {
        "popularity (Yin et al. 2012), popularity lift (Abdollahpouri et al. 2020), novelty (Zhou et al. 2010)"
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
    average_popularity: Gathering,
    popularity_lift: Gathering,
    novelty: Gathering,
}

impl Metric for Accumulator {
    fn observe(&mut self, session: &Session, setting: Setting<'_>) {
        let log2_users = (f64::from(setting.catalogue.n_train_users) + 1.0).log2();
        let (mut n_shown, mut sum_popularity, mut sum_novelty) = (0u32, 0.0, 0.0);
        for slot in session.slots() {
            let n_train = f64::from(setting.catalogue.items[slot.item.idx()].n_train);
            n_shown += 1;
            sum_popularity += n_train;
            sum_novelty += log2_users - (n_train + 1.0).log2();
        }
        if n_shown == 0 {
            return;
        }
        let witness = setting.witness(session);
        let popularity = sum_popularity / f64::from(n_shown);
        self.average_popularity.push(witness, popularity);
        self.novelty.push(witness, sum_novelty / f64::from(n_shown));
        // The lift is of group averages: the mean of shown popularity against the mean of the profiles'.
        let profile = f64::from(setting.person(session).mean_popularity);
        self.popularity_lift.push_ratio(witness, popularity - profile, profile);
    }

    fn finish(self: Box<Self>, _setting: Setting<'_>) -> Vec<Measured> {
        let samples = [self.average_popularity, self.popularity_lift, self.novelty];
        MEASURES.iter().zip(samples).map(|(measure, sample)| measure.gathered(sample)).collect()
    }
}
