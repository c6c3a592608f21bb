//! From models of the first round and the log of one of them to `policies.csv`: with which probability arms put on
//! everybody's first page what stood there, or would have. Must not know what is estimated from it.

use super::RunError;
use super::folder::RunFolder;
use super::prepare::Prepared;
use super::simulate::Fitted;
use super::tables::write_table;
use crate::event::read::for_each_session;
use crate::event::{Page, Slot};
use crate::id::{AgentId, ItemId};
use crate::recommender::{Policy, Recommender, Request};
use crate::rng::{ChaCha8Rng, Purpose};
use crate::scenario::Scenario;
use crate::study::off_policy::policy_file::{FILE_NAME, PolicyRow};
use crate::study::{PoliciesWanted, StudyError};
use rand::RngExt;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Agents whose policies are in memory at once.
const CHUNK: usize = 256;

/// Models that studies will ask again, by the place of their arm in the scenario.
pub struct Kept {
    models: BTreeMap<usize, Arc<dyn Recommender>>,
}

/// Whether any study wants to ask models again.
pub fn are_wanted(scenario: &Scenario) -> bool {
    scenario.studies.iter().any(|planned| planned.study.policies().is_some())
}

/// The models of the arms that studies want the policies of.
///
/// # Errors
/// When an arm whose log is to be used does not explore: better before the simulation than behind it.
pub fn keep(scenario: &Scenario, prepared: &Prepared, first: &[Fitted]) -> Result<Kept, RunError> {
    let mut models = BTreeMap::new();
    for planned in &scenario.studies {
        let Some(wanted) = planned.study.policies() else { continue };
        for name in std::iter::once(wanted.logging).chain(wanted.targets.iter().map(String::as_str)) {
            if let Some(at) = scenario.arms.iter().position(|arm| arm.name == name) {
                models.insert(at, first[at].recommender());
            }
        }
        let kept = Kept { models };
        let logging = kept.model(scenario, wanted.logging);
        let says = |model: &Arc<dyn Recommender>| {
            let lists = model.recommend(&requests(scenario, prepared, &**model, 0..1));
            lists.is_ok_and(|lists| lists.first().is_none_or(|list| !list.propensities.is_empty()))
        };
        if !logging.is_some_and(says) {
            let problem = format!(
                "{} does not say with which probability it shows what; use an arm that explores (epsilon_greedy, \
                 softmax, thompson)",
                wanted.logging
            );
            let source = StudyError::Unanswerable { study: planned.kind.name().to_owned(), problem };
            return Err(RunError::Study { study: planned.name.clone(), source });
        }
        models = kept.models;
    }
    Ok(Kept { models })
}

impl Kept {
    fn model(&self, scenario: &Scenario, name: &str) -> Option<&Arc<dyn Recommender>> {
        let at = scenario.arms.iter().position(|arm| arm.name == name)?;
        self.models.get(&at)
    }
}

/// The requests of these agents' first pages, as the world makes them.
fn requests<'a>(
    scenario: &Scenario,
    prepared: &'a Prepared,
    model: &dyn Recommender,
    agents: std::ops::Range<usize>,
) -> Vec<Request<'a>> {
    let session = &scenario.file.session;
    let n_pages = if model.adapts_in_session() { 1 } else { session.max_pages as usize };
    let request = |profile: crate::agent::profile::Profile| Request {
        user: profile.user,
        luck: u64::from(profile.agent.0),
        round: 0,
        page: 1,
        n: session.items_per_page as usize * n_pages,
        known: prepared.known.items_of(profile.user),
        shown: &[],
        feedback: &[],
    };
    let n_agents = prepared.agents.len();
    let agents = agents.start.min(n_agents)..agents.end.min(n_agents);
    prepared.agents.profiles(agents).into_iter().map(request).collect()
}

/// Writes `policies.csv`, where a study wants it.
pub fn write(
    scenario: &Scenario,
    prepared: &Prepared,
    folder: &RunFolder,
    kept: &Kept,
) -> Result<(), RunError> {
    let mut rows = Vec::new();
    let mut done: Vec<(String, String)> = Vec::new();
    for planned in &scenario.studies {
        let Some(wanted) = planned.study.policies() else { continue };
        let pages = first_pages(prepared, folder, wanted.logging)?;
        for target in wanted.targets {
            let pair = (wanted.logging.to_owned(), target.clone());
            if !done.contains(&pair) {
                let asked = Asked { scenario, prepared, wanted, target };
                let failed = |source| RunError::Study { study: planned.name.clone(), source };
                rows.extend(asked.rows(kept, &pages, failed)?);
                done.push(pair);
            }
        }
    }
    rows.iter_mut().for_each(shorten);
    if done.is_empty() { Ok(()) } else { write_table(folder, FILE_NAME, &rows, &PolicyRow::HEADER) }
}

