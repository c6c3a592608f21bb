//! Whether what is shown narrows: genres within a session and over a whole round.
//! An item's weight of 1 is divided equally among its genres; items without genres weigh
//! nothing, and a session that shows no genre at all has no value.
//! Must not know what people like.

use super::{Catalogue, Gathering, Measure, Measured, Metric, MetricKind, Setting};
use crate::event::Session;

/// The family of genre measures.
pub struct Genres;

static MEASURES: [Measure; 5] = [
    Measure {
        name: "n_genres",
        unit: "count",
        better: None,
        about: "distinct genres shown in a session, mean over agents",
    },
    Measure {
        name: "genre_entropy",
        unit: "bits",
        better: None,
        about: "Shannon entropy of the genres shown in a session, mean over agents",
    },
    Measure {
        name: "top1_genre_share",
        unit: "share",
        better: None,
        about: "share of the genre shown most in a session, mean over agents",
    },
    Measure {
        name: "top1_genre_items",
        unit: "share",
        better: None,
        about: "of the items shown in a session, those of its most common genre, whatever else they are too; mean over agents",
    },
    Measure {
        name: "top1_genre_share_round",
        unit: "share",
        better: None,
        about: "share of the genre shown most in the whole round",
    },
];

impl MetricKind for Genres {
    fn name(&self) -> &'static str {
        "genres"
    }

    fn about(&self) -> &'static str {
        "genre variety: count, Shannon entropy, share of the top genre"
    }

    fn measures(&self) -> &'static [Measure] {
        &MEASURES
    }

    fn start(&self) -> Box<dyn Metric> {
        Box::new(Accumulator::default())
    }
}

/// Weight of every genre in what a session shows, written into `weights`; the total is returned.
pub(super) fn genre_weights(session: &Session, catalogue: &Catalogue, weights: &mut Vec<f64>) -> f64 {
    weights.clear();
    weights.resize(catalogue.genres.len(), 0.0);
    let mut total = 0.0;
    for slot in session.slots() {
        let genres = &catalogue.items[slot.item.idx()].genres;
        if !genres.is_empty() {
            let weight = 1.0 / genres.len() as f64;
            genres.iter().for_each(|genre| weights[genre.idx()] += weight);
            total += 1.0;
        }
    }
    total
}

#[derive(Default)]
struct Accumulator {
    n_genres: Gathering,
    genre_entropy: Gathering,
    top1_genre_share: Gathering,
    top1_genre_items: Gathering,
    round: Vec<f64>,
    weights: Vec<f64>,
    n_items: Vec<u32>,
}

/// How many of the items that a session shows are of each genre, written into `n_items`; the most is returned.
fn most_of_a_genre(session: &Session, catalogue: &Catalogue, n_items: &mut Vec<u32>) -> u32 {
    n_items.clear();
    n_items.resize(catalogue.genres.len(), 0);
    for slot in session.slots() {
        catalogue.items[slot.item.idx()].genres.iter().for_each(|genre| n_items[genre.idx()] += 1);
    }
    n_items.iter().copied().max().unwrap_or(0)
}

impl Metric for Accumulator {
    fn observe(&mut self, session: &Session, setting: Setting<'_>) {
        let total = genre_weights(session, setting.catalogue, &mut self.weights);
        if total == 0.0 {
            return;
        }
        self.round.resize(self.weights.len(), 0.0);
        let (mut n_genres, mut entropy, mut top) = (0u32, 0.0, 0.0f64);
        for (weight, round) in self.weights.iter().zip(&mut self.round) {
            if *weight > 0.0 {
                let share = weight / total;
                n_genres += 1;
                entropy -= share * share.log2();
                top = top.max(share);
                *round += weight;
            }
        }
        let witness = setting.witness(session);
        self.n_genres.push(witness, f64::from(n_genres));
        self.genre_entropy.push(witness, entropy);
        self.top1_genre_share.push(witness, top);
        let most = most_of_a_genre(session, setting.catalogue, &mut self.n_items);
        self.top1_genre_items.push(witness, f64::from(most) / total);
    }

    fn finish(self: Box<Self>, _setting: Setting<'_>) -> Vec<Measured> {
        let n = self.n_genres.n();
        let total: f64 = self.round.iter().sum();
        let top = self.round.iter().fold(0.0f64, |top, &weight| top.max(weight));
        vec![
            MEASURES[0].gathered(self.n_genres),
            MEASURES[1].gathered(self.genre_entropy),
            MEASURES[2].gathered(self.top1_genre_share),
            MEASURES[3].gathered(self.top1_genre_items),
            MEASURES[4].whole(n, (total > 0.0).then(|| top / total)),
        ]
    }
}
