//! The page of a run. Must not read files.

use super::labels::{self, heading};
use super::manifest::ArmInfo;
use super::page::{Columns, fill, rows};
use super::plot::{self, DataTable};
use super::theme::ArmStyle;
use super::verdict::verdict;
use super::{Rendered, Report, ReportError, encodings, format, llm, studies, text_bought, truth, voices};
use minijinja::{Value, context};

const TEMPLATE: &str = include_str!("assets/report.html");

/// Draws the plots and fills the page.
pub(super) fn render(report: &Report) -> Result<Rendered, ReportError> {
    let (mut plots, mut columns, mut of_text) = (Vec::new(), Columns::default(), Columns::default());
    for kind in plot::ALL {
        let Some(plotted) = (kind.draw)(report) else { continue };
        plots.push((
            format!("{}.svg", kind.name),
            plotted.drawing.standalone(kind.name, kind.title, kind.help),
        ));
        let place = if kind.name == plot::OF_TEXT { &mut of_text } else { &mut columns };
        place.push(kind.name, kind.title, kind.help, plotted);
    }
    let manifest = &report.manifest;
    let mut glyphs = std::collections::BTreeSet::new();
    let studies = studies::sections(report, &mut plots, &mut glyphs);
    let content = context! {
        studies,
        title => if manifest.title.is_empty() { "Windtunnel report" } else { &manifest.title },
        subtitle => subtitle(report),
        question => question(report),
        baseline => report.baseline(),
        verdict => judgement(report),
        metrics => key_headings(report),
        arms => key_figures(report),
        columns => columns.values(),
        all_metrics => metric_rows(report),
        comparisons_table => rows(comparisons_table(report)),
        round_note => round_note(report),
        method_note => method_note(report),
        truth => truth_section(report),
        text_bought => text_section(report),
        of_text => of_text.values(),
        encodings_table => rows(encodings::table(report)),
        encodings_note => encodings::note(report),
        voices => voices::section(report),
        llm_table => rows(llm::table(report)),
        llm_summary => llm::summary(report),
        llm_models => llm::models(report),
        failures => failures(report),
        failures_table => rows(failures_table(report)),
        facts => facts(report).into_iter().map(|(what, value)| context! { what, value }).collect::<Vec<_>>(),
        timings_table => rows(timings_table(report)),
        load_report => manifest.dataset.load_report.clone(),
        scenario => &report.scenario,
        version => &manifest.version,
    };
    columns.glyphs.append(&mut of_text.glyphs);
    columns.glyphs.append(&mut glyphs);
    let html = fill(TEMPLATE, &columns.glyphs, content)?;
    Ok(Rendered { html, plots })
}

fn subtitle(report: &Report) -> String {
    let manifest = &report.manifest;
    let arms = manifest.arms.len();
    let mut parts = vec![
        format!("{} simulated people", format::count(manifest.n_agents)),
        if arms == 1 { "1 arm".to_owned() } else { format!("{arms} arms") },
        format!(
            "{}: {} users, {} items",
            if manifest.dataset.source.is_empty() { "data" } else { &manifest.dataset.source },
            format::count(manifest.dataset.n_users),
            format::count(manifest.dataset.n_items)
        ),
    ];
    if manifest.n_rounds > 1 {
        parts.push(format!("{} feedback rounds", manifest.n_rounds));
    }
    parts.join(" · ")
}

fn judgement(report: &Report) -> Value {
    let verdict = verdict(report);
    let arms = verdict.arms.into_iter().map(|arm| {
        context! {
            arm => arm.arm,
            class => arm.class,
            summary => arm.summary,
            better => arm.better,
            worse => arm.worse,
            open => arm.open,
            aside => arm.aside,
        }
    });
    context! { headline => verdict.headline, grounds => verdict.grounds, arms => arms.collect::<Vec<_>>() }
}

/// The orders of the arms, simulated and true, where the truth is known.
fn truth_section(report: &Report) -> Option<Value> {
    let told = truth::told(report)?;
    Some(context! { answer => told.answer, caveat => told.caveat, table => rows(told.table) })
}

