//! Fairness as calibration: how far is the mix that people are shown from that of their own history, for whom most, and
//! what do rerankers that mend it buy, and at what cost?
//!
//! Two mixes, each held against that of the person's training interactions by the Kullback–Leibler divergence of
//! Steck (RecSys 2018, equation 3): that of genres (the metric `calibration_kl`), and that of head, middle and tail of
//! the catalogue (Abdollahpouri, Mansoury, Burke, Mobasher and Malthouse, UMAP 2021, who use the Jensen–Shannon
//! divergence). Beside them stand diversity, items watched and satisfaction. An arm that reorders another is
//! compared with that one, paired by agent, over everybody and by tier. Looks at the last round. Must not know
//! recommenders.

use super::contrast::{Contrast, contrast};
use super::rounds::told;
use super::{Axis, Chart, ChartData, Evidence, IntervalRow, Study, StudyError, StudyKind, StudyTable, Told};
use crate::dataset::popularity;
use crate::id::AgentId;
use crate::metric::calibration::divergence;
use crate::metric::{Agent, Sample};
use crate::report::format;
use crate::scenario::params::{self, Complaint};
use crate::stats::multiple::adjust;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind `fairness`.
pub struct Fairness;

const NAME: &str = "fairness";

/// Tiers of a trait.
const N_TIERS: u8 = 3;

/// Of which trait tiers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trait {
    /// How much people interact.
    Activity,
    /// How many genres they care for.
    #[default]
    Diversity,
    /// How near their ratings are to everybody's.
    Conformity,
}

impl Trait {
    fn tier(self, agent: Agent<'_>) -> u8 {
        match self {
            Trait::Activity => agent.activity(),
            Trait::Diversity => agent.diversity(),
            Trait::Conformity => agent.conformity(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Trait::Activity => "activity",
            Trait::Diversity => "diversity",
            Trait::Conformity => "conformity",
        }
    }
}

/// Parameters.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FairnessParams {
    /// Whose tiers are told apart: `activity`, `diversity` or `conformity`.
    pub tiers: Trait,
}

/// Something that is looked at.
struct Quantity {
    /// Its name in findings and tables.
    name: &'static str,
    /// The metric that it is, where it is one.
    metric: Option<&'static str>,
    unit: &'static str,
    heading: &'static str,
    /// What more of it is, and less.
    more: &'static str,
    less: &'static str,
    is_more_better: bool,
}

/// All, the two mixes first.
const QUANTITIES: [Quantity; 5] = [
    Quantity {
        name: "genre_kl",
        metric: Some("calibration_kl"),
        unit: "nats",
        heading: "Distance of the genre mix",
        more: "a genre mix further from people's own",
        less: "a genre mix nearer to people's own",
        is_more_better: false,
    },
    Quantity {
        name: "popularity_kl",
        metric: None,
        unit: "nats",
        heading: "Distance of the popularity mix",
        more: "a popularity mix further from people's own",
        less: "a popularity mix nearer to people's own",
        is_more_better: false,
    },
    Quantity {
        name: "intra_list_distance",
        metric: Some("intra_list_distance"),
        unit: "index",
        heading: "Intra-list distance",
        more: "more diverse sessions",
        less: "less diverse sessions",
        is_more_better: true,
    },
    Quantity {
        name: "p_view",
        metric: Some("p_view"),
        unit: "share",
        heading: "Items watched",
        more: "more watched",
        less: "less watched",
        is_more_better: true,
    },
    Quantity {
        name: "s_sat",
        metric: Some("s_sat"),
        unit: "score",
        heading: "Satisfaction",
        more: "more satisfaction",
        less: "less satisfaction",
        is_more_better: true,
    },
];

