//! The page and the plots of a sweep. Computes nothing but what is largest.

use super::grid::{Plan, unquoted};
use super::table::Mean;
use super::{Done, Outcomes, SweepError};
use crate::report::document::{Document, Figure, Section};
use crate::report::plot::{DataTable, study};
use crate::report::{ReportError, format, labels, theme};
use crate::study::{Axis, Chart, ChartData, IntervalRow, Point, Series};

/// Plots on the page at most; the tables have everything.
const N_PLOTS_MAX: usize = 40;

/// Standard errors from a mean to the ends of its band.
const BAND: f64 = 2.0;

/// What people look at.
#[derive(Debug, Default)]
pub struct Page {
    /// `sweep.html`.
    pub html: String,
    /// (name without `.svg`, contents) of each plot.
    pub plots: Vec<(String, String)>,
}

/// The page of these means over seeds; it shows the headline metrics, or those that were asked for.
pub fn of(
    title: &str,
    plan: &Plan,
    (means, asked): (&[Mean], &[String]),
    outcomes: &Outcomes,
) -> Result<Page, SweepError> {
    let last = means.iter().map(|mean| mean.round).max().unwrap_or_default();
    let means: Vec<&Mean> = means.iter().filter(|mean| mean.round == last).collect();
    let metrics = metrics(&means, asked);
    let mut page = Page::default();
    let mut sections = vec![Section {
        heading: "Means".to_owned(),
        paragraphs: vec![help(plan)],
        table: table(plan, &means, &metrics),
        ..Section::default()
    }];
    let mut charts: Vec<Chart> = metrics.iter().flat_map(|metric| charts(plan, &means, metric)).collect();
    let n_left_out = charts.len().saturating_sub(N_PLOTS_MAX);
    charts.truncate(N_PLOTS_MAX);
    let arms = arms(&means);
    let styles = theme::arm_styles(arms.len(), None);
    let styled: Vec<_> = arms.iter().map(String::as_str).zip(styles).collect();
    let mut figures = Vec::new();
    for chart in charts {
        let Some(plotted) = study::draw(&chart, &styled) else { continue };
        page.plots
            .push((chart.name.clone(), plotted.drawing.standalone(&chart.name, &chart.title, &chart.help)));
        figures.push(Figure { name: chart.name, title: chart.title, help: chart.help, plotted });
    }
    let more = (n_left_out > 0)
        .then(|| format!("{n_left_out} more plots are left out; sweep_means.csv has everything."));
    sections.insert(
        0,
        Section {
            heading: "Plots".into(),
            figures,
            paragraphs: more.into_iter().collect(),
            ..Section::default()
        },
    );
    let failed: Vec<String> = outcomes.iter().filter_map(failure).collect();
    if !failed.is_empty() {
        sections.push(Section {
            heading: "Cells that failed".into(),
            paragraphs: failed,
            ..Section::default()
        });
    }
    let document = Document {
        title: if title.is_empty() { "Sweep".to_owned() } else { format!("{title}: sweep") },
        subtitle: subtitle(plan, outcomes),
        headline: headline(plan, &means, &metrics),
        grounds: vec![
            "The best of many settings owes a part of its lead to luck: run it again with other seeds before it is \
             believed."
                .to_owned(),
        ],
        sections,
    };
    page.html = document.html().map_err(ReportError::from)?;
    Ok(page)
}

/// The metrics of the page: those asked for, in that order, or the headline ones.
fn metrics<'a>(means: &[&'a Mean], asked: &[String]) -> Vec<&'a str> {
    let is = |metric: &str, name: &str| metric == name || metric.split('@').next() == Some(name);
    let headline = labels::HEADLINE.map(str::to_owned);
    let wanted = if asked.is_empty() { headline.as_slice() } else { asked };
    let mut metrics: Vec<&str> = Vec::new();
    for name in wanted {
        for mean in means.iter().filter(|mean| is(&mean.metric, name)) {
            if !metrics.contains(&mean.metric.as_str()) {
                metrics.push(&mean.metric);
            }
        }
    }
    metrics
}

fn failure((cell, done): &(String, Done)) -> Option<String> {
    match done {
        Done::Failed(cause) => Some(format!("{cell}: {cause}")),
        _ => None,
    }
}

