//! One hostile input: the files it is made of, the command that meets it, and what that must say. Must not know
//! which inputs there are.

use crate::server::{Answer, Heard, Server, Settings};
use assert_cmd::Command;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use windtunnel::experiment::{self, RunOptions};
use windtunnel::progress::Quiet;
use windtunnel::scenario::Scenario;

/// What stands at a path.
pub enum Content {
    /// A file with these bytes.
    Bytes(Vec<u8>),
    /// A file whose bytes are made when they are needed: large ones.
    Made(fn() -> Vec<u8>),
    /// A folder.
    Folder,
    /// A symbolic link.
    Link(&'static str),
    /// A file that nobody may read.
    Locked,
    /// A copy of the finished run with one file changed: its name, what is looked for, what is put there.
    /// Nothing to look for: the whole file.
    Spoilt(&'static str, &'static str, &'static [u8]),
}

/// A hostile input.
pub struct Case {
    /// What it is, in words.
    pub what: &'static str,
    /// Where it enters, in words.
    pub enters: &'static str,
    files: Vec<(String, Content)>,
    arguments: Vec<String>,
    served: Option<fn(&Heard) -> Answer>,
    told_in: Option<&'static str>,
    read: Option<fn(&Path) -> String>,
    /// The exit code.
    code: i32,
    /// A part of what stderr must say, `DIR` for the folder it happens in.
    pub says: &'static str,
}

impl Case {
    /// A case of bad input.
    pub fn new(enters: &'static str, what: &'static str, arguments: &[&str], says: &'static str) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Case {
            what,
            enters,
            files: Vec::new(),
            arguments,
            served: None,
            told_in: None,
            read: None,
            code: 2,
            says,
        }
    }

    /// A scenario that is run over the finished run.
    pub fn run(
        enters: &'static str,
        what: &'static str,
        scenario: impl Into<Vec<u8>>,
        says: &'static str,
    ) -> Self {
        Case::new(enters, what, &["run", "s.toml", "--out", "done", "--force", "--quiet"], says)
            .file("s.toml", scenario)
    }

    /// A file beside what there is.
    pub fn file(self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.content(name, Content::Bytes(bytes.into()))
    }

    /// Something else beside what there is.
    pub fn content(mut self, name: &str, content: Content) -> Self {
        self.files.push((name.to_owned(), content));
        self
    }

    /// Work that fails, instead of input that is refused.
    pub fn fails(mut self) -> Self {
        self.code = 1;
        self
    }

    /// The exit code in words; a file that the library reads has none.
    pub fn exit(&self) -> String {
        if self.read.is_some() { "–".to_owned() } else { self.code.to_string() }
    }

    /// With a server that answers so; its address stands for `URL` in files.
    pub fn served(mut self, answer: fn(&Heard) -> Answer) -> Self {
        self.served = Some(answer);
        self
    }

    /// Work that goes on without what is spoilt, and says so in this file.
    pub fn told_in(mut self, file: &'static str) -> Self {
        (self.told_in, self.code) = (Some(file), 0);
        self
    }

    /// A file that the library reads, where the program is built without what would read it; gives the error.
    pub fn library(
        enters: &'static str,
        what: &'static str,
        bytes: Vec<u8>,
        read: fn(&Path) -> String,
        says: &'static str,
    ) -> Self {
        Case { read: Some(read), ..Case::new(enters, what, &[], says) }.file("input", bytes)
    }

    /// Another override.
    pub fn set(mut self, value: String) -> Self {
        self.arguments.extend(["--set".to_owned(), value]);
        self
    }
}

/// A small scenario.
pub const SMALL: &str = "[dataset]\nsource = \"synthetic\"\nn_users = 12\nn_items = 30\nmean_interactions = 8\n\
                         [session]\nmax_pages = 2\n[arms.popular]\n[arms.random]\n[statistics]\nbaseline = \"popular\"\n\
                         n_bootstrap = 100\n[studies.verdict]\n";

/// The files of a finished run of it.
fn finished() -> &'static BTreeMap<PathBuf, Vec<u8>> {
    static FILES: OnceLock<BTreeMap<PathBuf, Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| {
        let place = tempfile::tempdir().expect("a temporary folder");
        let out = place.path().join("done");
        let scenario = Scenario::parse(Path::new("small.toml"), SMALL, &[]).expect("a valid scenario");
        experiment::run(&scenario, &RunOptions::new(&out, place.path(), &Quiet)).expect("a small run");
        tree(&out)
    })
}

/// Every file below a folder, by its path from there.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for path in fs::read_dir(&dir).expect("a folder").flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap_or(&path).to_owned();
                files.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    files
}

