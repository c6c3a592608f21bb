//! Pages that no recommender could make: by what agents truly like, by dose, by sameness.
//! They are made for one agent at a time, so that memory does not grow with the catalogue.
//! Must not know what the gates conclude.

use crate::agent::facts::Facts;
use crate::agent::profile::Profile;
use crate::experiment::prepare::Prepared;
use crate::id::{ItemId, UserId};
use crate::recommender::{Ranked, Recommender};
use crate::rng::{Purpose, Streams};
use crate::validate::simulate::{Listed, Stage};
use rand::seq::index;
use rayon::prelude::*;
use std::sync::Arc;

/// Shares of a page that hold the agent's best-liked items, in quarters.
pub const DOSES: [usize; 5] = [0, 1, 2, 3, 4];

/// Ranks of the liked items around which pages of one kind and of many are sought.
const ANCHORS: [usize; 7] = [0, 10, 25, 50, 100, 200, 400];
/// How far the items of such pages may be apart in liking, in standard deviations of taste.
const LIKING_SPREAD: f32 = 0.3;
/// How much less alike, on the scale of likeness, the items of the page of many must be.
const CONTRAST_MIN: f32 = 0.4;
/// What likeness to the items before costs beside distances in standard deviations.
const LIKENESS_COST: f32 = 4.0;

/// The lists of every probe.
pub struct Probes {
    /// The best-liked items, best first.
    pub oracle: Arc<dyn Recommender>,
    /// The least-liked items, worst first.
    pub anti_oracle: Arc<dyn Recommender>,
    /// One entry a dose of [`DOSES`]: that many quarters of each page from the best-liked, the
    /// others from anywhere.
    pub doses: Vec<Arc<dyn Recommender>>,
    /// One page of items of one kind; nothing where an agent likes no kind enough.
    pub same: Arc<dyn Recommender>,
    /// One page of items of different kinds, liked as much, as good and as popular.
    pub mixed: Arc<dyn Recommender>,
    /// Agents that have both pages.
    pub n_paired: usize,
}

/// One agent's lists.
struct Lists {
    oracle: Ranked,
    anti_oracle: Ranked,
    doses: Vec<Ranked>,
    kinds: Option<(Ranked, Ranked)>,
}

impl Probes {
    /// The probes of everybody on the stage; pages of one kind have `n_kind` items.
    pub fn new(stage: &Stage<'_>, n_kind: usize) -> Self {
        let rules = stage.rules();
        let (per_page, n_pages) = (rules.items_per_page, rules.max_pages as usize);
        let lists: Vec<(u32, Lists)> = stage
            .profiles
            .par_iter()
            .map(|profile| (profile.agent.0, lists(stage.prepared, profile, per_page, n_pages, n_kind)))
            .collect();
        let listed = |pick: &dyn Fn(&Lists) -> Ranked| -> Arc<dyn Recommender> {
            Arc::new(Listed::new(lists.iter().map(|(agent, lists)| (*agent, pick(lists)))))
        };
        let kind = |lists: &Lists, same: bool| {
            lists
                .kinds
                .as_ref()
                .map_or_else(Ranked::default, |k| if same { k.0.clone() } else { k.1.clone() })
        };
        Probes {
            oracle: listed(&|lists| lists.oracle.clone()),
            anti_oracle: listed(&|lists| lists.anti_oracle.clone()),
            doses: (0..DOSES.len()).map(|dose| listed(&|lists| lists.doses[dose].clone())).collect(),
            same: listed(&|lists| kind(lists, true)),
            mixed: listed(&|lists| kind(lists, false)),
            n_paired: lists.iter().filter(|(_, lists)| lists.kinds.is_some()).count(),
        }
    }
}

fn lists(prepared: &Prepared, profile: &Profile, per_page: usize, n_pages: usize, n_kind: usize) -> Lists {
    let liked = by_liking(prepared, profile.user);
    let n = (per_page * n_pages).min(liked.len());
    let mut streams = prepared.streams.stream(Purpose::Validation, 5, u64::from(profile.agent.0), 0);
    let rest = &liked[n..];
    let drawn = index::sample(&mut streams, rest.len(), n.min(rest.len()));
    let others: Vec<(ItemId, f32)> = drawn.iter().map(|k| rest[k]).collect();
    Lists {
        oracle: ranked(liked[..n].iter().copied()),
        anti_oracle: ranked(liked[liked.len() - n..].iter().rev().copied()),
        doses: DOSES.iter().map(|&quarters| dose(&liked[..n], &others, per_page, quarters)).collect(),
        kinds: kinds(&prepared.facts, &liked, n_kind),
    }
}

