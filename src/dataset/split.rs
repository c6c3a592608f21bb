//! Interactions cut into train, validation and test: the same cut for the same seed,
//! whatever else the run does. Must not know what the parts are used for.

use super::{Dataset, DatasetError, Interaction, Interactions, Split};
use crate::rng::{Purpose, Streams};
use crate::scenario::params::Complaint;
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How interactions are cut: the table `[split]` of a scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SplitParams {
    /// Which rule cuts.
    pub kind: SplitKind,
    /// Share of the interactions for validation, 0.1 where it is not given; not for
    /// `leave_one_out` and `published`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<f64>,
    /// Share of the interactions for test, 0.2 where it is not given; likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<f64>,
    /// A user with fewer interactions keeps all of them in train: 5 where it is not given,
    /// 3 for `leave_one_out`; not for `temporal` and `published`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_interactions: Option<u32>,
    /// Share of the items or people that are held out whole, 0.1 where it is not given; only for `cold_items` and
    /// `cold_users`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cold: Option<f64>,
}

/// The rules by which interactions are cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitKind {
    /// A random share of every user's interactions.
    #[default]
    Ratio,
    /// Every user's last interaction for test, the one before for validation.
    LeaveOneOut,
    /// The last share of all interactions in time, whoever made them: nothing in train is
    /// younger than anything in test. Needs an order that is one clock for all users.
    Temporal,
    /// The last share of every user's interactions.
    TemporalUser,
    /// The split that comes with the data.
    Published,
    /// A random share of the items held out whole: all interactions with them are in test, whoever has them.
    /// Of every user's other interactions a random share, as with `ratio`.
    ColdItems,
    /// A random share of the people held out whole: all their interactions are in test, so that recommenders meet
    /// strangers. Of everybody else's a random share, as with `ratio`.
    ColdUsers,
}

impl SplitKind {
    /// Its name in a scenario.
    pub fn name(self) -> &'static str {
        match self {
            SplitKind::Ratio => "ratio",
            SplitKind::LeaveOneOut => "leave_one_out",
            SplitKind::Temporal => "temporal",
            SplitKind::TemporalUser => "temporal_user",
            SplitKind::Published => "published",
            SplitKind::ColdItems => "cold_items",
            SplitKind::ColdUsers => "cold_users",
        }
    }

    /// Whether it holds a share out whole.
    fn has_cold(self) -> bool {
        matches!(self, SplitKind::ColdItems | SplitKind::ColdUsers)
    }

    fn has_fractions(self) -> bool {
        !matches!(self, SplitKind::LeaveOneOut | SplitKind::Published)
    }

    fn has_min_interactions(self) -> bool {
        !matches!(self, SplitKind::Temporal | SplitKind::Published)
    }

    /// The fewest interactions that can be cut at all.
    fn min_interactions_lowest(self) -> u32 {
        if self == SplitKind::LeaveOneOut { 3 } else { 2 }
    }
}

impl SplitParams {
    /// The same with every default written out.
    pub fn resolved(self) -> SplitParams {
        let SplitParams { kind, valid, test, min_interactions, cold } = self;
        let min_default = if kind == SplitKind::LeaveOneOut { 3 } else { 5 };
        SplitParams {
            kind,
            valid: kind.has_fractions().then_some(valid.unwrap_or(0.1)),
            test: kind.has_fractions().then_some(test.unwrap_or(0.2)),
            min_interactions: kind.has_min_interactions().then_some(min_interactions.unwrap_or(min_default)),
            cold: kind.has_cold().then_some(cold.unwrap_or(0.1)),
        }
    }