impl StudyKind for Fairness {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "how far is what people are shown from the mix of their own history, and what do rerankers that mend it cost?"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(FairnessParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Study>, Complaint> {
        Ok(Box::new(params::parse::<FairnessParams>(at, table)?))
    }
}

impl Study for FairnessParams {
    fn tell(&self, evidence: &Evidence<'_>) -> Result<Told, StudyError> {
        let groups = Groups::new(evidence, self.tiers);
        let arms =
            (0..evidence.arms.len()).map(|arm| samples(evidence, arm)).collect::<Result<Vec<_>, _>>()?;
        let bought = bought(evidence, &arms, &groups);
        let is_reranked = !bought.is_empty();
        let mut warnings = Vec::new();
        if !is_reranked {
            warnings.push(
                "No arm reorders another here, so that nothing is mended: see `calibrated`, `mmr` and `dpp`."
                    .into(),
            );
        }
        let levels = levels(evidence, &arms, &groups);
        let answer = if is_reranked { answer(&bought) } else { answer_of_levels(&levels) };
        Ok(Told {
            question: "Are people shown the mix of their own history, and what does mending it buy and cost?".into(),
            answer,
            findings: findings(&bought, &levels),
            warnings,
            limits: vec![
                "The mix of somebody's history is taken for what they want to be shown; it is what they found, and was \
                 itself shaped by what was easy to find."
                    .to_owned(),
                "Satisfaction is that of agents. Whether people feel a list to be fairer cannot be seen here.".to_owned(),
                format!("Tiers of {} are cut within this population; a tier is no group under protection.", self.tiers.name()),
            ],
            tables: vec![table_of_levels(&levels, self.tiers), table_of_bought(evidence, &bought)],
            charts: charts(&bought, &levels),
            ..Told::default()
        })
    }
}

/// Who is in which group: everybody, and each tier.
struct Groups {
    /// A name, and a sample of those who are in it; its values mean nothing.
    groups: Vec<(String, Sample)>,
}

impl Groups {
    fn new(evidence: &Evidence<'_>, tiers: Trait) -> Self {
        let of = |is_in: &dyn Fn(Agent<'_>) -> bool| {
            let mut sample = Sample::default();
            let within = (0..).zip(evidence.population.iter()).filter(|(_, agent)| is_in(*agent));
            within.for_each(|(agent, _)| sample.push(AgentId(agent), 0.0));
            sample
        };
        let mut groups = vec![("everybody".to_owned(), of(&|_| true))];
        for tier in 1..=N_TIERS {
            groups.push((format!("{} {tier}", tiers.name()), of(&|agent| tiers.tier(agent) == tier)));
        }
        groups.retain(|(_, sample)| !sample.is_empty());
        Groups { groups }
    }
}

/// What each agent contributes to each quantity of an arm in the last round; agents of one person are one.
fn samples(evidence: &Evidence<'_>, arm: usize) -> Result<Vec<Option<Sample>>, StudyError> {
    let last = evidence.scenario.rounds.saturating_sub(1);
    let counts: Vec<u32> = evidence.catalogue.items.iter().map(|item| item.n_train).collect();
    let groups = popularity::groups(&counts);
    let mut popularity_kl = Sample::default();
    evidence.for_each_session(arm, &mut |session| {
        let wanted = &evidence.population.person(session.agent).popularity_shares;
        let shown = popularity::counts(&groups, session.slots().map(|slot| slot.item));
        let total: f64 = shown.iter().sum();
        if session.round == last && total > 0.0 && wanted.iter().any(|&share| share > 0.0) {
            popularity_kl.push(session.agent, divergence(wanted, &shown, total));
        }
    })?;
    let popularity_kl = popularity_kl.sorted().clustered(|agent| evidence.population.witness(agent));
    let name = &evidence.arms[arm].name;
    let of = |quantity: &Quantity| match quantity.metric {
        Some(metric) => evidence.measured(name, last, metric).and_then(|measured| measured.sample.clone()),
        None => Some(popularity_kl.clone()),
    };
    Ok(QUANTITIES.iter().map(of).collect())
}

/// A quantity of an arm in a group.
struct Level {
    arm: String,
    group: String,
    quantity: &'static Quantity,
    found: Contrast,
}

/// A quantity of an arm that reorders another, less that of the other, in a group.
struct Bought {
    arm: String,
    wraps: String,
    group: String,
    quantity: &'static Quantity,
    /// Before, after.
    values: (f64, f64),
    change: Contrast,
}

impl Bought {
    fn is_of_everybody(&self) -> bool {
        self.group == "everybody"
    }

    fn is_better(&self) -> bool {
        (self.change.value > 0.0) == self.quantity.is_more_better
    }

    /// `a genre mix nearer to people's own (−0.42, interval … )`.
    fn told(&self) -> String {
        let words = if self.change.value > 0.0 { self.quantity.more } else { self.quantity.less };
        format!("{words} ({}{})", told(&self.change, self.quantity.unit), nats(self.quantity.unit))
    }
}

fn nats(unit: &str) -> &'static str {
    if unit == "nats" { " nats" } else { "" }
}