/// Everything the person may be shown, the best liked first.
fn by_liking(prepared: &Prepared, user: UserId) -> Vec<(ItemId, f32)> {
    let known = prepared.known.items_of(user);
    let mut liked: Vec<(ItemId, f32)> = (0..prepared.dataset.n_items() as u32)
        .filter(|item| known.binary_search(item).is_err())
        .map(|item| (ItemId(item), prepared.facts.taste.affinity(user, ItemId(item))))
        .collect();
    liked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    liked
}

fn ranked(list: impl Iterator<Item = (ItemId, f32)>) -> Ranked {
    let (items, scores) = list.unzip();
    Ranked::plain(items, scores)
}

/// Pages whose first slots, so many quarters of them, hold the best and whose others hold what they
/// hold at any lower dose: doses differ in nothing else.
fn dose(best: &[(ItemId, f32)], others: &[(ItemId, f32)], per_page: usize, quarters: usize) -> Ranked {
    let n_best = (per_page * quarters).div_ceil(4);
    let slot = |k: usize| if k % per_page < n_best { best.get(k) } else { others.get(k) };
    ranked((0..best.len()).map_while(|k| slot(k).copied()))
}

/// A page of one kind and a page of many, alike in all else; `None` where there are none.
///
/// Both are sought around one liked item after another, among those liked about as much, until a pair
/// is found that differs enough in how alike the items of a page are.
fn kinds(facts: &Facts, liked: &[(ItemId, f32)], n: usize) -> Option<(Ranked, Ranked)> {
    ANCHORS.iter().filter(|&&at| at < liked.len()).find_map(|&at| {
        let anchor = liked[at];
        let near = |(_, affinity): &&(ItemId, f32)| (affinity - anchor.1).abs() <= LIKING_SPREAD;
        let pool: Vec<(ItemId, f32)> = liked.iter().filter(near).copied().collect();
        let same = one_kind(facts, anchor, &pool, n)?;
        let mixed = many_kinds(facts, &same, &pool)?;
        (sameness(facts, &same) - sameness(facts, &mixed) >= CONTRAST_MIN)
            .then(|| (ranked(same.into_iter()), ranked(mixed.into_iter())))
    })
}

/// The anchor and those most like it; of equally alike ones the better liked first.
fn one_kind(
    facts: &Facts,
    anchor: (ItemId, f32),
    pool: &[(ItemId, f32)],
    n: usize,
) -> Option<Vec<(ItemId, f32)>> {
    let others = pool.iter().filter(|(item, _)| *item != anchor.0);
    let mut alike: Vec<(f32, (ItemId, f32))> =
        others.map(|&pair| (facts.likeness(anchor.0, pair.0), pair)).collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0));
    let page: Vec<(ItemId, f32)> =
        std::iter::once(anchor).chain(alike.into_iter().map(|(_, pair)| pair)).take(n).collect();
    (page.len() == n).then_some(page)
}

/// For each item of a page of one kind, the one that is unlike all before it and comes nearest in
/// liking, quality and popularity.
fn many_kinds(facts: &Facts, same: &[(ItemId, f32)], pool: &[(ItemId, f32)]) -> Option<Vec<(ItemId, f32)>> {
    let mut mixed: Vec<(ItemId, f32)> = Vec::new();
    for &(item, affinity) in same {
        let cost = |(other, liking): &(ItemId, f32)| {
            let like_before: f32 = mixed.iter().map(|(before, _)| facts.likeness(*before, *other)).sum();
            (liking - affinity).abs()
                + 0.5 * (facts.quality[other.idx()] - facts.quality[item.idx()]).abs()
                + 0.5 * (facts.popularity[other.idx()] - facts.popularity[item.idx()]).abs()
                + LIKENESS_COST * like_before
        };
        let free = |(other, _): &&(ItemId, f32)| !same.iter().chain(&mixed).any(|(item, _)| item == other);
        let best = pool.iter().filter(free).min_by(|a, b| cost(a).total_cmp(&cost(b)))?;
        mixed.push(*best);
    }
    Some(mixed)
}

/// Mean likeness of the pairs of a page.
fn sameness(facts: &Facts, page: &[(ItemId, f32)]) -> f32 {
    let pairs: Vec<f32> = (1..page.len())
        .flat_map(|b| (0..b).map(move |a| (a, b)))
        .map(|(a, b)| facts.likeness(page[a].0, page[b].0))
        .collect();
    pairs.iter().sum::<f32>() / pairs.len().max(1) as f32
}

/// Luck that no other part of a validation uses: the scenario's own.
pub fn common_luck(prepared: &Prepared) -> Streams {
    prepared.streams
}
