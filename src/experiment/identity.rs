//! What a run is: everything that decides its bytes, in a few hashes, kept in its folder as `identity.json`.
//! A run is only resumed, and shards are only merged, where this is the same. Must not know files.

use crate::digest::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// The file of a run folder that holds it.
pub const FILE_NAME: &str = "identity.json";

/// One of several processes that share a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Which, from 1.
    pub index: u32,
    /// Of how many.
    pub of: u32,
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((index, of)) if (1..=N_SHARDS_MAX).contains(&of) && (1..=of).contains(&index) => {
                Ok(Shard { index, of })
            }
            _ => Err(format!("expected K/N with K in 1..=N and N in 1..={N_SHARDS_MAX}, e.g. 3/16")),
        }
    }
}

/// Processes that can share a run.
const N_SHARDS_MAX: u32 = 65_536;

/// What a run is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunIdentity {
    /// Version of Windtunnel.
    pub windtunnel: String,
    /// Version of the layout of the run folder.
    pub format: u32,
    /// SHA-256 of the resolved scenario, as `scenario.toml` holds it.
    pub scenario: String,
    /// Content hash of the dataset.
    pub dataset: String,
    /// Which part of the run, where it is not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

/// Where two runs differ first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What is different, in words.
    pub what: &'static str,
    /// In the other run.
    pub there: String,
    /// In this one.
    pub here: String,
}

impl RunIdentity {
    /// The identity of a whole run of this resolved scenario on this dataset, by this program.
    pub fn new(scenario_text: &str, dataset_hash: &str) -> Self {
        RunIdentity {
            windtunnel: env!("CARGO_PKG_VERSION").to_owned(),
            format: crate::report::manifest::Manifest::default().format,
            scenario: hex(Sha256::digest(scenario_text.as_bytes())),
            dataset: dataset_hash.to_owned(),
            shard: None,
        }
    }

    /// The text of `identity.json`.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("plain data is JSON");
        text.push('\n');
        text
    }

    /// The first thing in which `there` is another run than this, from the most general to the most special.
    pub fn difference(&self, there: &RunIdentity) -> Option<Difference> {
        let shard = |shard: Option<Shard>| match shard {
            Some(shard) => shard.to_string(),
            None => "all of it".to_owned(),
        };
        let fields = [
            ("version of windtunnel", there.windtunnel.clone(), self.windtunnel.clone()),
            ("format of the folder", there.format.to_string(), self.format.to_string()),
            ("scenario", there.scenario.clone(), self.scenario.clone()),
            ("dataset", there.dataset.clone(), self.dataset.clone()),
            ("shard", shard(there.shard), shard(self.shard)),
        ];
        let differs = |(_, there, here): &(&str, String, String)| there != here;
        let difference = |(what, there, here)| Difference { what, there, here };
        fields.into_iter().find(differs).map(difference)
    }

    /// A name for folders that must not be shared with other runs.
    pub fn short(&self) -> String {
        let hash = hex(Sha256::digest(self.to_json().as_bytes()));
        hash[..16].to_owned()
    }
}

/// The first line in which two texts differ; "nothing" stands for one that is not there.
pub fn first_difference(there: &str, here: &str) -> Option<(String, String)> {
    let (mut there, mut here) = (there.lines(), here.lines());
    loop {
        let (left, right) = (there.next(), here.next());
        if left != right {
            let told = |line: Option<&str>| line.unwrap_or("nothing").trim().to_owned();
            return Some((told(left), told(right)));
        }
        left?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_told() {
        let one = RunIdentity::new("seed = 1\n", "d1");
        assert_eq!(one.difference(&one.clone()), None);
        // SHA-256 of "seed = 1\n", from coreutils' sha256sum.
        assert_eq!(one.scenario, "46545c629053298cb8b068758bd6cb0ba83f1533f50a054de71575535afea66b");
        let other = RunIdentity { dataset: "d2".to_owned(), ..one.clone() };
        let told = one.difference(&other).expect("a difference");
        assert_eq!((told.what, &*told.there, &*told.here), ("dataset", "d2", "d1"));
        let part = RunIdentity { shard: Some(Shard { index: 3, of: 16 }), ..one.clone() };
        let told = one.difference(&part).expect("a difference");
        assert_eq!((told.what, &*told.there, &*told.here), ("shard", "3/16", "all of it"));
        assert_ne!(one.short(), part.short());
    }

    #[test]
    fn what_is_written_is_read_again() {
        for shard in [None, Some(Shard { index: 1, of: 2 })] {
            let identity = RunIdentity { shard, ..RunIdentity::new("x", "d") };
            let read: RunIdentity = serde_json::from_str(&identity.to_json()).expect("JSON");
            assert_eq!(read, identity);
        }
        assert!(serde_json::from_str::<RunIdentity>("{\"windtunnel\": \"1\"}").is_err());
    }

    #[test]
    fn shards_are_spelt_k_of_n() {
        assert_eq!("3/16".parse::<Shard>().map(|shard| shard.to_string()).as_deref(), Ok("3/16"));
        for wrong in ["", "3", "0/2", "3/2", "1/0", "-1/2", "1/65537", "a/b", "1/2/3"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn lines_are_compared() {
        let told = |a: &str, b: &str| first_difference(a, b).map(|(a, b)| format!("{a}|{b}"));
        assert_eq!(told("a\nb\n", "a\nb\n"), None);
        assert_eq!(told("a\n  b\n", "a\nc\n").as_deref(), Some("b|c"));
        assert_eq!(told("a\n", "a\nc\n").as_deref(), Some("nothing|c"));
    }
}
