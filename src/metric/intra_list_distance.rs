//! How different the items of one session are from each other, by their genres.
//! A pair of items that have no genre at all says nothing and is left out.
//! Must not know other sessions.

use super::{Catalogue, Gathering, Measure, Measured, Metric, MetricKind, Setting};
use crate::event::Session;
use crate::id::GenreId;

/// Mean genre distance within a session.
pub struct IntraListDistance;

static MEASURES: [Measure; 1] = [Measure {
    name: "intra_list_distance",
    unit: "share",
    better: None,
    about: "1 − Jaccard similarity of genres, mean over pairs of items shown in a session, then over agents",
}];

impl MetricKind for IntraListDistance {
    fn name(&self) -> &'static str {
        "intra_list_distance"
    }

    fn about(&self) -> &'static str {
        "mean pairwise genre distance of a session's items (Ziegler et al. 2005)"
    }

    fn measures(&self) -> &'static [Measure] {
        &MEASURES
    }

    fn start(&self) -> Box<dyn Metric> {
        Box::new(Accumulator::default())
    }
}

/// Genres an item's bit set has room for; catalogues with more are walked list by list.
const N_GENRES_IN_BITS: usize = 128;

#[derive(Default)]
struct Accumulator {
    sample: Gathering,
    /// Genres of every item as a bit set, where they fit.
    bits: Option<Vec<u128>>,
    shown: Vec<usize>,
}

impl Metric for Accumulator {
    fn observe(&mut self, session: &Session, setting: Setting<'_>) {
        let catalogue = setting.catalogue;
        self.shown.clear();
        self.shown.extend(session.slots().map(|slot| slot.item.idx()));
        let (n_pairs, sum) = if catalogue.genres.len() <= N_GENRES_IN_BITS {
            let bits = self.bits.get_or_insert_with(|| bit_sets(catalogue));
            sum_distances(&self.shown, |a, b| {
                let (a, b) = (bits[a], bits[b]);
                ((a & b).count_ones(), (a | b).count_ones())
            })
        } else {
            sum_distances(&self.shown, |a, b| {
                let (a, b) = (&catalogue.items[a].genres, &catalogue.items[b].genres);
                let n_common = a.iter().filter(|genre| b.binary_search(genre).is_ok()).count();
                (n_common as u32, (a.len() + b.len() - n_common) as u32)
            })
        };
        if n_pairs > 0 {
            self.sample.push(setting.witness(session), sum / f64::from(n_pairs));
        }
    }

    fn finish(self: Box<Self>, _setting: Setting<'_>) -> Vec<Measured> {
        vec![MEASURES[0].gathered(self.sample)]
    }
}

/// Every item's genres as one word.
fn bit_sets(catalogue: &Catalogue) -> Vec<u128> {
    let bits = |genres: &[GenreId]| genres.iter().fold(0u128, |set, genre| set | (1 << genre.idx()));
    catalogue.items.iter().map(|item| bits(&item.genres)).collect()
}

/// Number of pairs with a genre between them and the sum of their distances, where `overlap` tells
/// how many genres two items have in common and how many altogether.
fn sum_distances(shown: &[usize], overlap: impl Fn(usize, usize) -> (u32, u32)) -> (u32, f64) {
    let (mut n_pairs, mut sum) = (0, 0.0);
    for (place, &a) in shown.iter().enumerate() {
        for &b in &shown[place + 1..] {
            let (n_common, n_all) = overlap(a, b);
            if n_all > 0 {
                n_pairs += 1;
                sum += 1.0 - f64::from(n_common) / f64::from(n_all);
            }
        }
    }
    (n_pairs, sum)
}
