//! Datasets from outside: broken files, odd files, and the real ones; arbitrary bytes are in `tests/fuzzing/`.

mod broken;
mod odd;
mod real;

use windtunnel::dataset::{self, Dataset, LoadContext};
use windtunnel::progress::Quiet;
use windtunnel::rng::Streams;

/// Files by name, in a folder of their own.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder with these files; a name that ends with a slash is a folder.
    pub fn with(files: &[(&str, &[u8])]) -> Folder {
        let folder = Folder(tempfile::tempdir().expect("a temporary folder"));
        for (name, bytes) in files {
            let path = folder.0.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("created");
            if name.ends_with('/') {
                std::fs::create_dir_all(&path).expect("created");
            } else {
                std::fs::write(path, bytes).expect("written");
            }
        }
        folder
    }

    /// Where it is.
    pub fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    /// Reads with these parameters, `path` being this folder unless they say otherwise;
    /// errors and complaints as text, with `DIR` for this folder.
    pub fn load(&self, source: &str, toml: &str) -> Result<Dataset, String> {
        let mut table: toml::Table = toml.parse().expect("test TOML");
        table.entry("path").or_insert(toml::Value::String(".".to_owned()));
        let kind = dataset::kind(source).expect("listed");
        let source = kind.check("dataset", &table).map_err(|complaint| complaint.to_string())?;
        let context = LoadContext { base_dir: self.0.path(), streams: Streams::new(1), progress: &Quiet };
        source.load(&context).map_err(|error| {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(e) = cause {
                text.push_str(&format!(": {e}"));
                cause = e.source();
            }
            let dir = self.0.path().display().to_string();
            text.replace(&format!("{dir}/./"), "DIR/")
                .replace(&format!("{dir}/."), "DIR")
                .replace(&dir, "DIR")
        })
    }
}

pub const MOVIES: &[u8] = b"10::Heat (1995)::Action|Crime\n20::Persuasion (1995)::Romance\n";
pub const ITEMS: &[u8] = b"10|Heat (1995)|01-Jan-1995||http://x|0|1|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0|0|0\n";
pub const MOVIES_CSV: &[u8] = b"movieId,title,genres\n10,Heat (1995),Action|Crime\n20,\"Persuasion, or Not (1995)\",(no genres listed)\n";
