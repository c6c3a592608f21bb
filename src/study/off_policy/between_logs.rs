//! One policy's value from another policy's log, where both have a log: what an estimate says beside what was seen.
//! Must not know files.

use super::estimators::{EstimateError, Estimates, Row, estimate};
use super::interval::{Measured, NOTHING, mean_ratio, measure};
use super::open_bandit::{Impression, Log};
use super::reward_model::{Case, cross_fit};

/// Folds of the reward model.
const N_FOLDS: u32 = 3;

/// Impressions at one position, or at all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The position as in the files; `None` for all together.
    pub position: Option<u32>,
    /// The target's value estimated from the other log.
    pub estimated: Estimates,
    /// The clicks an impression in the target's own log.
    pub seen: Measured,
    /// Their interval.
    pub seen_interval: Option<(f64, f64)>,
    /// The clicks an impression in the log that estimates are from.
    pub logged: Measured,
}

/// Why logs cannot be held against each other.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// They are of different pages.
    #[error("the logs have different positions: {logging:?} and {target:?}")]
    Positions {
        /// Those of the log that estimates are from.
        logging: Vec<u32>,
        /// Those of the target.
        target: Vec<u32>,
    },
    /// A number is out of range.
    #[error(transparent)]
    Estimate(#[from] EstimateError),
}

/// Estimates the value of the policy that wrote `target` from `logging`: all positions, then one after the other.
///
/// What the target would have shown is taken from what it did show, never from its clicks ([`shown_by`]).
///
/// # Errors
/// When the logs have different positions.
pub fn compare(logging: &Log, target: &Log, confidence: f64) -> Result<Vec<Compared>, CompareError> {
    if logging.positions != target.positions {
        let (logging, target) = (logging.positions.clone(), target.positions.clone());
        return Err(CompareError::Positions { logging, target });
    }
    let rows = rows(logging, &shown_by(target, logging.n_items().max(target.n_items())));
    let all = std::iter::once(None).chain((0..logging.positions.len() as u32).map(Some));
    let one = |place: Option<u32>| {
        let is_in = |x: &Impression| place.is_none_or(|place| x.place == place);
        let chosen = logging.impressions.iter().zip(&rows).filter(|(x, _)| is_in(x));
        let chosen: Vec<Row> = chosen.map(|(_, row)| *row).collect();
        let seen = clicks(target, is_in);
        Ok(Compared {
            position: place.map(|place| logging.positions[place as usize]),
            estimated: estimate(&chosen, confidence)?,
            seen_interval: seen.interval(confidence),
            seen,
            logged: clicks(logging, is_in),
        })
    };
    all.map(one).collect()
}

/// The probability with which a log's policy shows each item at each place, `[place][item]`: where the logged
/// probability of an item at a place never changes, that one (should they add up to 1); else the share of the place's
/// impressions that the item has.
///
/// The mean of logged probabilities would be too high: an item is logged when its probability is high.
pub fn shown_by(log: &Log, n_items: usize) -> Vec<Vec<f64>> {
    let place = |place: u32| {
        let mut counts = vec![0.0f64; n_items];
        let mut constant = vec![None; n_items];
        let mut changes = false;
        for x in log.impressions.iter().filter(|x| x.place == place) {
            counts[x.item as usize] += 1.0;
            let known = constant[x.item as usize].get_or_insert(x.propensity);
            changes |= (*known - x.propensity).abs() > 1e-9;
        }
        let sum: f64 = constant.iter().flatten().sum();
        if !changes && (sum - 1.0).abs() < 1e-6 {
            return constant.into_iter().map(Option::unwrap_or_default).collect();
        }
        let total: f64 = counts.iter().sum();
        counts.into_iter().map(|count| count / total).collect()
    };
    (0..log.positions.len() as u32).map(place).collect()
}

/// The log's impressions as decisions, with a reward model fitted in folds by page view: position, what is known of
/// the person, and the item.
fn rows(logging: &Log, shown: &[Vec<f64>]) -> Vec<Row> {
    let case_of = |x: &Impression| Case { person: x.view, item: x.item, place: x.place };
    let cases: Vec<Case> = logging.impressions.iter().map(case_of).collect();
    let rewards: Vec<f64> = logging.impressions.iter().map(|x| x.click).collect();
    let n_items = shown.first().map_or(0, Vec::len);
    let features = |case: Case, row: &mut Vec<f64>| {
        row.extend((1..logging.positions.len() as u32).map(|place| f64::from(u8::from(place == case.place))));
        for (&value, &n_values) in logging.person[case.person as usize].iter().zip(&logging.n_person_values) {
            row.extend((1..n_values).map(|other| f64::from(u8::from(other == value))));
        }
    };
    let fitted = cross_fit(&cases, &rewards, n_items, N_FOLDS, &features);
    let row = |x: &Impression| {
        let case = case_of(x);
        let shown = &shown[x.place as usize];
        let expected = |(item, &share): (usize, &f64)| match share > 0.0 {
            true => share * fitted.expected(Case { item: item as u32, ..case }),
            false => 0.0,
        };
        Row {
            cluster: x.view,
            reward: x.click,
            behaviour: x.propensity,
            target: shown[x.item as usize].min(1.0),
            model: fitted.expected(case),
            model_target: shown.iter().enumerate().map(expected).sum(),
        }
    };
    logging.impressions.iter().map(row).collect()
}

fn clicks(log: &Log, is_in: impl Fn(&Impression) -> bool) -> Measured {
    let chosen: Vec<&Impression> = log.impressions.iter().filter(|x| is_in(x)).collect();
    let ratio = mean_ratio(chosen.iter().map(|x| x.view), chosen.iter().map(|x| x.click));
    let n_views = log.impressions.iter().map(|x| x.view as usize + 1).max().unwrap_or(0);
    measure(&[ratio], n_views).unwrap_or(NOTHING)
}
