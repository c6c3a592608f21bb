//! What a run meets that has no room, no right or no place to write, or is told to go on with what is not its own:
//! a clear error that names the place, nothing half written, and nothing lost.

#![cfg(unix)]

#[path = "support/run_folder.rs"]
mod run_folder;

use run_folder::{Place, assert_whole, files, is_hidden, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// Holds that a run failed for want of a place to write, says where, and left whole files only.
fn assert_failed_cleanly(output: &Output, run: &Path, what: &str) {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{what}: {told}");
    assert!(told.starts_with("error: ") && told.lines().count() == 1, "{what}: {told}");
    let is_named = ["cannot write ", "cannot access ", "cannot be read or written"]
        .iter()
        .any(|verb| told.contains(verb));
    assert!(is_named && told.contains("run"), "{what}: {told}");
    assert_whole(run);
    let left: Vec<String> = files(run).into_keys().filter(|name| is_hidden(name)).collect();
    assert!(left.iter().all(|name| name.contains(".windtunnel-work")), "{what}: {left:?}");
}

/// A run that may write no file longer than this many blocks of 512 bytes; the system answers a write beyond that
/// as it answers one on a full disk, at whatever moment the run has come to.
fn run_with_room(place: &Place, n_blocks: u32) -> Output {
    let limited = format!("trap '' XFSZ; ulimit -f {n_blocks}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.current_dir(place.path("")).args(["-c", &limited, env!("CARGO_BIN_EXE_windtunnel")]);
    command.args(["run", "s.toml", "--out", "run", "--resume"]).stdout(Stdio::null());
    command.output().expect("sh runs")
}

#[test]
fn a_run_without_room_fails_whole_and_is_gone_on_with() {
    let place = Place::new();
    let reference = place.undisturbed("reference");
    let longest = files(&reference).values().map(Vec::len).max().expect("files") as u32;
    let run = place.path("run");
    let mut failed_at = Vec::new();
    let mut n_blocks = 0;
    while n_blocks * 512 < longest {
        let _ = std::fs::remove_dir_all(&run);
        let output = run_with_room(&place, n_blocks);
        assert_failed_cleanly(&output, &run, &format!("{n_blocks} blocks"));
        failed_at.push(stderr(&output));
        place.resume("run");
        place.assert_same(&reference, &run);
        n_blocks = (n_blocks + 1).max(n_blocks * 2);
    }
    failed_at.sort();
    failed_at.dedup();
    assert!(failed_at.len() > 3, "the limits were met at few places: {failed_at:?}");
    assert!(run_with_room(&place, 2 * longest / 512 + 2).status.success(), "the limit alone breaks nothing");
}

#[test]
fn a_run_goes_on_step_by_step_as_room_is_made() {
    let place = Place::new();
    let reference = place.undisturbed("reference");
    let mut n_blocks = 0;
    let mut known = 0;
    while !run_with_room(&place, n_blocks).status.success() {
        let n_files = assert_whole(&place.path("run")).len();
        assert!(n_files >= known, "{n_files} files after {known}");
        known = n_files;
        n_blocks = (n_blocks + 1).max(n_blocks * 2);
        assert!(n_blocks < 1 << 20, "no room is enough");
    }
    place.assert_same(&reference, &place.path("run"));
}

/// A file system of its own, taken away in the end.
struct Mount(PathBuf);

impl Mount {
    /// One of this size; none where this user may not mount.
    fn new(at: PathBuf, size: &str) -> Option<Mount> {
        std::fs::create_dir(&at).expect("a folder");
        let options = format!("size={size}");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&at).output();
        done.is_ok_and(|output| output.status.success()).then_some(Mount(at))
    }

    fn again(&self, options: &str) {
        let done = Command::new("mount").args(["-o", options]).arg(&self.0).output().expect("mount runs");
        assert!(done.status.success(), "{}", stderr(&done));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

#[test]
fn full_and_read_only_file_systems() {
    let place = Place::new();
    let reference = place.undisturbed("reference");
    let Some(mount) = Mount::new(place.path("mount"), "64k") else {
        eprintln!("SKIPPED full_and_read_only_file_systems: this user may not mount a file system");
        return;
    };
    let (run, out) = (mount.0.join("run"), "mount/run");
    let mut n_failed = 0;
    for size in ["remount,size=64k", "remount,size=256k", "remount,size=512k", "remount,size=768k"] {
        mount.again(size);
        let output = place.call(&["run", "s.toml", "--out", out, "--resume"]);
        if output.status.success() {
            break;
        }
        assert_failed_cleanly(&output, &run, size);
        n_failed += 1;
    }
    assert!(n_failed > 0, "64 KiB were enough");
    mount.again("remount,ro");
    let before = files(&run);
    let output = place.call(&["run", "s.toml", "--out", out, "--resume"]);
    assert_failed_cleanly(&output, &run, "read-only");
    assert!(stderr(&output).contains("Read-only"), "{}", stderr(&output));
    assert_eq!(files(&run), before);
    mount.again("remount,rw,size=64m");
    place.resume(out);
    place.assert_same(&reference, &run);
}

#[test]
fn places_that_cannot_be_written() {
    let place = Place::new();
    std::os::unix::fs::symlink(place.path("nowhere"), place.path("dangling-run")).expect("a link");
    std::fs::write(place.path("a-run.txt"), "mine").expect("written");
    // Below a file and in /proc nobody can write, whoever they are.
    for out in ["s.toml/run", "a-run.txt", "dangling-run", "/proc/run", "/dev/null/run"] {
        let output = place.call(&["run", "s.toml", "--out", out]);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{out}: {told}");
        assert!(told.starts_with(&format!("error: cannot write {out}")), "{out}: {told}");
    }
    assert_eq!(std::fs::read_to_string(place.path("a-run.txt")).expect("there"), "mine");
    assert!(!place.path("nowhere").exists());
}

#[test]
fn folders_that_are_missing_or_elsewhere() {
    let place = Place::new();
    let reference = place.undisturbed("reference");
    let output = place.call(&["run", "s.toml", "--out", "not/yet/there/run"]);
    assert!(output.status.success(), "{}", stderr(&output));
    place.assert_same(&reference, &place.path("not/yet/there/run"));
    // A link to a folder is the folder; where there is one, on another file system.
    let shared = Path::new("/dev/shm");
    let elsewhere = match shared.is_dir() {
        true => tempfile::tempdir_in(shared).expect("a folder"),
        false => tempfile::tempdir().expect("a folder"),
    };
    std::os::unix::fs::symlink(elsewhere.path(), place.path("linked")).expect("a link");
    let output = place.call(&["run", "s.toml", "--out", "linked"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(place.path("linked").is_symlink());
    place.assert_same(&reference, elsewhere.path());
}

#[test]
fn force_removes_links_and_not_what_they_lead_to() {
    let place = Place::new();
    let reference = place.undisturbed("reference");
    let run = place.undisturbed("run");
    let (mine, gone) = (place.path("mine"), place.path("gone"));
    std::fs::create_dir(&mine).expect("a folder");
    std::fs::write(mine.join("kept.txt"), "kept").expect("written");
    std::fs::remove_dir_all(run.join("plots")).expect("removed");
    std::os::unix::fs::symlink(&mine, run.join("plots")).expect("a link");
    std::fs::remove_file(run.join("metrics.csv")).expect("removed");
    std::os::unix::fs::symlink(&gone, run.join("metrics.csv")).expect("a link");
    let output = place.call(&["run", "s.toml", "--out", "run", "--force"]);
    assert!(output.status.success(), "{}", stderr(&output));
    place.assert_same(&reference, &run);
    assert!(!run.join("plots").is_symlink() && !run.join("metrics.csv").is_symlink() && !gone.exists());
    assert_eq!(files(&mine).into_keys().collect::<Vec<_>>(), ["kept.txt"]);
}

/// Goes on with what is in `run` and is refused with exit code 2 and these words; nothing there changes.
fn assert_refused(place: &Place, arguments: &[&str], words: &[&str]) {
    let before = files(&place.path("run"));
    let output = place.call(&[&["run", "s.toml", "--out", "run", "--resume"], arguments].concat());
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
    for word in words {
        assert!(told.contains(word), "{word:?} is not in: {told}");
    }
    assert_eq!(files(&place.path("run")), before, "{arguments:?}");
}

#[test]
fn only_the_same_run_is_gone_on_with() {
    let place = Place::new();
    let run = place.undisturbed("run");
    assert_refused(
        &place,
        &["--set", "seed=7"],
        &["its scenario is \"seed = 42\", this run's is \"seed = 7\""],
    );
    assert_refused(&place, &["--force"], &["--resume", "--force"]);
    assert_refused(&place, &["--tape", "record"], &["--tape record asks everything again"]);
    let whole = std::fs::read_to_string(run.join("identity.json")).expect("an identity");
    let identity: serde_json::Value = serde_json::from_str(&whole).expect("JSON");
    for (field, words) in [
        ("windtunnel", "its version of windtunnel is \"0.0.0\""),
        ("dataset", "its dataset is \"0.0.0\""),
        ("scenario", "cannot be gone on with"),
    ] {
        let mut other = identity.clone();
        other[field] = "0.0.0".into();
        std::fs::write(run.join("identity.json"), other.to_string()).expect("written");
        match field {
            // What is told is where the texts differ, which here they do not.
            "scenario" => assert_refused(&place, &[], &[words, "\"0.0.0\""]),
            _ => assert_refused(&place, &[], &[words]),
        }
    }
    for broken in ["", "{}", &whole[..whole.len() / 2]] {
        std::fs::write(run.join("identity.json"), broken).expect("written");
        assert_refused(&place, &[], &["without a readable identity.json"]);
    }
    std::fs::remove_file(run.join("identity.json")).expect("removed");
    std::fs::write(run.join("scenario.toml"), "name = \"mine\"\n").expect("written");
    assert_refused(&place, &[], &["is not a run folder"]);
}

#[test]
fn a_finished_run_gone_on_with_gets_what_it_lacks_and_no_more() {
    let place = Place::new();
    let reference = place.undisturbed("reference");
    let run = place.undisturbed("run");
    let before = files(&run);
    place.resume("run");
    assert!(files(&run) == before, "nothing was missing");
    std::fs::remove_file(run.join("report.html")).expect("removed");
    std::fs::remove_dir_all(run.join("plots")).expect("removed");
    std::fs::write(run.join("events/arm=mf/.windtunnel-abc.tmp"), "half").expect("written");
    std::fs::write(run.join("notes.txt"), "mine").expect("written");
    place.resume("run");
    std::fs::remove_file(run.join("notes.txt")).expect("what was not a run's is still there");
    assert!(files(&run) == before, "what was missing came back, what was half done went");
    place.assert_same(&reference, &run);
}

#[test]
fn a_new_folder_is_begun() {
    let place = Place::new();
    let reference = place.undisturbed("reference");
    place.resume("run");
    place.assert_same(&reference, &place.path("run"));
    std::fs::create_dir(place.path("empty")).expect("a folder");
    place.resume("empty");
    place.assert_same(&reference, &place.path("empty"));
}

/// Stops a command politely after a while; gives its exit code and what it said.
fn stopped_after(place: &Place, arguments: &[&str], delay: Duration) -> (Option<i32>, String) {
    let child = place.command(arguments).spawn().expect("the binary starts");
    std::thread::sleep(delay);
    // It may be over already.
    let _ = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).stderr(Stdio::null()).status();
    let output = child.wait_with_output().expect("the binary ends");
    (output.status.code(), stderr(&output))
}

#[test]
fn every_long_command_can_be_stopped() {
    let place = Place::new();
    let long = ["--set", "arms.mf.epochs=60000", "--set", "arms.mf.patience=60000"];
    for (arguments, out) in [
        (&["fit", "s.toml", "--out", "models"][..], "models/mf"),
        (&["evaluate", "s.toml", "--out", "evaluation"], "evaluation/metrics.csv"),
        (&["sweep", "s.toml", "--out", "sweep", "--grid", "arms.mf.embedding_size=4,8"], "sweep/sweep.csv"),
        (&["validate", "s.toml", "--out", "validation"], "validation/validation.csv"),
    ] {
        let arguments = [arguments, &long[..]].concat();
        let (code, told) = stopped_after(&place, &arguments, Duration::from_millis(1000));
        assert_eq!(code, Some(130), "{arguments:?}: {told}");
        assert!(told.contains("stopped; ") && !told.contains("error"), "{arguments:?}: {told}");
        assert!(!place.path(out).exists(), "{out} is there");
        assert_whole(&place.path(out.split('/').next().expect("a folder")));
    }
}

#[test]
fn a_sweep_that_is_stopped_goes_on() {
    let place = Place::new();
    let arguments = ["sweep", "s.toml", "--grid", "arms.mf.embedding_size=4,8,16", "--out"];
    let whole = |out: &'static str| [&arguments[..], &[out]].concat();
    let output = place.call(&whole("reference"));
    assert!(output.status.success(), "{}", stderr(&output));
    for delay in [300, 900, 1500] {
        let (code, told) = stopped_after(&place, &whole("sweep"), Duration::from_millis(delay));
        assert!(matches!(code, Some(130 | 0)), "{code:?}: {told}");
        assert_whole(&place.path("sweep"));
    }
    let output = place.call(&whole("sweep"));
    assert!(output.status.success(), "{}", stderr(&output));
    for cell in ["embedding_size=4", "embedding_size=8", "embedding_size=16"] {
        let of = |out: &str| place.path(out).join("cells").join(cell);
        place.assert_same(&of("reference"), &of("sweep"));
    }
    let table = |out: &str| std::fs::read(place.path(out).join("sweep.csv")).expect("a table");
    assert!(table("reference") == table("sweep"));
}