/// What text bought, where there are arms with and without it.
fn text_section(report: &Report) -> Option<Value> {
    let told = text_bought::told(report)?;
    Some(
        context! { answer => told.answer, grounds => told.grounds, parts => told.parts, choice => told.choice, table => rows(told.table) },
    )
}

fn key_headings(report: &Report) -> Vec<Value> {
    let part =
        |metric: &str| context! { heading => heading(metric), meaning => labels::label(metric).meaning };
    report.headline().into_iter().map(part).collect()
}

fn key_figures(report: &Report) -> Vec<Value> {
    let arms = report.arms().into_iter().zip(&report.manifest.arms);
    let part = |((name, style), info): ((&str, ArmStyle), &ArmInfo)| {
        let cells = report.headline().into_iter().map(|metric| key_cell(report, name, metric));
        context! {
            name,
            kind => &info.kind,
            class => style.class,
            is_baseline => report.baseline() == Some(name),
            cells => cells.collect::<Vec<_>>(),
        }
    };
    arms.map(part).collect()
}

/// Value, interval and mark (`better`, `worse`, `differs` or nothing, against the baseline).
fn key_cell(report: &Report, arm: &str, metric: &str) -> Value {
    let unit = report.unit(metric);
    let Some(row) = report.metric(arm, metric) else { return context! { value => format::UNKNOWN } };
    let mark = match report.comparison(arm, metric) {
        Some(row) if report.is_shown(row) => {
            let is_more = row.diff.unwrap_or(0.0) > 0.0;
            match labels::label(metric).better {
                Some(more_is_better) if more_is_better == is_more => "better",
                Some(_) => "worse",
                None => "differs",
            }
        }
        _ => "",
    };
    let ends = row.ci_low.zip(row.ci_high);
    let value = format::value_beside(row.mean.unwrap_or(f64::NAN), ends, unit);
    let interval = ends.map(|(low, high)| format::interval(low, high, unit));
    context! { value, interval => interval.unwrap_or_default(), mark }
}

/// Every metric of the last round: headline, diversity and bias, then the others as in their file.
fn metrics_in_order(report: &Report) -> Vec<&str> {
    let mut metrics = report.headline();
    metrics.extend(report.metrics_by_stem(&labels::DIVERSITY));
    let others = report.metric_names().into_iter().filter(|metric| !metrics.contains(metric));
    let others: Vec<&str> = others.collect();
    metrics.extend(others);
    metrics
}

/// What the scenario says it asks.
fn question(report: &Report) -> Option<String> {
    let scenario: toml::Table = report.scenario.parse().ok()?;
    Some(scenario.get("description")?.as_str()?.to_owned())
}

/// Every metric of the last round: name, heading, definition and unit, value and interval by arm.
fn metric_rows(report: &Report) -> Vec<Value> {
    let row = |metric: &str| {
        let cells = report.arms().into_iter().map(|(arm, _)| key_cell(report, arm, metric));
        context! {
            name => metric,
            heading => heading(metric),
            definition => labels::definition(metric),
            unit => labels::unit(report.unit(metric)).trim_matches('%'),
            cells => cells.collect::<Vec<_>>(),
        }
    };
    metrics_in_order(report).into_iter().map(row).collect()
}

/// Every comparison of the last round.
fn comparisons_table(report: &Report) -> DataTable {
    let columns =
        ["metric", "arm", "difference", "interval", "p", "p adjusted", "smallest detectable", "agents"];
    let mut table = DataTable::new(2, columns);
    for metric in metrics_in_order(report) {
        let unit = report.unit(metric);
        for row in report.arms().iter().filter_map(|(arm, _)| report.comparison(arm, metric)) {
            let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
            table.push(vec![
                row.metric.clone(),
                row.arm.clone(),
                format::difference(or_nan(row.diff), unit),
                format::interval(or_nan(row.ci_low), or_nan(row.ci_high), unit),
                format::p_value(or_nan(row.p_value)),
                format::p_value(or_nan(row.p_adjusted)),
                format::difference(or_nan(row.mde), unit).replace('+', ""),
                format::count(row.n),
            ]);
        }
    }
    table
}

