//! A dataset in a page of text: counts, density, rating histogram, tail, what reading cost.
//! Must not know file formats.

use super::{Dataset, LoadReport};
use std::fmt;

/// How many characters the longest bar of the histogram has.
const BAR_CHARS: usize = 40;
/// How many bars the histogram has at most.
const BARS_MAX: usize = 10;
/// How many genres are named.
const GENRES_SHOWN: usize = 24;

/// What `windtunnel data describe` tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// The source's name.
    pub source: String,
    /// Number of users.
    pub n_users: usize,
    /// Number of items.
    pub n_items: usize,
    /// Number of interactions.
    pub n_interactions: usize,
    /// Interactions over users × items, `0..=1`.
    pub density: f64,
    /// Share of ratings by value or by range of values; empty where there are no ratings.
    pub ratings: Vec<Bar>,
    /// Mean rating, where there are ratings.
    pub mean_rating: Option<f64>,
    /// Interactions a user.
    pub per_user: Tail,
    /// Interactions an item.
    pub per_item: Tail,
    /// Items without any interaction.
    pub n_items_unseen: usize,
    /// Earliest and latest order.
    pub order_range: Option<(i64, i64)>,
    /// Items with a year, a genre, a summary.
    pub n_items_with: [(&'static str, usize); 3],
    /// Genres with their number of items, most frequent first.
    pub genres: Vec<(String, usize)>,
    /// Names of user attributes, with how many users have one.
    pub attributes: Vec<(String, usize)>,
    /// Interactions in train, validation and test of the published split.
    pub published_split: Option<[usize; 3]>,
    /// How many personas are published.
    pub n_published_personas: usize,
    /// How many true ratings are kept from recommenders, and how they came about.
    pub observed: Option<(usize, String)>,
    /// What reading cost.
    pub load_report: LoadReport,
    /// The content hash.
    pub hash: String,
}

/// One bar of the rating histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// The rating, or the range of ratings.
    pub label: String,
    /// How many ratings.
    pub n: usize,
    /// Share of all ratings, `0..=1`.
    pub share: f64,
}

/// How interactions are spread over users or items.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail {
    /// Fewest.
    pub min: u32,
    /// Median.
    pub median: f64,
    /// Mean.
    pub mean: f64,
    /// Most.
    pub max: u32,
    /// Share of interactions on the top 1 % (at least one).
    pub top_1_percent: f64,
    /// Share of interactions on the top 10 % (at least one).
    pub top_10_percent: f64,
    /// Gini coefficient: 0 is even, 1 is all on one.
    pub gini: f64,
}

/// Measures a dataset.
pub fn describe(dataset: &Dataset) -> Description {
    let all = dataset.all();
    let item_counts = all.item_counts();
    let user_counts: Vec<u32> = all.matrix.indptr.windows(2).map(|w| (w[1] - w[0]) as u32).collect();
    let n = dataset.interactions.len();
    let n_cells = dataset.n_users() as f64 * dataset.n_items() as f64;
    let ratings: Vec<f32> = match dataset.rating_range {
        Some(_) => dataset.interactions.iter().map(|x| x.rating).collect(),
        None => Vec::new(),
    };
    let count =
        |has: &dyn Fn(&super::Item) -> bool| dataset.catalogue.iter().filter(|item| has(item)).count();
    let orders = dataset.interactions.iter().map(|x| x.order);
    Description {
        source: dataset.source.clone(),
        n_users: dataset.n_users(),
        n_items: dataset.n_items(),
        n_interactions: n,
        density: if n_cells > 0.0 { n as f64 / n_cells } else { 0.0 },
        mean_rating: mean(&ratings),
        ratings: histogram(&ratings),
        per_user: tail(&user_counts),
        per_item: tail(&item_counts),
        n_items_unseen: item_counts.iter().filter(|n| **n == 0).count(),
        order_range: orders.clone().min().zip(orders.max()),
        n_items_with: [
            ("year", count(&|item| item.year.is_some())),
            ("genre", count(&|item| !item.genres.is_empty())),
            ("summary", count(&|item| item.summary.is_some())),
        ],
        genres: genres(dataset),
        attributes: dataset
            .user_attributes
            .iter()
            .map(|a| (a.name.clone(), a.values.iter().filter(|value| value.is_some()).count()))
            .collect(),
        published_split: dataset
            .published_split
            .as_ref()
            .map(|s| [s.train.len(), s.valid.len(), s.test.len()]),
        n_published_personas: dataset.published_personas.as_ref().map_or(0, Vec::len),
        observed: dataset.observed.as_ref().map(|truth| (truth.matrix.nnz(), truth.about.clone())),
        load_report: dataset.load_report,
        hash: dataset.content_hash(),
    }
}