fn subtitle(plan: &Plan, outcomes: &Outcomes) -> String {
    let grid = plan.dimensions.iter().map(|d| format!("{} = {}", d.key, d.values.join(", ")));
    let mut parts: Vec<String> = grid.collect();
    if !plan.seeds.is_empty() {
        let seeds: Vec<String> = plan.seeds.iter().map(u64::to_string).collect();
        parts.push(format!("seeds {}", seeds.join(", ")));
    }
    let n_failed = outcomes.iter().filter(|(_, done)| matches!(done, Done::Failed(_))).count();
    let failed = if n_failed > 0 { format!(", {n_failed} of them failed") } else { String::new() };
    parts.push(format!("{} cells{failed}", outcomes.len()));
    parts.join(" · ")
}

fn help(plan: &Plan) -> String {
    if plan.seeds.len() > 1 {
        format!(
            "Last round. Each value is the mean over {} seeds, ± its standard error from seed to seed; bands and whiskers \
             are {BAND} standard errors.",
            plan.seeds.len()
        )
    } else {
        "Last round, one seed: bands and whiskers are the intervals within the run, and say nothing of other seeds.".to_owned()
    }
}

fn arms(means: &[&Mean]) -> Vec<String> {
    let mut arms: Vec<String> = Vec::new();
    for mean in means {
        if !arms.contains(&mean.arm) {
            arms.push(mean.arm.clone());
        }
    }
    arms
}

/// `embedding_size = 16, lambda = 0.5`, of the settings at these places.
fn told(plan: &Plan, values: &[String], is_told: impl Fn(usize) -> bool) -> String {
    let named = plan.short_names().into_iter().zip(values).enumerate();
    let parts = named.filter(|(at, _)| is_told(*at)).map(|(_, (name, value))| format!("{name} = {value}"));
    parts.collect::<Vec<_>>().join(", ")
}

/// Whether a setting changes any of these means, all else being the same.
fn matters(means: &[&Mean], at: usize) -> bool {
    let is_other = |a: &Mean, b: &Mean| {
        let differs = |nth: usize| a.values[nth] != b.values[nth];
        (0..a.values.len()).all(|nth| differs(nth) == (nth == at)) && a.mean != b.mean
    };
    means.iter().any(|a| means.iter().any(|b| is_other(a, b)))
}

/// Where the first metric is best, arm by arm, told by the settings that make a difference to the arm.
fn headline(plan: &Plan, means: &[&Mean], metrics: &[&str]) -> String {
    let Some(metric) = metrics.first() else { return "No cell came to an end.".to_owned() };
    let sign = if labels::label(metric).better == Some(false) { -1.0 } else { 1.0 };
    let best = |arm: &String| {
        let own = means.iter().filter(|mean| mean.arm == *arm && mean.metric == *metric);
        let own: Vec<&Mean> = own.copied().collect();
        let best = own.iter().max_by(|a, b| (sign * a.mean).total_cmp(&(sign * b.mean)))?;
        let value = format::value(best.mean, labels::shown_unit(metric, &best.unit));
        let place = told(plan, &best.values, |at| matters(&own, at));
        Some(match (plan.dimensions.is_empty(), place.is_empty()) {
            (true, _) => format!("{arm} {value}"),
            (false, true) => format!("{arm} {value} whatever they are"),
            (false, false) => format!("{arm} {value} at {place}"),
        })
    };
    let told: Vec<String> = arms(means).iter().filter_map(best).collect();
    let extreme = match (plan.dimensions.is_empty(), sign < 0.0) {
        (true, _) => "",
        (false, true) => ", lowest over the settings",
        (false, false) => ", highest over the settings",
    };
    format!("{}{extreme}: {}.", labels::heading(metric), told.join("; "))
}

