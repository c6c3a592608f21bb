//! Offline evaluation on a world small enough to check by hand, and on the published vectors of
//! Agent4Rec, whose accuracy its logs tell.

use super::*;
use crate::dataset::{Interaction, Item};
use crate::progress::Quiet;
use crate::recommender::Ranked;
use std::fs;
use std::path::{Path, PathBuf};

/// Vectors whose dot product is the score.
struct Vectors {
    n_factors: usize,
    users: Vec<f32>,
    items: Vec<f32>,
}

impl Recommender for Vectors {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        let rank = |request: &Request<'_>| {
            let user = &self.users[request.user.idx() * self.n_factors..][..self.n_factors];
            let score = |item: &[f32]| user.iter().zip(item).map(|(u, i)| u * i).sum::<f32>();
            let mut scored: Vec<(f32, u32)> =
                self.items.chunks(self.n_factors).map(score).zip(0u32..).collect();
            scored.retain(|(_, item)| request.known.binary_search(item).is_err());
            scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            scored.truncate(request.n);
            let items = scored.iter().map(|(_, item)| ItemId(*item)).collect();
            Ranked::plain(items, scored.iter().map(|(score, _)| *score).collect())
        };
        Ok(requests.iter().map(rank).collect())
    }

    fn adapts_in_session(&self) -> bool {
        false
    }

    fn save(&self, _dir: &Path) -> Result<(), RecommendError> {
        Ok(())
    }
}

fn interactions(n_users: usize, n_items: usize, pairs: &[(u32, u32)]) -> Interactions {
    let pair = |&(user, item): &(u32, u32)| Interaction {
        user: UserId(user),
        item: ItemId(item),
        rating: 1.0,
        order: 0,
    };
    Interactions::from_sorted(n_users, n_items, &pairs.iter().map(pair).collect::<Vec<_>>())
}

/// Everything a training set has besides interactions, empty.
struct Rest {
    catalogue: Vec<Item>,
    names: Vocabulary,
}

impl Rest {
    fn new() -> Self {
        Rest { catalogue: Vec::new(), names: Vocabulary::new() }
    }

    fn training<'a>(&'a self, train: &'a Interactions, valid: &'a Interactions) -> Training<'a> {
        Training {
            train,
            valid,
            catalogue: &self.catalogue,
            users: &self.names,
            items: &self.names,
            genres: &self.names,
            has_ratings: false,
            user_profiles: None,
        }
    }
}

fn value(measured: &[Measured], name: &str) -> f64 {
    measured.iter().find(|measured| measured.name == name).and_then(|measured| measured.value).expect(name)
}

#[test]
fn masks_candidates_and_cutoffs_do_what_they_say() {
    // Everybody ranks item 0 first, then 1, …; 3 users, 6 items.
    let ranker =
        Vectors { n_factors: 1, users: vec![1.0; 3], items: (0..6).map(|item| -(item as f32)).collect() };
    let train = interactions(3, 6, &[(0, 0), (1, 1), (2, 5)]);
    let valid = interactions(3, 6, &[(0, 1), (2, 0)]);
    let test = interactions(3, 6, &[(0, 2), (0, 4), (1, 5)]);
    let rest = Rest::new();
    let training = rest.training(&train, &valid);
    let run = |mask, candidates| {
        let protocol =
            Protocol { cutoffs: &[1, 3], mask, candidates, groups: false, streams: Streams::new(1) };
        evaluate(&ranker, &training, &test, &protocol, &Quiet).expect("ranked")
    };
    // User 0 ranks 2 3 4 5 (held out 2, 4), user 1 ranks 0 2 3 4 5 (held out 5); user 2 has nothing held out.
    let found = run(Mask::TrainValid, Candidates::All);
    assert_eq!(found[0].n, 2);
    assert_eq!(value(&found, "recall@1"), 0.25);
    assert_eq!(value(&found, "recall@3"), 0.5);
    assert_eq!(value(&found, "precision@3"), 2.0 / 3.0 / 2.0);
    assert_eq!(value(&found, "hit_rate@3"), 0.5);
    assert_eq!(value(&found, "mrr@3"), 0.5);
    // With only training items masked user 0 ranks 1 2 3 4 5.
    let found = run(Mask::Train, Candidates::All);
    assert_eq!(value(&found, "recall@1"), 0.0);
    assert_eq!(value(&found, "mrr@3"), 0.25);
    // One stored candidate beside what is held out; masked ones do not count.
    let stored = [vec![0, 1, 3], vec![4], vec![]];
    let found = run(Mask::TrainValid, Candidates::Stored(&stored));
    assert_eq!(value(&found, "recall@3"), 1.0);
    assert_eq!(value(&found, "mrr@3"), 0.75);
    // All negatives there are, sampled, are full ranking; none leave only what is held out.
    assert_eq!(run(Mask::TrainValid, Candidates::Sampled(100)), run(Mask::TrainValid, Candidates::All));
    assert_eq!(value(&run(Mask::TrainValid, Candidates::Sampled(0)), "ndcg@3"), 1.0);
    let sampled = run(Mask::TrainValid, Candidates::Sampled(2));
    assert_eq!(sampled, run(Mask::TrainValid, Candidates::Sampled(2)));
}

