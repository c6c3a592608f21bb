//! What metrics are called when people read of them. A metric that is not listed here is
//! shown under its own name; nothing else depends on the list.

use crate::metric::measure;

/// How a metric is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label<'a> {
    /// Its name, as in a heading.
    pub heading: &'a str,
    /// What it is, in half a sentence.
    pub meaning: &'a str,
    /// Whether more is better (`Some(true)`), worse (`Some(false)`) or neither (`None`).
    pub better: Option<bool>,
}

/// The metrics a verdict is about, most important first.
pub const HEADLINE: [&str; 5] = ["s_sat", "p_view", "p_like", "n_like", "n_exit"];

/// The metrics of the diversity plot, without any `@k`.
pub const DIVERSITY: [&str; 11] = [
    "catalogue_coverage",
    "exposure_gini",
    "intra_list_distance",
    "genre_entropy",
    "top1_genre_share",
    "homogenisation",
    "average_popularity",
    "popularity_lift",
    "novelty",
    "tail_share",
    "calibration_kl",
];

/// The metrics of the feedback loop's plot.
pub const LOOP: [&str; 8] = [
    "s_sat",
    "p_view",
    "top1_genre_share_round",
    "top1_genre_share",
    "catalogue_coverage",
    "exposure_gini",
    "homogenisation",
    "average_popularity",
];

type Entry = (&'static str, &'static str, &'static str);

const LABELS: &[Entry] = &[
    ("s_sat", "Satisfaction", "interview score, 1 to 10"),
    ("p_view", "Share watched", "items watched, of items shown"),
    ("p_like", "Share liked", "ratings of 4 or 5, of items shown"),
    ("n_like", "Likes", "ratings of 4 or 5 an agent"),
    ("n_exit", "Pages browsed", "last page seen"),
    ("watches_per_page", "Watches a page", "items watched, a page seen"),
    ("mean_rating", "Mean rating", "mean of the ratings given, 1 to 5"),
    ("failure_rate", "Failure rate", "sessions in which something failed"),
    ("recall", "Recall", "held-out items found, of all held-out items"),
    ("precision", "Precision", "held-out items, of items shown"),
    ("hit_rate", "Hit rate", "people who were shown a held-out item"),
    ("ndcg", "NDCG", "gain of held-out items, discounted by rank"),
    ("mrr", "MRR", "1 / rank of the first held-out item"),
    ("map", "MAP", "mean average precision on held-out items"),
    ("catalogue_coverage", "Catalogue coverage", "items that were shown to anybody"),
    ("exposure_gini", "Exposure Gini", "inequality of exposure among items: 0 all alike, 1 one item"),
    ("intra_list_distance", "Distance within a list", "how unlike in genre the items shown to an agent are"),
    ("n_genres", "Genres shown", "different genres shown to an agent"),
    ("genre_entropy", "Genre entropy", "how mixed the genres shown to an agent are"),
    ("top1_genre_share", "Top genre's share", "what an agent's most shown genre gets"),
    (
        "top1_genre_items",
        "Items of the top genre",
        "of the items shown to an agent, those of its most common genre",
    ),
    ("top1_genre_share_round", "Top genre's share, overall", "what the most shown genre of all gets"),
    ("homogenisation", "Overlap between agents", "Jaccard similarity of what two agents are shown"),
    ("average_popularity", "Popularity shown", "training interactions of the items shown"),
    ("popularity_lift", "Popularity lift", "popularity shown against that of the agent's own history"),
    ("novelty", "Novelty", "how rare the items shown are among training users"),
    ("tail_share", "Tail shown", "of items shown, those of the long tail"),
    ("cold_share", "Cold items shown", "of items shown, those that nobody has in training"),
    ("tail_watch_share", "Tail among what is watched", "of items watched, those of the long tail"),
    (
        "cold_watch_share",
        "Cold items among what is watched",
        "of items watched, those that nobody has in training",
    ),
    ("tail_like_share", "Tail among what is liked", "of ratings of 4 or 5, those of the long tail"),
    (
        "cold_like_share",
        "Cold items among what is liked",
        "of ratings of 4 or 5, those of items nobody has in training",
    ),
    ("p_view.tail", "Share watched of the tail", "items of the long tail watched, of those shown"),
    (
        "p_view.cold",
        "Share watched of cold items",
        "items that nobody has in training watched, of those shown",
    ),
    ("p_like.tail", "Share liked of the tail", "ratings of 4 or 5 of the long tail, of its items shown"),
    (
        "p_like.cold",
        "Share liked of cold items",
        "ratings of 4 or 5 of items nobody has in training, of those shown",
    ),
    ("calibration_kl", "Genre miscalibration", "divergence of the genres shown from those of the history"),
];

/// How a metric is told, by its name in files; whatever stands behind an `@` is kept aside.
pub fn label(metric: &str) -> Label<'_> {
    let stem = metric.split('@').next().unwrap_or(metric);
    let (heading, meaning) = LABELS
        .iter()
        .find(|entry| entry.0 == metric || entry.0 == stem)
        .map_or((metric, ""), |entry| (entry.1, entry.2));
    Label { heading, meaning, better: measure(metric).and_then(|measure| measure.better) }
}

/// The definition of a metric in a line, as its own file gives it.
pub fn definition(metric: &str) -> &'static str {
    measure(metric).map_or("", |measure| measure.about)
}

/// The heading of a metric with its cut-off: `Recall @20`.
pub fn heading(metric: &str) -> String {
    let known = label(metric).heading;
    match metric.split_once('@') {
        Some((_, at)) if known != metric => format!("{known} @{at}"),
        _ => known.to_owned(),
    }
}

/// Metrics between 0 and 1 that nobody reads as percentages, by their names up to any `@`.
const INDICES: [&str; 8] =
    ["exposure_gini", "intra_list_distance", "homogenisation", "ndcg", "mrr", "map", "recall", "precision"];

/// The unit a metric is shown in, given its unit in files.
pub fn shown_unit<'a>(metric: &str, unit: &'a str) -> &'a str {
    let stem = metric.split('@').next().unwrap_or(metric);
    if unit == "share" && INDICES.contains(&stem) { "index" } else { unit }
}

/// A metric's unit as an axis shows it: nothing where the number says enough.
pub fn unit(unit: &str) -> &str {
    match unit {
        "share" => "%",
        "score" | "count" | "ratio" | "index" | "pages" | "" => "",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_belongs_to_a_metric_and_every_metric_has_one() {
        for (name, ..) in LABELS {
            assert!(measure(name).is_some(), "{name} is no metric");
        }
        let all = crate::metric::ALL.iter().flat_map(|kind| kind.measures());
        for measure in all {
            assert_ne!(label(measure.name).meaning, "", "{} has no label", measure.name);
        }
        for name in HEADLINE.iter().chain(&DIVERSITY).chain(&LOOP).chain(&INDICES) {
            assert!(measure(name).is_some(), "{name} is no metric");
        }
    }

    #[test]
    fn metrics_are_known_by_name_and_by_stem() {
        assert_eq!(heading("s_sat"), "Satisfaction");
        assert_eq!(heading("recall@20"), "Recall @20");
        assert_eq!(heading("my_own@5"), "my_own@5");
        assert!(HEADLINE.iter().all(|metric| label(metric).better == Some(true)));
    }
}
