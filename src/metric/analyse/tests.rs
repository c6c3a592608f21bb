//! The road from samples to tables: pairing, honesty under no difference, determinism.

use super::*;
use crate::event::{ExitReason, Page, Slot};
use crate::id::{AgentId, ItemId};
use crate::metric::{Catalogue, CatalogueItem, Measure, PersonRecord, measure};
use crate::rng::{ChaCha8Rng, Purpose};
use rand::RngExt;

fn named(name: &str) -> &'static Measure {
    measure(name).expect("a known metric")
}

/// An arm with a mean and a ratio over the agents for which `draw` gives (mean's value, numerator, denominator).
fn arm(
    name: &str,
    agents: impl Iterator<Item = u32>,
    mut draw: impl FnMut(u32) -> (f64, f64, f64),
) -> ArmResult {
    let (mut mean, mut ratio) = (Sample::default(), Sample::default());
    for agent in agents {
        let (value, numerator, denominator) = draw(agent);
        mean.push(AgentId(agent), value);
        ratio.push_ratio(AgentId(agent), numerator, denominator);
    }
    let whole = named("catalogue_coverage").whole(5, Some(mean.len() as f64 / 100.0));
    ArmResult::single(name, vec![named("s_sat").of(mean), named("p_view").of(ratio), whole])
}

fn luck(seed: u64) -> ChaCha8Rng {
    Streams::new(seed).stream(Purpose::Synthesis, 0, 0, 0)
}

#[test]
fn rows_tell_what_the_samples_say() {
    let a = arm("a", 0..4, |agent| (f64::from(agent), f64::from(agent), 2.0));
    let b = arm("b", 1..5, |agent| (f64::from(agent) + 1.0 + f64::from(agent % 2), f64::from(agent), 1.0));
    let tables = analyse(&[a.clone(), b.clone()], &StatsParams::default(), &Streams::new(1));
    let names: Vec<_> =
        tables.metrics.iter().map(|row| (row.arm.as_str(), row.metric.as_str(), row.n)).collect();
    assert_eq!(
        names,
        [
            ("a", "s_sat", 4),
            ("a", "p_view", 4),
            ("a", "catalogue_coverage", 5),
            ("b", "s_sat", 4),
            ("b", "p_view", 4),
            ("b", "catalogue_coverage", 5)
        ]
    );
    let of = |row: &MetricsRow| (row.mean, row.std_error);
    // 0, 1, 2, 3: standard deviation √(5/3), over √4.
    let (mean, std_error) = of(&tables.metrics[0]);
    assert_eq!(mean, Some(1.5));
    assert!((std_error.expect("two agents") - (5.0f64 / 3.0).sqrt() / 2.0).abs() < 1e-15);
    assert_eq!(tables.metrics[1].mean, Some(0.75));
    assert_eq!(of(&tables.metrics[2]), (Some(0.04), None));
    assert_eq!(tables.metrics[2].ci_low, None);

    let [sat, view, coverage] = &tables.comparisons[..] else { panic!("{:?}", tables.comparisons) };
    // Common agents 1, 2, 3: differences 2, 1, 2; ratios 6/6 against 6/3.
    assert_eq!((sat.n, view.n), (3, 3));
    assert!((sat.diff.expect("paired") - 5.0 / 3.0).abs() < 1e-15);
    assert_eq!(sat.method, "bca+paired_t+holm");
    assert_eq!(view.diff, Some(2.0 - 1.0));
    assert_eq!((coverage.diff, coverage.p_value, coverage.method.as_str()), (Some(0.0), None, "none"));
    // Holm over the two p-values there are.
    let (p, q) = (sat.p_value.expect("p"), view.p_value.expect("p"));
    assert!(
        (sat.p_adjusted.expect("p") - if p < q { 2.0 * p } else { p.max(2.0 * q).min(1.0) }).abs() < 1e-12
    );

    let other = StatsParams { baseline: Some("b".into()), ..StatsParams::default() };
    let turned = analyse(&[a.clone(), b], &other, &Streams::new(1));
    assert_eq!(turned.comparisons[0].arm, "a");
    assert!((turned.comparisons[0].diff.expect("paired") + 5.0 / 3.0).abs() < 1e-15);
    let unknown = StatsParams { baseline: Some("c".into()), ..StatsParams::default() };
    assert!(analyse(&[a], &unknown, &Streams::new(1)).comparisons.is_empty());
    assert_eq!(analyse(&[], &StatsParams::default(), &Streams::new(1)), Tables::default());
}

