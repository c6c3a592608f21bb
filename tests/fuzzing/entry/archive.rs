//! Several files in one input, so that a fuzzer can change any of them: a line `=== NAME` begins a file, which goes to
//! the next such line. What stands before the first is the file that the target calls its own. Must not know what
//! files hold.

use std::path::{Component, Path};

/// How the line begins that begins a file.
const MARK: &[u8] = b"=== ";

/// The files of an input with their names; the first is called `first` where nothing names it.
pub fn split<'a>(data: &'a [u8], first: &'a str) -> Vec<(&'a str, &'a [u8])> {
    let mut files = Vec::new();
    let (mut name, mut start, mut at) = (first, 0, 0);
    while at < data.len() {
        let end = data[at..].iter().position(|&byte| byte == b'\n').map_or(data.len(), |n| at + n + 1);
        if let Some(named) = data[at..end].strip_prefix(MARK).and_then(file_name) {
            // The line end before a mark belongs to the mark.
            let file = &data[start..at.max(start)];
            files.push((name, file.strip_suffix(b"\n").unwrap_or(file)));
            (name, start) = (named, end);
        }
        at = end;
    }
    files.push((name, &data[start..]));
    if files[0].1.is_empty() && files.len() > 1 {
        files.remove(0);
    }
    files
}

/// A relative path that stays in its folder.
fn file_name(line: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(line).ok()?.trim();
    let path = Path::new(name);
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    (is_plain && !name.is_empty() && name.len() < 80 && path.components().count() < 4 && !name.contains('\0'))
        .then_some(name)
}

/// The input that holds these files.
pub fn join(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut data = Vec::new();
    for (name, bytes) in files {
        data.extend_from_slice(MARK);
        data.extend_from_slice(name.as_bytes());
        data.push(b'\n');
        data.extend_from_slice(bytes);
        data.push(b'\n');
    }
    data.pop();
    data
}

/// Files in a folder of their own, which is removed when this is dropped.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder with these files; of two with one name, the later.
    pub fn with(files: &[(&str, &[u8])]) -> Self {
        let folder = Folder(tempfile::tempdir().expect("a temporary folder"));
        folder.put(files);
        folder
    }

    /// Puts files into it; what cannot stand beside what is there already is left out.
    pub fn put(&self, files: &[(&str, &[u8])]) {
        for (name, bytes) in files {
            let path = self.path().join(name);
            if let Some(parent) = path.parent() {
                let _ = std::fs::create_dir_all(parent);
            }
            let _ = std::fs::write(path, bytes);
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
