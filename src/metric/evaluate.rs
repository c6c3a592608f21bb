//! Offline ranking accuracy: what a fitted recommender ranks for each user, against the
//! interactions held out from it. No agents, no sessions.
//! Must not know models; the values go into the same tables as those of a simulation.

mod groups;

use super::ranking::{Accuracy, AccuracySample};
use super::{Measured, Sample};
use crate::dataset::{Interactions, Vocabulary};
use crate::id::{AgentId, ItemId, UserId};
use crate::progress::Progress;
use crate::recommender::{RecommendError, Recommender, Request, Training};
use crate::rng::{Purpose, Streams};
use groups::ByGroup;
use rand::seq::index;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashSet};
use std::io::Write;

/// What must not be ranked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    /// The user's training items.
    Train,
    /// The user's training and validation items.
    #[default]
    TrainValid,
}

/// What a user's held-out items are ranked among.
#[derive(Clone, Copy, Debug)]
pub enum Candidates<'a> {
    /// Everything that is not masked.
    All,
    /// So many items drawn for each user from what is neither masked nor held out.
    /// (Rank orders among sampled items need not be those among all: Krichene and Rendle 2020.)
    Sampled(usize),
    /// These items, one ascending list a user; the held-out items need not be among them.
    Stored(&'a [Vec<u32>]),
}

/// How to evaluate.
#[derive(Clone, Debug)]
pub struct Protocol<'a> {
    /// Cutoffs N, each at least 1.
    pub cutoffs: &'a [usize],
    /// What must not be ranked.
    pub mask: Mask,
    /// What is ranked.
    pub candidates: Candidates<'a>,
    /// Whether every measure is also taken for cold, tail, head and warm items apart.
    pub groups: bool,
    /// The source of sampled candidates.
    pub streams: Streams,
}

/// Users asked about in one batch.
const N_USERS_PER_BATCH: usize = 512;

/// Precision, recall, hit rate, NDCG, MRR and MAP at every cutoff, over the users with held-out items;
/// each sample's agents are user numbers. Where the protocol wants groups, they follow.
///
/// # Panics
/// When a cutoff is 0, or a stored candidate list is missing for a user.
pub fn evaluate(
    recommender: &dyn Recommender,
    training: &Training<'_>,
    held_out: &Interactions,
    protocol: &Protocol<'_>,
    progress: &dyn Progress,
) -> Result<Vec<Measured>, RecommendError> {
    assert!(protocol.cutoffs.iter().all(|&cutoff| cutoff > 0), "cutoffs must be at least 1");
    let n_wanted = protocol.cutoffs.iter().copied().max().unwrap_or(0);
    let users: Vec<UserId> = (0..held_out.matrix.n_rows as u32)
        .map(UserId)
        .filter(|&user| !held_out.items_of(user).is_empty())
        .collect();
    let mut samples = vec![AccuracySample::default(); protocol.cutoffs.len()];
    let mut by_group = protocol.groups.then(|| ByGroup::new(training, protocol.cutoffs));
    let mut hits = Vec::new();
    progress.begin("evaluate", users.len() as u64);
    for batch in users.chunks(N_USERS_PER_BATCH) {
        progress.go_on()?;
        let excluded: Vec<Vec<u32>> =
            batch.iter().map(|&user| excluded(user, training, held_out, protocol)).collect();
        let requests: Vec<Request<'_>> =
            batch.iter().zip(&excluded).map(|(&user, known)| request(user, n_wanted, known)).collect();
        let lists = recommender.recommend(&requests)?;
        assert_eq!(lists.len(), batch.len(), "one list a request");
        for (&user, list) in batch.iter().zip(&lists) {
            let relevant = held_out.items_of(user);
            hits.clear();
            hits.extend(places(&list.items, relevant));
            for (sample, &cutoff) in samples.iter_mut().zip(protocol.cutoffs) {
                sample.push(AgentId(user.0), &Accuracy::at(cutoff, &hits, relevant.len()));
            }
            if let Some(by_group) = &mut by_group {
                by_group.observe(user, &list.items, relevant);
            }
        }
        if let Some(by_group) = &mut by_group {
            by_group.ask_cold(recommender, batch, training, held_out, protocol)?;
        }
        progress.advance(batch.len() as u64, "");
    }
    progress.end();
    let measured = samples.into_iter().zip(protocol.cutoffs);
    let of_all = measured.flat_map(|(sample, &cutoff)| sample.finish(cutoff));
    Ok(of_all.chain(by_group.into_iter().flat_map(ByGroup::finish)).collect())
}