fn levels(evidence: &Evidence<'_>, arms: &[Vec<Option<Sample>>], groups: &Groups) -> Vec<Level> {
    let (params, streams) = (evidence.statistics, &evidence.streams);
    let mut levels = Vec::new();
    for (arm, samples) in evidence.arms.iter().zip(arms) {
        for (group, members) in &groups.groups {
            for (quantity, sample) in QUANTITIES.iter().zip(samples) {
                // A term of weight 0 leaves those who are in the group.
                let terms = |sample| contrast(&[(1.0, sample), (0.0, members)], params, streams);
                if let Some(found) = sample.as_ref().and_then(terms) {
                    levels.push(Level { arm: arm.name.clone(), group: group.clone(), quantity, found });
                }
            }
        }
    }
    levels
}

fn bought(evidence: &Evidence<'_>, arms: &[Vec<Option<Sample>>], groups: &Groups) -> Vec<Bought> {
    let (params, streams) = (evidence.statistics, &evidence.streams);
    let mut bought = Vec::new();
    for (arm, samples) in evidence.arms.iter().zip(arms) {
        let Some(wraps) = &arm.wraps else { continue };
        let Some(inner) = evidence.arm(wraps) else { continue };
        for (group, members) in &groups.groups {
            for (at, quantity) in QUANTITIES.iter().enumerate() {
                let (Some(after), Some(before)) = (&samples[at], &arms[inner][at]) else { continue };
                // Terms of weight 0 leave those who are in the group and have both values.
                let of = |terms: [f64; 2]| {
                    contrast(&[(terms[0], after), (terms[1], before), (0.0, members)], params, streams)
                };
                let (Some(change), Some(was), Some(is)) = (of([1.0, -1.0]), of([0.0, 1.0]), of([1.0, 0.0]))
                else {
                    continue;
                };
                bought.push(Bought {
                    arm: arm.name.clone(),
                    wraps: wraps.clone(),
                    group: group.clone(),
                    quantity,
                    values: (was.value, is.value),
                    change,
                });
            }
        }
    }
    bought
}

/// For each arm that reorders another, what is shown to be better and what worse.
fn answer(bought: &[Bought]) -> String {
    let of_all: Vec<&Bought> = bought.iter().filter(|bought| bought.is_of_everybody()).collect();
    let sentence = |own: &[&Bought]| {
        let listed = |is_better: bool| {
            let shown = own.iter().filter(|b| b.change.is_shown() && b.is_better() == is_better);
            let listed: Vec<String> = shown.map(|b| b.told()).collect();
            (!listed.is_empty()).then(|| listed.join(", "))
        };
        let verdict = match (listed(true), listed(false)) {
            (Some(better), Some(worse)) => format!("buys {better}, at the price of {worse}"),
            (Some(better), None) => format!("buys {better}, at no cost that can be shown"),
            (None, Some(worse)) => format!("buys nothing that can be shown, at the price of {worse}"),
            (None, None) => "changes nothing that can be shown".to_owned(),
        };
        format!("{} instead of {} {verdict}.", own[0].arm, own[0].wraps)
    };
    of_all.chunk_by(|a, b| a.arm == b.arm).map(sentence).collect::<Vec<_>>().join(" ")
}

