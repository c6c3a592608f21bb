//! A program that does everything wrong that a program can.

use super::toy::{FAULTS, N_USERS, Spoilt, World, assert_one_failure, check, in_order, items, python, root};
use std::path::Path;
use windtunnel::id::ItemId;
use windtunnel::recommender::{self, Feedback, Request, Surroundings};

/// Parameters of the faulty program; it leaves a mark in `dir/marks` at every start.
fn faulty(python: &str, mode: &str, dir: &Path, more: &str) -> String {
    let script = root().join("tests/foreign/faulty.py").display().to_string();
    let marks = dir.join("marks").display().to_string();
    format!(
        "command = [{python:?}, \"-S\", \"-E\", {script:?}, {mode:?}, {marks:?}]\nretries = 1\nmax_response_bytes = 2048\n{more}"
    )
}

fn n_starts(dir: &Path) -> usize {
    std::fs::read_to_string(dir.join("marks")).map_or(0, |marks| marks.lines().count())
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn a_good_program_is_believed_and_started_once() {
    let Some(python) = python() else { return };
    let world = World::new();
    for mode in ["good", "chatty"] {
        let dir = folder();
        let model =
            world.fit("process", &faulty(&python, mode, dir.path(), "batch_size = 4")).expect("greeted");
        for _ in 0..2 {
            assert_eq!(items(&model.recommend(&world.requests()).expect("answers")), in_order(), "{mode}");
        }
        let each = model.recommend_each(&world.requests());
        let each: Vec<_> = each.into_iter().map(|list| list.expect("a list")).collect();
        assert_eq!((items(&each), n_starts(dir.path())), (in_order(), 1), "{mode}");
        assert_eq!(each[0].scores, [1.0, 0.5, 1.0 / 3.0, 0.25, 0.2], "reciprocal ranks");
        assert!(model.recommend(&[]).expect("nothing").is_empty());
    }
}

#[test]
fn what_it_is_asked_holds_everything_and_nothing_else() {
    let Some(python) = python() else { return };
    let (world, dir) = (World::new(), folder());
    let params = faulty(&python, "records", dir.path(), "fold_in = true\nhistory_max = 1");
    let model = world.fit("process", &params).expect("greeted");
    assert!(model.adapts_in_session());
    let feedback = [
        Feedback { item: ItemId(9), page: 1, watched: true, rating: Some(4.0) },
        Feedback { item: ItemId(8), page: 1, watched: false, rating: None },
    ];
    let shown = [ItemId(9), ItemId(8)];
    let request = Request { shown: &shown, feedback: &feedback, ..world.request(1, 3) };
    model.recommend(&[request, world.request(77, 1)]).expect("answers");
    let text = std::fs::read_to_string(dir.path().join("marks.json")).expect("recorded");
    let found: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let question = |user: Option<&str>, rest: serde_json::Value| {
        let mut question = serde_json::json!({"user": user, "round": 0, "page": 2, "luck": 7});
        if let (Some(question), Some(rest)) = (question.as_object_mut(), rest.as_object()) {
            question.extend(rest.clone());
        }
        question
    };
    let expected = serde_json::json!({"protocol": 1, "id": 2, "type": "recommend", "requests": [
        question(Some("u1"), serde_json::json!({
            "n": 3,
            "history": [{"item": "i1", "rating": 3.0}],
            "exclude": ["i1", "i2", "i9", "i8"],
            "session": [
                {"item": "i9", "page": 1, "watched": true, "rating": 4.0},
                {"item": "i8", "page": 1, "watched": false},
            ],
        })),
        question(None, serde_json::json!({"n": 1, "history": [], "exclude": ["i9"], "session": []})),
    ]});
    assert_eq!(found, expected);
}

#[test]
fn every_fault_names_user_page_and_cause_and_spoils_one_session() {
    let Some(python) = python() else { return };
    let world = World::new();
    let of_processes = [
        ("dies", "the process ended (exit status: 1); its stderr ends with: out of | memory", Spoilt::Answer),
        ("closes", "the process closed its output", Spoilt::Answer),
    ];
    // Side by side: most of the time goes into waiting.
    std::thread::scope(|scope| {
        for &(mode, cause, spoilt) in FAULTS.iter().chain(&of_processes) {
            let (world, python) = (&world, &python);
            scope.spawn(move || {
                let dir = folder();
                let model = world.fit("process", &faulty(python, mode, dir.path(), "")).expect("greeted");
                assert_one_failure(world, &*model, mode, cause, spoilt);
            });
        }
    });
}

#[test]
fn a_program_that_died_is_started_again() {
    let Some(python) = python() else { return };
    let (world, dir) = (World::new(), folder());
    let model = world.fit("process", &faulty(&python, "dies_once", dir.path(), "")).expect("greeted");
    assert_eq!(items(&model.recommend(&world.requests()).expect("answers")), in_order());
    assert_eq!(n_starts(dir.path()), 2);
}

#[test]
fn a_program_that_is_gone_is_not_asked_for_everybody() {
    let Some(python) = python() else { return };
    let world = World::new();
    let many: Vec<Request<'_>> = (0..500).map(|k| world.request(k % N_USERS, 5)).collect();
    // Silent: the two tries of the first batch. Dying: those, and sixteen single requests.
    for (mode, n_starts_max, cause) in [
        ("hangs", 2, "no answer within 400 ms; tried 2 times"),
        ("always_dies", 18, "given up after 16 unusable answers in a row"),
    ] {
        let dir = folder();
        let params = faulty(&python, mode, dir.path(), "timeout_ms = 400\nbatch_size = 50");
        let params = if mode == "hangs" { params } else { params.replace("timeout_ms = 400\n", "") };
        let model = world.fit("process", &params).expect("greeted");
        let failed: Vec<_> = model.recommend_each(&many).into_iter().filter_map(Result::err).collect();
        assert_eq!(failed.len(), many.len(), "{mode}");
        let last = failed[failed.len() - 1].cause();
        assert!(last.contains(cause), "{mode}: {last}");
        assert!(n_starts(dir.path()) <= n_starts_max, "{mode}: {} starts", n_starts(dir.path()));
    }
}

#[test]
fn a_program_that_cannot_be_greeted_is_an_error_of_the_fit() {
    let world = World::new();
    let missing = "command = [\"/nowhere/recommender\", \"x\"]\nretries = 0";
    let error = world.fit("process", missing).err().expect("refused").to_string();
    let head = "process `/nowhere/recommender x` cannot be used: cannot start \"/nowhere/recommender\": ";
    assert!(error.starts_with(head), "{error}");
    let Some(python) = python() else { return };
    for (mode, cause) in [
        (
            "unwilling",
            "answer is not as expected: expected value at line 1 column 1; it begins \"hello yourself\"",
        ),
        ("deaf", "no answer within 500 ms; tried 2 times"),
    ] {
        let dir = folder();
        let wait = if mode == "deaf" { "start_timeout_ms = 500" } else { "" };
        let params = faulty(&python, mode, dir.path(), wait);
        let error = world.fit("process", &params).err().expect("refused").to_string();
        assert!(error.contains(cause), "{mode}: {error}");
        assert!(n_starts(dir.path()) <= 2, "{mode}");
    }
}

#[test]
fn a_saved_one_is_started_again_with_what_it_was_told() {
    let Some(python) = python() else { return };
    let (world, dir, saved) = (World::new(), folder(), folder());
    let model =
        world.fit("process", &faulty(&python, "good", dir.path(), "fold_in = true")).expect("greeted");
    model.save(saved.path()).expect("saved");
    drop(model);
    let kind = recommender::kind("process").expect("in the list");
    let loaded = kind.load(saved.path(), &Surroundings::plain()).expect("greeted");
    assert!(loaded.adapts_in_session());
    assert_eq!(items(&loaded.recommend(&world.requests()).expect("answers")), in_order());
    assert_eq!(n_starts(dir.path()), 2);
    for file in ["names.json", "history_items.npy", "model.json"] {
        let path = saved.path().join(file);
        let whole = std::fs::read(&path).expect("read");
        std::fs::write(&path, &whole[..whole.len() / 2]).expect("written");
        assert!(kind.load(saved.path(), &Surroundings::plain()).is_err(), "{file}");
        std::fs::write(&path, whole).expect("written");
    }
}

#[test]
fn bad_parameters_are_answered_with_their_path() {
    for (params, complaint) in [
        ("", "arms.x.command is missing: the program and its arguments"),
        ("command = []", "arms.x.command is [], must be a program and its arguments"),
        ("command = [\"\"]", "arms.x.command is [\"\"], must be a program and its arguments"),
        ("command = \"x\"", "arms.x.command: invalid type: string \"x\", expected a sequence"),
        ("command = [\"x\"]\nretries = 11", "arms.x.retries is 11, must be 0..=10"),
        ("command = [\"x\"]\nbatch_size = 0", "arms.x.batch_size is 0, must be 1..=65536"),
        ("command = [\"x\"]\ntimeout_ms = 0", "arms.x.timeout_ms is 0, must be 1..=3600000"),
        (
            "command = [\"x\"]\nmax_response_bytes = 1",
            "arms.x.max_response_bytes is 1, must be 1024..=1073741824",
        ),
        ("command = [\"x\"]\nshell = true", "unknown key `arms.x.shell`"),
    ] {
        let found = check("process", params).err().expect("refused");
        assert!(found.contains(complaint), "{params}: {found}");
    }
}
