//! The parameter file: the numbers, and how they were found. Must not know how to fit.

use super::fit::Fitted;
use super::sources::Material;
use super::spec::Calibration;
use super::steps;
use crate::agent::behavior::choice::ChoiceParameters;
use crate::agent::halves::Half;
use toml::{Table, Value};

/// What is kept about a fit, under `[fit]`.
pub fn record(
    calibration: &Calibration,
    fitted: &[(&'static str, Option<Fitted>)],
    materials: &[Material],
) -> Table {
    let file = &calibration.file;
    let mut record = Table::new();
    let mut put = |key: &str, value: Value| record.insert(key.to_owned(), value);
    put("name", file.name.clone().into());
    put("description", file.description.clone().into());
    put("prior_sd", file.prior_sd.into());
    put("people", half(file.half).into());
    put("program", concat!("windtunnel ", env!("CARGO_PKG_VERSION")).into());
    put("sources", materials.iter().map(|material| source(calibration, material)).collect::<Vec<_>>().into());
    let steps: Table = fitted
        .iter()
        .map(|(name, step)| {
            let told = match step {
                Some(step) => self::step(name, step),
                None => Table::from_iter([(
                    "taken_from".to_owned(),
                    Value::String(taken_from(calibration, name)),
                )]),
            };
            ((*name).to_owned(), Value::Table(told))
        })
        .collect();
    put("steps", Value::Table(steps));
    record
}

fn half(half: Half) -> &'static str {
    match half {
        Half::Both => "all of them",
        Half::First => "the first half",
        Half::Second => "the second half",
    }
}

/// Where a step that was not fitted here comes from: the base, or where the base has it from.
fn taken_from(calibration: &Calibration, step: &str) -> String {
    let steps = calibration.base.fit.as_ref().and_then(|fit| fit.get("steps")?.as_table());
    let earlier = steps.and_then(|steps| steps.get(step)?.get("taken_from")?.as_str());
    earlier.map_or_else(|| calibration.file.base.clone(), str::to_owned)
}

fn source(calibration: &Calibration, material: &Material) -> Value {
    let source = &calibration.file.sources[&material.name];
    let mut told = Table::new();
    told.insert("name".to_owned(), material.name.clone().into());
    told.insert("record".to_owned(), material.about.clone().into());
    told.insert("sha256".to_owned(), material.sha256.clone().into());
    told.insert("n_people".to_owned(), (material.people.len() as i64).into());
    told.insert("weight".to_owned(), source.weight.into());
    Value::Table(told)
}

fn step(name: &str, step: &Fitted) -> Table {
    let observation = steps::ALL.iter().find(|kind| kind.name == name).map_or("", |kind| kind.observation);
    let mut told = Table::new();
    let mut put = |key: &str, value: Value| told.insert(key.to_owned(), value);
    let rounded = |x: f64| Value::Float((x * 1e5).round() / 1e5);
    put("observations", observation.into());
    put("n", (step.n as i64).into());
    put("n_people", (step.n_people as i64).into());
    put("converged", step.converged.into());
    put("log_likelihood", rounded(step.log_likelihood));
    put("intercept_only", rounded(step.intercept_only));
    put("held_out_log_likelihood", rounded(step.held_out));
    put("held_out_intercept_only", rounded(step.held_out_intercept_only));
    put("standard_errors", Value::Table(step.standard_errors.clone()));
    told
}

/// The text of the file.
pub fn text(calibration: &Calibration, parameters: &ChoiceParameters) -> String {
    let numbers = toml::to_string(parameters).expect("parameters are TOML");
    format!(
        "# Parameters of the `choice` behaviour, fitted by `windtunnel calibrate`: {}.\n\
         # {}\n\
         # Utilities are in logits; taste is a normal score over random pairs, quality and popularity are in\n\
         # standard deviations over the catalogue; tiers are low, middle, high. `[fit]` tells where the numbers\n\
         # come from: log-likelihoods are means an observation, standard errors stand as the parameters do.\n\n\
         {numbers}",
        calibration.file.name,
        calibration.file.description.replace('\n', " "),
    )
}