fn mean(ratings: &[f32]) -> Option<f64> {
    let sum: f64 = ratings.iter().map(|&r| f64::from(r)).sum();
    (!ratings.is_empty()).then(|| sum / ratings.len() as f64)
}

/// One bar a value, or equal ranges where there are too many values.
fn histogram(ratings: &[f32]) -> Vec<Bar> {
    let mut sorted = ratings.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let (Some(&low), Some(&high)) = (sorted.first(), sorted.last()) else { return Vec::new() };
    let bar = |label: String, n: usize| Bar { label, n, share: n as f64 / sorted.len() as f64 };
    let by_value: Vec<&[f32]> = sorted.chunk_by(|a, b| a == b).collect();
    if by_value.len() <= BARS_MAX {
        return by_value.iter().map(|same| bar(format!("{}", same[0]), same.len())).collect();
    }
    let edge = |k: usize| low + (high - low) * k as f32 / BARS_MAX as f32;
    (0..BARS_MAX)
        .map(|k| {
            let upto = |k: usize| sorted.partition_point(|r| *r < edge(k));
            let end = if k + 1 == BARS_MAX { sorted.len() } else { upto(k + 1) };
            bar(format!("{:.1} to {:.1}", edge(k), edge(k + 1)), end - upto(k))
        })
        .collect()
}

fn tail(counts: &[u32]) -> Tail {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    let n = sorted.len();
    let total: f64 = sorted.iter().map(|&c| f64::from(c)).sum();
    if n == 0 || total == 0.0 {
        let none = 0.0;
        return Tail {
            min: 0,
            median: none,
            mean: none,
            max: 0,
            top_1_percent: none,
            top_10_percent: none,
            gini: none,
        };
    }
    let top = |part: usize| {
        let n_top = n.div_ceil(part);
        sorted[n - n_top..].iter().map(|&c| f64::from(c)).sum::<f64>() / total
    };
    // Gini from the ranks of the sorted counts: sum of (2 rank - n - 1) x over n times the total.
    let weighted: f64 = sorted
        .iter()
        .enumerate()
        .map(|(k, &c)| (2.0 * (k as f64 + 1.0) - n as f64 - 1.0) * f64::from(c))
        .sum();
    Tail {
        min: sorted[0],
        median: (f64::from(sorted[(n - 1) / 2]) + f64::from(sorted[n / 2])) / 2.0,
        mean: total / n as f64,
        max: sorted[n - 1],
        top_1_percent: top(100),
        top_10_percent: top(10),
        gini: weighted / (n as f64 * total),
    }
}

fn genres(dataset: &Dataset) -> Vec<(String, usize)> {
    let mut counts = vec![0; dataset.genres.len()];
    for genre in dataset.catalogue.iter().flat_map(|item| &item.genres) {
        counts[genre.idx()] += 1;
    }
    let mut genres: Vec<(String, usize)> = dataset.genres.all().iter().cloned().zip(counts).collect();
    genres.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    genres
}

/// A whole number with commas between its thousands.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = |count: usize| grouped(count as u64);
        writeln!(f, "source        {}", self.source)?;
        writeln!(f, "users         {}", n(self.n_users))?;
        writeln!(f, "items         {} ({} without interactions)", n(self.n_items), n(self.n_items_unseen))?;
        writeln!(f, "interactions  {}", n(self.n_interactions))?;
        writeln!(f, "density       {:.3} %", self.density * 100.0)?;
        if let Some((first, last)) = self.order_range {
            writeln!(f, "order         {first} to {last}")?;
        }
        self.fmt_ratings(f)?;
        writeln!(f, "\ninteractions      min   median     mean      max   top 1 %  top 10 %   Gini")?;
        for (name, tail) in [("a user", self.per_user), ("an item", self.per_item)] {
            writeln!(
                f,
                "  {name:<9} {:>9} {:>8.1} {:>8.1} {:>8} {:>8.1}% {:>8.1}% {:>6.3}",
                grouped(u64::from(tail.min)),
                tail.median,
                tail.mean,
                grouped(u64::from(tail.max)),
                tail.top_1_percent * 100.0,
                tail.top_10_percent * 100.0,
                tail.gini
            )?;
        }
        self.fmt_texts(f)?;
        let report = self.load_report;
        writeln!(
            f,
            "\nread          {} rows; {} skipped, {} repeated, {} items unknown to the item file",
            grouped(report.n_rows),
            grouped(report.n_skipped),
            grouped(report.n_duplicates),
            grouped(report.n_unknown_items)
        )?;
        write!(f, "hash          {}", self.hash)
    }
}

