//! What text bought in a made-up run, and how its text became vectors.

use super::{Luck, comparison, row};
use crate::encoder::library::EncodingReport;
use crate::report::Report;
use crate::report::text_bought::{COLD, OVERALL, TAIL};

/// Adds both to a run that has an arm with text and one without.
pub fn add(report: &mut Report) {
    let arms: Vec<(String, String)> =
        report.manifest.arms.iter().map(|arm| (arm.name.clone(), arm.needs.clone())).collect();
    let first = |wanted: &str| arms.iter().find(|(_, needs)| needs == wanted).map(|(name, _)| name.clone());
    let (Some(text), Some(without)) = (first("text"), first("interactions")) else { return };
    let round = report.last_round();
    let mut luck = Luck(99);
    for (nth, metric) in [&OVERALL[..], &TAIL[..], &COLD[..]].concat().into_iter().enumerate() {
        let (mean, unit) = match metric {
            "s_sat" => (0.15, "score"),
            "n_like" | "n_exit" => (0.1, "count"),
            _ => (0.06 - 0.012 * (nth % 6) as f64, "share"),
        };
        let differences: Vec<f64> =
            (0..400).map(|_| mean + 3.0 * mean.abs().max(0.05) * (luck.draw() - 0.5)).collect();
        report.text_bought.push(comparison(&without, &text, round, metric, &differences));
        if nth >= OVERALL.len() {
            for (arm, value) in [(&without, 0.12), (&text, 0.12 + mean)] {
                report.metrics.push(row(arm, round, metric, unit, value, Some(0.01)));
            }
        }
    }
    let items = EncodingReport {
        encoder: "minilm".into(),
        what: "items".into(),
        n_entries: 600,
        n_missing: 3,
        n_cached: 600,
        dimension: 384,
        norm_min: 1.0,
        norm_mean: 1.0,
        norm_max: 1.0,
        seconds: 0.02,
    };
    report.manifest.encodings = vec![items];
}
