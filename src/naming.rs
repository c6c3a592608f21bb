//! How agents are called in files: by the raw id of the person they stand for, with `~k` behind it for the k-th
//! further agent of that person. Must not know who there is, only how to spell it.

use std::borrow::Cow;

/// The spelling of one population: the separator is one `~` longer than any run of `~` in the people's own ids, so
/// that no copy is ever called like somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    separator: String,
}

impl Default for Naming {
    fn default() -> Self {
        Naming::of([])
    }
}

impl Naming {
    /// The spelling for people of these raw ids.
    pub fn of<'a>(people: impl IntoIterator<Item = &'a str>) -> Self {
        let longest = people.into_iter().map(longest_run).max().unwrap_or(0);
        Naming { separator: "~".repeat(longest + 1) }
    }

    /// What the `copy`-th further agent of a person is called; copy 0 is the person's own name.
    pub fn name<'a>(&self, person: &'a str, copy: u32) -> Cow<'a, str> {
        match copy {
            0 => Cow::Borrowed(person),
            _ => Cow::Owned(format!("{person}{}{copy}", self.separator)),
        }
    }

    /// The person and the copy that a name stands for, if it is spelt as [`Naming::name`] does.
    pub fn split<'a>(&self, name: &'a str) -> Option<(&'a str, u32)> {
        let Some((person, copy)) = name.rsplit_once(&self.separator) else { return Some((name, 0)) };
        let number: u32 = copy.parse().ok()?;
        let is_canonical = number > 0 && !copy.starts_with(['0', '+']);
        is_canonical.then_some((person, number))
    }
}

/// Length of the longest run of `~`.
fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '~');
    runs.map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_as_they_were_made_whatever_people_are_called() {
        let people = ["a", "a~1", "a~", "~~", "ü~2", "", "7"];
        let naming = Naming::of(people);
        let mut seen = std::collections::BTreeSet::new();
        for person in people {
            for copy in [0, 1, 2, 10, u32::MAX] {
                let name = naming.name(person, copy).into_owned();
                assert_eq!(naming.split(&name), Some((person, copy)), "{name}");
                assert!(seen.insert(name.clone()), "{name} twice");
            }
        }
        assert_eq!(Naming::of(["1", "2"]).name("1", 3), "1~3");
        for wrong in ["1~", "1~0", "1~01", "1~+1", "1~x", "1~4294967296"] {
            assert_eq!(Naming::of(["1"]).split(wrong), None, "{wrong}");
        }
    }
}
