//! Vectors and ready lists from files, good and bad.

use super::toy::{World, check, items, root};
use arrow_array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray};
use std::path::Path;
use std::sync::Arc;
use windtunnel::id::ItemId;
use windtunnel::recommender::dense::Matrix;
use windtunnel::recommender::{self, Ranked, RecommendError, Recommender, Request, Surroundings, model_file};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn matrix(dir: &Path, name: &str, n_rows: usize, values: &[f32]) {
    let matrix = Matrix::new(n_rows, values.len() / n_rows, values.to_vec());
    model_file::write_matrix(&dir.join(name), &matrix).expect("written");
}

/// Vectors of six users along two axes, and of twelve items; item 10 is long.
fn vectors(dir: &Path) -> String {
    let users: Vec<f32> =
        (0..6).flat_map(|user| if user == 5 { [0.0, 0.0] } else { [1.0, user as f32] }).collect();
    let items: Vec<f32> =
        (0..12).flat_map(|item| if item == 10 { [30.0, 30.0] } else { [item as f32, 1.0] }).collect();
    matrix(dir, "users.npy", 6, &users);
    matrix(dir, "items.npy", 12, &items);
    let path = |name: &str| dir.join(name).display().to_string();
    format!("users = {:?}\nitems = {:?}\n", path("users.npy"), path("items.npy"))
}

fn first(list: &Ranked, n: usize) -> Vec<u32> {
    list.items[..n].iter().map(|item| item.0).collect()
}

