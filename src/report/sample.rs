//! Made-up runs for the tests of the report: any number of arms, rich or degenerate.
//! Must not be taken for results.

mod spoken;
mod text;

use super::Report;
use super::figures::Figures;
use super::manifest::{ArmInfo, FitInfo, Manifest, Timing};
use crate::event::{ExitReason, Page, Session, Slot};
use crate::id::{AgentId, GenreId, ItemId};
use crate::metric::tables::{ComparisonRow, MetricsRow};
use crate::metric::{Catalogue, CatalogueItem, PersonRecord, Population};
use crate::recommender::CurvePoint;

/// What the sessions of a sample are like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Sessions as one would expect them.
    Rich,
    /// Everybody leaves after the first page without rating anything.
    FirstPage,
    /// No sessions at all.
    Nothing,
    /// One agent.
    OneAgent,
    /// Everybody does exactly the same.
    Alike,
}

/// Names of the arms, and how good each is.
const ARMS: [(&str, f64); 8] = [
    ("popular", 0.30),
    ("random", 0.15),
    ("alpharec", 0.49),
    ("mf", 0.47),
    ("lightgcn", 0.48),
    ("ease", 0.44),
    ("als", 0.40),
    ("a rather long-winded arm name", 0.33),
];

const GENRES: [&str; 14] = [
    "Drama",
    "Comedy",
    "Action",
    "Thriller",
    "Romance",
    "Adventure",
    "Crime",
    "Science fiction",
    "Fantasy",
    "Horror",
    "Mystery",
    "Animation",
    "War",
    "Film-Noir",
];

/// A small generator (splitmix64), so that a sample is the same everywhere.
struct Luck(u64);

