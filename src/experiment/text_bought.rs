//! What text bought: the arms that read text against the best of those that know interactions alone, into
//! `text_bought.csv`. Paired, with the intervals, test and correction of the other comparisons.
//! Must not know what a recommender does with text.

use super::RunError;
use super::folder::RunFolder;
use super::tables::write_table;
use crate::metric::Measured;
use crate::metric::analyse::{ArmResult, analyse};
use crate::metric::tables::ComparisonRow;
use crate::recommender::Needs;
use crate::report::text_bought::{COLD, FILE_NAME, OVERALL, TAIL};
use crate::rng::Streams;
use crate::scenario::{Arm, Scenario};
use crate::stats::params::StatsParams;
use std::collections::BTreeMap;

/// Writes the table, where the scenario has arms of both sorts: every arm with text against the best without,
/// in the last round, best first.
pub fn write(
    scenario: &Scenario,
    folder: &RunFolder,
    results: &[ArmResult],
    streams: &Streams,
) -> Result<(), RunError> {
    let rows = compare(&scenario.arms, results, &scenario.file.statistics, streams);
    if rows.is_empty() {
        return Ok(());
    }
    write_table(folder, FILE_NAME, &rows, &ComparisonRow::HEADER)
}

fn compare(
    arms: &[Arm],
    results: &[ArmResult],
    params: &StatsParams,
    streams: &Streams,
) -> Vec<ComparisonRow> {
    let Some(round) = results.iter().flat_map(|result| result.rounds.keys()).max().copied() else {
        return Vec::new();
    };
    let of = |is_wanted: fn(Needs) -> bool| -> Vec<ArmResult> {
        let wanted = arms.iter().filter(|arm| is_wanted(arm.kind.about().needs));
        let result = |arm: &Arm| results.iter().find(|result| result.arm == arm.name);
        wanted.filter_map(result).map(|result| told_of(result, round)).collect()
    };
    let mut with_text = of(|needs| matches!(needs, Needs::Text | Needs::Llm));
    let mut without = of(|needs| needs == Needs::Interactions);
    // The first measure that both sorts have is the one by which arms are called best.
    let has = |arms: &[ArmResult], name: &str| arms.iter().any(|arm| value(arm, round, name).is_some());
    let Some(by) = OVERALL.iter().find(|name| has(&with_text, name) && has(&without, name)) else {
        return Vec::new();
    };
    for arms in [&mut with_text, &mut without] {
        let value = |arm: &ArmResult| value(arm, round, by).unwrap_or(f64::NEG_INFINITY);
        arms.sort_by(|a, b| value(b).total_cmp(&value(a)));
    }
    without.truncate(1);
    let params = StatsParams { baseline: None, ..params.clone() };
    analyse(&[without, with_text].concat(), &params, streams).comparisons
}

/// The last round of an arm, and of it what is told, in the order in which it is told.
fn told_of(result: &ArmResult, round: u32) -> ArmResult {
    let measured = result.rounds.get(&round).map(Vec::as_slice).unwrap_or_default();
    let named = |name: &&str| measured.iter().find(|measured| measured.name == *name).cloned();
    let told: Vec<Measured> =
        [&OVERALL[..], &TAIL[..], &COLD[..]].concat().iter().filter_map(named).collect();
    ArmResult { arm: result.arm.clone(), rounds: BTreeMap::from([(round, told)]) }
}

