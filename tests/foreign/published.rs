//! The vectors that the authors of Agent4Rec (Zhang et al., SIGIR 2024) published, on their split.
//! Real data: skipped where it is not at hand.

use std::path::{Path, PathBuf};
use windtunnel::dataset::{self, Dataset, Interactions, LoadContext, Split};
use windtunnel::id::{ItemId, UserId};
use windtunnel::metric::evaluate::{Candidates, Mask, Protocol, evaluate};
use windtunnel::progress::Quiet;
use windtunnel::recommender::{self, FitContext, Recommender, Request, Training};
use windtunnel::rng::Streams;

/// The folder of the paper's data, where it is at hand.
fn folder() -> Option<PathBuf> {
    let root = std::env::var_os("WINDTUNNEL_DATA").map(PathBuf::from);
    let root = root.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let folder = root.join("agent4rec");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no {}", folder.display());
    None
}

pub fn load(folder: &Path) -> (Dataset, Split) {
    let table = format!("path = {:?}", folder.display().to_string()).parse().expect("test TOML");
    let source = dataset::kind("agent4rec").expect("in the list").check("dataset", &table).expect("valid");
    let context = LoadContext { base_dir: Path::new("."), streams: Streams::new(1), progress: &Quiet };
    let dataset = source.load(&context).expect("read");
    let split = dataset.published_split.clone().expect("comes with the data");
    (dataset, split)
}

pub fn training<'a>(dataset: &'a Dataset, split: &'a Split) -> Training<'a> {
    Training {
        train: &split.train,
        valid: &split.valid,
        catalogue: &dataset.catalogue,
        users: &dataset.users,
        items: &dataset.items,
        genres: &dataset.genres,
        has_ratings: false,
        user_profiles: None,
    }
}

/// The published vectors of a model.
fn published(folder: &Path, model: &str, more: &str, training: &Training<'_>) -> Box<dyn Recommender> {
    let file =
        |part: &str| folder.join(format!("weights/{model}.embed_{part}.weight.npy")).display().to_string();
    let table = format!("users = {:?}\nitems = {:?}\n{more}", file("user"), file("item"));
    fit("embeddings", &table, training)
}

pub fn fit(kind: &str, params: &str, training: &Training<'_>) -> Box<dyn Recommender> {
    let kind = recommender::kind(kind).expect("in the list");
    let trainer = kind.check("arms.x", &params.parse().expect("test TOML")).expect("valid");
    let mut context = FitContext::plain(Streams::new(1), &Quiet);
    trainer.fit(training, &mut context).expect("made for this dataset")
}

#[test]
fn published_vectors_score_what_was_published() {
    let Some(folder) = folder() else { return };
    let (dataset, split) = load(&folder);
    let training = training(&dataset, &split);
    let protocol = Protocol {
        cutoffs: &[20],
        mask: Mask::TrainValid,
        candidates: Candidates::All,
        groups: false,
        streams: Streams::new(1),
    };
    // Recall@20 and NDCG@20 as the references compute them from these vectors, test ranked with
    // training and validation items masked.
    for (model, more, recall, ndcg) in [
        ("MF", "", ".1506", ".3561"),
        ("MF", "rows = \"raw\"", ".1506", ".3561"),
        ("LightGCN", "propagate_layers = 2", ".1757", ".3937"),
    ] {
        let recommender = published(&folder, model, more, &training);
        let measured = evaluate(&*recommender, &training, &split.test, &protocol, &Quiet).expect("answers");
        let value = |name: &str| {
            let found = measured.iter().find(|measured| measured.name == name).expect("measured");
            format!("{:.4}", found.value.expect("users to measure")).trim_start_matches('0').to_owned()
        };
        assert_eq!(
            (value("recall@20").as_str(), value("ndcg@20").as_str()),
            (recall, ndcg),
            "{model} {more}"
        );
    }
}

/// What two disjoint sets hold of a user, ascending.
fn both(a: &Interactions, b: &Interactions, user: UserId) -> Vec<u32> {
    let mut items = [a.items_of(user), b.items_of(user)].concat();
    items.sort_unstable();
    items
}

#[test]
fn published_vectors_show_every_page_that_was_recorded() {
    let Some(folder) = folder() else { return };
    let path = folder.join("recorded/sessions_lgn1000_even.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return eprintln!("SKIPPED: no {}", path.display());
    };
    let (dataset, split) = load(&folder);
    let recommender = published(&folder, "LightGCN", "propagate_layers = 2", &training(&dataset, &split));
    let mut n_pages = 0;
    for line in text.lines() {
        let session: serde_json::Value = serde_json::from_str(line).expect("one session a line");
        let number = |value: &serde_json::Value| value.as_u64().expect("a number").to_string();
        let raw_user = number(&session["agent"]);
        let user = UserId(dataset.users.get(&raw_user).expect("a user of the dataset"));
        let known = both(&split.train, &split.test, user);
        let request =
            Request { user, luck: 0, round: 0, page: 1, n: 20, known: &known, shown: &[], feedback: &[] };
        let list = recommender.recommend(&[request]).expect("an answer").remove(0).items;
        let mut shown: Vec<ItemId> = Vec::new();
        for page in session["pages"].as_array().expect("pages") {
            let items = page["shown"].as_array().expect("items");
            shown.extend(items.iter().map(|item| ItemId(dataset.items.get(&number(item)).expect("an item"))));
            n_pages += 1;
        }
        assert_eq!(shown[..], list[..shown.len()], "agent {raw_user}");
    }
    assert!(n_pages > 500, "{n_pages} pages of 500 agents");
}