fn round_note(report: &Report) -> String {
    let last = report.last_round();
    if last == 0 {
        return String::new();
    }
    format!(
        "The run has {} feedback rounds. Verdict, tables and distributions are those of the last; every round is in metrics.csv and comparisons.csv.",
        last + 1
    )
}

fn method_note(report: &Report) -> String {
    let level = format::plain(1.0 - report.manifest.confidence);
    let method = report.comparisons.iter().map(|row| row.method.as_str()).find(|method| *method != "none");
    let method = method.map_or(String::new(), |method| {
        format!(" Intervals, tests and corrections: {}.", method.replace('+', ", ").replace('_', " "))
    });
    format!(
        "The same people meet every arm, with the same luck, so differences are taken person by person. A difference counts as \
         shown when its p-value, adjusted for the number of metrics tested, is below {level} and its interval leaves out zero. \
         Smallest detectable effects are told at a power of {}\u{202f}%.{method}",
        format::plain(report.manifest.power * 100.0)
    )
}

fn failures(report: &Report) -> String {
    let sum =
        |of: fn(&super::figures::ArmFigures) -> u64| -> u64 { report.figures.arms.iter().map(of).sum() };
    let (sessions, failed, events) =
        (sum(|arm| arm.n_sessions), sum(|arm| arm.n_failed_sessions), sum(|arm| arm.n_failures));
    if sessions == 0 {
        return "There were no sessions.".to_owned();
    }
    let rate = format::percent(failed as f64 / sessions as f64);
    if failed == 0 {
        return format!("Failure rate {rate}: none of {} sessions met a failure.", format::count(sessions));
    }
    format!(
        "Failure rate {rate}: {} of {} sessions met a failure ({} failures in all). No answer was invented in their place.",
        format::count(failed),
        format::count(sessions),
        format::count(events)
    )
}

fn failures_table(report: &Report) -> DataTable {
    let mut table = DataTable::new(3, ["arm", "step", "cause", "times"]);
    for failure in &report.manifest.failures {
        table.push(vec![
            failure.arm.clone(),
            failure.step.clone(),
            failure.cause.clone(),
            format::count(failure.count),
        ]);
    }
    table
}

/// What the run was: (what, value), without what is not known.
fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let manifest = &report.manifest;
    let data = &manifest.dataset;
    let size = format!(
        "{} users, {} items, {} interactions",
        format::count(data.n_users),
        format::count(data.n_items),
        format::count(data.n_interactions)
    );
    let n_train = format::count(data.n_train);
    let split = match data.split.as_str() {
        "" if data.n_train > 0 => format!("{n_train} training interactions"),
        told => told.to_owned(),
    };
    let arms = manifest.arms.iter().map(|arm| match &arm.loaded_from {
        Some(from) => format!("{} ({}, loaded from {from})", arm.name, arm.kind),
        None if arm.kind == arm.name => arm.name.clone(),
        None => format!("{} ({})", arm.name, arm.kind),
    });
    let some = |value: u64| if value == 0 { String::new() } else { format::count(value) };
    let session = match (manifest.max_pages, manifest.items_per_page) {
        (0, _) | (_, 0) => String::new(),
        (pages, items) => format!("up to {pages} pages of {items} items"),
    };
    let population = match manifest.population.as_str() {
        "" => some(manifest.n_agents),
        told => told.to_owned(),
    };
    let mut facts = vec![
        ("Dataset", data.source.clone()),
        ("Size", size),
        ("Split", split),
        ("Data hash", data.hash.clone()),
        ("Arms", arms.collect::<Vec<_>>().join(", ")),
        ("Population", population),
        ("Taste", manifest.taste.clone()),
        ("Behaviour", manifest.behavior.clone()),
        ("Session", session),
        ("Feedback rounds", format::count(u64::from(manifest.n_rounds))),
        ("Seed", manifest.seed.to_string()),
        ("Threads", some(u64::from(manifest.n_threads))),
        ("Windtunnel", manifest.version.clone()),
        ("Revision", manifest.git_revision.clone().unwrap_or_default()),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

fn timings_table(report: &Report) -> DataTable {
    let mut table = DataTable::new(1, ["phase", "time"]);
    for timing in &report.manifest.timings {
        table.push(vec![timing.phase.clone(), format::seconds(timing.seconds)]);
    }
    table
}