impl Description {
    fn fmt_ratings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(mean) = self.mean_rating else {
            return writeln!(f, "ratings       none, only the fact of interaction");
        };
        writeln!(f, "\nratings, mean {mean:.3}")?;
        let width = self.ratings.iter().map(|bar| bar.label.chars().count()).max().unwrap_or(0);
        let highest = self.ratings.iter().map(|bar| bar.share).fold(0.0, f64::max);
        for bar in &self.ratings {
            let n_chars = (bar.share / highest * BAR_CHARS as f64).round() as usize;
            let Bar { label, n, share } = bar;
            let row = format!(
                "  {label:>width$} {:>12} {:>5.1} %  {}",
                grouped(*n as u64),
                share * 100.0,
                "#".repeat(n_chars)
            );
            writeln!(f, "{}", row.trim_end())?;
        }
        Ok(())
    }

    fn fmt_texts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |pairs: &[(String, usize)]| {
            let shown = pairs.iter().take(GENRES_SHOWN);
            let mut text = shown
                .map(|(name, n)| format!("{name} {}", grouped(*n as u64)))
                .collect::<Vec<_>>()
                .join(", ");
            if pairs.len() > GENRES_SHOWN {
                text.push_str(&format!(" and {} more", pairs.len() - GENRES_SHOWN));
            }
            if text.is_empty() { "none".to_owned() } else { text }
        };
        let with = self.n_items_with.map(|(name, n)| (name.to_owned(), n));
        writeln!(f, "\nitems with    {}", listed(&with))?;
        writeln!(f, "genres        {}", listed(&self.genres))?;
        writeln!(f, "users with    {}", listed(&self.attributes))?;
        if let Some([train, valid, test]) = self.published_split {
            let [train, valid, test] = [train, valid, test].map(|n| grouped(n as u64));
            writeln!(f, "split         published: {train} train, {valid} validation, {test} test")?;
        }
        if self.n_published_personas > 0 {
            writeln!(f, "personas      {} published", grouped(self.n_published_personas as u64))?;
        }
        if let Some((n, about)) = &self.observed {
            writeln!(f, "truth         {} {about}", grouped(*n as u64))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_by_hand() {
        // Sorted 1 1 1 1 6: Gini = (2·Σ rank·x)/(n·Σx) − (n+1)/n = 2·40/50 − 6/5 = 0.4.
        let tail = tail(&[1, 6, 1, 1, 1]);
        assert_eq!((tail.min, tail.median, tail.mean, tail.max), (1, 1.0, 2.0, 6));
        assert!((tail.gini - 0.4).abs() < 1e-12);
        assert!((tail.top_10_percent - 0.6).abs() < 1e-12);
        assert_eq!(super::tail(&[]).gini, 0.0);
        assert_eq!(super::tail(&[0, 0]).gini, 0.0);
    }

    #[test]
    fn many_values_become_ranges() {
        let ratings: Vec<f32> = (0..1000).map(|k| k as f32 / 100.0 - 5.0).collect();
        let bars = histogram(&ratings);
        assert_eq!(bars.len(), BARS_MAX);
        assert_eq!(bars.iter().map(|bar| bar.n).sum::<usize>(), 1000);
        assert_eq!(histogram(&[4.0, 4.5, 4.0])[0], Bar { label: "4".into(), n: 2, share: 2.0 / 3.0 });
    }

    #[test]
    fn a_page_of_text_names_what_matters() {
        let mut assembly = crate::dataset::assemble::Assembly::default();
        for (user, item, rating) in [("u1", "a", 4.0), ("u1", "b", 5.0), ("u2", "a", 4.0)] {
            let user = assembly.users.intern(user.as_bytes()).expect("an id");
            let item = assembly.items.intern(item.as_bytes()).expect("an id");
            assembly.interaction(user, item, rating, 3);
        }
        let data = assembly.finish("test", std::path::Path::new("x"), Some((1.0, 5.0))).expect("a dataset");
        let text = describe(&data).to_string();
        for line in [
            "users         2",
            "items         2 (0 without interactions)",
            "density       75.000 %",
            "ratings, mean 4.333",
            "  4            2  66.7 %  ########################################",
            "  5            1  33.3 %  ####################",
            "read          0 rows; 0 skipped, 0 repeated, 2 items unknown to the item file",
        ] {
            assert!(text.lines().any(|found| found == line), "{line:?} in:\n{text}");
        }
        assert!(text.ends_with(&data.content_hash()));
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 1_000_209].map(grouped),
            ["0", "999", "1,000", "1,000,209"].map(str::to_owned)
        );
    }
}