    /// Complains about what is out of range or has no meaning for this kind; `at` is the
    /// dotted path of the table.
    pub fn check(&self, at: &str) -> Result<(), Complaint> {
        let absent = format!("absent where {at}.kind is \"{}\"", self.kind.name());
        for (name, value) in [("valid", self.valid), ("test", self.test)] {
            let Some(value) = value else { continue };
            if !self.kind.has_fractions() {
                return Err(Complaint::out_of_range(format!("{at}.{name}"), value, absent));
            }
            if !(0.0..1.0).contains(&value) {
                return Err(Complaint::out_of_range(format!("{at}.{name}"), value, "from 0 to less than 1"));
            }
        }
        let SplitParams { valid, test, .. } = self.resolved();
        let (valid, test) = (valid.unwrap_or(0.0), test.unwrap_or(0.0));
        if valid + test >= 1.0 {
            let bound = format!("less than {} beside {at}.valid = {valid}", 1.0 - valid);
            return Err(Complaint::out_of_range(format!("{at}.test"), test, bound));
        }
        if let Some(cold) = self.cold {
            if !self.kind.has_cold() {
                return Err(Complaint::out_of_range(format!("{at}.cold"), cold, absent));
            }
            if !(cold > 0.0 && cold < 1.0) {
                return Err(Complaint::out_of_range(
                    format!("{at}.cold"),
                    cold,
                    "more than 0 and less than 1",
                ));
            }
        }
        let lowest = self.kind.min_interactions_lowest();
        match self.min_interactions {
            Some(n) if !self.kind.has_min_interactions() => {
                Err(Complaint::out_of_range(format!("{at}.min_interactions"), n, absent))
            }
            Some(n) if n < lowest => {
                Err(Complaint::out_of_range(format!("{at}.min_interactions"), n, format!("{lowest} or more")))
            }
            _ => Ok(()),
        }
    }
}

/// Which part an interaction belongs to.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Train,
    Valid,
    Test,
}

/// Cuts the dataset's interactions; `params` have passed [`SplitParams::check`].
///
/// # Errors
/// When a published split is asked for and there is none.
pub fn split(dataset: &Dataset, params: &SplitParams, streams: Streams) -> Result<Split, DatasetError> {
    let SplitParams { kind, valid, test, min_interactions, cold } = params.resolved();
    let (valid, test) = (valid.unwrap_or(0.0), test.unwrap_or(0.0));
    let min = min_interactions.unwrap_or(0).max(kind.min_interactions_lowest()) as usize;
    let parts = match kind {
        SplitKind::Published => {
            return dataset.published_split.clone().ok_or_else(|| DatasetError::BadSplit {
                source_name: dataset.source.clone(),
                problem: "split.kind is \"published\", but no split comes with this data; \
                          use ratio, leave_one_out, temporal, temporal_user, cold_items or cold_users"
                    .to_owned(),
            });
        }
        SplitKind::Temporal => by_clock(&dataset.interactions, valid, test),
        SplitKind::ColdItems => {
            let is_cold = cold_items(dataset, cold.unwrap_or(0.0), streams);
            let is_cold = |x: &Interaction| is_cold[x.item.idx()];
            by_item(&dataset.interactions, is_cold, |user, n| {
                if n < min {
                    return vec![Part::Train; n];
                }
                at_random(user, n, shares(n, valid, test), streams)
            })
        }
        SplitKind::ColdUsers => {
            let is_cold = cold_users(dataset, cold.unwrap_or(0.0), streams);
            by_user(&dataset.interactions, |user, n| match is_cold[user as usize] {
                true => vec![Part::Test; n],
                false if n < min => vec![Part::Train; n],
                false => at_random(user, n, shares(n, valid, test), streams),
            })
        }
        _ => by_user(&dataset.interactions, |user, n| {
            if n < min {
                return vec![Part::Train; n];
            }
            match kind {
                SplitKind::LeaveOneOut => last(n, (1, 1)),
                SplitKind::Ratio => at_random(user, n, shares(n, valid, test), streams),
                _ => last(n, shares(n, valid, test)),
            }
        }),
    };
    let take = |part: Part| {
        let chosen: Vec<Interaction> =
            dataset.interactions.iter().zip(&parts).filter(|(_, p)| **p == part).map(|(x, _)| *x).collect();
        Interactions::from_sorted(dataset.n_users(), dataset.n_items(), &chosen)
    };
    Ok(Split { train: take(Part::Train), valid: take(Part::Valid), test: take(Part::Test) })
}