#[test]
fn vectors_score_by_inner_product_or_cosine_with_bias() {
    let (world, dir) = (World::new(), folder());
    let files = vectors(dir.path());
    let answer = |more: &str| {
        let model = world.fit("embeddings", &format!("{files}{more}")).expect("vectors");
        assert!(!model.adapts_in_session());
        model.recommend(&world.requests()).expect("answers")
    };
    let dot = answer("");
    // User 0 looks along the first axis: the long item, then by number; 9 was shown.
    assert_eq!(first(&dot[0], 4), [10, 11, 8, 7]);
    assert_eq!(dot[0].scores[..2], [30.0, 11.0]);
    // User 5 has no vector: items 1 to 5 are the most popular, 5 is known.
    assert_eq!(first(&dot[5], 4), [1, 2, 3, 4]);
    let cosine = answer("similarity = \"cosine\"");
    assert_eq!(first(&cosine[0], 4), [11, 8, 7, 6]);
    // User 1 looks along the diagonal, where the long item lies; item 0 is a right angle closer than 11.
    assert_eq!(first(&cosine[1], 2), [10, 3]);
    assert!((cosine[1].scores[0] - 1.0).abs() < 1e-6, "{:?}", cosine[1].scores);
    model_file::write_vector(
        &dir.path().join("bias.npy"),
        &[0.0, 0.0, 100.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    )
    .expect("written");
    let bias = format!("item_bias = {:?}", dir.path().join("bias.npy").display().to_string());
    assert_eq!(first(&answer(&bias)[0], 3), [2, 10, 11]);
    // Propagated, the vector of user 0 is no longer its own.
    assert_ne!(answer("propagate_layers = 2")[0].scores, dot[0].scores);
}

#[test]
fn vectors_of_the_wrong_shape_are_refused_with_both_shapes() {
    let (world, dir) = (World::new(), folder());
    let files = vectors(dir.path());
    let refused =
        |more: &str| world.fit("embeddings", &format!("{files}{more}")).err().expect("refused").to_string();
    assert!(
        refused("rows = \"raw\"")
            .contains("must have a row for id \"u0\", one of the 6 users of the dataset")
    );
    matrix(dir.path(), "users.npy", 5, &[0.5; 10]);
    let found = refused("");
    assert!(
        found.contains("users.npy: has shape [5, 2], must have [6, 2]: the dataset has 6 users"),
        "{found}"
    );
    matrix(dir.path(), "users.npy", 6, &[0.5; 18]);
    let found = refused("");
    assert!(
        found.contains("items.npy: has 2 columns, ") && found.contains("users.npy has 3; both must"),
        "{found}"
    );
    matrix(dir.path(), "users.npy", 6, &[0.5; 12]);
    matrix(dir.path(), "items.npy", 13, &[0.5; 26]);
    let found = refused("");
    assert!(
        found.contains("items.npy: has shape [13, 2], must have [12, 2]: the dataset has 12 items"),
        "{found}"
    );
    matrix(dir.path(), "items.npy", 12, &[f32::NAN; 24]);
    assert!(refused("").contains("items.npy: value NaN at 0 must be finite"));
    std::fs::remove_file(dir.path().join("items.npy")).expect("removed");
    assert!(matches!(world.fit("embeddings", &files), Err(RecommendError::Io { .. })));
    for (params, complaint) in [
        ("", "arms.x.users is missing: the .npy file of the user vectors"),
        ("users = \"a\"", "arms.x.items is missing: the .npy file of the item vectors"),
        ("usrs = \"a\"\nitems = \"b\"", "unknown key `arms.x.usrs`, did you mean `users`?"),
        (
            "users = \"a\"\nitems = \"b\"\npropagate_layers = 11",
            "arms.x.propagate_layers is 11, must be 0..=10",
        ),
        (
            "users = \"a\"\nitems = \"b\"\nsimilarity = \"l2\"",
            "arms.x.similarity: unknown variant `l2`, expected `dot` or `cosine`",
        ),
    ] {
        let found = check("embeddings", params).err().expect("refused");
        assert!(found.contains(complaint), "{params}: {found}");
    }
}

/// Saves, loads from where the original files are gone, and compares the answers.
fn assert_round_trip(world: &World, kind: &str, model: Box<dyn Recommender>, files: tempfile::TempDir) {
    let saved = folder();
    model.save(saved.path()).expect("saved");
    files.close().expect("removed");
    let kind = recommender::kind(kind).expect("in the list");
    let loaded = kind.load(saved.path(), &Surroundings::plain()).expect("loaded");
    let answers = |model: &dyn Recommender| model.recommend(&world.requests()).expect("answers");
    assert_eq!(answers(&*loaded), answers(&*model));
    for entry in std::fs::read_dir(saved.path()).expect("a folder") {
        let path = entry.expect("an entry").path();
        let whole = std::fs::read(&path).expect("read");
        for len in [0, whole.len() / 2, whole.len() - 2] {
            std::fs::write(&path, &whole[..len]).expect("written");
            assert!(
                kind.load(saved.path(), &Surroundings::plain()).is_err(),
                "{} cut to {len} bytes",
                path.display()
            );
        }
        std::fs::write(&path, whole).expect("written");
    }
}

#[test]
fn a_saved_model_needs_the_files_no_more() {
    let world = World::new();
    let dir = folder();
    let model = world.fit("embeddings", &(vectors(dir.path()) + "similarity = \"cosine\"")).expect("vectors");
    assert_round_trip(&world, "embeddings", model, dir);
    let dir = folder();
    let model = lists(&world, dir.path(), "lists.csv", CSV, "fill = \"popular\"").expect("lists");
    assert_round_trip(&world, "ranking", model, dir);
    let dir = folder();
    let model = record(&world, dir.path(), RECORD).expect("a record");
    assert_round_trip(&world, "recorded", model, dir);
}

/// Two sessions of the small world: one of two pages, one of one.
const RECORD: &str = r#"{"agent": "u0", "pages": [{"page": 1, "shown": ["i8", "i7"], "aligned": [], "watched": [], "rating": [], "next": "NEXT"}, {"page": 2, "shown": ["i2"], "aligned": [], "watched": [], "rating": [], "next": "EXIT"}], "exit_page": 2, "satisfaction": 3}
{"agent": "u3", "pages": [{"page": 1, "shown": ["i11", "i0"], "aligned": [], "watched": [], "rating": [], "next": null}], "exit_page": 1, "satisfaction": null}
"#;

fn record(world: &World, dir: &Path, text: &str) -> Result<Box<dyn Recommender>, RecommendError> {
    let path = dir.join("record.jsonl");
    std::fs::write(&path, text).expect("written");
    world.fit("recorded", &format!("transcripts = {:?}", path.display().to_string()))
}

#[test]
fn recorded_pages_are_shown_to_the_same_people_and_no_more() {
    let (world, dir) = (World::new(), folder());
    let model = record(&world, dir.path(), RECORD).expect("a record");
    let answers = |user, n| model.recommend(&[world.request(user, n)]).expect("an answer").remove(0);
    let ids = |user, n| answers(user, n).items.iter().map(|item| item.0).collect::<Vec<_>>();
    assert_eq!((ids(0, 2), ids(0, 20)), (vec![8, 7], vec![8, 7, 2]));
    assert_eq!((ids(3, 20), ids(1, 5), ids(99, 5)), (vec![11, 0], vec![], vec![]));
    assert_eq!(answers(0, 3).scores, [1.0, 0.5, 1.0 / 3.0]);
    let shown = [ItemId(7)];
    let request = Request { shown: &shown, ..world.request(0, 5) };
    assert_eq!(model.recommend(&[request]).expect("an answer")[0].items, [ItemId(8), ItemId(2)]);
    // What is excluded only in this world, not in training, is an error of the request.
    let known = [2];
    let request = Request { known: &known, ..world.request(0, 5) };
    let found = model.recommend_each(&[request, world.request(3, 1)]);
    let error = found[0].as_ref().expect_err("excluded").to_string();
    assert!(
        error.contains("user u0 is shown item i2, which session.exclude keeps from this user"),
        "{error}"
    );
    assert_eq!(found[1].as_ref().expect("an answer").items, [ItemId(11)]);
    for (from, to, told) in [
        (
            "\"i8\"",
            "\"i1\"",
            "record.jsonl: user u0 is shown item i1, which session.exclude keeps from this user",
        ),
        ("\"i2\"", "\"i8\"", "record.jsonl: user u0 is shown item i8 twice, a session never repeats one"),
        ("\"i2\"", "\"i99\"", "row 1: page 2: item \"i99\" is not of the dataset"),
        ("\"u3\"", "\"v3\"", "row 2: agent is \"v3\", expected a user of the dataset"),
    ] {
        let spoilt = RECORD.replacen(from, to, 1);
        let error = record(&world, dir.path(), &spoilt).err().expect(told).to_string();
        assert!(error.contains(told), "{told}: {error}");
    }
    let found = check("recorded", "").err().expect("refused");
    assert_eq!(found, "arms.x.transcripts is missing: the file of recorded sessions or calls");
}

const CSV: &str =
    "user,item,score\nu0,i7,0.5\nu0,i8,2.5\nu3,i0,-1\nnobody,i1,4\nu3,i3,2\nu3,i11,0\nu0,i2,0.5\n";

fn lists(
    world: &World,
    dir: &Path,
    name: &str,
    text: &str,
    more: &str,
) -> Result<Box<dyn Recommender>, RecommendError> {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("written");
    world.fit("ranking", &format!("path = {:?}\n{more}", path.display().to_string()))
}

#[test]
fn lists_are_read_from_text_csv_and_parquet_alike() {
    let (world, dir) = (World::new(), folder());
    let asked = [world.request(0, 3), world.request(3, 2)];
    let text = "u0 i8 i7 i2\n\nu3 i3 i11 i0\nnobody i1\n";
    let rank = "Item, user, rank\ni2,u0,3\ni8,u0,1\ni7,u0,2\ni3,u3,1\ni11,u3,2\ni0,u3,3\n";
    for (name, text) in [("lists.txt", text), ("score.csv", CSV), ("rank.CSV", rank)] {
        let model = lists(&world, dir.path(), name, text, "").expect("lists");
        let answers = model.recommend(&asked).expect("answers");
        assert_eq!(items(&answers), [vec![8, 7, 2], vec![11, 0]], "{name}");
        let scores = if name == "score.csv" { vec![0.0, -1.0] } else { vec![1.0, 0.5] };
        assert_eq!(answers[1].scores, scores, "{name}");
    }
    let users: ArrayRef = Arc::new(StringArray::from(vec!["u0", "u3", "u0", "u0", "u3", "u3"]));
    let items_of = |ids: [&str; 6]| -> ArrayRef { Arc::new(StringArray::from(ids.to_vec())) };
    let column = items_of(["i2", "i0", "i8", "i7", "i11", "i3"]);
    let ranks: ArrayRef = Arc::new(Int64Array::from(vec![9, 8, 0, 1, 7, 6]));
    let scores: ArrayRef = Arc::new(Float32Array::from(vec![0.5, -1.0, 2.5, 0.75, 0.0, 2.0]));
    for (name, columns) in [
        ("rank", vec![("user", users.clone()), ("item", column.clone()), ("rank", ranks)]),
        ("score", vec![("score", scores), ("user", users.clone()), ("item", column)]),
        ("rows", vec![("user", users), ("item", items_of(["i8", "i3", "i7", "i2", "i11", "i0"]))]),
    ] {
        let model = parquet(&world, dir.path(), columns).expect("lists");
        let answers = model.recommend(&asked).expect("answers");
        assert_eq!(items(&answers), [vec![8, 7, 2], vec![11, 0]], "{name}");
    }
}

fn parquet(
    world: &World,
    dir: &Path,
    columns: Vec<(&str, ArrayRef)>,
) -> Result<Box<dyn Recommender>, RecommendError> {
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let path = dir.join("lists.parquet");
    let file = std::fs::File::create(&path).expect("a file");
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    world.fit("ranking", &format!("path = {:?}", path.display().to_string()))
}

#[test]
fn short_lists_are_errors_or_filled_with_popular_items() {
    let (world, dir) = (World::new(), folder());
    let model = lists(&world, dir.path(), "lists.txt", "u0 i8 i9 i1 i7\n", "").expect("lists");
    let complaint = |user, n| model.recommend(&[world.request(user, n)]).expect_err("too short").to_string();
    let found = complaint(0, 3);
    assert!(
        found.starts_with("recommender answered badly for user u0, page 2: of the 4 items in "),
        "{found}"
    );
    assert!(
        found.ends_with(" 2 are not excluded, expected 3; fill = \"popular\" would fill it up"),
        "{found}"
    );
    assert!(complaint(4, 1).contains("user u4, page 2: has no list in "));
    assert!(complaint(99, 1).contains("user number 99 (not in training), page 2: has no list in "));
    let each = model.recommend_each(&[world.request(0, 2), world.request(4, 1), world.request(0, 1)]);
    assert_eq!(each.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    let everything: Vec<u32> = (0..12).collect();
    let exhausted = recommender::Request { known: &everything, ..world.request(0, 3) };
    assert!(model.recommend(&[exhausted]).expect("nothing is left")[0].items.is_empty());

    let model =
        lists(&world, dir.path(), "lists.txt", "u0 i8 i9 i1 i7\n", "fill = \"popular\"").expect("lists");
    // Items 1 to 5 have two training interactions, 0 and 6 one, the rest none; user 0 has 0 and 1.
    let answers = model.recommend(&[world.request(0, 6), world.request(99, 2)]).expect("answers");
    assert_eq!(items(&answers), [vec![8, 7, 2, 3, 4, 5], vec![1, 2]]);
    let model = lists(&world, dir.path(), "score.csv", CSV, "fill = \"popular\"").expect("lists");
    let answer = model.recommend(&[world.request(3, 4)]).expect("an answer").remove(0);
    assert_eq!(answer.items, [11, 0, 1, 2].map(ItemId));
    assert_eq!(answer.scores, [0.0, -1.0, -2.0, -3.0]);
}

#[test]
fn bad_lists_are_refused_with_their_place() {
    let (world, dir) = (World::new(), folder());
    for (name, text, complaint) in [
        ("a.txt", "u0 i1\nu1 i2 x9\n", "a.txt: line 2: item \"x9\" is not in the dataset"),
        ("a.txt", "u0 i1\nu0 i2\n", "a.txt: line 2: user \"u0\" has a list already"),
        ("a.txt", "u0 i1 i1\n", "a.txt: the list of user \"u0\" has item \"i1\" twice"),
        ("a.csv", "user,film\nu0,i1\n", "a.csv: has the columns user, film; expected user, item and"),
        (
            "a.csv",
            "user,item\nu0,i1\nu0\n",
            "a.csv: CSV error: record 2 (line: 3, byte: 16): found record with 1 fields",
        ),
        (
            "a.csv",
            "user,item,score\nu0,i1,much\n",
            "a.csv: line 2: found \"much\", expected a score, a number",
        ),
        ("a.csv", "user,item,score\nu0,i1,nan\n", "a.csv: line 2: the score must be finite"),
        (
            "a.csv",
            "user,item,rank\nu0,i1,1.5\n",
            "a.csv: line 2: found \"1.5\", expected a rank, a whole number",
        ),
        ("a.csv", "user,item\nu0,i1\nu0,i1\n", "a.csv: the list of user \"u0\" has item \"i1\" twice"),
        ("a.parquet", "PAR1", "a.parquet: cannot be read as Parquet: "),
    ] {
        let found = lists(&world, dir.path(), name, text, "").err().expect("refused").to_string();
        assert!(found.contains(complaint), "{text}: {found}");
    }
    std::fs::write(dir.path().join("b.txt"), b"u0 i1\nu1 \xff\n").expect("written");
    let params = format!("path = {:?}", dir.path().join("b.txt").display().to_string());
    let found = world.fit("ranking", &params).err().expect("refused").to_string();
    assert!(found.contains("b.txt: line 2: is not UTF-8"), "{found}");
    let one = |name: &'static str, array: ArrayRef| vec![(name, array)];
    let numbers: ArrayRef = Arc::new(Float32Array::from(vec![1.0]));
    let found = parquet(&world, dir.path(), one("user", numbers.clone())).err().expect("refused").to_string();
    assert!(found.contains("must have the columns user and item"), "{found}");
    let both = vec![("user", numbers.clone()), ("item", numbers)];
    let found = parquet(&world, dir.path(), both).err().expect("refused").to_string();
    assert!(
        found.contains("column `user` holds Float32, must hold text or whole numbers without nulls"),
        "{found}"
    );
    let found = check("ranking", "").err().expect("refused");
    assert!(found.contains("arms.x.path is missing: the file with the lists"), "{found}");
}

#[test]
fn the_published_lists_are_read_too() {
    let root = std::env::var_os("WINDTUNNEL_DATA").map_or_else(|| root().join("../shared/data"), Into::into);
    let path = root.join("agent4rec/weights/MF.recommend_top_k.txt");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return eprintln!("SKIPPED: no {}", path.display());
    };
    let (dataset, split) = super::published::load(&root.join("agent4rec"));
    let training = super::published::training(&dataset, &split);
    let params = format!("path = {:?}", path.display().to_string());
    let model = super::published::fit("ranking", &params, &training);
    let line: Vec<u32> =
        text.lines().nth(7).expect("a line").split(' ').map(|id| id.parse().expect("an id")).collect();
    let user = windtunnel::id::UserId(dataset.users.get(&line[0].to_string()).expect("a user"));
    let world = World::new();
    let request = recommender::Request { user, known: &[], shown: &[], n: 20, ..world.request(0, 0) };
    let list = model.recommend(&[request]).expect("an answer").remove(0);
    let raw: Vec<u32> =
        list.items.iter().map(|item| dataset.items.raw(item.0).parse().expect("a number")).collect();
    assert_eq!(raw, line[1..]);
}