#[test]
fn groups_are_ranked_among_all_and_cold_items_among_themselves_too() {
    // Everybody ranks item 0 first, then 1, …; items 1 and 4 are cold, item 5 is the tail (1 of 7 interactions).
    let ranker =
        Vectors { n_factors: 1, users: vec![1.0; 3], items: (0..6).map(|item| -(item as f32)).collect() };
    let train = interactions(3, 6, &[(0, 0), (0, 2), (1, 2), (1, 3), (2, 0), (2, 3), (2, 5)]);
    let valid = interactions(3, 6, &[]);
    let test = interactions(3, 6, &[(0, 1), (0, 3), (1, 4), (1, 5), (2, 2)]);
    let rest = Rest::new();
    let protocol = Protocol {
        cutoffs: &[2],
        mask: Mask::TrainValid,
        candidates: Candidates::All,
        groups: true,
        streams: Streams::new(1),
    };
    let found = evaluate(&ranker, &rest.training(&train, &valid), &test, &protocol, &Quiet).expect("ranked");
    let n = |name: &str| found.iter().find(|measured| measured.name == name).map(|measured| measured.n);
    // User 0 ranks 1 3 4 5, user 1 ranks 0 1 4 5, user 2 ranks 1 2 4.
    assert_eq!(
        (n("ndcg@2"), n("ndcg@2.cold"), n("ndcg@2.tail"), n("ndcg@2.head")),
        (Some(3), Some(2), Some(1), Some(2))
    );
    assert_eq!(n("ndcg@2.warm"), Some(3));
    assert_eq!(value(&found, "recall@2"), (1.0 + 0.0 + 1.0) / 3.0);
    assert_eq!(value(&found, "recall@2.cold"), 0.5);
    assert_eq!(value(&found, "recall@2.tail"), 0.0);
    assert_eq!(value(&found, "recall@2.head"), 1.0);
    assert_eq!(value(&found, "mrr@2.warm"), (0.5 + 0.0 + 0.5) / 3.0);
    // Among the cold ones alone both rank 1 before 4.
    assert_eq!(value(&found, "recall@2.cold_only"), 1.0);
    assert_eq!(value(&found, "mrr@2.cold_only"), (1.0 + 0.5) / 2.0);
    let plain = Protocol { groups: false, ..protocol };
    let plain = evaluate(&ranker, &rest.training(&train, &valid), &test, &plain, &Quiet).expect("ranked");
    assert_eq!(plain, found[..6], "the values of everybody are as they were");

    let mut users = Vocabulary::new();
    ["ann", "bob", "cas"].iter().for_each(|name| _ = users.intern(name));
    let mut file = Vec::new();
    write_users(&[("mf", &found[..])], &users, &mut file).expect("memory");
    let mut rows = csv::Reader::from_reader(&file[..]);
    let at =
        rows.headers().expect("a header").iter().position(|name| name == "recall@2.tail").expect("a column");
    let tail: Vec<String> = rows.records().map(|row| row.expect("a row")[at].to_owned()).collect();
    assert_eq!(tail, ["", "0", ""], "whoever has nothing of the tail held out has an empty field");
}

#[test]
fn the_file_of_users_has_a_line_each() {
    let mut users = Vocabulary::new();
    ["ann", "bob", "cas"].iter().for_each(|name| {
        users.intern(name);
    });
    let mut sample = AccuracySample::default();
    sample.push(AgentId(0), &Accuracy::at(2, &[0], 1));
    sample.push(AgentId(2), &Accuracy::at(2, &[], 1));
    let mut file = Vec::new();
    write_users(&[("mf", &sample.finish(2))], &users, &mut file).expect("memory");
    assert_eq!(
        String::from_utf8(file).expect("text"),
        "arm,user,precision@2,recall@2,hit_rate@2,ndcg@2,mrr@2,map@2\nmf,ann,0.5,1,1,1,1,1\nmf,cas,0,0,0,0,0,0\n"
    );
}

