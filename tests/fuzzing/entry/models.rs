//! Numbers from strangers: `.npy` arrays, vectors and ready lists, model folders, the head of a GGUF file.

use super::archive::{Folder, split};
use super::{read, words};
use std::path::Path;
use windtunnel::dataset::Vocabulary;
use windtunnel::encoder::{self, Entry};
use windtunnel::id::{ItemId, UserId};
use windtunnel::progress::Quiet;
use windtunnel::recommender::foreign::{ranking_file, roster::Roster};
use windtunnel::recommender::{self, Recommender, Request, Surroundings, model_file};

/// Reads an array as everything that an array may be.
pub fn npy(data: &[u8]) {
    let folder = Folder::with(&[("a.npy", data)]);
    let path = folder.path().join("a.npy");
    if let Some(matrix) = read(model_file::read_matrix(&path)) {
        assert_eq!(matrix.data.len(), matrix.n_rows * matrix.n_cols);
        assert!(matrix.data.iter().all(|x| x.is_finite()));
    }
    for len in [0, 1, 4] {
        if let Some(values) = read(model_file::read_vector(&path, len)) {
            assert_eq!(values.len(), len);
        }
    }
    for len in [None, Some(4)] {
        if let Some(ids) = read(model_file::read_ids(&path, len, 10)) {
            assert!(ids.iter().all(|&id| id < 10));
        }
    }
}

/// Looks at the head of a model.
pub fn gguf_header(data: &[u8]) {
    let folder = Folder::with(&[("m.gguf", data)]);
    let path = folder.path().join("m.gguf");
    if let Some(head) = read(windtunnel::llm::llama::gguf::inspect(&path)) {
        assert_eq!(head.hash.len(), 16);
    }
    read(windtunnel::llm::llama::gguf::look_at(&path));
}

/// Raw ids `PREFIX1` to `PREFIX12`.
fn ids(prefix: &str) -> Vocabulary {
    let mut ids = Vocabulary::new();
    (1..=12).for_each(|id| _ = ids.intern(&format!("{prefix}{id}")));
    ids
}

/// Reads vectors with their list of ids, and ready lists, in every form.
pub fn vector_files(data: &[u8]) {
    let files = split(data, "vectors.npy");
    let folder = Folder::with(&files);
    let items = ids("i");
    let entries: Vec<Entry<'_>> = items.all().iter().map(|id| Entry { id, text: "a film" }).collect();
    for (vectors, listed) in [
        ("vectors.npy", None),
        ("vectors.npy", Some("ids.csv")),
        ("vectors.npy", Some("ids.txt")),
        ("vectors.parquet", None),
    ] {
        if !folder.path().join(vectors).is_file()
            || listed.is_some_and(|list| !folder.path().join(list).is_file())
        {
            continue;
        }
        let mut table = toml::Table::from_iter([("path".to_owned(), vectors.into())]);
        table.extend(listed.map(|listed| ("ids".to_owned(), listed.into())));
        let kind = encoder::kind("file").expect("an encoder of this name");
        let plan = match kind.check("encoders.x", &table) {
            Ok(plan) => plan,
            Err(complaint) => return drop(words(&complaint)),
        };
        let Some(encoder) = read(plan.start(folder.path())) else { continue };
        if let Some(rows) = read(encoder.encode(&entries, &Quiet)) {
            assert_eq!((rows.n_rows, rows.data.len()), (12, 12 * rows.n_cols));
            assert!(rows.data.iter().all(|x| x.is_finite()));
        }
    }
    for name in ["lists.txt", "lists.csv", "lists.parquet"] {
        let path = folder.path().join(name);
        if !path.is_file() {
            continue;
        }
        if let Some(lists) = read(ranking_file::read(&path, &ids("u"), &items)) {
            assert!(lists.items.iter().all(|&item| item < 12));
            assert_eq!(lists.repeated(12), None);
        }
    }
}

/// Loads a model of whatever kind it says it is, but for kinds that would start or call something, and asks it.
pub fn model_files(data: &[u8]) {
    let files = split(data, "model.json");
    let folder = Folder::with(&files);
    let dir = folder.path();
    let around = Surroundings::plain();
    read(Roster::load(dir));
    let Some(kind) = read(model_file::kind_of(dir)) else { return };
    // A stranger's command is not run and a stranger's server not called, here least of all.
    let is_quiet = |kind: &str| !["http", "process", "llm_rank"].contains(&kind);
    let inner_is_quiet = read(model_file::kind_of(&dir.join("inner"))).is_none_or(|inner| is_quiet(&inner));
    let Some(kind) = recommender::kind(&kind).filter(|kind| is_quiet(kind.name()) && inner_is_quiet) else {
        return;
    };
    if let Some(model) = read(kind.load(dir, &around)) {
        ask(&*model);
    }
}

/// Asks for users whom the model knows, hardly knows and does not know, and saves it.
fn ask(model: &dyn Recommender) {
    let shown = [ItemId(1)];
    let request = |user: u32| Request {
        user: UserId(user),
        luck: 7,
        round: 0,
        page: 1,
        n: 5,
        known: &[0, 2],
        shown: &shown,
        feedback: &[],
    };
    let requests: Vec<Request<'_>> = [0, 3, 11, 40, u32::MAX].into_iter().map(request).collect();
    for list in model.recommend_each(&requests).into_iter().filter_map(read) {
        assert!(list.items.len() <= 5 && list.items.len() == list.scores.len());
        assert!(list.items.iter().all(|item| ![0, 1, 2].contains(&item.0)), "{:?}", list.items);
    }
    let saved = tempfile::tempdir().expect("a temporary folder");
    read(model.save(saved.path() as &Path));
}
