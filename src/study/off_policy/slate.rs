//! The value of one policy from the log of another, where a decision is a whole page: SIPS, IIPS, RIPS, their
//! self-normalised forms, and the pseudoinverse. Must not know where pages come from.
//!
//! The value is the expected reward a place. What each may assume:
//! SIPS nothing; RIPS that a place's reward depends on what stands at and above it; IIPS that it depends on what
//! stands at the place alone; the pseudoinverse that the page's sum is a sum of what each place adds, and that places
//! were drawn independently of one another.

use super::estimators::EstimateError;
use super::interval::{NOTHING, Ratio, Term, measure};

/// One place of a logged page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// What came of it.
    pub reward: f64,
    /// Probability under the logging policy of the item here, given those above it.
    pub behaviour: f64,
    /// The same whatever stands above.
    pub behaviour_marginal: f64,
    /// Probability under the target policy of the item here, given those above it.
    pub target: f64,
    /// The same whatever stands above.
    pub target_marginal: f64,
}

/// One logged page, top to bottom.
#[derive(Clone, Debug, PartialEq)]
pub struct Slate {
    /// Whose page it was, dense from 0.
    pub cluster: u32,
    /// Its places.
    pub places: Vec<Place>,
}

/// How a target's value is estimated from pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlateEstimator {
    /// Standard inverse propensity scores: every place has the weight of the whole page.
    Sips,
    /// Independent (Li et al. 2018): every place has the ratio of its marginal probabilities.
    Iips,
    /// Reward interaction (McInerney et al. 2020): every place has the weight of the page down to it.
    Rips,
    /// SIPS, self-normalised.
    Snsips,
    /// IIPS, self-normalised place by place.
    Sniips,
    /// RIPS, self-normalised place by place, as McInerney et al. use it.
    Snrips,
    /// The pseudoinverse estimator (Swaminathan et al. 2017) in its closed form for logging policies that fill the K
    /// places independently: the page's sum of rewards times Σ_k π(a_k) / μ(a_k) − K + 1, with marginal probabilities.
    /// Under logging without repeats this is an approximation, the closer the smaller probabilities are.
    Pi,
}

impl SlateEstimator {
    /// Every one, in the order in which they are told.
    pub const ALL: [SlateEstimator; 7] = [
        SlateEstimator::Sips,
        SlateEstimator::Snsips,
        SlateEstimator::Rips,
        SlateEstimator::Snrips,
        SlateEstimator::Iips,
        SlateEstimator::Sniips,
        SlateEstimator::Pi,
    ];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            SlateEstimator::Sips => "sips",
            SlateEstimator::Iips => "iips",
            SlateEstimator::Rips => "rips",
            SlateEstimator::Snsips => "snsips",
            SlateEstimator::Sniips => "sniips",
            SlateEstimator::Snrips => "snrips",
            SlateEstimator::Pi => "pi",
        }
    }

    /// The weights of a page's places.
    fn weights(self, slate: &Slate) -> Vec<f64> {
        let conditional = slate.places.iter().map(|place| place.target / place.behaviour);
        let marginal = slate.places.iter().map(|place| place.target_marginal / place.behaviour_marginal);
        let n = slate.places.len();
        match self {
            SlateEstimator::Sips | SlateEstimator::Snsips => vec![conditional.product(); n],
            SlateEstimator::Iips | SlateEstimator::Sniips => marginal.collect(),
            SlateEstimator::Rips | SlateEstimator::Snrips => conditional
                .scan(1.0, |down_to, weight| {
                    *down_to *= weight;
                    Some(*down_to)
                })
                .collect(),
            SlateEstimator::Pi => vec![marginal.sum::<f64>() - n as f64 + 1.0; n],
        }
    }

    fn is_normalised(self) -> bool {
        matches!(self, SlateEstimator::Snsips | SlateEstimator::Sniips | SlateEstimator::Snrips)
    }
}

/// What one estimator says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlateEstimate {
    /// Which.
    pub estimator: SlateEstimator,
    /// The estimated value of the target policy, expected reward a place.
    pub value: f64,
    /// Its standard error.
    pub std_error: f64,
    /// The interval, where there are two clusters at least.
    pub interval: Option<(f64, f64)>,
    /// (Σ w)² / Σ w² over the pages that have a place, at the place where that is least: as many pages of equal weight
    /// say as much.
    pub effective_sample_size: f64,
    /// The largest weight in size.
    pub weight_max: f64,
    /// Places whose weight is 0.
    pub share_zero: f64,
}

