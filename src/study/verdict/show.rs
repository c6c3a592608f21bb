//! What the study found, told: sentences, tables, charts. Computes nothing but what stands in a cell.

use super::groups::ByTrait;
use super::pair::{self, Design, Order};
use super::{Compared, Findings};
use crate::report::{format, labels};
use crate::stats::estimate::Estimate;
use crate::stats::multiple;
use crate::stats::sequential::{Look, N_MIN_MEAN};
use crate::study::rounds::told;
use crate::study::{Axis, Cell, Chart, ChartData, Finding, IntervalRow, Point, Series, StudyTable, Told};

/// Points of a line over people.
const N_POINTS: usize = 60;
/// Looks whose interval is wider than this many times the last one's are not drawn.
const WIDTHS_DRAWN: f64 = 5.0;

/// Ends of an interval.
type Ends = Option<(f64, f64)>;

impl Compared<'_> {
    fn shown_unit(&self) -> &str {
        labels::shown_unit(self.metric, self.unit)
    }

    /// `mf.s_sat`, or `mf-ease.s_sat` where neither is the baseline.
    fn id(&self, baseline: &str) -> String {
        match self.is_with(baseline) {
            true => format!("{}.{}", self.arm, self.metric),
            false => format!("{}-{}.{}", self.arm, self.baseline, self.metric),
        }
    }

    /// `mf is better than popular: +0.31, interval 0.25 to 0.37, p < 0.001 after Holm`.
    fn sentence(&self, alpha: f64) -> String {
        let difference = self.bootstrap.value;
        let verdict = match (self.is_shown(alpha), self.better) {
            (false, _) if difference == 0.0 => "and {} do not differ".to_owned(),
            (false, _) => "is not shown to differ from {}".to_owned(),
            (true, Some(better)) if (difference > 0.0) == better => "is better than {}".to_owned(),
            (true, Some(_)) => "is worse than {}".to_owned(),
            (true, None) if difference > 0.0 => "is higher than {}".to_owned(),
            (true, None) => "is lower than {}".to_owned(),
        };
        format!(
            "{} {}: {} ({} after Holm)",
            self.arm,
            verdict.replace("{}", self.baseline),
            told(&self.bootstrap, self.shown_unit()),
            format::p_statement(self.p_holm)
        )
    }

    /// The spread of one person's part, and the people that the wanted effect needs, by design.
    fn needed(&self, design: Design, effect: f64, findings: &Findings<'_>) -> Option<u64> {
        let (alpha, power) = (findings.alpha(), findings.evidence.statistics.power);
        pair::needed(design, self.pair.spread(design)?, effect, alpha, power)
    }
}