impl Luck {
    fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A made-up run of `n_arms` arms over `n_rounds` rounds.
pub fn report(n_arms: usize, kind: Kind, n_rounds: u32) -> Report {
    let n_agents = if kind == Kind::OneAgent { 1 } else { 400 };
    let catalogue = catalogue();
    let population = population(n_agents);
    let arms = &ARMS[..n_arms];
    let mut report = Report {
        manifest: manifest(arms, n_agents as u64, n_rounds),
        scenario: SCENARIO.to_owned(),
        figures: Figures::new(n_arms, &catalogue),
        ..Report::default()
    };
    if kind == Kind::Nothing {
        return report;
    }
    let mut values: Vec<Vec<Vec<f64>>> = Vec::new();
    for (arm, (_, quality)) in arms.iter().enumerate() {
        let mut luck = Luck(7 + arm as u64);
        let mut per_metric = vec![Vec::new(); 5];
        for agent in 0..n_agents {
            for round in 0..n_rounds {
                let session = session(kind, agent, round, *quality, arm, &mut luck);
                report.figures.observe(arm, &session, &catalogue, &population);
                let shown = session.n_shown() as f64;
                for (metric, value) in per_metric.iter_mut().zip([
                    f64::from(session.satisfaction.unwrap_or(1)),
                    session.n_watched() as f64 / shown,
                    session.n_liked() as f64 / shown,
                    session.n_liked() as f64,
                    session.pages.len() as f64,
                ]) {
                    metric.push(value);
                }
            }
        }
        values.push(per_metric);
    }
    tables(&mut report, arms, &values, n_rounds);
    if kind == Kind::Rich {
        spoken::add(&mut report);
        text::add(&mut report);
    }
    report
}

fn tables(report: &mut Report, arms: &[(&str, f64)], values: &[Vec<Vec<f64>>], n_rounds: u32) {
    let headline = [
        ("s_sat", "score"),
        ("p_view", "share"),
        ("p_like", "share"),
        ("n_like", "count"),
        ("n_exit", "pages"),
    ];
    let whole: [(&str, &str, f64, f64); 13] = [
        ("catalogue_coverage", "share", 0.3, -0.2),
        ("exposure_gini", "share", 0.7, 0.4),
        ("intra_list_distance", "share", 0.7, 0.1),
        ("genre_entropy", "bits", 2.4, -0.5),
        ("top1_genre_share", "share", 0.31, 0.2),
        ("top1_genre_share_round", "share", 0.24, 0.2),
        ("homogenisation", "share", 0.12, 0.3),
        ("average_popularity", "interactions", 812.0, 900.0),
        ("popularity_lift", "ratio", 0.8, 1.1),
        ("novelty", "bits", 5.1, -2.0),
        ("calibration_kl", "nats", 0.4, -0.3),
        ("failure_rate", "share", 0.005, 0.0),
        ("recall@4", "share", 0.02, 0.1),
    ];
    for round in 0..n_rounds {
        let drift = 1.0 + 0.07 * f64::from(round);
        for (arm, (name, quality)) in arms.iter().enumerate() {
            for (m, (metric, unit)) in headline.iter().enumerate() {
                let (mean, error) = moments(&values[arm][m]);
                let row = row(name, round, metric, unit, mean * drift.sqrt(), Some(error));
                report.metrics.push(MetricsRow { n: values[arm][m].len() as u64, ..row });
                if arm > 0 {
                    let differences: Vec<f64> =
                        values[arm][m].iter().zip(&values[0][m]).map(|(a, b)| a - b).collect();
                    report.comparisons.push(comparison(arms[0].0, name, round, metric, &differences));
                }
            }
            for (metric, unit, base, slope) in whole {
                let value = (base + slope * (quality - 0.3)) * drift;
                let error = (metric != "catalogue_coverage" && metric != "exposure_gini")
                    .then_some(value.abs() * 0.02);
                report.metrics.push(row(name, round, metric, unit, value, error));
            }
        }
    }
}

fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

fn row(arm: &str, round: u32, metric: &str, unit: &str, mean: f64, error: Option<f64>) -> MetricsRow {
    let error = error.filter(|error| error.is_finite());
    MetricsRow {
        arm: arm.to_owned(),
        round,
        metric: metric.to_owned(),
        n: 400,
        mean: Some(mean).filter(|mean| mean.is_finite()),
        std_error: error,
        ci_low: error.map(|error| mean - 1.96 * error),
        ci_high: error.map(|error| mean + 1.96 * error),
        unit: unit.to_owned(),
    }
}

fn comparison(baseline: &str, arm: &str, round: u32, metric: &str, differences: &[f64]) -> ComparisonRow {
    let (mean, error) = moments(differences);
    let error = Some(error).filter(|error| error.is_finite() && *error > 0.0);
    // Good enough for a sample: the normal tail by its leading term.
    let p = error.map(|error| {
        let z = (mean / error).abs().max(0.3);
        (2.0 * (-z * z / 2.0).exp() / (z * 2.5066)).min(1.0)
    });
    ComparisonRow {
        baseline: baseline.to_owned(),
        arm: arm.to_owned(),
        round,
        metric: metric.to_owned(),
        n: differences.len() as u64,
        diff: Some(mean).filter(|mean| mean.is_finite()),
        ci_low: error.map(|error| mean - 1.96 * error),
        ci_high: error.map(|error| mean + 1.96 * error),
        p_value: p,
        p_adjusted: p.map(|p| (p * 5.0).min(1.0)),
        method: if p.is_some() { "bca+paired_t+holm" } else { "none" }.to_owned(),
        mde: error.map(|error| 2.8 * error),
    }
}

fn session(kind: Kind, agent: usize, round: u32, quality: f64, arm: usize, luck: &mut Luck) -> Session {
    let mut pages = Vec::new();
    let mut mood = Vec::new();
    let is_plain = matches!(kind, Kind::FirstPage | Kind::Alike);
    for number in 1..=5_u32 {
        let slots = (0..4_u32).map(|slot| {
            // Spread over the catalogue, the more the better the arm.
            let spread = luck.draw().powf(6.0 - 5.0 * quality.min(0.5) - if arm == 1 { 4.0 } else { 0.0 });
            let item = ItemId(((spread * 600.0) as u32).min(599));
            let chance =
                (quality + 0.15 - 0.04 * f64::from(slot) - 0.02 * f64::from(number)).clamp(0.02, 0.95);
            let watched = if is_plain { kind == Kind::Alike } else { luck.draw() < chance };
            let rating = (1.0 + 4.99 * luck.draw().powf(1.2 - quality)) as u8;
            let rating = if is_plain { 3 } else { rating.clamp(1, 5) };
            Slot {
                item,
                aligned: Some(watched),
                held_out: false,
                propensity: None,
                advertised: None,
                watched,
                rating: watched.then_some(rating),
            }
        });
        pages.push(Page { number, slots: slots.collect() });
        let fatigue = 0.15 * f64::from(number) + 0.2 * luck.draw();
        mood.push((number, (quality + 0.4 * luck.draw()) as f32, fatigue as f32));
        if kind == Kind::FirstPage || (kind != Kind::Alike && luck.draw() > 0.72 + 0.4 * quality) {
            break;
        }
    }
    let has_failed = kind == Kind::Rich && luck.draw() < 0.004;
    let score = 1.0 + 9.0 * (0.35 * luck.draw() + 0.35 * luck.draw() + quality * 0.8);
    let exit = match (has_failed, pages.len()) {
        (true, _) => ExitReason::Failure,
        (_, 5) => ExitReason::MaxPages,
        _ => ExitReason::Left,
    };
    Session {
        round,
        agent: AgentId(agent as u32),
        reflections: if kind == Kind::FirstPage { Vec::new() } else { mood },
        pages,
        exit: Some(exit),
        satisfaction: match kind {
            Kind::FirstPage => None,
            Kind::Alike => Some(5),
            _ => (!has_failed).then_some((score as u8).clamp(1, 10)),
        },
        n_failures: u32::from(has_failed),
    }
}

fn catalogue() -> Catalogue {
    let mut luck = Luck(1);
    let items = (0..600_u32).map(|item| {
        let first = (luck.draw().powi(2) * GENRES.len() as f64) as u16;
        let second = (luck.draw() * GENRES.len() as f64) as u16;
        let mut genres = vec![GenreId(first), GenreId(second)];
        genres.sort();
        genres.dedup();
        CatalogueItem {
            raw_id: item.to_string(),
            title: if item == 0 {
                "<script>alert('The \"Matrix\" & Co')</script> (1999)".into()
            } else {
                format!("Film {item}")
            },
            genres,
            n_train: (2000.0 / (f64::from(item) + 3.0).powf(0.8)) as u32,
            mean_rating: Some(2.0 + (item % 25) as f32 / 10.0),
        }
    });
    Catalogue {
        genres: GENRES.iter().map(|genre| (*genre).to_owned()).collect(),
        items: items.collect(),
        n_train_users: 900,
    }
}

fn population(n_agents: usize) -> Population {
    let tier = |agent: usize, by: usize| 1 + ((agent / by) % 3) as u8;
    let person = |k: usize| PersonRecord { raw_id: k.to_string(), ..PersonRecord::default() };
    Population::new((0..n_agents).map(|k| (person(k), [tier(k, 1), tier(k, 3), tier(k, 9)])).collect())
}

fn manifest(arms: &[(&str, f64)], n_agents: u64, n_rounds: u32) -> Manifest {
    let mut manifest = Manifest {
        version: "0.1.0".into(),
        git_revision: Some("5f0e8b8".into()),
        title: "A made-up run".into(),
        seed: 2024,
        n_agents,
        population: "400 of 1000 people, each once".into(),
        taste: "item vectors from the training ratings, 32 dimensions".into(),
        behavior: "choice (agents/choice.toml)".into(),
        items_per_page: 4,
        max_pages: 5,
        n_rounds,
        n_threads: 2,
        baseline: arms.first().map(|(name, _)| (*name).to_owned()),
        ..Manifest::default()
    };
    manifest.dataset.source = "synthetic".into();
    manifest.dataset.hash = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into();
    (manifest.dataset.n_users, manifest.dataset.n_items) = (1000, 600);
    (manifest.dataset.n_interactions, manifest.dataset.n_train) = (84_213, 67_370);
    manifest.dataset.n_train_users = 1000;
    manifest.dataset.split = "per-user ratio 0.8".into();
    manifest.arms = arms
        .iter()
        .map(|(name, quality)| ArmInfo {
            name: (*name).to_owned(),
            kind: name.split(' ').next().unwrap_or(name).to_owned(),
            needs: needs(name).to_owned(),
            loaded_from: None,
            fits: vec![FitInfo { round: 0, seconds: 1.25, curve: curve(*quality) }],
        })
        .collect();
    manifest.timings = vec![
        Timing { phase: "load data".into(), seconds: 0.21 },
        Timing { phase: "fit".into(), seconds: 4.2 },
        Timing { phase: "simulate".into(), seconds: 3.9 },
    ];
    manifest
}

/// What the arm of this name would learn from.
fn needs(name: &str) -> &'static str {
    match name {
        "alpharec" => "text",
        "popular" | "random" => "nothing",
        _ => "interactions",
    }
}

fn curve(quality: f64) -> Vec<CurvePoint> {
    if quality < 0.4 {
        return Vec::new();
    }
    let points =
        (1..=20_u32).flat_map(|epoch| {
            let rest = (-f64::from(epoch) * quality / 2.0).exp();
            [("loss", 0.2 + 0.5 * rest), ("recall@20", 0.17 * (1.0 - rest))]
                .map(|(measure, value)| CurvePoint { epoch, measure: measure.into(), value })
        });
    points.collect()
}

const SCENARIO: &str = "title = \"A made-up run\"\nseed = 2024\n\n[dataset]\nsource = \"synthetic\" # <b>&amp;</b>\nn_users = 1000\n\n[[arms]]\nname = \"popular\"\nkind = \"popular\"\n";
