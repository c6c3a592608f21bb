//! Popularity bias: how much more popular than people's own taste is what they are shown, how evenly are items shown, and
//! which people does it concern most?
//!
//! Popularity lift is that of group averages (GAP; Abdollahpouri, Mansoury, Burke and Mobasher 2019, "The unfairness
//! of popularity bias in recommendation"; the same authors 2020, "The connection between popularity bias, calibration,
//! and fairness in recommendation"): the mean popularity of what each person is shown over that of the person's
//! profile, less 1, both averaged over the people of a group. Exposure is told by its Gini index and by the share of
//! the long tail. Must not know recommenders.
//!
//! Groups follow the first paper: people in the order of the share of popular items in their profiles; the lowest
//! 20 % are *niche*, the highest 20 % *blockbuster*, the rest *diverse*. There, popular items are the 20 % most rated;
//! here they are the head of [`crate::metric::groups`] (most popular items with 80 % of the training interactions), so
//! that head and tail mean one thing in a report.

use super::grouped::{Grouped, Part};
use super::{Evidence, Finding, Study, StudyError, StudyKind, StudyTable, Told};
use crate::event::Session;
use crate::metric::exposure::Exposures;
use crate::metric::groups::{Group, Groups};
use crate::metric::{Measure, Population, Sample};
use crate::scenario::params::{self, Complaint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind `popularity_bias`.
pub struct PopularityBias;

const NAME: &str = "popularity_bias";

/// One person in this many is niche, and one blockbuster: 20 %.
const EDGE_ONE_IN: usize = 5;

/// Everybody, and the groups of people.
const ALL: &str = "all";
const GROUPS: [&str; 3] = ["niche", "diverse", "blockbuster"];

static LIFT: Measure = Measure {
    name: "popularity_lift",
    unit: "ratio",
    better: None,
    about: "(popularity of what is shown − popularity of the profiles) / popularity of the profiles (GAP)",
};
static WATCHED_LIFT: Measure = Measure {
    name: "watched_lift",
    unit: "ratio",
    better: None,
    about: "the same of what is watched, among people who watch anything",
};
static TAIL_SHARE: Measure =
    Measure { name: "tail_share", unit: "share", better: None, about: "items of the tail / items shown" };
static GINI: Measure = Measure {
    name: "exposure_gini",
    unit: "share",
    better: None,
    about: "Gini index of the number of times an item was shown to the group, items never shown included",
};
static SATISFACTION: Measure =
    Measure { name: "s_sat", unit: "score", better: Some(true), about: "interview score, mean over agents" };

/// Parameters: none yet.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PopularityBiasParams {}

impl StudyKind for PopularityBias {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "is what people are shown more popular than their taste, and for whom? lift, Gini and long tail by user group"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(PopularityBiasParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Study>, Complaint> {
        Ok(Box::new(params::parse::<PopularityBiasParams>(at, table)?))
    }
}

/// The group of every agent, by its place in [`GROUPS`]; `None` where the person has no profile.
fn group_of(population: &Population) -> Vec<Option<usize>> {
    let people = population.people();
    let mut persons: Vec<usize> = (0..people.len()).filter(|&person| people[person].n_train > 0).collect();
    let share = |person: usize| people[person].head_share();
    // Of equal shares, whoever comes first in the population comes first.
    persons.sort_by(|&a, &b| share(a).total_cmp(&share(b)).then(a.cmp(&b)));
    let n_edge = persons.len() / EDGE_ONE_IN;
    let mut groups = vec![None; people.len()];
    for (rank, &person) in persons.iter().enumerate() {
        let is_high = rank >= persons.len() - n_edge;
        groups[person] = Some(if rank < n_edge { 0 } else { 1 + usize::from(is_high) });
    }
    population.records().iter().map(|agent| groups[agent.person as usize]).collect()
}

/// What is gathered of one group.
#[derive(Default)]
struct Accumulator {
    lift: Sample,
    watched_lift: Sample,
    tail: Sample,
    satisfaction: Sample,
    exposures: Exposures,
}

impl Accumulator {
    fn observe(&mut self, session: &Session, evidence: &Evidence<'_>, groups: &Groups) {
        let (agent, items) = (session.agent, &evidence.catalogue.items);
        let profile = f64::from(evidence.population.person(agent).mean_popularity);
        let mean = |only_watched: bool| {
            let slots = session.slots().filter(|slot| slot.watched || !only_watched);
            let (n, sum) = slots.fold((0.0, 0.0), |(n, sum), slot| {
                (n + 1.0, sum + f64::from(items[slot.item.idx()].n_train))
            });
            (n > 0.0).then(|| sum / n)
        };
        for (sample, popularity) in [(&mut self.lift, mean(false)), (&mut self.watched_lift, mean(true))] {
            if let Some(popularity) = popularity {
                sample.push_ratio(agent, popularity - profile, profile);
            }
        }
        let n_tail = session.slots().filter(|slot| groups.of(slot.item) == Group::Tail).count();
        self.tail.push_ratio(agent, n_tail as f64, session.n_shown() as f64);
        if let Some(satisfaction) = session.satisfaction {
            self.satisfaction.push(agent, f64::from(satisfaction));
        }
        self.exposures.observe(evidence.population.witness(agent), session, items.len());
    }

    fn parts(mut self, group: &str) -> Vec<Part> {
        let part = |(measure, sample)| Part { group: group.to_owned(), measure, sample };
        let gini = self.exposures.gini().finish();
        [
            (&LIFT, self.lift),
            (&WATCHED_LIFT, self.watched_lift),
            (&TAIL_SHARE, self.tail),
            (&GINI, gini),
            (&SATISFACTION, self.satisfaction),
        ]
        .map(part)
        .into()
    }
}

impl Study for PopularityBiasParams {
    fn tell(&self, evidence: &Evidence<'_>) -> Result<Told, StudyError> {
        let counts: Vec<u32> = evidence.catalogue.items.iter().map(|item| item.n_train).collect();
        let groups = Groups::new(&counts);
        let of_agent = group_of(evidence.population);
        let last = evidence.scenario.rounds.saturating_sub(1);
        let mut parts = Vec::new();
        for arm in 0..evidence.arms.len() {
            let mut all = Accumulator::default();
            let mut of_group: [Accumulator; 3] = Default::default();
            evidence.for_each_session(arm, &mut |session| {
                if session.round == last {
                    all.observe(session, evidence, &groups);
                    if let Some(group) = of_agent[session.agent.idx()] {
                        of_group[group].observe(session, evidence, &groups);
                    }
                }
            })?;
            let of_groups = GROUPS.iter().zip(of_group).flat_map(|(group, found)| found.parts(group));
            parts.push(all.parts(ALL).into_iter().chain(of_groups).collect());
        }
        let found = Found { evidence, grouped: Grouped::new(evidence, parts), of_agent };
        if evidence.arms.iter().all(|arm| found.grouped.value(&arm.name, &LIFT, ALL).is_none()) {
            return Err(StudyError::Unanswerable {
                study: NAME.to_owned(),
                problem: "nobody who was shown anything has a profile in training".to_owned(),
            });
        }
        Ok(found.told(last))
    }
}

/// Everything found, before it is told.
struct Found<'a> {
    evidence: &'a Evidence<'a>,
    grouped: Grouped<'a>,
    of_agent: Vec<Option<usize>>,
}

impl Found<'_> {
    fn told(&self, last: u32) -> Told {
        let headings: Vec<(&str, String)> =
            [ALL].iter().chain(&GROUPS).map(|g| (*g, format!("{g} people"))).collect();
        let lift = (
            "Popularity lift",
            "How much more popular than their profiles what people are shown is: 0 is as popular, 1 twice as popular.",
        );
        let tail = (
            "Share of the long tail",
            "Of what is shown, how much is of the least popular items that have 20 % of the training interactions together.",
        );
        let mut warnings = Vec::new();
        if last > 0 {
            warnings.push(format!(
                "Told of the last round ({last}) alone; popularity is that of the first round's training set."
            ));
        }
        let n_strangers = self.of_agent.iter().filter(|group| group.is_none()).count();
        if n_strangers > 0 {
            warnings.push(format!("{n_strangers} agents have nothing in training, so no lift and no group."));
        }
        Told {
            question: "Is what people are shown more popular than what they like, and for whom most?".to_owned(),
            answer: self.answer(),
            findings: self.evidence.arms.iter().flat_map(|arm| self.findings(&arm.name)).collect(),
            warnings,
            limits: vec![
                "Popularity is how often an item is in the training data: what was shown much before was also watched much."
                    .to_owned(),
                "Groups differ in size, and the Gini index of few people is higher for that alone: compare arms within a \
                 group, not groups with each other. Niche profiles are unpopular by their making, so the same list lifts them \
                 more; how much more depends on the arm."
                    .to_owned(),
            ],
            tables: vec![
                self.people(),
                self.grouped.table("Popularity bias by group of people", "Against the baseline: paired by person; p-values are adjusted over an arm's rows."),
            ],
            charts: vec![
                self.grouped.chart(lift, &LIFT, &headings),
                self.grouped.chart(tail, &TAIL_SHARE, &headings),
            ],
            ..Told::default()
        }
    }

    /// Arm by arm: the lift, and how much greater it is for niche people.
    fn answer(&self) -> String {
        let sentence = |arm: &str| {
            let lift = self.grouped.value(arm, &LIFT, ALL)?;
            let verdict = match (lift.is_shown(), lift.value > 0.0) {
                (true, true) => "shows more popular items than people's profiles hold",
                (true, false) => "shows less popular items than people's profiles hold",
                (false, _) => "shows items about as popular as people's profiles hold",
            };
            let of = |group| self.grouped.value(arm, &LIFT, group).map(|told| told.signed("ratio"));
            let groups = of(GROUPS[0]).zip(of(GROUPS[2]));
            let groups = groups.map_or(String::new(), |(niche, blockbuster)| {
                format!("; niche people {niche}, blockbuster people {blockbuster}")
            });
            Some(format!("{arm} {verdict}: lift {}{groups}.", lift.signed("ratio")))
        };
        let sentences: Vec<String> =
            self.evidence.arms.iter().filter_map(|arm| sentence(&arm.name)).collect();
        format!("{} A lift of 0 is as popular as the profiles, of 1 twice as popular.", sentences.join(" "))
    }

    fn findings(&self, arm: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        let is_baseline = arm == self.evidence.baseline();
        for measure in [&LIFT, &WATCHED_LIFT, &TAIL_SHARE, &GINI] {
            for group in
                [ALL].iter().chain(&GROUPS).filter(|group| **group == ALL || measure.name == LIFT.name)
            {
                let what = format!("{arm}, {group} people: {}", spoken(measure));
                if let Some(told) = self.grouped.value(arm, measure, group) {
                    let id = format!("{arm}.{}.{group}", measure.name);
                    findings.push(
                        told.finding(id, measure.unit)
                            .said(format!("{what} is {}.", told.text(measure.unit))),
                    );
                }
                let is_told = !is_baseline && *group == ALL;
                let against = self.grouped.against_baseline(arm, measure, group).filter(|_| is_told);
                if let Some(told) = against {
                    let id = format!("{arm}.{}.{group}.against_baseline", measure.name);
                    let (by, baseline) = (told.signed(measure.unit), self.evidence.baseline());
                    findings.push(
                        told.finding(id, measure.unit).said(format!("{what}, against {baseline}: {by}.")),
                    );
                }
            }
        }
        for measure in [&LIFT, &SATISFACTION] {
            if let Some(gap) = self.grouped.gap(arm, measure, (GROUPS[0], GROUPS[2])) {
                let id = format!("{arm}.{}.niche_less_blockbuster", measure.name);
                let told = format!(
                    "{arm}: {} for niche people less that for blockbuster people is {}.",
                    spoken(measure),
                    gap.signed(measure.unit)
                );
                findings.push(gap.finding(id, measure.unit).said(told));
            }
        }
        findings
    }

    /// Who is in which group.
    fn people(&self) -> StudyTable {
        let mut table = StudyTable::new(
            "people",
            "Groups of people",
            "By the share of head items in the training profile: lowest 20 %, middle 60 %, highest 20 % of people. \
             Popularity is training interactions an item.",
            &[("group", "text"), ("people", ""), ("head_share", "share"), ("profile_popularity", "")],
        );
        for (place, group) in GROUPS.iter().enumerate() {
            let people = self.evidence.population.people().iter().enumerate();
            // The first agents are the people themselves, in their order.
            let members: Vec<_> = people
                .filter(|(at, _)| self.of_agent[*at] == Some(place))
                .map(|(_, person)| person)
                .collect();
            let mean = |of: fn(&crate::metric::PersonRecord) -> f32| {
                members.iter().map(|agent| f64::from(of(agent))).sum::<f64>() / members.len() as f64
            };
            let (head, popularity) = (mean(|agent| agent.head_share()), mean(|agent| agent.mean_popularity));
            table.push(vec![(*group).into(), (members.len() as f64).into(), head.into(), popularity.into()]);
        }
        table
    }
}