/// Everybody's first page of the first round, by agent; none where a step failed.
fn first_pages(prepared: &Prepared, folder: &RunFolder, arm: &str) -> Result<Vec<Option<Page>>, RunError> {
    let ids = prepared.ids();
    let mut pages = vec![None; prepared.agents.len()];
    for path in folder.parts(arm)? {
        for_each_session(&path, &ids, |session| {
            if session.round == 0 && session.n_failures == 0 {
                pages[session.agent.idx()] = session.pages.first().cloned();
            }
        })?;
    }
    Ok(pages)
}

/// One target against one log.
struct Asked<'a> {
    scenario: &'a Scenario,
    prepared: &'a Prepared,
    wanted: PoliciesWanted<'a>,
    target: &'a str,
}

/// What is known of one agent's first page.
struct Seen<'a> {
    agent: usize,
    page: &'a Page,
    /// The page in the order of the logging arm's list, which presentation may have shuffled.
    items: Vec<ItemId>,
    behaviour: Arc<dyn Policy>,
    target: Arc<dyn Policy>,
}

impl Asked<'_> {
    fn rows(
        &self,
        kept: &Kept,
        pages: &[Option<Page>],
        failed: impl Fn(StudyError) -> RunError,
    ) -> Result<Vec<PolicyRow>, RunError> {
        let of = |name: &str| kept.model(self.scenario, name).expect("every arm of a study is kept");
        let (logging, target) = (of(self.wanted.logging), of(self.target));
        let recommend = |source| RunError::Recommend { arm: self.target.to_owned(), source };
        let mut rows = Vec::new();
        for start in (0..pages.len()).step_by(CHUNK) {
            let agents = start..(start + CHUNK).min(pages.len());
            let asked = requests(self.scenario, self.prepared, &**logging, agents.clone());
            let lists = logging.recommend(&asked).map_err(recommend)?;
            let behaviours = logging.policies(&asked).map_err(recommend)?;
            let asked = requests(self.scenario, self.prepared, &**target, agents.clone());
            let targets = target.policies(&asked).map_err(recommend)?;
            let mut seen = Vec::new();
            for (at, agent) in agents.enumerate() {
                let Some(page) = &pages[agent] else { continue };
                let items = lists[at].items[..page.slots.len().min(lists[at].items.len())].to_vec();
                if !page.slots.iter().all(|slot| items.contains(&slot.item)) {
                    let problem = format!(
                        "{} does not give the list again that it gave in the simulation",
                        self.wanted.logging
                    );
                    return Err(failed(StudyError::Unanswerable { study: "off_policy".to_owned(), problem }));
                }
                let (behaviour, target) = (behaviours[at].clone(), targets[at].clone());
                seen.push(Seen { agent, page, items, behaviour, target });
            }
            let of_each: Vec<Vec<PolicyRow>> = seen.par_iter().map(|seen| self.rows_of(seen)).collect();
            rows.extend(of_each.into_iter().flatten());
        }
        Ok(rows)
    }

    fn rows_of(&self, seen: &Seen<'_>) -> Vec<PolicyRow> {
        let n_places = seen.items.len();
        let marginals = |policy: &dyn Policy, part: u32| {
            let streams = &self.prepared.streams;
            let mut rng = streams.stream(Purpose::Policy, 0, seen.agent as u64, part);
            marginals(policy, n_places, self.wanted.n_draws, &mut rng)
        };
        let (behaviour, target) = (marginals(&*seen.behaviour, 0), marginals(&*seen.target, 1));
        let mut rows = Vec::new();
        for (place, &item) in seen.items.iter().enumerate() {
            let above = &seen.items[..place];
            let given = |policy: &dyn Policy| chance(&policy.next(above), item);
            let (p_behaviour, p_target) = (given(&*seen.behaviour), given(&*seen.target));
            let slot = seen.page.slots.iter().find(|slot| slot.item == item);
            let row = |item: ItemId| PolicyRow {
                p_behaviour_marginal: chance_in(&behaviour[place], item),
                p_target_marginal: chance_in(&target[place], item),
                ..self.row(seen.agent, place, item)
            };
            let mut shown = row(item);
            // What happened can happen: so few draws that none came there say no more than that it is rare.
            if shown.p_behaviour_marginal == 0.0 {
                shown.p_behaviour_marginal = p_behaviour / f64::from(self.wanted.n_draws);
            }
            let happened = |what: fn(&Slot) -> bool| slot.map(|slot| u8::from(what(slot)));
            rows.push(PolicyRow {
                shown: 1,
                watched: happened(|slot| slot.watched),
                liked: happened(|slot| slot.rating.is_some_and(|rating| rating >= 4)),
                p_behaviour: Some(p_behaviour),
                p_target: Some(p_target),
                ..shown
            });
            rows.extend(target[place].keys().filter(|&&other| other != item).map(|&other| row(other)));
        }
        rows
    }

    fn row(&self, agent: usize, place: usize, item: ItemId) -> PolicyRow {
        PolicyRow {
            logging: self.wanted.logging.to_owned(),
            target: self.target.to_owned(),
            user: self.prepared.agents.raw_id(AgentId(agent as u32)).into_owned(),
            place: place as u32 + 1,
            item: self.prepared.dataset.items.raw(item.0).to_owned(),
            shown: 0,
            watched: None,
            liked: None,
            p_behaviour: None,
            p_behaviour_marginal: 0.0,
            p_target: None,
            p_target_marginal: 0.0,
        }
    }
}

