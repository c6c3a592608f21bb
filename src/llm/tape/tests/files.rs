//! Files at rest, without rights, of other kinds, damaged, locked; what analysts find in them.

use super::*;

#[test]
fn a_tape_at_rest_is_one_ordinary_file() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    tape_of(&path, &[reply("yes")]);
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    // Bytes 18 and 19 of an SQLite file: 1 for a rollback journal, 2 for WAL.
    assert_eq!(fs::read(&path).expect("readable")[18..20], [1, 1]);
    let (first, second) = (open(&path, TapeMode::Auto), open(&path, TapeMode::Auto));
    keep(&first, 1, reply("yes"));
    drop(first);
    keep(&second, 2, reply("yes"));
    drop(second);
    open(&path, TapeMode::Replay);
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
}

#[cfg(unix)]
#[test]
fn a_replay_needs_no_right_to_write() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let place = folder.path().join("ro 100% a?b#c");
    let path = place.join("tape.sqlite");
    tape_of(&path, &[reply("yes")]);
    let mode = |path: &Path, bits| {
        fs::set_permissions(path, fs::Permissions::from_mode(bits)).expect("our own file");
    };
    let before = fs::read(&path).expect("readable");
    // As a killed run would leave it, but for what readers find beside it.
    let killed = place.join("killed.sqlite");
    let mut bytes = before.clone();
    bytes[18..20].copy_from_slice(&[2, 2]);
    fs::write(&killed, bytes).expect("written");
    mode(&path, 0o444);
    mode(&killed, 0o444);
    mode(&place, 0o555);
    for path in [&path, &killed] {
        assert_eq!(find(&open(path, TapeMode::Replay), 0), Some(reply("yes")));
        assert_eq!(summarise(path).expect("a tape").n_calls, 1);
    }
    mode(&place, 0o755);
    assert_eq!(fs::read(&path).expect("readable"), before);
}

#[test]
fn files_that_are_no_tapes_are_told_and_left_alone() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let text = at("text.sqlite");
    fs::write(&text, "agent,page\n1,2\n".repeat(100)).expect("written");
    let short = [1, 15, 100, 511, 512, 1000, 4095].map(|length| {
        let path = at(&format!("short-{length}.sqlite"));
        fs::write(&path, "x".repeat(length)).expect("written");
        path
    });
    let foreign = at("foreign.sqlite");
    Connection::open(&foreign).and_then(|c| c.execute_batch("CREATE TABLE t (x)")).expect("made");
    let other = at("other.sqlite");
    Connection::open(&other).and_then(|c| c.execute_batch("PRAGMA application_id = 7")).expect("made");
    for path in short.iter().chain([&text, &foreign, &other]) {
        let before = fs::read(path).expect("readable");
        for mode in TapeMode::ALL {
            let error = Tape::open(path, mode).expect_err("no tape");
            assert!(matches!(error, TapeError::NotATape { .. }), "{error:?}");
            assert!(error.to_string().contains("not a tape") && error.is_bad_input(), "{error}");
        }
        assert_eq!(fs::read(path).expect("readable"), before, "{}", path.display());
    }
    let newer = at("newer.sqlite");
    tape_of(&newer, &[]);
    Connection::open(&newer).and_then(|c| c.execute_batch("PRAGMA user_version = 2")).expect("changed");
    let error = Tape::open(&newer, TapeMode::Auto).expect_err("too new");
    assert!(error.to_string().contains("format 2, this version knows formats up to 1"), "{error}");
    let error = Tape::open(&at("missing/tape.sqlite"), TapeMode::Replay).expect_err("nothing there");
    assert!(matches!(error, TapeError::Missing { .. }) && !at("missing").exists());
    assert!(matches!(Tape::open(folder.path(), TapeMode::Auto), Err(TapeError::Sqlite { .. })));
    assert!(Tape::open(&text.join("tape.sqlite"), TapeMode::Auto).is_err());
}