/// How many of `n` go to validation and test; at least one stays in train.
fn shares(n: usize, valid: f64, test: f64) -> (usize, usize) {
    let n_test = ((n as f64 * test).round() as usize).min(n - 1);
    let n_valid = ((n as f64 * valid).round() as usize).min(n - 1 - n_test);
    (n_valid, n_test)
}

/// `n` parts in order: train, then so many of validation and test.
fn last(n: usize, (n_valid, n_test): (usize, usize)) -> Vec<Part> {
    let mut parts = vec![Part::Train; n];
    parts[n - n_test..].fill(Part::Test);
    parts[n - n_test - n_valid..n - n_test].fill(Part::Valid);
    parts
}

/// The same in random order.
fn at_random(user: u32, n: usize, sizes: (usize, usize), streams: Streams) -> Vec<Part> {
    let mut parts = last(n, sizes);
    parts.shuffle(&mut streams.stream(Purpose::Split, 0, u64::from(user), 0));
    parts
}

/// Which items are held out whole, of those that anybody has.
fn cold_items(dataset: &Dataset, share: f64, streams: Streams) -> Vec<bool> {
    let counts = dataset.all().item_counts();
    let known = (0..counts.len()).filter(|&item| counts[item] > 0).collect();
    held_out_whole(counts.len(), known, share, Purpose::ColdItems, streams)
}

/// Which users are held out whole, of those who have anything.
fn cold_users(dataset: &Dataset, share: f64, streams: Streams) -> Vec<bool> {
    let known = dataset.interactions.chunk_by(|a, b| a.user == b.user).map(|own| own[0].user.idx()).collect();
    held_out_whole(dataset.n_users(), known, share, Purpose::ColdUsers, streams)
}

/// A random share of `known` out of `0..n`: at least one, and never all.
fn held_out_whole(
    n: usize,
    mut known: Vec<usize>,
    share: f64,
    purpose: Purpose,
    streams: Streams,
) -> Vec<bool> {
    known.shuffle(&mut streams.stream(purpose, 0, 0, 0));
    let most = known.len().saturating_sub(1);
    let n_cold = ((known.len() as f64 * share).round() as usize).max(1).min(most);
    let mut is_cold = vec![false; n];
    known[..n_cold].iter().for_each(|&at| is_cold[at] = true);
    is_cold
}

/// One part an interaction: those with cold items are in test, the others decided user by user from
/// (user, how many). A user who has cold items only has nothing in train, since whatever was put there would
/// make an item warm: recommenders meet a stranger.
fn by_item(
    interactions: &[Interaction],
    is_cold: impl Fn(&Interaction) -> bool,
    decide: impl Fn(u32, usize) -> Vec<Part>,
) -> Vec<Part> {
    let own = |own: &[Interaction]| {
        let n_warm = own.iter().filter(|x| !is_cold(x)).count();
        let mut warm = decide(own[0].user.0, n_warm).into_iter();
        own.iter()
            .map(|x| if is_cold(x) { None } else { warm.next() }.unwrap_or(Part::Test))
            .collect::<Vec<_>>()
    };
    interactions.chunk_by(|a, b| a.user == b.user).flat_map(own).collect()
}

/// One part an interaction, decided user by user from (user, how many).
fn by_user(interactions: &[Interaction], decide: impl Fn(u32, usize) -> Vec<Part>) -> Vec<Part> {
    interactions.chunk_by(|a, b| a.user == b.user).flat_map(|own| decide(own[0].user.0, own.len())).collect()
}

