//! `study.json`: what a run found as numbers under stable names, so that a program can hold a recommender to it
//! (`windtunnel assert`, [`assertion`]). Made of finished tables; computes nothing.
//!
//! Values are those of the last round. The layout is versioned; names are those of the scenario and of the tables.

pub mod assertion;
mod evaluate;
mod parse;

use super::{Report, ReportError};
use crate::files;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The file in a run folder.
pub const FILE_NAME: &str = "study.json";

/// The layout written here, and the only one read.
const FORMAT: u32 = 1;

/// By name.
type Named<T> = BTreeMap<String, T>;

/// What `study.json` holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Version of the layout.
    pub format: u32,
    /// What the run is called.
    pub name: String,
    /// The seed everything random comes from.
    pub seed: u64,
    /// Where the data come from.
    pub dataset: String,
    /// Content hash of the data.
    pub dataset_hash: String,
    /// Simulated people an arm.
    pub n_agents: u64,
    /// The feedback round whose values these are, from 0.
    pub round: u32,
    /// The arm the others are compared with.
    pub baseline: String,
    /// Coverage of the intervals.
    pub confidence: f64,
    /// Steps of agents and recommenders that failed, over all arms.
    pub n_failures: u64,
    /// Arm, metric.
    pub arms: Named<Named<MetricCard>>,
    /// Arm, metric: the arm less the baseline.
    pub compare: Named<Named<DifferenceCard>>,
    /// Study, finding.
    pub studies: Named<Named<FindingCard>>,
}

/// A metric of an arm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricCard {
    /// The value over everybody.
    pub mean: Option<f64>,
    /// Its interval, lower end.
    pub ci_low: Option<f64>,
    /// Its interval, upper end.
    pub ci_high: Option<f64>,
    /// How many agents it rests on.
    pub n: u64,
}

/// A metric of an arm less that of the baseline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DifferenceCard {
    /// The difference, over agents with a value in both arms.
    pub diff: Option<f64>,
    /// Its interval, lower end.
    pub ci_low: Option<f64>,
    /// Its interval, upper end.
    pub ci_high: Option<f64>,
    /// Two-sided p-value.
    pub p_value: Option<f64>,
    /// The p-value adjusted over all metrics of the pair of arms.
    pub p_adjusted: Option<f64>,
    /// How many agents it rests on.
    pub n: u64,
}

/// Something that a study found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingCard {
    /// The value.
    pub value: Option<f64>,
    /// Its interval, lower end.
    pub ci_low: Option<f64>,
    /// Its interval, upper end.
    pub ci_high: Option<f64>,
    /// P-value of the value being none.
    pub p_value: Option<f64>,
}

impl Card {
    /// What a report has to say.
    pub fn of(report: &Report) -> Self {
        let (manifest, round) = (&report.manifest, report.last_round());
        let mut card = Card {
            format: FORMAT,
            name: manifest.title.clone(),
            seed: manifest.seed,
            dataset: manifest.dataset.source.clone(),
            dataset_hash: manifest.dataset.hash.clone(),
            n_agents: manifest.n_agents,
            round,
            baseline: report.baseline().unwrap_or_default().to_owned(),
            confidence: manifest.confidence,
            n_failures: manifest.failures.iter().map(|failure| failure.count).sum(),
            ..Card::default()
        };
        for row in report.metrics.iter().filter(|row| row.round == round) {
            let metric = MetricCard { mean: row.mean, ci_low: row.ci_low, ci_high: row.ci_high, n: row.n };
            card.arms.entry(row.arm.clone()).or_default().insert(row.metric.clone(), metric);
        }
        for row in report.comparisons.iter().filter(|row| row.round == round) {
            let difference = DifferenceCard {
                diff: row.diff,
                ci_low: row.ci_low,
                ci_high: row.ci_high,
                p_value: row.p_value,
                p_adjusted: row.p_adjusted,
                n: row.n,
            };
            card.compare.entry(row.arm.clone()).or_default().insert(row.metric.clone(), difference);
        }
        for told in &report.studies {
            let findings = told.findings.iter().map(|found| {
                let (value, p_value) = (found.value, found.p_value);
                let card = FindingCard { value, ci_low: found.ci_low, ci_high: found.ci_high, p_value };
                (found.id.clone(), card)
            });
            card.studies.insert(told.name.clone(), findings.collect());
        }
        card
    }

    /// Writes it into a run folder.
    pub fn write(&self, run_dir: &Path) -> Result<(), ReportError> {
        let mut text = serde_json::to_string_pretty(self).expect("plain data is JSON");
        text.push('\n');
        let path = run_dir.join(FILE_NAME);
        files::write_whole(&path, text.as_bytes()).map_err(|source| ReportError::Io { path, source })
    }