/// Whatever is done to the bytes, opening, reading and copying end in a result.
#[test]
fn damaged_tapes_are_errors_and_no_panics() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    let outcomes: Vec<Outcome> =
        (0..60).map(|n| reply(&format!("{n} ").repeat(50))).chain(failures()).collect();
    tape_of(&path, &outcomes);
    let whole = fs::read(&path).expect("readable");
    let copy = folder.path().join("copy.sqlite");
    let mut n_errors = 0;
    let mut n_reads = 0;
    let mut attempt = |bytes: &[u8]| {
        fs::write(&copy, bytes).expect("written");
        n_reads += 1;
        let read = Tape::open(&copy, TapeMode::Replay).and_then(|tape| {
            (0..63).try_for_each(|agent| tape.find(&Key::of(MODEL, &request(agent))).map(drop))?;
            tape.calls(&Filter::default()).map(drop)
        });
        let copied = export(&copy, &mut std::io::sink());
        let counted = summarise(&copy);
        if let Some(error) = read.err().or(copied.err()).or(counted.err()) {
            n_errors += 1;
            assert!(error.to_string().contains("copy.sqlite"), "{error}");
            assert!(error.is_bad_input(), "{error:?}");
        }
    };
    for length in (1..whole.len()).step_by(whole.len() / 40) {
        attempt(&whole[..length]);
    }
    let mut state = 1u64;
    for _ in 0..150 {
        let mut bytes = whole.clone();
        for _ in 0..20 {
            // A linear congruential generator: any bytes will do.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (state >> 20) as usize % bytes.len();
            bytes[at] = (state >> 56) as u8;
        }
        attempt(&bytes);
    }
    assert!(n_errors > n_reads / 2, "{n_errors} of {n_reads}");
    fs::write(&copy, &whole[..whole.len() / 2]).expect("written");
    assert!(matches!(export(&copy, &mut std::io::sink()), Err(TapeError::Damaged { .. })));
}

#[test]
fn what_many_prompts_share_is_kept_once() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    let tape = open(&path, TapeMode::Auto);
    wait(async {
        for agent in 0..300 {
            let mut request = request(agent);
            request.messages[0].content = RULES.repeat(30);
            let key = Key::of(MODEL, &request);
            tape.keep(key, MODEL, &request, reply("yes")).await.expect("kept");
        }
    });
    drop(tape);
    // The rules, a text an agent, and the shape that every other one asks for.
    assert_eq!(summarise(&path).expect("a tape").n_texts, 302);
    let (on_disk, in_full) = (fs::metadata(&path).expect("there").len(), exported(&path).len() as u64);
    assert!(on_disk < in_full / 3, "{on_disk} bytes, {in_full} in full");
}

#[test]
fn analysts_find_the_tables_that_are_documented() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    tape_of(&path, &[reply("yes"), failure()]);
    let connection = Connection::open(&path).expect("opens");
    let documented = "SELECT c.call, c.position, c.role, c.content, calls.reply
        FROM conversations AS c JOIN calls USING (call)
        WHERE c.stream LIKE 'agent 0, %' ORDER BY c.call, c.position";
    let rows: Vec<(i64, String, String, String)> = connection
        .prepare(documented)
        .and_then(|mut select| {
            select.query_map([], |row| Ok((row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?.collect()
        })
        .expect("as documented");
    let [system, user] = request(0).messages.try_into().expect("two messages");
    assert_eq!(
        rows,
        [
            (0, "system".to_owned(), system.content, "yes".to_owned()),
            (1, "user".to_owned(), user.content, "yes".to_owned())
        ]
    );
    let failed: (String, u32) = connection
        .query_row(
            "SELECT failure, json_extract(failure_detail, '$.n_attempts') FROM calls WHERE reply IS NULL",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .expect("as documented");
    assert_eq!(failed, ("exhausted".to_owned(), 5));
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    assert_eq!(pragma("application_id"), Ok(0x5754_4150));
    assert_eq!(pragma("user_version"), Ok(1));
}

#[test]
fn what_is_written_is_synchronous() {
    let folder = folder();
    let connection = file::open_for_writing(&folder.path().join("tape.sqlite")).expect("opens");
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    // 2 is FULL: every commit waits for the disk.
    assert_eq!(pragma("synchronous"), Ok(2));
    assert_eq!(connection.pragma_query_value(None, "journal_mode", |row| row.get(0)), Ok("wal".to_owned()));
}

#[test]
fn who_is_locked_out_for_a_while_waits() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    let tape = open(&path, TapeMode::Auto);
    let other = Connection::open(&path).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let waiting = std::thread::spawn(move || keep(&tape, 1, reply("yes")));
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(!waiting.is_finished(), "wrote through the lock of another");
    other.execute_batch("COMMIT").expect("unlocked");
    assert_eq!(waiting.join().expect("no panic"), reply("yes"));
}
