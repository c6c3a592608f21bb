//! Keys that servers repeat, in every way in which they do, and everything that a run leaves behind.

use super::place::{ASKING, KEY, Place, TOKEN, answer, complaint, repeated};
use crate::server::{Answer, Heard};
use serde_json::json;
use std::path::Path;

/// Enough of a key to be of use to somebody.
fn parts() -> [&'static [u8]; 4] {
    [KEY.as_bytes(), TOKEN.as_bytes(), &KEY.as_bytes()[8..24], &TOKEN.as_bytes()[8..24]]
}

/// Panics where a file below `dir`, or what was said, holds a key; gives how many bytes were looked at.
fn no_key_in(dir: &Path, said: &[&str]) -> usize {
    let mut n_bytes = 0;
    let mut look = |what: &str, bytes: &[u8]| {
        n_bytes += bytes.len();
        for part in parts() {
            let found = bytes.windows(part.len()).position(|window| window == part);
            let around =
                found.map(|at| String::from_utf8_lossy(&bytes[at.saturating_sub(60)..at]).into_owned());
            assert_eq!(around, None, "{what} holds a key after this");
        }
    };
    said.iter().for_each(|text| look("what was said", text.as_bytes()));
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            look("a name", entry.file_name().as_encoded_bytes());
            match entry.file_type().expect("a kind").is_dir() {
                true => open.push(entry.path()),
                false => {
                    look(&entry.path().display().to_string(), &std::fs::read(entry.path()).expect("a file"))
                }
            }
        }
    }
    n_bytes
}

#[test]
fn a_run_with_servers_that_repeat_keys_leaves_none() {
    let place = Place::new();
    place.scenario("s.toml", ASKING);
    let run = place.call(&["run", "s.toml", "--out", "run", "--checkpoints", "checkpoints"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let heard = place.server.heard();
    let sent = |key: &str| heard.iter().filter(|heard| repeated(heard) == format!("Bearer {key}")).count();
    assert!(sent(KEY) > 100 && sent(TOKEN) > 5, "keys were sent: {} and {}", sent(KEY), sent(TOKEN));
    let export = place.call(&["tape", "export", "run"]);
    assert!(export.stdout.contains("[key]"), "the server repeated the key, and it was seen");
    assert!(place.read("run/manifest.json").contains("[key]"), "a failure's cause repeated the token");
    let show = place.call(&["show", "run", "--user", &super::place::user_id(1), "--calls"]);
    // The embeddings server refuses, and says why.
    let encode = place.call(&["encode", "s.toml", "--encoder", "served", "--out", "vectors.npy"]);
    assert_eq!(encode.code, 1, "{}", encode.stderr);
    assert!(encode.stderr.contains("[key]"), "{}", encode.stderr);
    let all: Vec<&str> =
        [&run, &export, &show, &encode].iter().flat_map(|said| [&*said.stdout, &*said.stderr]).collect();
    let n_bytes = no_key_in(place.dir.path(), &all);
    assert!(n_bytes > 100_000, "only {n_bytes} bytes were looked at");
}

/// What a server does, and how it does it.
type Ending = (&'static str, fn(&Heard) -> Answer);

/// How a server can end a run, or keep it from beginning, with the key in its mouth.
fn endings() -> Vec<Ending> {
    fn unauthorised(heard: &Heard) -> Answer {
        Answer::status(401, &complaint(heard))
    }
    fn elsewhere(heard: &Heard) -> Answer {
        let headers =
            format!("Location: http://127.0.0.1:9/?key={}\r\n", repeated(heard).replace(' ', "%20"));
        Answer::Raw { status: 307, headers, body: complaint(heard) }
    }
    fn overloaded(heard: &Heard) -> Answer {
        Answer::status(500, &complaint(heard))
    }
    fn of_another_shape(heard: &Heard) -> Answer {
        let body = json!({"choices": repeated(heard), "data": repeated(heard), "protocol": repeated(heard)});
        Answer::status(200, &body.to_string())
    }
    vec![
        ("401", unauthorised),
        ("a redirect", elsewhere),
        ("500 again and again", overloaded),
        ("another shape", of_another_shape),
    ]
}

#[test]
fn errors_that_end_a_run_hold_no_key() {
    for (how, ending) in endings() {
        // The language model fails so, the recommender does not.
        let place = Place::with(move |heard| match heard.head.contains("/v1/rank") {
            true => answer(heard),
            false => ending(heard),
        });
        place
            .scenario("s.toml", &ASKING.replace("failures_in_a_row_max = 1000", "failures_in_a_row_max = 3"));
        let run = place.call(&["run", "s.toml", "--out", "run"]);
        assert_eq!(run.code, 1, "{how}: {}", run.stderr);
        let encode = place.call(&["encode", "s.toml", "--encoder", "served", "--out", "vectors.npy"]);
        assert_eq!(encode.code, 1, "{how}: {}", encode.stderr);
        no_key_in(place.dir.path(), &[&run.stdout, &run.stderr, &encode.stdout, &encode.stderr]);
        // The recommender fails so.
        let place = Place::with(ending);
        place.scenario("s.toml", ASKING);
        let run = place.call(&["run", "s.toml", "--out", "run"]);
        assert_eq!(run.code, 1, "{how}: {}", run.stderr);
        assert!(run.stderr.contains("cannot be used"), "{how}: {}", run.stderr);
        no_key_in(place.dir.path(), &[&run.stdout, &run.stderr]);
    }
}

#[test]
fn keys_put_in_the_wrong_place_are_refused_and_not_repeated() {
    let place = Place::new();
    place.scenario("s.toml", ASKING);
    for wrong in [
        format!("llm.models.small.key_env={KEY}"),
        format!("llm.models.small.base_url=https://me:{KEY}@host/v1"),
        format!("llm.models.small.api_key={KEY}"),
        format!("encoders.served.key_env={KEY}"),
        format!("encoders.served.base_url=https://host/v1?key={KEY}"),
        format!("arms.remote.token_env={TOKEN}"),
        format!("arms.remote.url=https://me:{TOKEN}@host/rank"),
    ] {
        let said = place.call(&["run", "s.toml", "--out", "run", "--set", &wrong]);
        assert_eq!(said.code, 2, "{wrong}: {}", said.stderr);
        no_key_in(place.dir.path(), &[&said.stdout, &said.stderr]);
    }
}