    /// Reads that of a run folder.
    pub fn read(run_dir: &Path) -> Result<Self, ReportError> {
        let path = run_dir.join(FILE_NAME);
        let text = super::read_text(&path)?;
        let bad = |problem| ReportError::Incomplete { path: path.clone(), problem };
        let card: Card =
            serde_json::from_str(&text).map_err(|error| bad(format!("is not what a run found: {error}")))?;
        if card.format != FORMAT {
            return Err(bad(format!("format is {}, this windtunnel reads {FORMAT}", card.format)));
        }
        Ok(card)
    }

    /// Every number by its path: `arms.mf.s_sat` is the mean, `arms.mf.s_sat.ci_low` the lower end of its interval.
    pub fn values(&self) -> BTreeMap<String, Option<f64>> {
        let mut values: BTreeMap<String, Option<f64>> = BTreeMap::new();
        for (name, value) in [
            ("confidence", self.confidence),
            ("n_agents", self.n_agents as f64),
            ("n_failures", self.n_failures as f64),
            ("round", f64::from(self.round)),
        ] {
            values.insert(name.to_owned(), Some(value));
        }
        let mut insert = |section: &str, owner: &str, name: &str, parts: &[(&str, Option<f64>)]| {
            let path = format!("{section}.{owner}.{name}");
            for (part, value) in parts {
                values.insert(format!("{path}.{part}"), *value);
            }
            values.insert(path, parts[0].1);
        };
        for (arm, name, of) in nested(&self.arms) {
            let n = Some(of.n as f64);
            insert(
                "arms",
                arm,
                name,
                &[("mean", of.mean), ("ci_low", of.ci_low), ("ci_high", of.ci_high), ("n", n)],
            );
        }
        for (arm, name, of) in nested(&self.compare) {
            let parts = [
                ("diff", of.diff),
                ("ci_low", of.ci_low),
                ("ci_high", of.ci_high),
                ("p_value", of.p_value),
                ("p_adjusted", of.p_adjusted),
                ("n", Some(of.n as f64)),
            ];
            insert("compare", arm, name, &parts);
        }
        for (study, name, of) in nested(&self.studies) {
            let parts = [
                ("value", of.value),
                ("ci_low", of.ci_low),
                ("ci_high", of.ci_high),
                ("p_value", of.p_value),
            ];
            insert("studies", study, name, &parts);
        }
        values
    }
}

fn nested<T>(named: &Named<Named<T>>) -> impl Iterator<Item = (&str, &str, &T)> {
    named
        .iter()
        .flat_map(|(owner, of)| of.iter().map(move |(name, value)| (owner.as_str(), name.as_str(), value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::study::{Finding, Told};

    #[test]
    fn a_card_has_the_numbers_of_the_last_round_under_their_names() {
        let mut report = sample::report(3, sample::Kind::Rich, 2);
        let found = Finding::new("mf.kl.change", "nats", Some(-0.5), Some((-0.75, -0.25)));
        report.studies = vec![Told { name: "mix".into(), findings: vec![found], ..Told::default() }];
        let card = Card::of(&report);
        let values = card.values();
        let (arm, metric) = ("alpharec", "s_sat");
        let row = report.metric_in(arm, metric, 1).expect("in the sample");
        assert_eq!((card.round, values["round"]), (1, Some(1.0)));
        assert_eq!(values[&format!("arms.{arm}.{metric}")], row.mean);
        assert_eq!(values[&format!("arms.{arm}.{metric}.ci_low")], row.ci_low);
        let row = report.comparison(arm, metric).expect("in the sample");
        assert_eq!(values[&format!("compare.{arm}.{metric}.p_adjusted")], row.p_adjusted);
        assert_eq!(values["studies.mix.mf.kl.change"], Some(-0.5));
        assert_eq!(values["studies.mix.mf.kl.change.ci_high"], Some(-0.25));
    }

    #[test]
    fn a_card_comes_back_from_its_file_and_others_are_refused() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let card = Card::of(&sample::report(2, sample::Kind::Rich, 1));
        card.write(dir.path()).expect("written");
        assert_eq!(Card::read(dir.path()).expect("read"), card);
        let told = |card: &Card| {
            card.write(dir.path()).expect("written");
            Card::read(dir.path()).expect_err("refused").to_string()
        };
        assert!(told(&Card { format: 2, ..card.clone() }).ends_with("format is 2, this windtunnel reads 1"));
        std::fs::write(dir.path().join(FILE_NAME), "{}").expect("written");
        assert!(Card::read(dir.path()).is_err());
    }
}