impl Findings<'_> {
    fn alpha(&self) -> f64 {
        1.0 - self.evidence.statistics.confidence
    }

    fn confidence(&self) -> f64 {
        self.evidence.statistics.confidence
    }

    /// The metric that decides: the first that could be compared.
    fn primary(&self) -> &str {
        self.compared.first().map_or("", |found| found.metric)
    }

    fn with_baseline(&self) -> impl Iterator<Item = &Compared<'_>> {
        self.compared.iter().filter(|found| found.is_with(self.baseline))
    }

    fn primary_with_baseline(&self) -> impl Iterator<Item = &Compared<'_>> {
        self.with_baseline().filter(|found| found.metric == self.primary())
    }

    /// Everything, told.
    pub(super) fn told(&self) -> Told {
        Told {
            question: format!(
                "Is any arm better than {}, how sure is that, and how many agents would have done?",
                self.baseline
            ),
            answer: self.answer(),
            findings: self.findings(),
            warnings: self.warnings(),
            limits: self.limits(),
            tables: vec![self.pairs(), self.designs(), self.stops(), self.tiers()],
            charts: [self.forest(), self.watched()].into_iter().flatten().collect(),
            ..Told::default()
        }
    }

    fn answer(&self) -> String {
        let metric = labels::heading(self.primary());
        let sentences: Vec<String> =
            self.primary_with_baseline().map(|found| found.sentence(self.alpha())).collect();
        let mut answer = format!("{metric}: {}.", sentences.join("; "));
        if let Some(lead) = self.lead() {
            answer.push_str(&format!(" {lead}"));
        }
        answer.push_str(&format!(
            " Pairing saves {} of the variance that a comparison of different people has, what is known beforehand {}.",
            self.saved(Design::Paired),
            self.saved(Design::Adjusted)
        ));
        answer
    }

    /// What a design saves of the variance over all arms, in whole percent: `86 to 87 %`.
    fn saved(&self, design: Design) -> String {
        let saved = self.primary_with_baseline().filter_map(|found| found.pair.variance_reduction(design));
        let percent: Vec<f64> = saved.map(|share| (100.0 * share).round()).collect();
        let least = percent.iter().copied().fold(f64::INFINITY, f64::min);
        let most = percent.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        match percent.as_slice() {
            [] => format::UNKNOWN.to_owned(),
            _ if least == most => format!("{}\u{202f}%", format::plain(most)),
            _ => format!("{} to {}\u{202f}%", format::plain(least), format::plain(most)),
        }
    }

    /// Whether the arm with the best value is shown to lead over the next, where neither is the baseline: else that is
    /// said already.
    fn lead(&self) -> Option<String> {
        let of_primary = || self.compared.iter().filter(|found| found.metric == self.primary());
        let better = of_primary().next()?.better?;
        let mut values: Vec<(&str, f64)> = Vec::new();
        for found in of_primary() {
            for (arm, value) in [(found.baseline, found.pair.values.0), (found.arm, found.pair.values.1)] {
                if !values.iter().any(|(known, _)| *known == arm) {
                    values.push((arm, if better { value } else { -value }));
                }
            }
        }
        values.sort_by(|a, b| b.1.total_cmp(&a.1));
        let (first, second) = (values.first()?.0, values.get(1)?.0);
        if [first, second].contains(&self.baseline) {
            return None;
        }
        let between =
            |found: &&Compared<'_>| [(first, second), (second, first)].contains(&(found.baseline, found.arm));
        let found = of_primary().find(between)?;
        Some(if found.is_shown(self.alpha()) {
            format!("Of all arms {first} is best, and is shown to lead over {second}, the next.")
        } else {
            format!(
                "Of all arms {first} has the best value; that it leads over {second}, the next, could be chance."
            )
        })
    }

    fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for found in &self.compared {
            let is_with = found.is_with(self.baseline);
            let p_value = Some(found.p_holm);
            let difference =
                found.bootstrap.finding(format!("{}.difference", found.id(self.baseline)), found.unit);
            let sentence = format!("{}: {}.", labels::heading(found.metric), found.sentence(self.alpha()));
            let is_told = is_with || found.is_shown(self.alpha());
            findings.push(difference.tested(p_value).said(if is_told { sentence } else { String::new() }));
            if is_with {
                findings.extend(self.savings(found));
                findings.extend(self.stop(found));
                findings.extend(self.by_kind(found));
            }
        }
        findings
    }

    /// What designs save, and how many people the wanted effect needs; told for the deciding metric only.
    fn savings(&self, found: &Compared<'_>) -> Vec<Finding> {
        let id = found.id(self.baseline);
        let mut findings: Vec<Finding> = [(Design::Paired, "pairing"), (Design::Adjusted, "cuped")]
            .into_iter()
            .map(|(design, name)| {
                let value = found.pair.variance_reduction(design);
                Finding::new(format!("{id}.variance_reduction.{name}"), "share", value, None)
            })
            .collect();
        if found.metric != self.primary() {
            return findings;
        }
        let effect = self.params.effect * found.pair.values.0.abs();
        let n = |design| found.needed(design, effect, self).map_or(format::UNKNOWN.to_owned(), format::count);
        let sentence = format!(
            "To find a difference of {} ({} of {}'s value) with power {}, {} needs {} agents paired, {} an arm with \
             different people and adjustment, {} an arm without.",
            format::difference(effect, found.shown_unit()).trim_start_matches('+'),
            format::percent(self.params.effect),
            self.baseline,
            format::plain(self.evidence.statistics.power),
            found.arm,
            n(Design::Paired),
            n(Design::Adjusted),
            n(Design::Unpaired)
        );
        let needed = found.needed(Design::Paired, effect, self).map(|n| n as f64);
        findings.push(Finding::new(format!("{id}.agents_needed"), "count", needed, None).said(sentence));
        findings
    }

    /// After how many people one could have stopped.
    fn stop(&self, found: &Compared<'_>) -> Option<Finding> {
        let last = found.looks.as_ref()?.last()?;
        let n = format::count(found.pair.n());
        let sentence = match found.stop() {
            _ if found.metric != self.primary() => String::new(),
            Some(stop) => format!(
                "{}: whoever looked after every agent, by intervals that allow for it, could have stopped after {} of {n} agents; \
                 at the end the always-valid interval is {} (always-valid {}).",
                found.arm,
                format::count(stop.n),
                interval(Some((last.low, last.high)), found.shown_unit()),
                format::p_statement(last.p_value)
            ),
            None => format!(
                "{}: whoever looked after every agent would not have stopped within {n} agents (always-valid {}).",
                found.arm,
                format::p_statement(last.p_value)
            ),
        };
        let id = format!("{}.stop_at", found.id(self.baseline));
        let value = found.stop().map(|stop| stop.n as f64);
        Some(Finding::new(id, "count", value, None).tested(Some(last.p_value)).said(sentence))
    }

    /// Whether the effect differs by kind of people, one finding a trait; told where it does.
    fn by_kind(&self, found: &Compared<'_>) -> Vec<Finding> {
        let adjusted = self.adjusted_q();
        let finding = |of: &ByTrait| {
            let p_value = adjusted
                .iter()
                .find(|(metric, arm, name, _)| (*metric, *arm, *name) == (found.metric, found.arm, of.name));
            let p_value = p_value.map(|(.., p)| *p);
            let is_told = found.metric == self.primary() && p_value.is_some_and(|p| p <= self.alpha());
            let id = format!("{}.heterogeneity.{}", found.id(self.baseline), of.name);
            let sentence = if is_told { self.kinds_sentence(found, of, p_value) } else { String::new() };
            Finding::new(id, "", Some(of.test.q), None).tested(p_value).said(sentence)
        };
        found.groups.iter().map(finding).collect()
    }

    fn kinds_sentence(&self, found: &Compared<'_>, of: &ByTrait, p_value: Option<f64>) -> String {
        let tiers = of.tiers.iter().map(|tier| {
            let value = tier.shrunk.map_or(tier.seen.effect, |shrunk| shrunk.effect);
            format!("{} in tier {}", format::difference(value, found.shown_unit()), tier.tier)
        });
        format!(
            "{}: the difference depends on {} ({} after Holm): {}, pulled towards each other as far as they are uncertain.",
            found.arm,
            of.name,
            format::p_statement(p_value.unwrap_or(1.0)),
            tiers.collect::<Vec<_>>().join(", ")
        )
    }

    /// P-values of all tests of heterogeneity, adjusted over all of them: (metric, arm, trait, p).
    fn adjusted_q(&self) -> Vec<(&str, &str, &str, f64)> {
        let tests: Vec<(&str, &str, &str, f64)> = self
            .with_baseline()
            .flat_map(|found| {
                found.groups.iter().map(|of| (found.metric, found.arm, of.name, of.test.p_value))
            })
            .collect();
        let adjusted = multiple::holm(&tests.iter().map(|test| test.3).collect::<Vec<f64>>());
        tests.into_iter().zip(adjusted).map(|((metric, arm, name, _), p)| (metric, arm, name, p)).collect()
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let n_people = self.compared.iter().map(|found| found.pair.n()).max().unwrap_or(0);
        let n_agents = self.evidence.population.len() as u64;
        if n_people < n_agents && self.has_copies() {
            warnings.push(format!(
                "{} agents stand for {} people. Agents of one person are one witness, so more of them say hardly more.",
                format::count(n_agents),
                format::count(n_people)
            ));
        }
        if n_people < 2 * N_MIN_MEAN {
            warnings.push(format!(
                "Only {} people: looks before the {N_MIN_MEAN}th count for nothing, and intervals by t or bootstrap are rough.",
                format::count(n_people)
            ));
        }
        for found in self.with_baseline().filter(|found| found.metric == self.primary()) {
            if found.pair.paired.std_error == 0.0 {
                warnings.push(format!(
                    "{} and {} were the same to every agent: same lists, same luck, same sessions.",
                    found.arm, found.baseline
                ));
            }
        }
        let round = self.params.round.unwrap_or(self.evidence.scenario.rounds.saturating_sub(1));
        if round > 0 && self.evidence.arms.iter().any(|arm| arm.is_refitted) {
            warnings.push(format!(
                "Round {} is looked at. Arms have learnt from their own agents by then, so agents of an arm share what it learnt \
                 and are no longer quite independent; intervals do not allow for that.",
                round + 1
            ));
        }
        let n_metrics =
            self.compared.iter().map(|found| found.metric).collect::<std::collections::BTreeSet<_>>();
        if n_metrics.len() < self.params.metrics.len() {
            warnings.push(
                "Some of the metrics cannot be shared out among agents or were not measured: left out."
                    .to_owned(),
            );
        }
        warnings
    }

    fn has_copies(&self) -> bool {
        self.evidence.population.iter().any(|agent| agent.is_copy())
    }

    fn limits(&self) -> Vec<String> {
        let order = match self.params.order {
            Order::Dealt => "in an order dealt at random",
            Order::Listed => "in the order in which they are listed",
        };
        vec![
            "Intervals speak of other people like these, not of other fits: each arm was trained once, with one seed. Replicate \
             seeds to see that luck too."
                .to_owned(),
            "Paired analyses rest on each agent meeting every arm with the same luck. No experiment with real people can do that: what \
             such an experiment would find is the unpaired or the adjusted analysis."
                .to_owned(),
            "paired_cuped is the effect on just these agents; its smaller interval says nothing about others.".to_owned(),
            format!(
                "Stopping is looked at afterwards, agents {order}, one look each, always-valid intervals tuned to {} agents. A difference \
                 seen when stopping early is on average too large. For shares the parts of each agent are taken at the final ratio.",
                format::count(self.planned())
            ),
        ]
    }

    fn planned(&self) -> u64 {
        let n_people = self.compared.iter().map(|found| found.pair.n()).max().unwrap_or(0);
        self.params.planned_agents.unwrap_or(n_people / 2)
    }
}