/// A measure's name in a sentence.
fn spoken(measure: &Measure) -> &'static str {
    match measure.name {
        "popularity_lift" => "popularity lift of what is shown",
        "watched_lift" => "popularity lift of what is watched",
        "tail_share" => "share of the long tail in what is shown",
        "exposure_gini" => "Gini index of exposure",
        _ => "satisfaction",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::PersonRecord;

    #[test]
    fn people_are_grouped_by_the_share_of_the_head_and_copies_follow_their_person() {
        let person = |head_share: f32, n_train: u32| PersonRecord {
            popularity_shares: [0.0, head_share, 1.0 - head_share],
            n_train,
            ..PersonRecord::default()
        };
        // Ten people with a profile, one stranger, one copy of the first.
        let shares = [0.9, 0.1, 0.5, 0.4, 0.6, 1.0, 0.3, 0.5, 0.5, 0.2];
        let mut people: Vec<PersonRecord> = shares.into_iter().map(|share| person(share, 3)).collect();
        people.push(person(0.0, 0));
        let mut population = Population::of_people(people);
        (0..11).chain([0]).for_each(|person| population.push(person, [1; 3]));
        let found = group_of(&population);
        let of = |group: usize| (0..12).filter(|at| found[*at] == Some(group)).collect::<Vec<usize>>();
        assert_eq!((of(0), of(2)), (vec![1, 9], vec![0, 5, 11]));
        assert_eq!((of(1).len(), found[10]), (6, None));
    }
}