/// Combinations and arms down, metrics across.
fn table(plan: &Plan, means: &[&Mean], metrics: &[&str]) -> DataTable {
    let mut columns = plan.short_names();
    columns.push("arm".to_owned());
    let n_text = columns.len();
    columns.extend(metrics.iter().map(|metric| labels::heading(metric).to_string()));
    let mut table = DataTable::new(n_text, columns);
    let mut keys: Vec<(&Vec<String>, &str)> = Vec::new();
    for mean in means {
        let key = (&mean.values, mean.arm.as_str());
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    for (values, arm) in keys {
        let mut row = values.clone();
        row.push(arm.to_owned());
        for metric in metrics {
            let found =
                means.iter().find(|m| (&m.values, m.arm.as_str()) == (values, arm) && m.metric == *metric);
            row.push(found.map_or(format::UNKNOWN.to_owned(), |mean| value(mean)));
        }
        table.push(row);
    }
    table
}

/// `7.12 ± 0.03`.
fn value(mean: &Mean) -> String {
    let unit = labels::shown_unit(&mean.metric, &mean.unit);
    let value = format::value(mean.mean, unit);
    match mean.std_error {
        Some(error) => format!("{value} ± {}", format::value(error, unit)),
        None => value,
    }
}

/// Lower and upper end of what is drawn about a mean.
fn ends(mean: &Mean) -> (Option<f64>, Option<f64>) {
    let between = mean.std_error.map(|error| (mean.mean - BAND * error, mean.mean + BAND * error));
    let ends = between.or(mean.within);
    (ends.map(|(low, _)| low), ends.map(|(_, high)| high))
}

/// The plots of a metric: along the first setting that takes several values, one for each combination of the others.
fn charts(plan: &Plan, means: &[&Mean], metric: &str) -> Vec<Chart> {
    let own: Vec<&&Mean> = means.iter().filter(|mean| mean.metric == metric).collect();
    let along = plan.dimensions.iter().position(|dimension| dimension.values.len() > 1);
    let others = |mean: &Mean| {
        let values = mean.values.iter().enumerate().filter(|(at, _)| Some(*at) != along);
        values.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let mut panels: Vec<Vec<String>> = Vec::new();
    for mean in &own {
        let key = others(mean);
        if !panels.contains(&key) {
            panels.push(key);
        }
    }
    let several = panels.len() > 1;
    let chart = |(nth, panel): (usize, &Vec<String>)| {
        let of_panel: Vec<&Mean> =
            own.iter().filter(|mean| others(mean) == *panel).map(|mean| **mean).collect();
        let place =
            of_panel.first().map(|mean| told(plan, &mean.values, |at| Some(at) != along)).unwrap_or_default();
        let heading = labels::heading(metric).to_string();
        let safe: String =
            metric.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
        Chart {
            name: if several { format!("{safe}-{}", nth + 1) } else { safe },
            title: if place.is_empty() || !several { heading.clone() } else { format!("{heading}, {place}") },
            help: help(plan),
            data: data(plan, &of_panel, along, metric, &heading),
        }
    };
    panels.iter().enumerate().map(chart).collect()
}

/// Lines where the setting is a number, rows otherwise.
fn data(plan: &Plan, means: &[&Mean], along: Option<usize>, metric: &str, heading: &str) -> ChartData {
    let unit = means.first().map_or("", |mean| labels::shown_unit(metric, &mean.unit));
    let names = arms(means);
    let number = |mean: &Mean| mean.values.get(along?)?.parse::<f64>().ok().filter(|x| x.is_finite());
    if let (Some(along), true) = (along, means.iter().all(|mean| number(mean).is_some())) {
        let line = |arm: &String| {
            let own = means.iter().filter(|mean| mean.arm == *arm);
            let mut points: Vec<Point> = own
                .filter_map(|mean| {
                    let (low, high) = ends(mean);
                    Some(Point { x: number(mean)?, y: mean.mean, low, high })
                })
                .collect();
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
            Series { name: arm.clone(), arm: Some(arm.clone()), points }
        };
        let series = names.iter().map(line).collect();
        return ChartData::Lines {
            x: Axis::new(&plan.short_names()[along], ""),
            y: Axis::new(heading, unit),
            series,
        };
    }
    let rows = names.iter().flat_map(|arm| {
        let own = means.iter().filter(move |mean| mean.arm == *arm);
        own.map(|mean| {
            let (low, high) = ends(mean);
            let label = along.and_then(|along| mean.values.get(along)).map_or("all", |value| unquoted(value));
            IntervalRow {
                group: arm.clone(),
                label: label.to_owned(),
                arm: Some(arm.clone()),
                value: mean.mean,
                low,
                high,
                is_open: false,
            }
        })
    });
    ChartData::Intervals { x: Axis::new(heading, unit), reference: None, rows: rows.collect() }
}
