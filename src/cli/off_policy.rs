//! `windtunnel off-policy`: the value of the policy behind one log of the Open Bandit Dataset, estimated from
//! another policy's log, beside what it earned itself.

use super::{CliError, print};
use crate::study::off_policy::between_logs::{Compared, compare};
use crate::study::off_policy::estimators::Estimator;
use crate::study::off_policy::open_bandit::{Log, read};
use clap::Args;
use std::fmt::Write;
use std::path::PathBuf;

/// Arguments of `off-policy`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The log to estimate from: a CSV file in the form of the Open Bandit Dataset
    #[arg(value_name = "LOG.csv")]
    log: PathBuf,
    /// The log of the policy whose value is estimated; its clicks are only what estimates are held against
    #[arg(value_name = "TARGET.csv")]
    target: PathBuf,
    /// Coverage of the intervals
    #[arg(long, value_name = "SHARE", default_value_t = 0.95, value_parser = share)]
    confidence: f64,
}

fn share(text: &str) -> Result<f64, String> {
    let expected = || format!("{text:?} must be a number above 0.5 and below 1");
    text.parse().ok().filter(|&share: &f64| share > 0.5 && share < 1.0).ok_or_else(expected)
}

/// Estimates and prints.
pub fn run(arguments: &Arguments) -> Result<(), CliError> {
    let logging = read(&arguments.log).map_err(CliError::bad_input)?;
    let target = read(&arguments.target).map_err(CliError::bad_input)?;
    let found = compare(&logging, &target, arguments.confidence).map_err(CliError::bad_input)?;
    print(&told(&logging, &target, arguments.confidence, &found))
}

fn told(logging: &Log, target: &Log, confidence: f64, found: &[Compared]) -> String {
    let mut text = format!(
        "{} impressions logged, {} of the target; intervals at {:.0} %, in clicks per 1,000 impressions\n",
        logging.impressions.len(),
        target.impressions.len(),
        100.0 * confidence
    );
    for one in found {
        let place = match one.position {
            None => "all positions".to_owned(),
            Some(position) => format!("position {position}"),
        };
        let support = &one.estimated.support;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n{place}");
        let _ = writeln!(text, "  {}", line("seen", one.seen.value, one.seen_interval, ""));
        let _ = writeln!(text, "  {}", line("logged", one.logged.value, None, "the log's own policy"));
        for estimate in &one.estimated.estimates {
            let holds =
                estimate.interval.is_some_and(|(low, high)| low <= one.seen.value && one.seen.value <= high);
            let mut note = if holds { "holds what was seen" } else { "misses what was seen" }.to_owned();
            if estimate.estimator == Estimator::SwitchDr {
                match estimate.threshold {
                    Some(threshold) if threshold.is_finite() => {
                        let _ = write!(note, "; trusts the model where weights pass {threshold:.2}");
                    }
                    _ => note.push_str("; never trusts the model alone"),
                }
            }
            let _ = writeln!(
                text,
                "  {}",
                line(estimate.estimator.name(), estimate.value, estimate.interval, &note)
            );
        }
        let _ = writeln!(
            text,
            "  {} impressions say as much as {:.0} of the target's own; weights up to {:.1}, {:.1} % of them 0, \
             mean {:.3}{}",
            support.n_rows,
            support.effective_sample_size,
            support.weight_max,
            100.0 * support.share_zero,
            support.mean_weight,
            if support.is_plausible() {
                ""
            } else {
                ", where 1 is expected: the log does not cover the target"
            },
        );
    }
    text
}

fn line(name: &str, value: f64, interval: Option<(f64, f64)>, note: &str) -> String {
    let interval = match interval {
        Some((low, high)) => format!("{:>7.2} to {:>6.2}", 1000.0 * low, 1000.0 * high),
        None => String::new(),
    };
    format!("{name:<12}{:>7.2}  {interval:<18} {note}", 1000.0 * value).trim_end().to_owned()
}