fn value(result: &ArmResult, round: u32, name: &str) -> Option<f64> {
    result.rounds.get(&round)?.iter().find(|measured| measured.name == name)?.value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::AgentId;
    use crate::metric::{Sample, measure};
    use crate::recommender::without::ColdRule;
    use crate::recommender::{About, ColdItems, FitContext, RecommendError, Recommender, RecommenderKind};
    use crate::recommender::{Surroundings, Trainer, Training};
    use crate::scenario::Feedback;
    use crate::scenario::params::Complaint;
    use std::path::Path;

    /// A kind that can be told apart by what it needs and does nothing.
    struct Stub(Needs);

    impl RecommenderKind for Stub {
        fn name(&self) -> &'static str {
            "stub"
        }

        fn about(&self) -> About {
            About { summary: "", source: "", needs: self.0, folds_in: false, cold_items: ColdItems::Ranked }
        }

        fn params_schema(&self) -> schemars::Schema {
            schemars::Schema::default()
        }

        fn check(&self, _at: &str, _params: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
            Ok(Box::new(Nothing))
        }

        fn load(&self, _dir: &Path, _around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
            Err(RecommendError::BadTraining { problem: "a stub".to_owned() })
        }
    }

    struct Nothing;

    impl Trainer for Nothing {
        fn fit(
            &self,
            _training: &Training<'_>,
            _context: &mut FitContext<'_>,
        ) -> Result<Box<dyn Recommender>, RecommendError> {
            Err(RecommendError::BadTraining { problem: "a stub".to_owned() })
        }
    }

    static TEXT: Stub = Stub(Needs::Text);
    static LLM: Stub = Stub(Needs::Llm);
    static IDS: Stub = Stub(Needs::Interactions);
    static CHANCE: Stub = Stub(Needs::Nothing);

    fn arm(name: &str, kind: &'static Stub) -> Arm {
        Arm {
            name: name.to_owned(),
            kind,
            trainer: Box::new(Nothing),
            model: None,
            cold_items: ColdRule::default(),
            feedback: Feedback::default(),
        }
    }

    /// Satisfaction around `s_sat`, the share of the tail around `tail`, over 50 agents and two rounds.
    fn result(name: &str, s_sat: f64, tail: f64) -> ArmResult {
        let sample = |mean: f64| {
            let mut sample = Sample::default();
            (0..50).for_each(|agent| sample.push(AgentId(agent), mean + f64::from(agent % 7) / 100.0));
            sample
        };
        let of = |name: &str, mean| measure(name).expect("a metric").of(sample(mean));
        let round = |shift| vec![of("novelty", 0.3), of("s_sat", s_sat + shift), of("tail_share", tail)];
        ArmResult { arm: name.to_owned(), rounds: BTreeMap::from([(0, round(0.0)), (1, round(1.0))]) }
    }

    #[test]
    fn text_meets_the_best_arm_without_it() {
        let arms = [
            arm("chance", &CHANCE),
            arm("mf", &IDS),
            arm("alpha", &TEXT),
            arm("knn", &IDS),
            arm("llm", &LLM),
        ];
        let results = [
            result("chance", 9.0, 0.9),
            result("mf", 5.0, 0.1),
            result("alpha", 5.5, 0.2),
            result("knn", 5.2, 0.3),
            result("llm", 6.0, 0.1),
        ];
        let params =
            StatsParams { n_bootstrap: 100, baseline: Some("chance".to_owned()), ..StatsParams::default() };
        let rows = compare(&arms, &results, &params, &Streams::new(1));
        let told: Vec<(&str, &str, u32, &str)> =
            rows.iter().map(|row| (&*row.baseline, &*row.arm, row.round, &*row.metric)).collect();
        assert_eq!(
            told,
            [
                ("knn", "llm", 1, "s_sat"),
                ("knn", "llm", 1, "tail_share"),
                ("knn", "alpha", 1, "s_sat"),
                ("knn", "alpha", 1, "tail_share")
            ]
        );
        assert!((rows[2].diff.expect("a difference") - 0.3).abs() < 1e-12);
        assert!(rows.iter().all(|row| row.n == 50 && row.p_adjusted.is_some()));

        assert!(compare(&arms[..2], &results[..2], &params, &Streams::new(1)).is_empty(), "no text");
        assert!(
            compare(&arms[2..3], &results[2..3], &params, &Streams::new(1)).is_empty(),
            "nothing but text"
        );
    }
}