/// Estimates a target's value by every estimator.
///
/// # Errors
/// When there are no places, or a number is out of range.
pub fn estimate(slates: &[Slate], confidence: f64) -> Result<Vec<SlateEstimate>, EstimateError> {
    check(slates)?;
    Ok(SlateEstimator::ALL.iter().map(|&estimator| by(estimator, slates, confidence)).collect())
}

fn check(slates: &[Slate]) -> Result<(), EstimateError> {
    let mut row = 0;
    for place in slates.iter().flat_map(|slate| &slate.places) {
        row += 1;
        let bad = |name, value, expected| Err(EstimateError::BadNumber { row, name, value, expected });
        if !place.reward.is_finite() {
            return bad("reward", place.reward, "finite");
        }
        for (name, value) in
            [("behaviour", place.behaviour), ("behaviour_marginal", place.behaviour_marginal)]
        {
            if !(value > 0.0 && value <= 1.0 + 1e-6) {
                return bad(name, value, "above 0 and at most 1");
            }
        }
        for (name, value) in [("target", place.target), ("target_marginal", place.target_marginal)] {
            if !(0.0..=1.0 + 1e-6).contains(&value) {
                return bad(name, value, "0..=1");
            }
        }
    }
    if row == 0 { Err(EstimateError::Empty) } else { Ok(()) }
}

fn by(estimator: SlateEstimator, slates: &[Slate], confidence: f64) -> SlateEstimate {
    let n_clusters = slates.iter().map(|slate| slate.cluster as usize + 1).max().unwrap_or(0);
    let weighted: Vec<Vec<f64>> = slates.iter().map(|slate| estimator.weights(slate)).collect();
    let all = || weighted.iter().flatten().copied();
    let n_places = all().count() as f64;
    let ratios = match estimator.is_normalised() {
        true => by_place(slates, &weighted, n_places),
        false => vec![together(slates, &weighted)],
    };
    let found = measure(&ratios, n_clusters).unwrap_or(NOTHING);
    SlateEstimate {
        estimator,
        value: found.value,
        std_error: found.std_error,
        interval: found.interval(confidence),
        effective_sample_size: effective(&weighted),
        weight_max: all().map(f64::abs).fold(0.0, f64::max),
        share_zero: all().filter(|&w| w == 0.0).count() as f64 / n_places,
    }
}

/// The least effective sample of any place, in pages.
fn effective(weighted: &[Vec<f64>]) -> f64 {
    let longest = weighted.iter().map(Vec::len).max().unwrap_or(0);
    let at = |nth: usize| {
        let weights = || weighted.iter().filter_map(|weights| weights.get(nth));
        let (sum, squares): (f64, f64) = (weights().sum(), weights().map(|w| w * w).sum());
        if squares > 0.0 { sum * sum / squares } else { 0.0 }
    };
    (0..longest).map(at).fold(f64::INFINITY, f64::min)
}

/// Σ w · r over the number of places.
fn together(slates: &[Slate], weighted: &[Vec<f64>]) -> Ratio {
    let terms = slates.iter().zip(weighted).flat_map(|(slate, weights)| {
        let terms = slate.places.iter().zip(weights);
        terms.map(|(place, w)| Term { cluster: slate.cluster, numerator: w * place.reward, denominator: 1.0 })
    });
    Ratio { share: 1.0, terms: terms.collect() }
}

/// Σ w · r / Σ w for every place of the page, weighted by how many pages have it.
fn by_place(slates: &[Slate], weighted: &[Vec<f64>], n_places: f64) -> Vec<Ratio> {
    let longest = slates.iter().map(|slate| slate.places.len()).max().unwrap_or(0);
    let at = |nth: usize| {
        let terms = slates.iter().zip(weighted).filter_map(|(slate, weights)| {
            let (place, &w) = (slate.places.get(nth)?, weights.get(nth)?);
            Some(Term { cluster: slate.cluster, numerator: w * place.reward, denominator: w })
        });
        let terms: Vec<Term> = terms.collect();
        Ratio { share: terms.len() as f64 / n_places, terms }
    };
    (0..longest).map(at).collect()
}