#[test]
fn an_arm_against_its_copy_is_no_difference() {
    let mut luck = luck(2);
    let a = arm("a", 0..50, |_| (luck.random(), luck.random(), 1.0 + luck.random::<f64>()));
    let b = ArmResult { arm: "b".into(), ..a.clone() };
    for method in [IntervalMethod::Bca, IntervalMethod::Percentile] {
        for test in [PairedTest::PairedT, PairedTest::Wilcoxon] {
            let params = StatsParams { method, test, ..StatsParams::default() };
            let tables = analyse(&[a.clone(), b.clone()], &params, &Streams::new(1));
            for row in &tables.comparisons[..2] {
                assert_eq!((row.diff, row.ci_low, row.ci_high), (Some(0.0), Some(0.0), Some(0.0)), "{row:?}");
                assert_eq!(
                    (row.p_value, row.p_adjusted, row.mde),
                    (Some(1.0), Some(1.0), Some(0.0)),
                    "{row:?}"
                );
            }
        }
    }
}

/// What a world without any difference tells: share of significant p-values, of significant adjusted
/// p-values in a family, and of intervals that hold the truth.
fn without_difference(params: &StatsParams, n_agents: u32, n_worlds: u64) -> (f64, f64, f64) {
    let (mut n_positive, mut n_families, mut n_held, mut n_rows) = (0, 0, 0, 0);
    for seed in 0..n_worlds {
        let mut luck = luck(1000 + seed);
        let shared: Vec<f64> = (0..n_agents).map(|_| luck.random()).collect();
        let mut draw = |agent: u32| {
            let shared = shared[agent as usize];
            // Skewed, correlated between arms; the ratio's truth is .5 · E[shown] / E[shown].
            let n_shown = f64::from(luck.random_range(1..6u32) * 4);
            let share = 0.5 * (shared + luck.random::<f64>());
            (-(luck.random::<f64>() * shared.sqrt()).ln(), share * n_shown, n_shown)
        };
        let (a, b) = (arm("a", 0..n_agents, &mut draw), arm("b", 0..n_agents, &mut draw));
        let rows = analyse(&[a, b], params, &Streams::new(seed)).comparisons;
        let significant = |p: Option<f64>| p.is_some_and(|p| p < 0.05);
        n_families += u32::from(rows.iter().any(|row| significant(row.p_adjusted)));
        for row in &rows[..2] {
            n_rows += 1;
            n_positive += u32::from(significant(row.p_value));
            n_held += u32::from(row.ci_low <= Some(0.0) && row.ci_high >= Some(0.0));
        }
    }
    let share = |n: u32, of: u32| f64::from(n) / f64::from(of);
    (share(n_positive, n_rows), share(n_families, n_worlds as u32), share(n_held, n_rows))
}

#[test]
fn an_a_a_test_is_positive_as_often_as_promised() {
    for (test, method) in
        [(PairedTest::PairedT, IntervalMethod::Bca), (PairedTest::Wilcoxon, IntervalMethod::Percentile)]
    {
        let params = StatsParams { test, method, n_bootstrap: 400, ..StatsParams::default() };
        let (positive, family, held) = without_difference(&params, 80, 400);
        // 800 rows: the binomial standard error of 5 % is .8 %; families: 1.1 %.
        assert!((positive - 0.05).abs() < 0.025, "{test:?}: {positive} of p-values below .05");
        assert!(family < 0.085, "{test:?}: {family} of families");
        assert!((held - 0.95).abs() < 0.03, "{method:?}: {held} of intervals hold the truth");
    }
}

