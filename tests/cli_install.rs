//! What comes with the binary: manual pages, completions, and what `make install` puts where.

#![cfg(unix)]

use clap::CommandFactory;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use windtunnel::cli::Cli;

fn windtunnel(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_windtunnel")).current_dir(dir).args(arguments).output();
    let output = output.expect("the binary runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Every file below `dir`, by its path from there.
fn files(dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            match entry.file_type().expect("a kind").is_dir() {
                true => open.push(entry.path()),
                false => {
                    let path = entry.path();
                    let path = path.strip_prefix(dir).expect("below the folder");
                    found.insert(path.display().to_string());
                }
            }
        }
    }
    found
}

/// The commands that are shown, with those below them: `run`, `data-fetch`.
fn commands(command: &clap::Command, before: &str, names: &mut BTreeSet<String>) {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help")
    {
        let name = format!("{before}{}", below.get_name());
        commands(below, &format!("{name}-"), names);
        names.insert(name);
    }
}

#[test]
fn every_command_has_a_page_with_every_option() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    assert!(windtunnel(dir.path(), &["man"]).contains(".SH SUBCOMMANDS"));
    windtunnel(dir.path(), &["man", "--out", "pages"]);
    let mut expected = BTreeSet::new();
    commands(&Cli::command(), "", &mut expected);
    let mut pages: BTreeSet<String> = expected.iter().map(|name| format!("windtunnel-{name}.1")).collect();
    pages.insert("windtunnel.1".to_owned());
    assert_eq!(files(&dir.path().join("pages")), pages);
    let run = std::fs::read_to_string(dir.path().join("pages/windtunnel-run.1")).expect("a page");
    assert!(run.contains(".TH windtunnel-run 1"), "{run}");
    for option in ["set", "force", "checkpoints", "tape", "out", "threads", "quiet"] {
        assert!(run.contains(&format!("\\-\\-{option}")), "{option}");
    }
}

#[test]
fn completions_of_every_shell_know_every_command() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = windtunnel(dir.path(), &["completions", shell]);
        for command in Cli::command().get_subcommands() {
            assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
        }
    }
}

#[test]
fn make_install_puts_everything_in_its_place_and_uninstall_takes_it_away() {
    let make = |target: &str, root: &Path| {
        let output = Command::new("make")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args([target, "PREFIX=/usr", &format!("DESTDIR={}", root.display())])
            .arg(format!("BINARY={}", env!("CARGO_BIN_EXE_windtunnel")))
            // Of a `make` that runs the tests.
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            .output();
        let Ok(output) = output else {
            eprintln!("SKIPPED: no make");
            return false;
        };
        assert!(output.status.success(), "{target}: {}", String::from_utf8_lossy(&output.stderr));
        true
    };
    let root = tempfile::tempdir().expect("a temporary folder");
    let other = root.path().join("usr/share/man/man1");
    std::fs::create_dir_all(&other).expect("a folder");
    std::fs::write(other.join("windtunnels.1"), "somebody else's").expect("written");
    if !make("install", root.path()) {
        return;
    }
    let installed = files(root.path());
    for file in [
        "usr/bin/windtunnel",
        "usr/share/man/man1/windtunnel.1",
        "usr/share/man/man1/windtunnel-run.1",
        "usr/share/bash-completion/completions/windtunnel",
        "usr/share/zsh/site-functions/_windtunnel",
        "usr/share/fish/vendor_completions.d/windtunnel.fish",
    ] {
        assert!(installed.contains(file), "{file} is not among {installed:?}");
    }
    let version = Command::new(root.path().join("usr/bin/windtunnel")).arg("--version").output();
    assert!(version.expect("the installed binary runs").status.success());
    make("uninstall", root.path());
    assert_eq!(files(root.path()), BTreeSet::from(["usr/share/man/man1/windtunnels.1".to_owned()]));
}
