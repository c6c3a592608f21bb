//! What language models took, as a table. Computes nothing: the numbers are the manifest's.

use super::plot::DataTable;
use super::{Report, format};
use crate::report::manifest::LlmUsage;

/// One row an arm and model; empty where no model was asked.
pub fn table(report: &Report) -> DataTable {
    let mut table = DataTable::new(
        2,
        [
            "arm",
            "model",
            "calls",
            "from the tape",
            "tokens read",
            "of them cached",
            "tokens written",
            "US$",
            "latency, half",
            "nine in ten",
            "99 in 100",
            "retries",
            "repairs",
            "failures",
        ],
    );
    for usage in &report.manifest.llm {
        table.push(row(usage));
    }
    table
}

fn row(usage: &LlmUsage) -> Vec<String> {
    let latency = |ms: Option<u32>| {
        ms.map_or_else(|| format::UNKNOWN.to_owned(), |ms| format::seconds(f64::from(ms) / 1000.0))
    };
    let cached = match usage.prompt_tokens {
        0 => format::UNKNOWN.to_owned(),
        read => format::percent(usage.cached_tokens as f64 / read as f64),
    };
    vec![
        usage.arm.clone(),
        usage.model.clone(),
        format::count(usage.n_calls),
        format::count(usage.n_replayed),
        format::count(usage.prompt_tokens),
        cached,
        format::count(usage.completion_tokens),
        format::fixed(usage.cost_usd, 2),
        latency(usage.latency_p50_ms),
        latency(usage.latency_p90_ms),
        latency(usage.latency_p99_ms),
        format::count(usage.n_retries),
        format::count(usage.n_repairs),
        format::count(usage.n_failures),
    ]
}

/// What the models were, a line each, without repeats.
pub fn models(report: &Report) -> Vec<String> {
    let mut models: Vec<String> = Vec::new();
    for usage in &report.manifest.llm {
        let told = format!("{}: {}", usage.model, usage.about);
        if !usage.about.is_empty() && !models.contains(&told) {
            models.push(told);
        }
    }
    models
}