/// Tables.
impl Findings<'_> {
    fn pairs(&self) -> StudyTable {
        let mut table = StudyTable::new(
            "pairs",
            "All pairs of arms",
            "Paired differences, arm less baseline, with bootstrap intervals over people. Both adjustments are over all rows: Holm \
             holds the chance of any false positive, BH the share of false positives.",
            &[
                ("metric", "text"),
                ("baseline", "text"),
                ("arm", "text"),
                ("unit", "text"),
                ("n", "count"),
                ("of_baseline", ""),
                ("of_arm", ""),
                ("difference", ""),
                ("ci_low", ""),
                ("ci_high", ""),
                ("p_value", ""),
                ("p_adjusted_holm", ""),
                ("p_adjusted_bh", ""),
            ],
        );
        for found in &self.compared {
            let ci = found.bootstrap.ci;
            table.push(vec![
                found.metric.into(),
                found.baseline.into(),
                found.arm.into(),
                found.unit.into(),
                (found.pair.n() as f64).into(),
                found.pair.values.0.into(),
                found.pair.values.1.into(),
                found.bootstrap.value.into(),
                ci.map(|ci| ci.0).into(),
                ci.map(|ci| ci.1).into(),
                found.pair.paired.p_value().into(),
                found.p_holm.into(),
                found.p_bh.into(),
            ]);
        }
        table
    }

    fn designs(&self) -> StudyTable {
        let mut table = StudyTable::new(
            "designs",
            "The same sessions in four analyses",
            "unpaired: as if each arm had people of its own (Welch). cuped: that, adjusted with what was known beforehand. paired: each \
             person's own difference. paired_cuped: the same for just these people. variance_reduction is against unpaired; mde is what \
             so many agents find with the run's power, agents_needed how many the wanted effect takes (an arm, where unpaired).",
            &[
                ("metric", "text"),
                ("arm", "text"),
                ("design", "text"),
                ("unit", "text"),
                ("difference", ""),
                ("ci_low", ""),
                ("ci_high", ""),
                ("p_value", ""),
                ("variance_reduction", "share"),
                ("mde", ""),
                ("agents_needed", "count"),
            ],
        );
        let (alpha, power) = (self.alpha(), self.evidence.statistics.power);
        for found in self.with_baseline() {
            let effect = self.params.effect * found.pair.values.0.abs();
            for design in Design::ALL {
                let estimate = found.pair.estimate(design);
                let [difference, low, high] = cells(estimate, self.confidence());
                let mde = found.pair.minimum_detectable_effect(design, found.pair.n(), alpha, power);
                table.push(vec![
                    found.metric.into(),
                    found.arm.into(),
                    design.name().into(),
                    found.unit.into(),
                    difference,
                    low,
                    high,
                    estimate.and_then(|estimate| estimate.p_value()).into(),
                    found.pair.variance_reduction(design).into(),
                    mde.into(),
                    found.needed(design, effect, self).map(|n| n as f64).into(),
                ]);
            }
        }
        table
    }

    fn stops(&self) -> StudyTable {
        let mut table = StudyTable::new(
            "stopping",
            "Looking after every agent",
            "Always-valid intervals and p-values (mixture sequential tests of the paired differences) hold at every look, so the run could \
             have ended at could_stop_at: there the interval excluded no difference. Empty: it never did.",
            &[
                ("metric", "text"),
                ("arm", "text"),
                ("unit", "text"),
                ("n", "count"),
                ("could_stop_at", "count"),
                ("difference_then", ""),
                ("difference", ""),
                ("always_low", ""),
                ("always_high", ""),
                ("p_value_always", ""),
            ],
        );
        for found in self.with_baseline() {
            let Some(last) = found.looks.as_ref().and_then(|looks| looks.last()) else { continue };
            let stop = found.stop();
            table.push(vec![
                found.metric.into(),
                found.arm.into(),
                found.unit.into(),
                (last.n as f64).into(),
                stop.map(|stop| stop.n as f64).into(),
                stop.map(|stop| stop.effect).into(),
                last.effect.into(),
                last.low.into(),
                last.high.into(),
                last.p_value.into(),
            ]);
        }
        table
    }

    fn tiers(&self) -> StudyTable {
        let mut table = StudyTable::new(
            "tiers",
            "By kind of people",
            "Paired differences within tiers (1 = low). shrunk is pulled towards the other tiers of the trait as far as they are uncertain \
             (normal-normal model, averaged over how much tiers may differ). q tests that all tiers are alike; its p-values are \
             adjusted over all tests in this table.",
            &[
                ("metric", "text"),
                ("arm", "text"),
                ("trait", "text"),
                ("tier", "text"),
                ("n", "count"),
                ("difference", ""),
                ("std_error", ""),
                ("shrunk", ""),
                ("shrunk_low", ""),
                ("shrunk_high", ""),
                ("q", ""),
                ("p_value_q", ""),
                ("p_adjusted_q", ""),
            ],
        );
        let adjusted = self.adjusted_q();
        for found in self.with_baseline() {
            for of in &found.groups {
                let known = |(metric, arm, name, _): &&(&str, &str, &str, f64)| {
                    (*metric, *arm, *name) == (found.metric, found.arm, of.name)
                };
                let p_adjusted = adjusted.iter().find(known).map(|(.., p)| *p);
                for tier in &of.tiers {
                    table.push(vec![
                        found.metric.into(),
                        found.arm.into(),
                        of.name.into(),
                        tier.tier.to_string().into(),
                        (tier.n as f64).into(),
                        tier.seen.effect.into(),
                        tier.seen.std_error.into(),
                        tier.shrunk.map(|shrunk| shrunk.effect).into(),
                        tier.shrunk.map(|shrunk| shrunk.low).into(),
                        tier.shrunk.map(|shrunk| shrunk.high).into(),
                        of.test.q.into(),
                        of.test.p_value.into(),
                        p_adjusted.into(),
                    ]);
                }
            }
        }
        table
    }
}

