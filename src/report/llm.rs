//! What language models took, as a table. Computes nothing: the numbers are the manifest's.

use super::plot::DataTable;
use super::{Report, format};
use crate::report::manifest::LlmUsage;

/// One row an arm and model, and one of all where there are several; empty where no model was asked.
pub fn table(report: &Report) -> DataTable {
    let columns = [
        "arm",
        "model",
        "calls",
        "from the tape",
        "tokens read",
        "of them cached",
        "tokens written",
        "US$",
        "latency: half\u{a0}/ 9\u{a0}in\u{a0}10 / 99\u{a0}in\u{a0}100",
        "retries",
        "repairs",
        "failures",
    ];
    let mut table = DataTable::new(2, columns);
    let usages = &report.manifest.llm;
    usages.iter().for_each(|usage| table.push(row(usage)));
    if usages.len() > 1 {
        table.push(row(&LlmUsage { arm: "in all".to_owned(), ..total(usages) }));
    }
    table
}

/// What all of them took together; their latencies do not add up.
fn total(usages: &[LlmUsage]) -> LlmUsage {
    let mut total = LlmUsage::default();
    for usage in usages {
        total.n_calls += usage.n_calls;
        total.n_replayed += usage.n_replayed;
        total.n_retries += usage.n_retries;
        total.n_repairs += usage.n_repairs;
        total.n_failures += usage.n_failures;
        total.n_unknown_slots += usage.n_unknown_slots;
        total.n_repeated_slots += usage.n_repeated_slots;
        total.n_unnamed_slots += usage.n_unnamed_slots;
        total.prompt_tokens += usage.prompt_tokens;
        total.cached_tokens += usage.cached_tokens;
        total.completion_tokens += usage.completion_tokens;
        total.cost_usd += usage.cost_usd;
        total.replayed_tokens += usage.replayed_tokens;
        total.replayed_usd += usage.replayed_usd;
    }
    total
}

fn row(usage: &LlmUsage) -> Vec<String> {
    let latencies = [usage.latency_p50_ms, usage.latency_p90_ms, usage.latency_p99_ms];
    let latencies: Option<Vec<String>> =
        latencies.into_iter().map(|ms| ms.map(|ms| format::seconds(f64::from(ms) / 1000.0))).collect();
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
        money(usage.cost_usd),
        latencies.map_or_else(|| format::UNKNOWN.to_owned(), |latencies| latencies.join(" / ")),
        format::count(usage.n_retries),
        format::count(usage.n_repairs),
        format::count(usage.n_failures),
    ]
}

/// US dollars: cents, or as many places as it takes to see that it was something.
fn money(usd: f64) -> String {
    if usd > 0.0 && usd < 0.1 { format::number(usd) } else { format::fixed(usd, 2) }
}

/// All of it in a sentence or two; `None` where no model was asked.
pub fn summary(report: &Report) -> Option<String> {
    let usages = &report.manifest.llm;
    if usages.is_empty() {
        return None;
    }
    let all = total(usages);
    let asked = all.n_calls.saturating_sub(all.n_replayed);
    let mut told = format!("{} calls", format::count(all.n_calls));
    if asked > 0 {
        let tokens = format::count(all.prompt_tokens + all.completion_tokens);
        told.push_str(&format!(
            ", {} of them answered by a model for {tokens} tokens and {}\u{a0}US$",
            if asked == all.n_calls { "all".to_owned() } else { format::count(asked) },
            money(all.cost_usd)
        ));
    }
    told.push('.');
    if all.n_replayed > 0 {
        told.push_str(&format!(
            " The tape answered {} and saved {} tokens and {}\u{a0}US$.",
            if asked == 0 { "them all".to_owned() } else { format::count(all.n_replayed) },
            format::count(all.replayed_tokens),
            money(all.replayed_usd)
        ));
    }
    if all.n_unknown_slots + all.n_repeated_slots + all.n_unnamed_slots > 0 {
        told.push_str(&format!(
            " Orders of slots named {} that there are not and {} twice, and left out {}.",
            format::count(all.n_unknown_slots),
            format::count(all.n_repeated_slots),
            format::count(all.n_unnamed_slots)
        ));
    }
    Some(told)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::manifest::Manifest;

    fn report(usages: &[LlmUsage]) -> Report {
        Report { manifest: Manifest { llm: usages.to_vec(), ..Manifest::default() }, ..Report::default() }
    }

    #[test]
    fn what_was_taken_adds_up() {
        let asked = LlmUsage {
            arm: "mf".into(),
            model: "small".into(),
            n_calls: 30,
            n_replayed: 10,
            prompt_tokens: 2000,
            cached_tokens: 500,
            completion_tokens: 100,
            cost_usd: 1.25,
            replayed_tokens: 900,
            replayed_usd: 0.004,
            latency_p50_ms: Some(800),
            latency_p90_ms: Some(2000),
            latency_p99_ms: Some(9000),
            ..LlmUsage::default()
        };
        let taped = LlmUsage { n_calls: 5, n_replayed: 5, replayed_tokens: 100, ..LlmUsage::default() };
        let rows = table(&report(&[asked.clone(), taped.clone()])).rows;
        assert_eq!(
            rows[0][2..9].join(" | "),
            "30 | 10 | 2000 | 25.0\u{202f}% | 100 | 1.25 | 0.800\u{202f}s / 2.00\u{202f}s / 9.00\u{202f}s"
        );
        assert_eq!(rows[1][2..9].join(" | "), "5 | 5 | 0 | – | 0 | 0.00 | –");
        assert_eq!(rows[2][..8].join(" | "), "in all |  | 35 | 15 | 2000 | 25.0\u{202f}% | 100 | 1.25");
        assert_eq!(
            summary(&report(&[asked.clone(), taped.clone()])).as_deref(),
            Some(
                "35 calls, 20 of them answered by a model for 2100 tokens and 1.25\u{a0}US$. The tape answered 15 and saved 1000 tokens and 0.00400\u{a0}US$."
            )
        );
        assert_eq!(
            summary(&report(&[taped])).as_deref(),
            Some("5 calls. The tape answered them all and saved 100 tokens and 0.00\u{a0}US$.")
        );
        let slipped = LlmUsage {
            n_calls: 1,
            n_replayed: 1,
            n_repeated_slots: 2,
            n_unnamed_slots: 2,
            ..LlmUsage::default()
        };
        let told = summary(&report(&[slipped])).expect("something was asked");
        assert!(
            told.ends_with(" Orders of slots named 0 that there are not and 2 twice, and left out 2."),
            "{told}"
        );
        assert!(summary(&report(&[])).is_none() && table(&report(&[])).rows.is_empty());
        assert_eq!(table(&report(&[asked])).rows.len(), 1, "one row is its own sum");
    }
}