/// The question about one user.
fn request(user: UserId, n: usize, known: &[u32]) -> Request<'_> {
    Request { user, luck: u64::from(user.0), round: 0, page: 1, n, known, shown: &[], feedback: &[] }
}

/// Places in a list at which relevant items (ascending) stand.
fn places<'a>(list: &'a [ItemId], relevant: &'a [u32]) -> impl Iterator<Item = usize> + 'a {
    let is_relevant = |item: &ItemId| relevant.binary_search(&item.0).is_ok();
    list.iter().enumerate().filter(move |(_, item)| is_relevant(item)).map(|(place, _)| place)
}

/// Items that must not be ranked for a user, ascending. Candidates are chosen by excluding all others,
/// so that every recommender can be asked about them.
fn excluded(
    user: UserId,
    training: &Training<'_>,
    held_out: &Interactions,
    protocol: &Protocol<'_>,
) -> Vec<u32> {
    let masked = masked(user, training, protocol.mask);
    let relevant = held_out.items_of(user);
    let mut candidates = match protocol.candidates {
        Candidates::All => return masked,
        Candidates::Sampled(n) => sampled(user, n, &masked, relevant, training.n_items(), &protocol.streams),
        Candidates::Stored(lists) => lists[user.idx()].clone(),
    };
    candidates.extend_from_slice(relevant);
    candidates.sort_unstable();
    let is_open = |item: &u32| candidates.binary_search(item).is_ok() && masked.binary_search(item).is_err();
    (0..training.n_items() as u32).filter(|item| !is_open(item)).collect()
}

/// Items of a user that the mask covers, ascending.
fn masked(user: UserId, training: &Training<'_>, mask: Mask) -> Vec<u32> {
    let mut masked = training.train.items_of(user).to_vec();
    if mask == Mask::TrainValid && user.idx() < training.valid.matrix.n_rows {
        masked.extend_from_slice(training.valid.items_of(user));
        masked.sort_unstable();
        masked.dedup();
    }
    masked
}

/// Up to `n` different items that are neither masked nor relevant, the same for a user whatever
/// recommender is asked.
fn sampled(
    user: UserId,
    n: usize,
    masked: &[u32],
    relevant: &[u32],
    n_items: usize,
    streams: &Streams,
) -> Vec<u32> {
    let taken: HashSet<u32> = masked.iter().chain(relevant).copied().collect();
    let open: Vec<u32> = (0..n_items as u32).filter(|item| !taken.contains(item)).collect();
    let mut generator = streams.stream(Purpose::Evaluation, 0, u64::from(user.0), 0);
    index::sample(&mut generator, open.len(), n.min(open.len())).into_iter().map(|at| open[at]).collect()
}

/// Writes one line a user who has any value: `arm`, `user`, and a column for every measured value, empty where
/// the user has none.
pub fn write_users(
    arms: &[(&str, &[Measured])],
    users: &Vocabulary,
    to: impl Write,
) -> Result<(), csv::Error> {
    let mut writer = csv::Writer::from_writer(to);
    let Some((_, first)) = arms.first() else { return Ok(()) };
    let names = first.iter().map(|measured| measured.name.as_str());
    writer.write_record(["arm", "user"].into_iter().chain(names))?;
    for (arm, measured) in arms {
        let samples: Vec<&Sample> = measured.iter().filter_map(|measured| measured.sample.as_ref()).collect();
        let anybody: BTreeSet<AgentId> = samples.iter().flat_map(|sample| &sample.agents).copied().collect();
        for user in anybody {
            let value = |sample: &&Sample| sample.agents.binary_search(&user).map(|at| sample.numerators[at]);
            let values =
                samples.iter().map(|sample| value(sample).map_or(String::new(), |value| value.to_string()));
            writer
                .write_record([(*arm).to_owned(), users.raw(user.0).to_owned()].into_iter().chain(values))?;
        }
    }
    writer.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests;
