//! Whether the mix of genres shown is the mix of the persona's own history.
//! Must not know single items' relevance.

use super::genres::genre_weights;
use super::{Gathering, Measure, Measured, Metric, MetricKind, Setting};
use crate::event::Session;

/// Miscalibration as a Kullback–Leibler divergence.
pub struct Calibration;

static MEASURES: [Measure; 1] = [Measure {
    name: "calibration_kl",
    unit: "nats",
    better: Some(false),
    about: "Kullback–Leibler divergence of the genres shown from the genres of the profile, mean over agents",
}];

/// Share of the profile mixed into what is shown, so that the divergence stays finite (Steck's α).
const ALPHA: f64 = 0.01;

impl MetricKind for Calibration {
    fn name(&self) -> &'static str {
        "calibration"
    }

    fn about(&self) -> &'static str {
        "KL divergence between genres of the profile and genres shown (Steck 2018, equation 3, α = 0.01)"
    }

    fn measures(&self) -> &'static [Measure] {
        &MEASURES
    }

    fn start(&self) -> Box<dyn Metric> {
        Box::new(Accumulator::default())
    }
}

/// KL(wanted ‖ shown), where shares of `wanted` sum to 1 and what is shown has these weights, which sum to `total`.
pub fn divergence(wanted: &[f32], weights: &[f64], total: f64) -> f64 {
    let pairs = wanted.iter().zip(weights).filter(|(wanted, _)| **wanted > 0.0);
    let term = |(wanted, weight): (&f32, &f64)| {
        let wanted = f64::from(*wanted);
        let shown = (1.0 - ALPHA) * (weight / total) + ALPHA * wanted;
        wanted * (wanted / shown).ln()
    };
    pairs.map(term).sum()
}

#[derive(Default)]
struct Accumulator {
    sample: Gathering,
    weights: Vec<f64>,
}

impl Metric for Accumulator {
    fn observe(&mut self, session: &Session, setting: Setting<'_>) {
        let profile = &setting.person(session).genre_shares;
        let total = genre_weights(session, setting.catalogue, &mut self.weights);
        if total == 0.0 || profile.iter().all(|&share| share == 0.0) {
            return;
        }
        self.sample.push(setting.witness(session), divergence(profile, &self.weights, total));
    }

    fn finish(self: Box<Self>, _setting: Setting<'_>) -> Vec<Measured> {
        vec![MEASURES[0].gathered(self.sample)]
    }
}
