//! Files of profiles: what a language model wrote of items or of people (`windtunnel items build`, `windtunnel
//! users build`), for somebody to read and mend, and how they come into a dataset. Must not know who writes them.

use super::{Dataset, DatasetError, Vocabulary};
use crate::intake;
use crate::scenario::params::{nearest, toml_problem};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// A file of profiles, by raw id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProfileFile {
    /// What made it, for people to read.
    pub about: String,
    /// The split whose training interactions the profiles of people were written from; a scenario with another
    /// one is refused, since what it holds out may be told in them. Not given: whoever names the file answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Profiles of items.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub items: BTreeMap<String, String>,
    /// Profiles of people.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, String>,
}

impl ProfileFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is not such a file; says where.
    pub fn read(path: &Path) -> Result<Self, DatasetError> {
        let io = |source| DatasetError::Io { path: path.to_owned(), source };
        let text = intake::text(path, intake::MADE_BYTES_MAX).map_err(io)?;
        toml::from_str(&text).map_err(|error| bad(path, toml_problem(&text, &error)))
    }

    /// The file as text, its entries in the order of `ids`, each below what `remark` says of it.
    pub fn text(&self, ids: &Vocabulary, remark: impl Fn(usize) -> String) -> String {
        let head = ProfileFile { about: self.about.clone(), split: self.split.clone(), ..Self::default() };
        let line = |key: &str, value: &str| {
            toml::to_string(&BTreeMap::from([(key, value)])).expect("a table of text is TOML")
        };
        let mut text = toml::to_string(&head).expect("two texts are TOML");
        for (name, profiles) in [("items", &self.items), ("users", &self.users)] {
            if profiles.is_empty() {
                continue;
            }
            text.push_str(&format!("\n[{name}]\n"));
            for (number, id) in ids.all().iter().enumerate() {
                let Some(profile) = profiles.get(id) else { continue };
                let remark = remark(number);
                if !remark.is_empty() {
                    text.push_str(&format!("# {remark}\n"));
                }
                text.push_str(&line(id, profile));
            }
        }
        text
    }
}

impl Dataset {
    /// Takes the profiles of items over from a file; items it does not tell of have none.
    ///
    /// # Errors
    /// When it has no items, or names one that the dataset lacks.
    pub fn take_item_profiles(&mut self, path: &Path, file: &ProfileFile) -> Result<(), DatasetError> {
        let profiles = by_number(path, "items", &file.items, &self.items)?;
        self.load_report.n_without_profile += n_absent(&profiles);
        for (item, profile) in self.catalogue.iter_mut().zip(profiles) {
            item.profile = profile;
        }
        Ok(())
    }

    /// Takes the profiles of people over from a file; those it does not tell of have none. `split` is the hash of
    /// the split that they will be used with.
    ///
    /// # Errors
    /// When it has no people, names one that the dataset lacks, or was written for another split.
    pub fn take_user_profiles(
        &mut self,
        path: &Path,
        file: &ProfileFile,
        split: &str,
    ) -> Result<(), DatasetError> {
        if let Some(other) = file.split.as_ref().filter(|other| *other != split) {
            return Err(bad(
                path,
                format!(
                    "written from the training interactions of split {other}, this scenario has split {split}: what is \
                     held out here may be told there; have it written again for this scenario"
                ),
            ));
        }
        let profiles = by_number(path, "users", &file.users, &self.users)?;
        self.load_report.n_without_profile += n_absent(&profiles);
        self.user_profiles = Some(profiles);
        Ok(())
    }
}

fn n_absent(profiles: &[Option<String>]) -> u64 {
    profiles.iter().filter(|profile| profile.is_none()).count() as u64
}

/// The profiles in dense order; what says nothing counts as absent.
fn by_number(
    path: &Path,
    what: &str,
    profiles: &BTreeMap<String, String>,
    ids: &Vocabulary,
) -> Result<Vec<Option<String>>, DatasetError> {
    if profiles.is_empty() {
        return Err(bad(path, format!("has no profiles in a table [{what}], expected one at least")));
    }
    let mut found = vec![None; ids.len()];
    for (id, profile) in profiles {
        let Some(number) = ids.get(id) else {
            let hint = match nearest(id, ids.all()) {
                Some(known) => format!(", did you mean {known:?}?"),
                None => String::new(),
            };
            let problem =
                format!("{what}.{id:?} is not in the dataset{hint}; expected raw ids as in its files");
            return Err(bad(path, problem));
        };
        let profile = profile.trim();
        found[number as usize] = (!profile.is_empty()).then(|| profile.to_owned());
    }
    Ok(found)
}

fn bad(path: &Path, problem: String) -> DatasetError {
    DatasetError::BadFile { path: path.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(raw: &[&str]) -> Vocabulary {
        let mut ids = Vocabulary::new();
        raw.iter().for_each(|raw| _ = ids.intern(raw));
        ids
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let file = ProfileFile {
            about: "Profiles of \"3\" items".to_owned(),
            split: Some("ab".to_owned()),
            items: [("2", "Say \"no\" \\ more."), ("a.b c", "É\u{7f}"), ("10", "x")]
                .map(|(id, profile)| (id.to_owned(), profile.to_owned()))
                .into(),
            users: BTreeMap::new(),
        };
        let text = file.text(&ids(&["10", "2", "a.b c"]), |number| format!("number {number}"));
        assert_eq!(toml::from_str::<ProfileFile>(&text).expect("TOML"), file);
        let places: Vec<_> =
            ["# number 0", "# number 1", "# number 2"].map(|line| text.find(line)).into_iter().collect();
        assert!(places.is_sorted() && places[0].is_some(), "{text}");
    }

    #[test]
    fn what_is_not_a_file_of_profiles_is_told_with_its_place() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("profiles.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("written");
            ProfileFile::read(&path).expect_err("refused").to_string()
        };
        assert!(read("[items]\n1 = 2").contains("profiles.toml: 2:5: invalid type: integer"));
        assert!(read("[itmes]\n1 = \"x\"").contains("unknown field `itmes`"));
        let gone = ProfileFile::read(&dir.path().join("gone.toml")).expect_err("missing");
        assert!(gone.to_string().contains("cannot read"), "{gone}");
    }

    #[test]
    fn ids_are_those_of_the_dataset() {
        let path = Path::new("profiles.toml");
        let told = |profiles: &[(&str, &str)]| {
            let profiles = profiles.iter().map(|(id, profile)| ((*id).to_owned(), (*profile).to_owned()));
            by_number(path, "items", &profiles.collect(), &ids(&["item1", "item2"]))
        };
        let found = told(&[("item2", " x "), ("item1", " ")]).expect("known ids");
        assert_eq!(found, [None, Some("x".to_owned())]);
        let unknown = told(&[("itme1", "x")]).expect_err("unknown").to_string();
        assert!(
            unknown.contains("items.\"itme1\" is not in the dataset, did you mean \"item1\"?"),
            "{unknown}"
        );
        assert!(told(&[]).expect_err("empty").to_string().contains("no profiles in a table [items]"));
    }
}