/// Charts, of the deciding metric.
impl Findings<'_> {
    fn axis(&self) -> Option<Axis> {
        let first = self.compared.first()?;
        let label = format!("{}: difference from {}", labels::heading(first.metric), self.baseline);
        Some(Axis::new(&label, first.shown_unit()))
    }

    fn forest(&self) -> Option<Chart> {
        let mut rows = Vec::new();
        for found in self.primary_with_baseline() {
            let mut row = |label: &str, value: f64, ends: Ends| {
                rows.push(IntervalRow {
                    group: found.arm.to_owned(),
                    label: label.to_owned(),
                    arm: Some(found.arm.to_owned()),
                    value,
                    low: ends.map(|ends| ends.0),
                    high: ends.map(|ends| ends.1),
                    is_open: !ends.is_some_and(|(low, high)| low > 0.0 || high < 0.0),
                });
            };
            let names = [
                (Design::Unpaired, "different people"),
                (Design::Adjusted, "different people, adjusted"),
                (Design::Paired, "paired"),
            ];
            for (design, name) in names {
                let Some(estimate) = found.pair.estimate(design) else { continue };
                row(name, estimate.difference, estimate.interval(self.confidence()));
            }
            let last =
                found.looks.as_ref().and_then(|looks| looks.last()).filter(|look| look.low.is_finite());
            if let Some(last) = last {
                row("paired, always valid", last.effect, Some((last.low, last.high)));
            }
        }
        Some(Chart {
            name: "designs".to_owned(),
            title: format!("{}: four intervals from the same sessions", labels::heading(self.primary())),
            help: "Shorter is more certain. What is hollow does not exclude no difference.".to_owned(),
            data: ChartData::Intervals { x: self.axis()?, reference: Some(0.0), rows },
        })
    }

    fn watched(&self) -> Option<Chart> {
        let mut series: Vec<Series> = Vec::new();
        let (mut first, mut last) = (f64::INFINITY, 0.0f64);
        for found in self.primary_with_baseline() {
            let points = drawn(found.looks.as_deref().unwrap_or_default());
            if let (Some(from), Some(to)) = (points.first(), points.last()) {
                (first, last) = (first.min(from.x), last.max(to.x));
                series.push(Series { name: found.arm.to_owned(), arm: Some(found.arm.to_owned()), points });
            }
        }
        if series.is_empty() {
            return None;
        }
        let zero = |x: f64| Point { x, y: 0.0, low: None, high: None };
        series.push(Series {
            name: "no difference".to_owned(),
            arm: None,
            points: vec![zero(first), zero(last)],
        });
        Some(Chart {
            name: "watched".to_owned(),
            title: format!("{}: what is known after so many agents", labels::heading(self.primary())),
            help: "Bands are always-valid intervals: one may stop where a band first leaves no difference behind. Looks with much wider \
                   bands than the last are left out."
                .to_owned(),
            data: ChartData::Lines { x: Axis::new("agents", ""), y: self.axis()?, series },
        })
    }
}