/// How far each arm is from people's own genres.
fn answer_of_levels(levels: &[Level]) -> String {
    let own = levels.iter().filter(|l| l.group == "everybody" && l.quantity.name == "genre_kl");
    let told = own.map(|level| {
        let ci = level.found.ci.map(|(low, high)| format!(" ({})", format::interval(low, high, "nats")));
        format!("{} {}{}", level.arm, format::number(level.found.value), ci.unwrap_or_default())
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() {
        return "Nothing could be measured: no genres are known, or nobody has a history.".to_owned();
    }
    format!("Distance of the genres shown from people's own, in nats: {}.", told.join(", "))
}

fn findings(bought: &[Bought], levels: &[Level]) -> Vec<super::Finding> {
    let slug = |group: &str| {
        if group == "everybody" { String::new() } else { format!(".{}", group.replace(' ', "_")) }
    };
    let changes = bought.iter().map(|bought| {
        let Bought { arm, wraps, group, quantity, values, change } = bought;
        let unit = quantity.unit;
        let found = change.finding(format!("{arm}.{}.change{}", quantity.name, slug(group)), unit);
        if !bought.is_of_everybody() {
            // Those of tiers are in the table and the charts.
            return found;
        }
        found.said(format!(
            "{arm} instead of {wraps}: {} from {} to {} ({}{}{}).",
            quantity.heading,
            format::value(values.0, unit),
            format::value(values.1, unit),
            told(change, unit),
            nats(unit),
            if change.is_shown() { "" } else { ", which could be chance" }
        ))
    });
    let levels = levels.iter().map(|level| {
        let id = format!("{}.{}{}", level.arm, level.quantity.name, slug(&level.group));
        // The test of a level against nothing is of no interest.
        level.found.finding(id, level.quantity.unit).tested(None)
    });
    changes.chain(levels).collect()
}

fn table_of_levels(levels: &[Level], tiers: Trait) -> StudyTable {
    let mut columns = vec![("arm", "text"), ("people", "text")];
    columns.extend(QUANTITIES.iter().map(|quantity| (quantity.name, quantity.unit)));
    let help = format!(
        "Distances are Kullback–Leibler divergences from the mix of people's own history, in nats: 0 is the same mix. Tiers of {} go \
         from the lowest, 1.",
        tiers.name()
    );
    let mut table = StudyTable::new("levels", "What people are shown, and how they take it", &help, &columns);
    for own in levels.chunk_by(|a, b| (&a.arm, &a.group) == (&b.arm, &b.group)) {
        let of = |quantity: &Quantity| {
            own.iter().find(|level| level.quantity.name == quantity.name).map(|level| level.found.value)
        };
        let mut row = vec![own[0].arm.as_str().into(), own[0].group.as_str().into()];
        row.extend(QUANTITIES.iter().map(|quantity| of(quantity).into()));
        table.push(row);
    }
    table
}

fn table_of_bought(evidence: &Evidence<'_>, bought: &[Bought]) -> StudyTable {
    let mut table = StudyTable::new(
        "bought",
        "Each reordered arm against the arm it reorders",
        "Paired by agent; p-values are adjusted over all rows that have one.",
        &[
            ("arm", "text"),
            ("instead_of", "text"),
            ("people", "text"),
            ("quantity", "text"),
            ("before", ""),
            ("after", ""),
            ("change", ""),
            ("ci_low", ""),
            ("ci_high", ""),
            ("p_adjusted", ""),
            ("n", "count"),
        ],
    );
    let p_values: Vec<f64> = bought.iter().filter_map(|bought| bought.change.p_value).collect();
    let mut adjusted = adjust(&p_values, evidence.statistics.adjust).into_iter();
    for bought in bought {
        let Bought { arm, wraps, group, quantity, values, change } = bought;
        let p_adjusted = change.p_value.and_then(|_| adjusted.next());
        table.push(vec![
            arm.as_str().into(),
            wraps.as_str().into(),
            group.as_str().into(),
            quantity.name.into(),
            values.0.into(),
            values.1.into(),
            change.value.into(),
            change.ci.map(|(low, _)| low).into(),
            change.ci.map(|(_, high)| high).into(),
            p_adjusted.into(),
            (change.n as f64).into(),
        ]);
    }
    table
}

/// A chart a quantity: changes where an arm reorders another, levels otherwise.
fn charts(bought: &[Bought], levels: &[Level]) -> Vec<Chart> {
    let row = |arm: &str, group: &str, found: &Contrast, is_open: bool| IntervalRow {
        group: arm.to_owned(),
        label: group.to_owned(),
        arm: Some(arm.to_owned()),
        value: found.value,
        low: found.ci.map(|(low, _)| low),
        high: found.ci.map(|(_, high)| high),
        is_open,
    };
    let chart = |quantity: &'static Quantity| {
        let changes = bought.iter().filter(|bought| bought.quantity.name == quantity.name);
        let changes = changes.map(|b| row(&b.arm, &b.group, &b.change, !b.change.is_shown()));
        let mut rows: Vec<IntervalRow> = changes.collect();
        let (help, reference) = if rows.is_empty() {
            ("By arm, with intervals.", None)
        } else {
            (
                "Less that of the arm that is reordered, paired by agent; hollow where it could be chance.",
                Some(0.0),
            )
        };
        if rows.is_empty() {
            let own = levels.iter().filter(|level| level.quantity.name == quantity.name);
            rows.extend(own.map(|level| row(&level.arm, &level.group, &level.found, false)));
        }
        let (what, title) = match reference {
            Some(_) => ("change", format!("{}: change", quantity.heading)),
            None => ("value", quantity.heading.to_owned()),
        };
        (!rows.is_empty()).then(|| Chart {
            name: quantity.name.to_owned(),
            title,
            help: help.to_owned(),
            data: ChartData::Intervals { x: Axis::new(what, quantity.unit), reference, rows },
        })
    };
    QUANTITIES.iter().filter_map(chart).collect()
}
