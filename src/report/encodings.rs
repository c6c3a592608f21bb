//! How text became vectors, as a table. Computes nothing: the numbers are the manifest's.

use super::plot::DataTable;
use super::{Report, format};

/// One row an encoder and what it encoded; empty where nothing was.
pub fn table(report: &Report) -> DataTable {
    let columns = [
        "encoder",
        "of",
        "entries",
        "without text",
        "from the cache",
        "dimension",
        "length: least / mean / most",
        "time",
    ];
    let mut table = DataTable::new(2, columns);
    for found in &report.manifest.encodings {
        let lengths = [found.norm_min, found.norm_mean, found.norm_max].map(format::number);
        table.push(vec![
            found.encoder.clone(),
            found.what.clone(),
            format::count(found.n_entries),
            format::count(found.n_missing),
            format::count(found.n_cached),
            format::count(found.dimension),
            lengths.join(" / "),
            format::seconds(found.seconds),
        ]);
    }
    table
}

/// What to make of the table: entries without text are no small matter where they are many.
pub fn note(report: &Report) -> String {
    let most = report.manifest.encodings.iter().max_by(|a, b| {
        let share =
            |of: &crate::encoder::library::EncodingReport| of.n_missing as f64 / of.n_entries.max(1) as f64;
        share(a).total_cmp(&share(b))
    });
    let lengths = "Lengths are those before vectors are scaled to 1.";
    match most {
        Some(found) if found.n_missing > 0 => format!(
            "{lengths} Of {} of {} {} the encoder {} knows no text; the scenario's `missing` says what stands for them.",
            format::count(found.n_missing),
            format::count(found.n_entries),
            found.what,
            found.encoder
        ),
        _ => format!("{lengths} Every entry has text."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::library::EncodingReport;

    #[test]
    fn what_was_encoded_is_told_and_what_has_no_text_is_not_hidden() {
        let mut report = Report::default();
        assert!(table(&report).rows.is_empty());
        let items = EncodingReport {
            encoder: "minilm".into(),
            what: "items".into(),
            n_entries: 3883,
            n_missing: 0,
            n_cached: 3800,
            dimension: 384,
            norm_min: 1.0,
            norm_mean: 1.5,
            norm_max: 2.25,
            seconds: 0.5,
        };
        report.manifest.encodings = vec![items.clone()];
        assert_eq!(
            table(&report).rows[0].join(" | "),
            "minilm | items | 3883 | 0 | 3800 | 384 | 1.00 / 1.50 / 2.25 | 0.500\u{202f}s"
        );
        assert!(note(&report).ends_with("Every entry has text."));
        report.manifest.encodings.push(EncodingReport { what: "users".into(), n_missing: 12, ..items });
        assert!(note(&report).contains("Of 12 of 3883 users the encoder minilm knows no text"));
    }
}