fn plant(root: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    for (name, bytes) in files {
        write(&root.join(name), bytes);
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("created");
    fs::write(path, bytes).expect("written");
}

fn put(path: &Path, content: &Content) {
    match content {
        Content::Bytes(bytes) => write(path, bytes),
        Content::Made(make) => write(path, &make()),
        Content::Folder => fs::create_dir_all(path).expect("created"),
        Content::Link(target) => link(target, path),
        Content::Locked => {
            write(path, b"secret");
            lock(path);
        }
        Content::Spoilt(name, from, to) => {
            plant(path, finished());
            let whole = fs::read(path.join(name)).unwrap_or_default();
            let spoilt = match from.is_empty() {
                true => to.to_vec(),
                false => {
                    let text = String::from_utf8(whole).expect("text");
                    assert!(text.contains(from), "{name} holds no {from:?}");
                    text.replacen(from, std::str::from_utf8(to).expect("text"), 1).into_bytes()
                }
            };
            write(&path.join(name), &spoilt);
        }
    }
}

#[cfg(unix)]
fn link(target: &str, path: &Path) {
    std::os::unix::fs::symlink(target, path).expect("linked");
}

#[cfg(not(unix))]
fn link(_target: &str, _path: &Path) {}

#[cfg(unix)]
fn lock(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o0)).expect("locked");
}

#[cfg(not(unix))]
fn lock(_path: &Path) {}

/// Whether permissions mean nothing to who runs this.
fn may_read_everything(dir: &Path) -> bool {
    let path = dir.join("locked");
    put(&path, &Content::Locked);
    let may = fs::read(&path).is_ok();
    let _ = fs::remove_file(path);
    may
}

/// Holds every case to its words, and everything else to how it was. All that goes wrong is told at once.
pub fn hold(cases: &[Case]) {
    let problems: Vec<String> = cases.iter().filter_map(|case| meet(case).err()).collect();
    assert!(problems.is_empty(), "{} of {} cases:\n{}", problems.len(), cases.len(), problems.join("\n"));
}

fn meet(case: &Case) -> Result<(), String> {
    let place = tempfile::tempdir().expect("a temporary folder");
    let dir = place.path();
    let is_locked = |(_, content): &(String, Content)| matches!(content, Content::Locked);
    if case.files.iter().any(is_locked) && may_read_everything(dir) {
        eprintln!("SKIPPED: {}: whoever runs this may read every file", case.what);
        return Ok(());
    }
    plant(&dir.join("done"), finished());
    write(&dir.join("note.txt"), b"do not lose me");
    let server = case.served.map(|answer| Server::scripted(Settings::default(), answer));
    for (name, content) in &case.files {
        put(&dir.join(name), content);
        if let (Some(server), Content::Bytes(bytes)) = (&server, content) {
            let text = String::from_utf8_lossy(bytes).replace("URL", &server.base_url());
            write(&dir.join(name), text.as_bytes());
        }
    }
    if let Some(read) = case.read {
        let told = read(&dir.join("input"));
        let is_clear = told.contains(case.says) && !told.contains('\n');
        return if is_clear {
            Ok(())
        } else {
            Err(format!("- {}: expected {:?}, found {told}", case.what, case.says))
        };
    }
    let output = Command::cargo_bin("windtunnel")
        .expect("the binary is built")
        .current_dir(dir)
        .args(&case.arguments)
        .timeout(std::time::Duration::from_secs(60))
        .output()
        .expect("the binary runs");
    let mut told = String::from_utf8_lossy(&output.stderr).replace(&dir.display().to_string(), "DIR");
    if let Some(file) = case.told_in {
        told.push_str(&fs::read_to_string(dir.join(file)).unwrap_or_default());
    }
    let complain = |problem: &str| Err(format!("- {}: {problem}; it says: {}", case.what, told.trim_end()));
    if told.contains("panicked") || told.contains("RUST_BACKTRACE") {
        return complain("a panic");
    }
    if told.chars().any(|c| c.is_control() && c != '\n') {
        return complain("control characters");
    }
    if output.status.code() != Some(case.code) {
        return complain(&format!("exit code {:?}, expected {}", output.status.code(), case.code));
    }
    if case.says.is_empty() || !told.contains(case.says) {
        return complain(&format!("expected {:?}", case.says));
    }
    if &tree(&dir.join("done")) != finished() {
        return complain("the finished run beside it has changed");
    }
    match fs::read(dir.join("note.txt")) {
        Ok(note) if note == b"do not lose me" => Ok(()),
        _ => complain("the file beside it has changed"),
    }
}
