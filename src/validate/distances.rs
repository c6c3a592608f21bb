//! How far apart two distributions are: total variation and Jensen–Shannon, of exit pages,
//! ratings, interview scores, items watched on a page, and slots watched.
//! Must not know means or tiers.

use super::aggregates::{cuts, mean};
use super::bounds::ValidationParams;
use super::check::{Bound, Check, Floor, Group};
use crate::event::{ExitReason, Session};
use crate::report::estimate::Estimate;
use crate::rng::{Purpose, Streams};
use crate::stats::summary::quantile;
use rand::RngExt;

/// Total-variation distance of two distributions given as weights: half the sum of absolute
/// differences of shares, 0 (alike) to 1. Not a number where one has no weight.
pub fn total_variation(p: &[f64], q: &[f64]) -> f64 {
    let (p, q) = (shares(p), shares(q));
    0.5 * p.iter().zip(&q).map(|(p, q)| (p - q).abs()).sum::<f64>()
}

/// Jensen–Shannon divergence in bits (Lin 1991, equation 3.4 with equal weights): 0 (alike) to 1.
/// Not a number where a distribution has no weight.
pub fn jensen_shannon(p: &[f64], q: &[f64]) -> f64 {
    let (p, q) = (shares(p), shares(q));
    let part = |p: f64, q: f64| if p > 0.0 { p * (2.0 * p / (p + q)).log2() } else { p };
    // Rounding may leave a hair below zero.
    (0.5 * p.iter().zip(&q).map(|(&p, &q)| part(p, q) + part(q, p)).sum::<f64>()).max(0.0)
}

/// Weights divided by their sum.
pub fn shares(weights: &[f64]) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}

/// What is counted, and where it may fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// The page a session ended on.
    ExitPage,
    /// Ratings.
    Rating,
    /// Interview scores.
    Satisfaction,
    /// Items watched on a page.
    Watched,
    /// Slots of watched items.
    Slot,
}

impl Counted {
    /// Everything that is counted, in the order of the report.
    pub const ALL: [Counted; 5] =
        [Counted::ExitPage, Counted::Rating, Counted::Satisfaction, Counted::Watched, Counted::Slot];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Counted::ExitPage => "exit_page",
            Counted::Rating => "rating",
            Counted::Satisfaction => "satisfaction",
            Counted::Watched => "watched_per_page",
            Counted::Slot => "watched_slot",
        }
    }

    /// One line.
    pub fn about(self) -> &'static str {
        match self {
            Counted::ExitPage => "the page a session ended on, failed sessions left out",
            Counted::Rating => "the ratings given to watched items",
            Counted::Satisfaction => "the interview scores",
            Counted::Watched => "how many items of a page were watched",
            Counted::Slot => "the slots that watched items stood in, from the top",
        }
    }

    /// The label of the first bin; the others count on.
    pub fn first(self) -> usize {
        usize::from(self != Counted::Watched)
    }

    fn n_bins(self, n_slots: usize, n_pages: usize) -> usize {
        match self {
            Counted::ExitPage => n_pages,
            Counted::Rating => 5,
            Counted::Satisfaction => 10,
            Counted::Watched => n_slots + 1,
            Counted::Slot => n_slots,
        }
    }

    fn count(self, session: &Session, bins: &mut [f64]) {
        let mut add = |at: usize| {
            if let Some(bin) = bins.get_mut(at) {
                *bin += 1.0;
            }
        };
        match self {
            Counted::ExitPage if session.exit.is_some_and(|exit| exit != ExitReason::Failure) => {
                if let Some(last) = session.pages.len().checked_sub(1) {
                    add(last);
                }
            }
            Counted::ExitPage => {}
            Counted::Rating => {
                session.slots().filter_map(|slot| slot.rating).for_each(|r| add(usize::from(r) - 1));
            }
            Counted::Satisfaction => {
                session.satisfaction.iter().for_each(|&score| add(usize::from(score) - 1));
            }
            Counted::Watched => {
                session.pages.iter().for_each(|page| add(page.slots.iter().filter(|s| s.watched).count()));
            }
            Counted::Slot => {
                for page in &session.pages {
                    (0..).zip(&page.slots).filter(|(_, slot)| slot.watched).for_each(|(at, _)| add(at));
                }
            }
        }
    }

    fn bound(self, bounds: &ValidationParams) -> Option<f64> {
        match self {
            Counted::ExitPage => Some(bounds.exit_tvd),
            Counted::Rating => Some(bounds.rating_tvd),
            Counted::Satisfaction => Some(bounds.satisfaction_tvd),
            Counted::Watched => Some(bounds.watched_tvd),
            Counted::Slot => None,
        }
    }
}

/// One distribution of the reference beside that of the simulation.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// What was counted.
    pub counted: Counted,
    /// Shares in the reference.
    pub reference: Vec<f64>,
    /// Shares in the simulation.
    pub simulated: Vec<f64>,
}

/// Counts, one row of bins a person.
type Counts = Vec<Vec<f64>>;