#[test]
fn pooling_many_agents_keeps_the_spread() {
    let mut luck = luck(4);
    let n = crate::stats::bootstrap::N_SUBJECTS_MAX as u32 + 5000;
    let mut draw =
        |_| (luck.random(), f64::from(luck.random_range(0..5u32)), f64::from(luck.random_range(4..9u32)));
    let arms = [arm("a", 0..n, &mut draw), arm("b", (0..n).filter(|agent| agent % 9 != 0), &mut draw)];
    for method in [IntervalMethod::Bca, IntervalMethod::Percentile] {
        let params = StatsParams { method, ..StatsParams::default() };
        let tables = analyse(&arms, &params, &Streams::new(3));
        for row in tables.metrics.iter().filter(|row| row.metric != "catalogue_coverage") {
            let (low, high) = (row.ci_low.expect("low"), row.ci_high.expect("high"));
            let normal = 2.0 * 1.959964 * row.std_error.expect("error");
            assert!(((high - low) / normal - 1.0).abs() < 0.08, "{row:?}");
            assert!(row.mean > row.ci_low && row.mean < row.ci_high, "{row:?}");
        }
        for row in &tables.comparisons[..2] {
            assert_eq!(row.n, u64::from((0..n).filter(|agent| agent % 9 != 0).count() as u32));
            assert!(row.diff > row.ci_low && row.diff < row.ci_high, "{row:?}");
        }
    }
}

#[test]
fn the_same_bits_at_any_thread_count() {
    let mut luck = luck(6);
    let mut draw = |_| (luck.random(), luck.random(), 1.0 + luck.random::<f64>());
    let arms: Vec<ArmResult> = ["a", "b", "c"].iter().map(|name| arm(name, 0..300, &mut draw)).collect();
    let with = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("threads");
        pool.install(|| analyse(&arms, &StatsParams::default(), &Streams::new(9)))
    };
    assert_eq!(with(1), with(2));
    assert_eq!(with(1), with(3));
}

/// Sessions of two rounds, mixed, through an [`ArmAnalysis`].
#[test]
fn sessions_become_values_by_round() {
    let catalogue =
        Catalogue { genres: vec!["g".into()], items: vec![CatalogueItem::default(); 8], n_train_users: 1 };
    let mut population =
        Population::of_people(vec![PersonRecord { raw_id: "u".into(), ..PersonRecord::default() }]);
    (0..3).for_each(|_| population.push(0, [1; 3]));
    let setting = Setting { catalogue: &catalogue, population: &population, items_per_page: 2 };
    let session = |round, agent, n_watched: u32| {
        let slot = |place| Slot {
            item: ItemId(place),
            aligned: None,
            held_out: false,
            propensity: None,
            advertised: None,
            watched: place < n_watched,
            rating: (place < n_watched).then_some(4),
        };
        Session {
            round,
            agent: AgentId(agent),
            pages: vec![Page { number: 1, slots: (0..2).map(slot).collect() }],
            reflections: Vec::new(),
            exit: Some(ExitReason::MaxPages),
            satisfaction: Some(5),
            n_failures: 0,
        }
    };
    let mut analysis = ArmAnalysis::new("a", crate::metric::ALL);
    analysis.observe(&[session(1, 2, 0), session(0, 0, 1), session(0, 1, 2)], setting);
    analysis.observe(&[session(1, 0, 1)], setting);
    let result = analysis.finish(setting);
    let p_view = |round: u32| result.rounds[&round].iter().find(|m| m.name == "p_view").and_then(|m| m.value);
    assert_eq!((p_view(0), p_view(1)), (Some(0.75), Some(0.25)));
    let row = SessionRow::new("a", &session(1, 2, 1), &population);
    assert_eq!((row.exposures, row.watches, row.likes, row.mean_rating), (2, 1, 1, Some(4.0)));
    assert_eq!((row.user.as_str(), row.exit_reason.as_deref()), ("u~2", Some("max_pages")));
}