/// The looks that are drawn: evenly many, from where the interval is narrow enough to be seen with the last.
fn drawn(looks: &[Look]) -> Vec<Point> {
    let Some(last) = looks.last() else { return Vec::new() };
    let half = last.high - last.effect;
    let is_drawn = |look: &Look| look.high - look.effect <= WIDTHS_DRAWN * half;
    let from = looks.iter().position(|look| look.high.is_finite() && is_drawn(look));
    let Some(from) = from.filter(|_| half.is_finite()) else { return Vec::new() };
    let drawn = &looks[from..];
    let n = drawn.len().min(N_POINTS);
    let place = |nth: usize| if n < 2 { 0 } else { nth * (drawn.len() - 1) / (n - 1) };
    let point =
        |look: &Look| Point { x: look.n as f64, y: look.effect, low: Some(look.low), high: Some(look.high) };
    (0..n).map(|nth| point(&drawn[place(nth)])).collect()
}

/// Difference and ends of its interval.
fn cells(estimate: Option<Estimate>, confidence: f64) -> [Cell; 3] {
    let ends = estimate.and_then(|estimate| estimate.interval(confidence));
    [estimate.map(|estimate| estimate.difference), ends.map(|ends| ends.0), ends.map(|ends| ends.1)]
        .map(Cell::from)
}

/// `0.25 to 0.37`.
fn interval(ends: Ends, unit: &str) -> String {
    let percent = if unit == "share" { "\u{202f}pp" } else { "" };
    ends.map_or(format::UNKNOWN.to_owned(), |(low, high)| {
        format!("{}{percent}", format::interval(low, high, unit).replace(" … ", " to "))
    })
}
