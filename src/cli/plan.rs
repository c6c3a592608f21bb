//! `windtunnel plan`: how many agents a difference takes, from a simulated pilot.

use super::run::ScenarioArguments;
use super::{CliError, Listener, aligned, base_dir, print};
use crate::experiment::plan::{self, Plan, PlanError, Planned, Question, SIZES};
use crate::report::{format, labels};
use crate::scenario::Scenario;
use crate::study::verdict::pair::Design;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    common: ScenarioArguments,
    /// The smallest difference that shall be found, in the metric's unit: 0.02 of a share is two percentage points
    #[arg(long, value_name = "DIFFERENCE")]
    mde: f64,
    /// The metric it is a difference of
    #[arg(long, value_name = "NAME", default_value = "p_view")]
    metric: String,
    /// Agents in the pilot
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(20..=1_000_000))]
    pilot: u32,
    /// The probability to find it; that of the scenario's statistics when not given
    #[arg(long, value_name = "SHARE")]
    power: Option<f64>,
    /// Keep the pilot's run folder here
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Plans.
pub fn run(arguments: &Arguments, progress: Listener<'_>) -> Result<(), CliError> {
    let scenario = arguments.common.load()?;
    let question = Question {
        effect: arguments.mde,
        metric: arguments.metric.clone(),
        n_pilot: arguments.pilot,
        power: arguments.power.unwrap_or(scenario.file.statistics.power),
    };
    check(arguments, &scenario, &question)?;
    let temporary = tempfile::tempdir().map_err(CliError::failed)?;
    let out = arguments.out.clone().unwrap_or_else(|| temporary.path().join("pilot"));
    let base_dir = base_dir()?;
    let options = arguments.common.options(&out, &base_dir, progress);
    let found = plan::run(scenario, &question, &options).map_err(|error| match error {
        PlanError::Run(error) => CliError::of_run(error),
        PlanError::Unanswerable(_) => CliError::bad_input(error),
    })?;
    print(&text(&found, &question))
}

fn check(arguments: &Arguments, scenario: &Scenario, question: &Question) -> Result<(), CliError> {
    let refuse = |problem: String| Err(CliError::bad_input(anyhow::anyhow!(problem)));
    if !(question.effect > 0.0 && question.effect.is_finite()) {
        return refuse(format!("--mde is {}, must be above 0", question.effect));
    }
    let alpha = 1.0 - scenario.file.statistics.confidence;
    if !(question.power > alpha && question.power < 1.0) {
        return refuse(format!(
            "--power is {}, must be above {} and below 1",
            question.power,
            format::plain(alpha)
        ));
    }
    let is_paid = !scenario.llm.models.is_empty() && scenario.llm.tape.is_none();
    if is_paid && arguments.out.is_none() {
        return refuse(
            "the pilot may ask language models, whose replies would be lost with its folder; give --out or llm.tape"
                .to_owned(),
        );
    }
    Ok(())
}

fn name(design: Design) -> &'static str {
    match design {
        Design::Unpaired => "different people",
        Design::Adjusted => "different people, adjusted (CUPED)",
        Design::Paired => "paired",
        Design::PairedAdjusted => "paired, adjusted",
    }
}

fn text(plan: &Plan, question: &Question) -> String {
    let unit = labels::shown_unit(&question.metric, &plan.unit);
    let mut text = format!(
        "To find a difference of {} in {} from {} with probability {} at level {}, from a pilot of {} agents an arm:\n",
        format::difference(question.effect, unit).trim_start_matches('+'),
        question.metric,
        plan.baseline,
        format::plain(question.power),
        format::plain(plan.alpha),
        format::count(u64::from(question.n_pilot))
    );
    for arm in &plan.arms {
        text.push_str(&of_arm(arm, plan, question, unit));
    }
    text.push_str(
        "\nAgents are those of each arm. Paired: all arms have the same agents and luck, which only a simulation can do; the others \
         are what an experiment with real people could do. The interval is what other pilots of this size could have said: plan \
         with its upper end to be safe.\n",
    );
    text
}

fn of_arm(arm: &Planned, plan: &Plan, question: &Question, unit: &str) -> String {
    let confidence = format!("{}\u{202f}%", format::plain(100.0 * (1.0 - plan.alpha)));
    let mut text = format!(
        "\n{} ({}) against {} ({})",
        arm.arm,
        format::value(arm.values.1, unit),
        plan.baseline,
        format::value(arm.values.0, unit)
    );
    if arm.n_people < u64::from(question.n_pilot) {
        text.push_str(&format!("; the pilot has only {} people", format::count(arm.n_people)));
    }
    let count = |n: Option<u64>| n.map_or(format::UNKNOWN.to_owned(), format::count);
    let header = ["design", "sd of one agent's part", "agents needed", &format!("{confidence} interval")];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(arm.designs.iter().map(|design| {
        let interval = design
            .needed_interval
            .map(|(low, high)| format!("{} to {}", format::count(low), format::count(high)));
        vec![
            name(design.design).to_owned(),
            format::number(design.spread),
            count(design.needed),
            interval.unwrap_or(format::UNKNOWN.to_owned()),
        ]
    }));
    text.push('\n');
    text.push_str(&aligned(&rows, 1));
    let mut rows = vec![vec!["smallest difference found by".to_owned()]];
    rows[0].extend(SIZES.map(format::count));
    rows.extend(arm.designs.iter().map(|design| {
        let cells = design.detectable.iter().map(|mde| {
            mde.map_or(format::UNKNOWN.to_owned(), |mde| {
                format::difference(mde, unit).trim_start_matches('+').to_owned()
            })
        });
        [name(design.design).to_owned()].into_iter().chain(cells).collect()
    }));
    text.push_str(&aligned(&rows, 1));
    text
}