/// One part an interaction, by two moments common to all users; what happened at the
/// moment of a cut stays together, on its later side.
fn by_clock(interactions: &[Interaction], valid: f64, test: f64) -> Vec<Part> {
    let mut moments: Vec<i64> = interactions.iter().map(|x| x.order).collect();
    moments.sort_unstable();
    // The first moment of the last `share` of all interactions; past the end where the share is empty.
    let cut = |share: f64| {
        let n_after = (moments.len() as f64 * share).round() as usize;
        moments.get(moments.len() - n_after.min(moments.len())).copied()
    };
    let (from_valid, from_test) = (cut(valid + test), cut(test));
    interactions
        .iter()
        .map(|x| match x.order {
            order if from_test.is_some_and(|moment| order >= moment) => Part::Test,
            order if from_valid.is_some_and(|moment| order >= moment) => Part::Valid,
            _ => Part::Train,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::assemble::Assembly;
    use crate::id::UserId;
    use proptest::prelude::*;
    use std::path::Path;

    /// User `u` has the items and orders of the u-th list.
    fn dataset(histories: &[Vec<(u32, i64)>]) -> Dataset {
        let mut assembly = Assembly::default();
        for (user, history) in histories.iter().enumerate() {
            for (item, order) in history {
                let user = assembly.users.intern(user.to_string().as_bytes()).expect("an id");
                let item = assembly.items.intern(item.to_string().as_bytes()).expect("an id");
                assembly.interaction(user, item, 1.0, *order);
            }
        }
        assembly.finish("test", Path::new("test"), None).expect("a dataset")
    }

    fn params(toml: &str) -> SplitParams {
        crate::scenario::params::parse("split", &toml.parse().expect("TOML")).expect("valid")
    }

    fn sizes(split: &Split) -> [usize; 3] {
        [split.train.len(), split.valid.len(), split.test.len()]
    }

    #[test]
    fn ratio_cuts_every_user_alike_and_the_seed_decides() {
        let histories: Vec<Vec<(u32, i64)>> =
            (0..20).map(|_| (0..10).map(|k| (k, i64::from(k))).collect()).collect();
        let data = dataset(&histories);
        let cut = |seed| split(&data, &SplitParams::default(), Streams::new(seed)).expect("a split");
        let first = cut(1);
        for user in (0..20).map(UserId) {
            let own = [&first.train, &first.valid, &first.test].map(|part| part.items_of(user).len());
            assert_eq!(own, [7, 1, 2]);
        }
        assert_eq!(first, cut(1));
        assert_ne!(first, cut(2));
        assert_ne!(first.test.items_of(UserId(0)), first.test.items_of(UserId(1)), "users are cut apart");
    }

    #[test]
    fn users_with_few_interactions_stay_in_train() {
        let data = dataset(&[vec![(1, 1), (2, 2)], vec![(1, 1), (2, 2), (3, 3)]]);
        let cut = |toml: &str| sizes(&split(&data, &params(toml), Streams::new(1)).expect("a split"));
        assert_eq!(cut(""), [5, 0, 0]);
        assert_eq!(cut("min_interactions = 2\ntest = 0.5\nvalid = 0.0"), [2, 0, 3]);
        assert_eq!(cut("kind = \"leave_one_out\""), [3, 1, 1]);
        assert_eq!(cut("kind = \"leave_one_out\"\nmin_interactions = 4"), [5, 0, 0]);
    }

    #[test]
    fn time_rules_put_the_youngest_in_test() {
        let data = dataset(&[
            vec![(5, 10), (4, 20), (3, 30), (2, 40), (1, 50)],
            vec![(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)],
        ]);
        let cut = |toml: &str| split(&data, &params(toml), Streams::new(1)).expect("a split");
        let items = |part: &Interactions, user| part.items_of(UserId(user)).to_vec();

        let clock = cut("kind = \"temporal\"\nvalid = 0.2\ntest = 0.2");
        // Raw items 1..=5 are dense 0..=4.
        assert_eq!((items(&clock.test, 0), items(&clock.test, 1)), (vec![0, 1], vec![]));
        assert_eq!((items(&clock.valid, 0), items(&clock.valid, 1)), (vec![2, 3], vec![]));
        assert_eq!(sizes(&clock), [6, 2, 2]);

        let own = cut("kind = \"temporal_user\"\nvalid = 0.2\ntest = 0.2");
        assert_eq!((items(&own.test, 0), items(&own.test, 1)), (vec![0], vec![4]));
        assert_eq!((items(&own.valid, 0), items(&own.valid, 1)), (vec![1], vec![3]));

        let last = cut("kind = \"leave_one_out\"");
        assert_eq!((items(&last.test, 1), items(&last.valid, 1)), (vec![4], vec![3]));
    }

    #[test]
    fn one_moment_is_never_torn_apart() {
        let data = dataset(&[(0..10).map(|k| (k, 7)).collect()]);
        let cut = split(&data, &params("kind = \"temporal\""), Streams::new(1)).expect("a split");
        assert_eq!(sizes(&cut), [0, 0, 10]);
    }

    #[test]
    fn a_published_split_must_exist() {
        let error = split(&dataset(&[vec![(1, 1)]]), &params("kind = \"published\""), Streams::new(1));
        let error = error.expect_err("there is none").to_string();
        assert!(error.starts_with("cannot split the `test` dataset: split.kind is \"published\""), "{error}");
    }

    #[test]
    fn complaints_name_the_key_and_its_bound() {
        let complaint =
            |toml: &str| params(toml).check("split").map_or_else(|c| c.to_string(), |()| "fine".into());
        assert_eq!(complaint(""), "fine");
        assert_eq!(complaint("valid = 0.0\ntest = 0.999"), "fine");
        assert_eq!(complaint("valid = -0.1"), "split.valid is -0.1, must be from 0 to less than 1");
        assert_eq!(complaint("test = nan"), "split.test is NaN, must be from 0 to less than 1");
        assert_eq!(
            complaint("test = 0.95"),
            "split.test is 0.95, must be less than 0.9 beside split.valid = 0.1"
        );
        assert_eq!(
            complaint("kind = \"leave_one_out\"\ntest = 0.2"),
            "split.test is 0.2, must be absent where split.kind is \"leave_one_out\""
        );
        assert_eq!(complaint("min_interactions = 1"), "split.min_interactions is 1, must be 2 or more");
        assert_eq!(
            complaint("kind = \"temporal\"\nmin_interactions = 9"),
            "split.min_interactions is 9, must be absent where split.kind is \"temporal\""
        );
        assert_eq!(complaint("kind = \"cold_items\"\ncold = 0.5\nmin_interactions = 2"), "fine");
        assert_eq!(
            complaint("kind = \"cold_items\"\ncold = 1.0"),
            "split.cold is 1, must be more than 0 and less than 1"
        );
        assert_eq!(
            complaint("cold = 0.1"),
            "split.cold is 0.1, must be absent where split.kind is \"ratio\""
        );
    }

    #[test]
    fn cold_items_are_in_test_alone_and_the_rest_is_cut_by_ratio() {
        let histories: Vec<Vec<(u32, i64)>> =
            (0..20).map(|user| (0..10).map(|k| ((user + k) % 20, i64::from(k))).collect()).collect();
        let data = dataset(&histories);
        let cut = |seed| {
            split(&data, &params("kind = \"cold_items\"\ncold = 0.2"), Streams::new(seed)).expect("a split")
        };
        let first = cut(1);
        let is_cold: Vec<bool> = first.train.item_counts().iter().map(|&n| n == 0).collect();
        assert_eq!(is_cold.iter().filter(|cold| **cold).count(), 4);
        for user in (0..20).map(UserId) {
            let n_cold = first.test.items_of(user).iter().filter(|&&item| is_cold[item as usize]).count();
            let (n_valid, n_test) = shares(10 - n_cold, 0.1, 0.2);
            let own = [&first.train, &first.valid, &first.test].map(|part| part.items_of(user).len());
            assert_eq!(own, [10 - n_cold - n_valid - n_test, n_valid, n_test + n_cold]);
        }
        assert_eq!(first, cut(1));
        assert_ne!(first.train.item_counts(), cut(2).train.item_counts(), "the seed decides which are cold");
    }

    #[test]
    fn whoever_has_cold_items_only_is_a_stranger_in_train() {
        // Two items, one of them cold: one user has each.
        let data = dataset(&[vec![(1, 1)], vec![(2, 1)]]);
        let cut = split(&data, &params("kind = \"cold_items\""), Streams::new(1)).expect("a split");
        assert_eq!(sizes(&cut), [1, 0, 1]);
        // One item alone stays warm.
        let data = dataset(&[vec![(1, 1)]]);
        let cut = split(&data, &params("kind = \"cold_items\""), Streams::new(1)).expect("a split");
        assert_eq!(sizes(&cut), [1, 0, 0]);
    }

    #[test]
    fn cold_users_are_in_test_alone_and_the_others_are_cut_by_ratio() {
        let data = dataset(&[0; 20].map(|_: u32| (0..10).map(|k| (k, i64::from(k))).collect()));
        let cut = |seed| {
            split(&data, &params("kind = \"cold_users\"\ncold = 0.25"), Streams::new(seed)).expect("a split")
        };
        let first = cut(1);
        let own = |user| [&first.train, &first.valid, &first.test].map(|part| part.items_of(user).len());
        let n_cold = (0..20).map(UserId).filter(|&user| own(user) == [0, 0, 10]).count();
        assert_eq!(n_cold, 5);
        assert_eq!((0..20).map(UserId).filter(|&user| own(user) == [7, 1, 2]).count(), 15);
        assert_eq!(first, cut(1));
        assert_ne!(first, cut(2), "the seed decides who is a stranger");
        // Somebody is left to learn from.
        let data = dataset(&[vec![(1, 1)]]);
        assert_eq!(
            sizes(&split(&data, &params("kind = \"cold_users\""), Streams::new(1)).expect("one")),
            [1, 0, 0]
        );
    }

    proptest! {
        #[test]
        fn every_rule_cuts_into_disjoint_parts_that_make_the_whole(
            histories in prop::collection::vec(prop::collection::vec((0u32..30, -5i64..5), 1..20), 1..8),
            valid in 0.0..0.49f64,
            test in 0.0..0.49f64,
            kind in prop::sample::select(vec![
                SplitKind::Ratio,
                SplitKind::LeaveOneOut,
                SplitKind::Temporal,
                SplitKind::TemporalUser,
                SplitKind::ColdItems,
                SplitKind::ColdUsers,
            ]),
            cold in 0.01..0.99f64,
        ) {
            let fraction = |x| kind.has_fractions().then_some(x);
            let params = SplitParams {
                kind,
                valid: fraction(valid),
                test: fraction(test),
                min_interactions: None,
                cold: kind.has_cold().then_some(cold),
            };
            prop_assert!(params.check("split").is_ok());
            let data = dataset(&histories);
            let cut = split(&data, &params, Streams::new(3)).expect("a split");
            let mut all: Vec<(u32, u32)> = Vec::new();
            for user in (0..data.n_users() as u32).map(UserId) {
                for part in [&cut.train, &cut.valid, &cut.test] {
                    all.extend(part.items_of(user).iter().map(|item| (user.0, *item)));
                }
                let may_be_stranger = kind == SplitKind::Temporal || kind.has_cold();
                prop_assert!(may_be_stranger || !cut.train.items_of(user).is_empty());
            }
            all.sort_unstable();
            let mut whole: Vec<(u32, u32)> = data.interactions.iter().map(|x| (x.user.0, x.item.0)).collect();
            whole.sort_unstable();
            prop_assert_eq!(all, whole);
        }

        #[test]
        fn cold_items_are_as_many_as_asked_and_met_in_test_alone(
            histories in prop::collection::vec(prop::collection::vec((0u32..30, -5i64..5), 1..20), 1..8),
            cold in 0.01..0.99f64,
            seed in 0u64..1000,
        ) {
            // Without shares of the warm ones, whatever is in test is there for its item.
            let params = SplitParams {
                kind: SplitKind::ColdItems,
                valid: Some(0.0),
                test: Some(0.0),
                min_interactions: None,
                cold: Some(cold),
            };
            let data = dataset(&histories);
            let cut = split(&data, &params, Streams::new(seed)).expect("a split");
            let (all, train, test) = (data.all().item_counts(), cut.train.item_counts(), cut.test.item_counts());
            prop_assert!(cut.valid.is_empty());
            for item in 0..all.len() {
                prop_assert!(train[item] == 0 || test[item] == 0, "item {} is torn apart", item);
                prop_assert_eq!(train[item] + test[item], all[item]);
            }
            let n_cold = test.iter().filter(|&&n| n > 0).count();
            let wanted = (all.len() as f64 * cold).round().max(1.0) as usize;
            prop_assert_eq!(n_cold, wanted.min(all.len() - 1));
        }
    }
}