/// Nine digits of every probability are enough, and half the file.
fn shorten(row: &mut PolicyRow) {
    let nine = |p: f64| format!("{p:.8e}").parse().unwrap_or(p);
    row.p_behaviour = row.p_behaviour.map(nine);
    row.p_target = row.p_target.map(nine);
    row.p_behaviour_marginal = nine(row.p_behaviour_marginal);
    row.p_target_marginal = nine(row.p_target_marginal);
}

fn chance(next: &[(ItemId, f64)], item: ItemId) -> f64 {
    next.iter().find(|(other, _)| *other == item).map_or(0.0, |(_, p)| *p)
}

fn chance_in(marginal: &BTreeMap<ItemId, f64>, item: ItemId) -> f64 {
    marginal.get(&item).copied().unwrap_or(0.0)
}

/// The probability of every item at every place, whatever stands above: what a policy puts there, averaged over
/// `n_draws` draws of what is above. Draws are spread over what may come next in even steps (systematic resampling), so that
/// the first two places are all but exact, and a list that is not drawn is exact throughout.
fn marginals(
    policy: &dyn Policy,
    n_places: usize,
    n_draws: u32,
    rng: &mut ChaCha8Rng,
) -> Vec<BTreeMap<ItemId, f64>> {
    let mut above: BTreeMap<Vec<ItemId>, u32> = BTreeMap::from([(Vec::new(), n_draws)]);
    let mut found = Vec::with_capacity(n_places);
    for _ in 0..n_places {
        let mut marginal = BTreeMap::new();
        let mut longer: BTreeMap<Vec<ItemId>, u32> = BTreeMap::new();
        for (page, &count) in &above {
            let next = policy.next(page);
            let mut upto = -rng.random::<f64>();
            for &(item, p) in &next {
                *marginal.entry(item).or_insert(0.0) += p * f64::from(count) / f64::from(n_draws);
                let before = upto.ceil();
                upto += p * f64::from(count);
                let n = (upto.ceil() - before).max(0.0) as u32;
                if n > 0 {
                    longer.insert([page.as_slice(), &[item]].concat(), n);
                }
            }
        }
        found.push(marginal);
        above = longer;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Streams;

    /// Draws without repeats from these weights.
    struct Luce(Vec<f64>);

    impl Policy for Luce {
        fn next(&self, above: &[ItemId]) -> Vec<(ItemId, f64)> {
            let left = (0..self.0.len() as u32).map(ItemId).filter(|item| !above.contains(item));
            let left: Vec<ItemId> = left.collect();
            let sum: f64 = left.iter().map(|item| self.0[item.idx()]).sum();
            left.into_iter().map(|item| (item, self.0[item.idx()] / sum)).collect()
        }
    }

    /// By going through every page.
    fn exact(policy: &Luce, n_places: usize) -> Vec<BTreeMap<ItemId, f64>> {
        let mut found = vec![BTreeMap::new(); n_places];
        let mut open = vec![(Vec::new(), 1.0)];
        while let Some((page, p)) = open.pop() {
            if page.len() < n_places {
                for (item, q) in policy.next(&page) {
                    *found[page.len()].entry(item).or_insert(0.0) += p * q;
                    open.push(([page.as_slice(), &[item]].concat(), p * q));
                }
            }
        }
        found
    }

    #[test]
    fn chances_whatever_stands_above_are_near_those_of_all_pages() {
        let policy = Luce(vec![5.0, 3.0, 1.0, 0.5, 0.2, 2.0]);
        let mut rng = Streams::new(1).stream(Purpose::Policy, 0, 0, 0);
        let found = marginals(&policy, 4, 400, &mut rng);
        for (place, (found, exact)) in found.iter().zip(exact(&policy, 4)).enumerate() {
            assert!((found.values().sum::<f64>() - 1.0).abs() < 1e-9);
            for (item, p) in &exact {
                let bound = [1e-12, 2e-3, 1e-2, 2e-2][place];
                assert!((chance_in(found, *item) - p).abs() < bound, "place {place}, {item:?}: {p}");
            }
        }
    }

    #[test]
    fn a_list_that_is_not_drawn_is_certain() {
        struct Fixed;
        impl Policy for Fixed {
            fn next(&self, above: &[ItemId]) -> Vec<(ItemId, f64)> {
                (0..2)
                    .map(ItemId)
                    .find(|item| !above.contains(item))
                    .map(|item| (item, 1.0))
                    .into_iter()
                    .collect()
            }
        }
        for seed in 0..50 {
            let mut rng = Streams::new(seed).stream(Purpose::Policy, 0, 0, 0);
            let found = marginals(&Fixed, 3, 10, &mut rng);
            assert_eq!(found[0], BTreeMap::from([(ItemId(0), 1.0)]));
            assert_eq!(found[1], BTreeMap::from([(ItemId(1), 1.0)]));
            assert!(found[2].is_empty(), "the list has ended");
        }
    }
}
