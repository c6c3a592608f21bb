//! The result tables of a run folder as rows, and their CSV files. Floats are written in
//! their shortest form that reads back to the same bits; what does not exist is an empty field.
//! Must not know how the numbers came about.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};

/// One row of `metrics.csv`: a metric in one arm and round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricsRow {
    /// The arm.
    pub arm: String,
    /// Feedback round, from 0.
    pub round: u32,
    /// The metric's name, e.g. `p_view`, `recall@4`.
    pub metric: String,
    /// How many agents (or users) the value rests on.
    pub n: u64,
    /// The value over everybody; empty where nobody had one.
    pub mean: Option<f64>,
    /// Its standard error over agents; empty where the metric has no per-agent values.
    pub std_error: Option<f64>,
    /// Lower end of the bootstrap interval.
    pub ci_low: Option<f64>,
    /// Upper end of the bootstrap interval.
    pub ci_high: Option<f64>,
    /// The unit: `share`, `count`, `score`, `bits`, `nats`, `pages`, …
    pub unit: String,
}

/// One row of `comparisons.csv`: an arm against the baseline, one metric, one round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparisonRow {
    /// The arm compared with.
    pub baseline: String,
    /// The arm compared.
    pub arm: String,
    /// Feedback round, from 0.
    pub round: u32,
    /// The metric's name.
    pub metric: String,
    /// How many agents have a value in both arms.
    pub n: u64,
    /// `arm` minus `baseline` over those agents (over everybody where the metric has no per-agent values).
    pub diff: Option<f64>,
    /// Lower end of the paired bootstrap interval of `diff`.
    pub ci_low: Option<f64>,
    /// Upper end of the paired bootstrap interval of `diff`.
    pub ci_high: Option<f64>,
    /// Two-sided p-value of the paired test.
    pub p_value: Option<f64>,
    /// The p-value adjusted over all metrics of this pair of arms and round.
    pub p_adjusted: Option<f64>,
    /// What was done: interval, test and adjustment, e.g. `bca+paired_t+holm`; `none` where nothing could be.
    pub method: String,
    /// The smallest true difference that so many pairs find with the scenario's power.
    pub mde: Option<f64>,
}

/// One row of `sessions.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionRow {
    /// The arm.
    pub arm: String,
    /// Feedback round, from 0.
    pub round: u32,
    /// Raw id of the agent.
    pub user: String,
    /// Pages seen.
    pub pages: u32,
    /// Items shown.
    pub exposures: u32,
    /// Items watched.
    pub watches: u32,
    /// Ratings of at least 4.
    pub likes: u32,
    /// Mean rating given.
    pub mean_rating: Option<f64>,
    /// Interview score, 1..=10.
    pub satisfaction: Option<u8>,
    /// Why it ended; empty in a log cut short.
    pub exit_reason: Option<String>,
}

/// Writes rows as CSV with a header line, even when there are none (the header of an
/// empty table then comes from `header`).
pub fn write<T: Serialize>(rows: &[T], header: &[&str], to: impl Write) -> Result<(), csv::Error> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(to);
    writer.write_record(header)?;
    for row in rows {
        writer.serialize(row)?;
    }
    writer.flush()?;
    Ok(())
}

/// Reads rows of a CSV with a header line.
pub fn read<T: DeserializeOwned>(from: impl Read) -> Result<Vec<T>, csv::Error> {
    csv::Reader::from_reader(from).deserialize().collect()
}

impl MetricsRow {
    /// The columns of `metrics.csv`.
    pub const HEADER: [&'static str; 9] =
        ["arm", "round", "metric", "n", "mean", "std_error", "ci_low", "ci_high", "unit"];
}

impl ComparisonRow {
    /// The columns of `comparisons.csv`.
    pub const HEADER: [&'static str; 12] = [
        "baseline",
        "arm",
        "round",
        "metric",
        "n",
        "diff",
        "ci_low",
        "ci_high",
        "p_value",
        "p_adjusted",
        "method",
        "mde",
    ];
}

impl SessionRow {
    /// The columns of `sessions.csv`.
    pub const HEADER: [&'static str; 10] = [
        "arm",
        "round",
        "user",
        "pages",
        "exposures",
        "watches",
        "likes",
        "mean_rating",
        "satisfaction",
        "exit_reason",
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back_to_the_same_bits() {
        let rows = [
            MetricsRow {
                arm: "mf, \"tuned\"".into(),
                round: 1,
                metric: "p_view".into(),
                n: 3,
                mean: Some(0.1 + 0.2),
                std_error: Some(1.0 / 3.0),
                ci_low: Some(-5e-324),
                ci_high: Some(1e300),
                unit: "share".into(),
            },
            MetricsRow {
                arm: "popular".into(),
                round: 0,
                metric: "exposure_gini".into(),
                n: 0,
                mean: None,
                std_error: None,
                ci_low: None,
                ci_high: None,
                unit: "share".into(),
            },
        ];
        let mut file = Vec::new();
        write(&rows, &MetricsRow::HEADER, &mut file).expect("writing to memory");
        let text = String::from_utf8(file.clone()).expect("UTF-8");
        assert!(text.starts_with("arm,round,metric,n,mean,std_error,ci_low,ci_high,unit\n"), "{text}");
        assert!(text.contains("0.30000000000000004"), "{text}");
        assert_eq!(read::<MetricsRow>(&file[..]).expect("own file"), rows);
    }

    #[test]
    fn headers_are_the_field_names_in_order() {
        // The serializer writes values by position: header and fields must not drift apart.
        fn header_of<T: Serialize>(row: T) -> Vec<String> {
            let mut file = Vec::new();
            let mut writer = csv::Writer::from_writer(&mut file);
            writer.serialize(row).expect("serializable");
            writer.flush().expect("memory");
            drop(writer);
            let text = String::from_utf8(file).expect("UTF-8");
            text.lines().next().unwrap_or_default().split(',').map(str::to_owned).collect()
        }
        let session = SessionRow {
            arm: "a".into(),
            round: 0,
            user: "1".into(),
            pages: 1,
            exposures: 4,
            watches: 2,
            likes: 1,
            mean_rating: Some(3.5),
            satisfaction: None,
            exit_reason: Some("left".into()),
        };
        let comparison = ComparisonRow {
            baseline: "a".into(),
            arm: "b".into(),
            round: 0,
            metric: "m".into(),
            n: 2,
            diff: Some(0.1),
            ci_low: None,
            ci_high: None,
            p_value: None,
            p_adjusted: None,
            method: "none".into(),
            mde: None,
        };
        assert_eq!(header_of(&session), SessionRow::HEADER);
        assert_eq!(header_of(&comparison), ComparisonRow::HEADER);
        let mut file = Vec::new();
        write(std::slice::from_ref(&session), &SessionRow::HEADER, &mut file).expect("memory");
        assert_eq!(read::<SessionRow>(&file[..]).expect("own file"), [session]);
    }
}