/// The folder of Agent4Rec's published files, where it is at hand.
fn agent4rec() -> Option<PathBuf> {
    let root = std::env::var_os("WINDTUNNEL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let dir = root.join("agent4rec");
    let found = dir.join("weights").is_dir();
    if !found {
        eprintln!("SKIPPED: no published Agent4Rec vectors in {}", dir.display());
    }
    found.then_some(dir)
}

/// A little-endian f32 `.npy` of two dimensions: the values and the number of columns.
fn npy(path: &Path) -> (Vec<f32>, usize) {
    let bytes = fs::read(path).expect("an .npy file");
    let header_len = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..10 + header_len]).into_owned();
    assert!(bytes[6] == 1 && header.contains("'<f4'") && header.contains("False"), "{header}");
    let shape = header.split(['(', ')']).nth(1).expect("a shape");
    let n_columns = shape.split(',').nth(1).and_then(|n| n.trim().parse().ok()).expect("two dimensions");
    let values =
        bytes[10 + header_len..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    (values.collect(), n_columns)
}

/// Lines of `user item item …`.
fn lists(path: &Path, n_users: usize, n_items: usize) -> Interactions {
    let text = fs::read_to_string(path).expect("a list file");
    let mut pairs = Vec::new();
    for line in text.lines() {
        let mut numbers = line.split_whitespace().map(|number| number.parse::<u32>().expect("a number"));
        let Some(user) = numbers.next() else { continue };
        pairs.extend(numbers.map(|item| (user, item)));
    }
    pairs.sort_unstable();
    pairs.dedup();
    interactions(n_users, n_items, &pairs)
}

/// Layer-mean propagation over the symmetrically normalised training graph (LightGCN, equations 7 and 8).
fn propagate(vectors: &Vectors, train: &Interactions, n_layers: u32) -> Vectors {
    let k = vectors.n_factors;
    let (n_users, item_degrees) = (train.matrix.n_rows, train.item_counts());
    let (mut users, mut items) = (vectors.users.clone(), vectors.items.clone());
    let mut sums = (users.clone(), items.clone());
    for _ in 0..n_layers {
        let mut next = (vec![0f32; users.len()], vec![0f32; items.len()]);
        for user in 0..n_users {
            let row = train.items_of(UserId(user as u32));
            for &item in row {
                let item = item as usize;
                let weight = 1.0 / ((row.len() as f32).sqrt() * (item_degrees[item] as f32).sqrt());
                for f in 0..k {
                    next.0[user * k + f] += weight * items[item * k + f];
                    next.1[item * k + f] += weight * users[user * k + f];
                }
            }
        }
        (users, items) = next;
        sums.0.iter_mut().zip(&users).for_each(|(sum, x)| *sum += x);
        sums.1.iter_mut().zip(&items).for_each(|(sum, x)| *sum += x);
    }
    let mean = |sums: Vec<f32>| sums.into_iter().map(|sum| sum / (n_layers + 1) as f32).collect();
    Vectors { n_factors: k, users: mean(sums.0), items: mean(sums.1) }
}

/// The published accuracy of Agent4Rec's own vectors on its own split, to the four digits that are published.
#[test]
fn published_vectors_score_what_was_published() {
    let Some(dir) = agent4rec() else { return };
    let vectors = |model: &str| {
        let (users, n_factors) = npy(&dir.join(format!("weights/{model}.embed_user.weight.npy")));
        let (items, _) = npy(&dir.join(format!("weights/{model}.embed_item.weight.npy")));
        Vectors { n_factors, users, items }
    };
    let mf = vectors("MF");
    let (n_users, n_items) = (mf.users.len() / mf.n_factors, mf.items.len() / mf.n_factors);
    let set = |name: &str| lists(&dir.join("cf_data").join(name), n_users, n_items);
    let (train, valid, test) = (set("train.txt"), set("valid.txt"), set("test.txt"));
    assert_eq!((train.len(), valid.len(), test.len()), (74_271, 55_486, 55_492));
    let rest = Rest::new();
    let training = rest.training(&train, &valid);
    let protocol = Protocol {
        cutoffs: &[20],
        mask: Mask::TrainValid,
        candidates: Candidates::All,
        groups: false,
        streams: Streams::new(1),
    };
    let score = |ranker: &Vectors| {
        let found = evaluate(ranker, &training, &test, &protocol, &Quiet).expect("ranked");
        assert_eq!(found[0].n, 1000);
        [value(&found, "recall@20"), value(&found, "ndcg@20")].map(|value| format!("{value:.4}"))
    };
    assert_eq!(score(&mf), ["0.1506", "0.3561"]);
    assert_eq!(score(&propagate(&vectors("LightGCN"), &train, 2)), ["0.1757", "0.3937"]);
}