/// Every distribution with its two distances. `simulated` holds, repetition by repetition, the
/// sessions of the people of `reference` in the same order.
pub fn compare(
    reference: &[Session],
    simulated: &[Vec<Session>],
    (n_slots, n_pages): (usize, usize),
    bounds: &ValidationParams,
    confidence: f64,
    streams: &Streams,
) -> (Vec<Check>, Vec<Distribution>) {
    let (mut checks, mut distributions) = (Vec::new(), Vec::new());
    for counted in Counted::ALL {
        let n_bins = counted.n_bins(n_slots, n_pages);
        let rows = |sessions: &[Session]| -> Counts {
            let row = |session| {
                let mut bins = vec![0.0; n_bins];
                counted.count(session, &mut bins);
                bins
            };
            sessions.iter().map(row).collect()
        };
        let theirs = rows(reference);
        let repetitions: Vec<Counts> = simulated.iter().map(|sessions| rows(sessions)).collect();
        let ours = added(&repetitions, theirs.len(), n_bins);
        let (p, q) = (summed(&theirs, n_bins), summed(&ours, n_bins));
        type Distance = fn(&[f64], &[f64]) -> f64;
        let distances: [(&str, &str, Distance, Option<f64>); 2] = [
            ("tvd", "total-variation distance", total_variation, counted.bound(bounds)),
            ("js", "Jensen–Shannon divergence, in bits", jensen_shannon, None),
        ];
        for (name, words, distance, bound) in distances {
            let value = distance(&p, &q);
            let (low, high) = interval(&theirs, &ours, distance, confidence, streams);
            let found = value.is_finite().then_some(Estimate { value, low, high, n: theirs.len() as u64 });
            let mut check = Check::new(
                Group::Distribution,
                format!("{}_{name}", counted.name()),
                if name == "js" { "bits" } else { "index" },
                found,
            )
            .about(format!("{words} of {}", counted.about()));
            check.bound = bound.map(Bound::AtMost);
            check.floor = Floor {
                halves: mean(cuts(theirs.len(), streams).iter().map(|side| {
                    let part = |wanted: bool| {
                        let of = theirs.iter().zip(side).filter(|(_, side)| **side == wanted);
                        summed(of.map(|(row, _)| row), n_bins)
                    };
                    distance(&part(false), &part(true))
                })),
                luck: luck(&repetitions, n_bins, distance),
            };
            checks.push(check);
        }
        distributions.push(Distribution { counted, reference: shares(&p), simulated: shares(&q) });
    }
    (checks, distributions)
}

/// The counts of all repetitions, person by person.
fn added(repetitions: &[Counts], n_people: usize, n_bins: usize) -> Counts {
    let mut sum = vec![vec![0.0; n_bins]; n_people];
    for counts in repetitions {
        assert_eq!(counts.len(), n_people, "every repetition has everybody");
        for (row, more) in sum.iter_mut().zip(counts) {
            row.iter_mut().zip(more).for_each(|(bin, more)| *bin += more);
        }
    }
    sum
}

fn summed<'a>(rows: impl IntoIterator<Item = &'a Vec<f64>>, n_bins: usize) -> Vec<f64> {
    let mut sum = vec![0.0; n_bins];
    for row in rows {
        sum.iter_mut().zip(row).for_each(|(bin, more)| *bin += more);
    }
    sum
}

/// Quantiles of the distance when people are drawn again, each with both its rows.
fn interval(
    theirs: &Counts,
    ours: &Counts,
    distance: fn(&[f64], &[f64]) -> f64,
    confidence: f64,
    streams: &Streams,
) -> (f64, f64) {
    const N_DRAWS: u64 = 400;
    let n = theirs.len();
    let n_bins = theirs.first().map_or(0, Vec::len);
    let mut found: Vec<f64> = (0..N_DRAWS)
        .map(|draw| {
            let mut rng = streams.stream(Purpose::Validation, 2, draw, 0);
            let drawn: Vec<usize> = (0..n).map(|_| rng.random_range(0..n)).collect();
            let of = |rows: &Counts| summed(drawn.iter().map(|&k| &rows[k]), n_bins);
            distance(&of(theirs), &of(ours))
        })
        .filter(|value| value.is_finite())
        .collect();
    found.sort_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    let at = |share| quantile(&found, share).unwrap_or(f64::NAN);
    (at(tail), at(1.0 - tail))
}

/// Mean distance of one repetition to all others taken together.
fn luck(repetitions: &[Counts], n_bins: usize, distance: fn(&[f64], &[f64]) -> f64) -> Option<f64> {
    if repetitions.len() < 2 {
        return None;
    }
    let each: Vec<Vec<f64>> = repetitions.iter().map(|counts| summed(counts, n_bins)).collect();
    let all = summed(&each, n_bins);
    mean(each.iter().map(|own| {
        let others: Vec<f64> = all.iter().zip(own).map(|(all, own)| all - own).collect();
        distance(own, &others)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_agree_with_scipy() {
        // scipy.spatial.distance.jensenshannon(p, q, base=2) ** 2; total variation by hand.
        let (p, q) = ([66.0, 167.0, 348.0, 305.0, 114.0], [0.1, 0.2, 0.3, 0.2, 0.2]);
        assert!((jensen_shannon(&p, &q) - JS_EXIT).abs() < 1e-12, "{}", jensen_shannon(&p, &q));
        assert!((total_variation(&p, &q) - 0.153).abs() < 1e-12, "{}", total_variation(&p, &q));
        assert!((jensen_shannon(&[1.0, 0.0], &[0.0, 3.0]) - 1.0).abs() < 1e-15);
        assert_eq!(total_variation(&[1.0, 0.0], &[0.0, 3.0]), 1.0);
        assert_eq!((jensen_shannon(&p, &p), total_variation(&p, &p)), (0.0, 0.0));
        assert!(total_variation(&[0.0, 0.0], &[1.0, 0.0]).is_nan());
    }

    const JS_EXIT: f64 = 0.021_421_534_826_664_77;
}
