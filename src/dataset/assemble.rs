//! From raw rows to the canonical form: dense ids in an order no file can change,
//! interactions sorted and without repeats. Must not know file formats.

use super::{Dataset, DatasetError, Interaction, Item, LoadReport, UserAttribute, Vocabulary};
use crate::id::{GenreId, ItemId, UserId};
use rayon::prelude::*;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::path::Path;

/// Whole-number ids below this find their row by indexing, the rest by hashing.
const DIRECT_IDS_MAX: u32 = 1 << 22;
/// A longer id is a mistake of the file.
const ID_BYTES_MAX: usize = 256;

/// Stands for "no number yet" in tables of numbers.
const NONE: u32 = u32::MAX;

/// Raw ids numbered as they come.
#[derive(Default)]
pub(crate) struct IdTable {
    raw: Vec<Box<str>>,
    direct: Vec<u32>,
    hashed: HashMap<Box<str>, u32>,
}

impl IdTable {
    /// The number of a raw id, made if it is new; `None` when it is no id: empty, too long or not UTF-8.
    pub fn intern(&mut self, raw: &[u8]) -> Option<u32> {
        let raw = raw.trim_ascii();
        match direct_slot(raw) {
            Some(slot) => {
                if let Some(&number) = self.direct.get(slot)
                    && number != NONE
                {
                    return Some(number);
                }
                if self.direct.len() <= slot {
                    self.direct.resize((slot + 1).next_power_of_two(), NONE);
                }
                let number = self.push(std::str::from_utf8(raw).ok()?);
                self.direct[slot] = number;
                Some(number)
            }
            None => {
                let raw = std::str::from_utf8(raw).ok()?;
                if let Some(&number) = self.hashed.get(raw) {
                    return Some(number);
                }
                if raw.is_empty() || raw.len() > ID_BYTES_MAX {
                    return None;
                }
                let number = self.push(raw);
                self.hashed.insert(raw.into(), number);
                Some(number)
            }
        }
    }

    /// The number of the row or column `idx` of a file without ids: its raw id counts from 1.
    pub fn intern_nth(&mut self, idx: usize) -> u32 {
        self.intern((idx + 1).to_string().as_bytes()).expect("a whole number is an id")
    }

    /// The number of a raw id, if it has one.
    pub fn get(&self, raw: &[u8]) -> Option<u32> {
        let raw = raw.trim_ascii();
        match direct_slot(raw) {
            Some(slot) => self.direct.get(slot).copied().filter(|&number| number != NONE),
            None => self.hashed.get(std::str::from_utf8(raw).ok()?).copied(),
        }
    }

    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    fn push(&mut self, raw: &str) -> u32 {
        let number = u32::try_from(self.raw.len()).ok().filter(|&n| n != NONE);
        self.raw.push(raw.into());
        number.expect("memory ends long before 2^32 ids")
    }

    /// The numbers in the order of their raw ids, those left out for which `keep` is false.
    fn in_order(&self, keep: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut numbers: Vec<u32> = (0..self.raw.len() as u32).filter(|&n| keep(n)).collect();
        numbers.sort_unstable_by(|&a, &b| compare_ids(&self.raw[a as usize], &self.raw[b as usize]));
        numbers
    }
}

/// The slot of an id that is a small whole number written without leading zeros.
fn direct_slot(raw: &[u8]) -> Option<usize> {
    if raw.is_empty() || raw.len() > 7 || (raw[0] == b'0' && raw.len() > 1) {
        return None;
    }
    let mut number = 0u32;
    for &b in raw {
        if !b.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u32::from(b - b'0');
    }
    (number < DIRECT_IDS_MAX).then_some(number as usize)
}

/// Whole numbers by value, before everything else; the rest by their bytes.
fn compare_ids(a: &str, b: &str) -> Ordering {
    let is_whole = |raw: &str| raw.bytes().all(|b| b.is_ascii_digit());
    match (is_whole(a), is_whole(b)) {
        (true, true) => {
            let (x, y) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
            x.len().cmp(&y.len()).then_with(|| x.cmp(y)).then_with(|| a.cmp(b))
        }
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.cmp(b),
    }
}

/// What a file says about one item, its genres by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct ItemText {
    pub title: String,
    pub year: Option<u16>,
    pub genres: Vec<String>,
    pub summary: Option<String>,
    pub mean_rating: Option<f32>,
}

/// A dataset under construction.
#[derive(Default)]
pub(crate) struct Assembly {
    pub users: IdTable,
    pub items: IdTable,
    pub report: LoadReport,
    /// User and item are numbers of the tables above until [`Assembly::finish`].
    rows: Vec<Interaction>,
    texts: Vec<Option<ItemText>>,
    attributes: Vec<(String, Vec<Option<String>>)>,
}

impl Assembly {
    /// Makes room for rows that are about to come.
    pub fn reserve(&mut self, n_rows: usize) {
        self.rows.reserve(n_rows);
    }

    /// Adds an interaction between numbers of the id tables.
    pub fn interaction(&mut self, user: u32, item: u32, rating: f32, order: i64) {
        self.rows.push(Interaction { user: UserId(user), item: ItemId(item), rating, order });
    }

    /// Tells about an item; false when it has been told about already.
    pub fn item(&mut self, item: u32, text: ItemText) -> bool {
        let at = item as usize;
        if self.texts.len() <= at {
            self.texts.resize(at + 1, None);
        }
        let is_new = self.texts[at].is_none();
        if is_new {
            self.texts[at] = Some(text);
        }
        is_new
    }

    /// Gives an item a summary, if the item is known.
    pub fn summary(&mut self, item: u32, summary: String) {
        if let Some(Some(text)) = self.texts.get_mut(item as usize) {
            text.summary = Some(summary);
        }
    }

    /// A new column of user attributes; its number.
    pub fn attribute_column(&mut self, name: &str) -> usize {
        self.attributes.push((name.to_owned(), Vec::new()));
        self.attributes.len() - 1
    }

    /// Sets a user's attribute; an empty one is none.
    pub fn attribute(&mut self, column: usize, user: u32, value: String) {
        if value.is_empty() {
            return;
        }
        let values = &mut self.attributes[column].1;
        if values.len() <= user as usize {
            values.resize(user as usize + 1, None);
        }
        values[user as usize] = Some(value);
    }

    /// The lowest and highest rating so far.
    pub fn observed_range(&self) -> Option<(f32, f32)> {
        let ratings = self.rows.iter().map(|x| x.rating);
        let low = ratings.clone().reduce(f32::min)?;
        Some((low, ratings.reduce(f32::max)?))
    }

    /// The dataset in canonical form. Users without interactions are left out: nothing is
    /// known that could make a person of them.
    ///
    /// # Errors
    /// When there are no interactions at all, or more genres than ids for them.
    pub fn finish(
        mut self,
        source: &str,
        path: &Path,
        rating_range: Option<(f32, f32)>,
    ) -> Result<Dataset, DatasetError> {
        let bad = |problem: String| DatasetError::BadFile { path: path.to_owned(), problem };
        if self.rows.is_empty() {
            return Err(bad("holds no interactions, expected at least one".to_owned()));
        }
        let mut is_active = vec![false; self.users.len()];
        self.rows.iter().for_each(|x| is_active[x.user.idx()] = true);
        let users = self.users.in_order(|n| is_active[n as usize]);
        let items = self.items.in_order(|_| true);
        let interactions = self.canonical_interactions(&users, &items);

        self.texts.resize(self.items.len(), None);
        let genres = self.genre_vocabulary();
        if genres.len() > usize::from(u16::MAX) {
            return Err(bad(format!(
                "holds {} distinct genres, expected at most {}; is the genre separator right?",
                genres.len(),
                u16::MAX
            )));
        }
        let catalogue = items.iter().map(|&item| self.catalogue_entry(item, &genres)).collect();
        let user_attributes = std::mem::take(&mut self.attributes)
            .into_iter()
            .map(|(name, mut values)| {
                values.resize(self.users.len(), None);
                let values = users.iter().map(|&user| values[user as usize].take()).collect();
                UserAttribute { name, values }
            })
            .collect();
        Ok(Dataset {
            source: source.to_owned(),
            users: vocabulary(users.iter().map(|&n| &*self.users.raw[n as usize])),
            items: vocabulary(items.iter().map(|&n| &*self.items.raw[n as usize])),
            genres,
            catalogue,
            user_attributes,
            interactions,
            rating_range,
            published_split: None,
            published_personas: None,
            user_profiles: None,
            truth: None,
            observed: None,
            load_report: self.report,
        })
    }

    /// Renumbers and sorts the interactions; of repeated pairs the last by order stays,
    /// and of those at the same moment the last in the file.
    fn canonical_interactions(&mut self, users: &[u32], items: &[u32]) -> Vec<Interaction> {
        let (user_of, item_of) = (inverse(users, self.users.len()), inverse(items, self.items.len()));
        let rows = std::mem::take(&mut self.rows);
        let mut starts = vec![0usize; users.len() + 1];
        for x in &rows {
            starts[user_of[x.user.idx()] as usize + 1] += 1;
        }
        for user in 0..users.len() {
            starts[user + 1] += starts[user];
        }
        let mut next = starts.clone();
        let mut sorted =
            vec![Interaction { user: UserId(0), item: ItemId(0), rating: 0.0, order: 0 }; rows.len()];
        for x in rows {
            let (user, item) = (user_of[x.user.idx()], item_of[x.item.idx()]);
            sorted[next[user as usize]] = Interaction { user: UserId(user), item: ItemId(item), ..x };
            next[user as usize] += 1;
        }
        let mut n_kept = 0;
        for (range, n) in starts.windows(2).map(|w| w[0]..w[1]).zip(sort_each(&mut sorted, &starts)) {
            sorted.copy_within(range.start..range.start + n, n_kept);
            n_kept += n;
        }
        self.report.n_duplicates += (sorted.len() - n_kept) as u64;
        sorted.truncate(n_kept);
        sorted
    }

    /// All genre names in alphabetical order.
    fn genre_vocabulary(&self) -> Vocabulary {
        let mut names: Vec<&str> =
            self.texts.iter().flatten().flat_map(|text| text.genres.iter().map(String::as_str)).collect();
        names.sort_unstable();
        names.dedup();
        vocabulary(names)
    }

    fn catalogue_entry(&mut self, item: u32, genres: &Vocabulary) -> Item {
        let Some(text) = self.texts[item as usize].take() else {
            self.report.n_unknown_items += 1;
            return Item { title: self.items.raw[item as usize].to_string(), ..Item::default() };
        };
        let mut ids: Vec<GenreId> =
            text.genres.iter().filter_map(|name| genres.get(name)).map(|id| GenreId(id as u16)).collect();
        ids.sort_unstable();
        ids.dedup();
        Item {
            title: text.title,
            year: text.year,
            genres: ids,
            summary: text.summary.filter(|summary| !summary.is_empty()),
            mean_rating: text.mean_rating,
            profile: None,
        }
    }
}

/// The place of every number in `order`.
fn inverse(order: &[u32], n: usize) -> Vec<u32> {
    let mut places = vec![NONE; n];
    for (place, &number) in order.iter().enumerate() {
        places[number as usize] = place as u32;
    }
    places
}

/// Sorts every user's stretch by (order, item), what stays of it to the front; how much stays.
fn sort_each(rows: &mut [Interaction], starts: &[usize]) -> Vec<usize> {
    let mut stretches = Vec::with_capacity(starts.len().saturating_sub(1));
    let mut rest = rows;
    for n in starts.windows(2).map(|w| w[1] - w[0]) {
        let (stretch, more) = rest.split_at_mut(n);
        stretches.push(stretch);
        rest = more;
    }
    stretches
        .into_par_iter()
        .map(|stretch| {
            // Stable: rows at the same moment stay in file order.
            stretch.sort_by_key(|x| (x.item, x.order));
            let mut n_kept = 0;
            for k in 0..stretch.len() {
                if stretch.get(k + 1).is_none_or(|next| next.item != stretch[k].item) {
                    stretch[n_kept] = stretch[k];
                    n_kept += 1;
                }
            }
            stretch[..n_kept].sort_unstable_by_key(|x| (x.order, x.item));
            n_kept
        })
        .collect()
}

/// A vocabulary of distinct ids in this order.
pub(crate) fn vocabulary<'a>(raw: impl IntoIterator<Item = &'a str>) -> Vocabulary {
    let mut vocabulary = Vocabulary::new();
    for raw in raw {
        vocabulary.intern(raw);
    }
    vocabulary
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assemble(rows: &[(&str, &str, f32, i64)]) -> Dataset {
        let mut assembly = Assembly::default();
        for (user, item, rating, order) in rows {
            let user = assembly.users.intern(user.as_bytes()).expect("an id");
            let item = assembly.items.intern(item.as_bytes()).expect("an id");
            assembly.interaction(user, item, *rating, *order);
        }
        assembly.finish("test", Path::new("test"), Some((1.0, 5.0))).expect("a dataset")
    }

    #[test]
    fn dense_ids_follow_the_raw_ids_whatever_the_order_of_the_rows() {
        let mut rows = vec![
            ("10", "b", 1.0, 1),
            ("9", "a", 2.0, 1),
            ("007", "zz", 3.0, 1),
            ("x", "5000000", 4.0, 1),
            ("7", "é", 5.0, 1),
        ];
        let forward = assemble(&rows);
        rows.reverse();
        let backward = assemble(&rows);
        assert_eq!(forward.users.all(), ["007", "7", "9", "10", "x"]);
        assert_eq!(forward.items.all(), ["5000000", "a", "b", "zz", "é"]);
        assert_eq!(forward.interactions, backward.interactions);
        assert_eq!(forward.content_hash(), backward.content_hash());
    }

    #[test]
    fn the_last_of_a_repeated_pair_counts() {
        let dataset = assemble(&[
            ("1", "1", 5.0, 30),
            ("1", "1", 1.0, 10),
            ("1", "2", 2.0, 20),
            ("1", "2", 4.0, 20),
            ("1", "3", 3.0, 0),
        ]);
        let kept: Vec<(u32, f32)> = dataset.interactions.iter().map(|x| (x.item.0, x.rating)).collect();
        assert_eq!(kept, [(2, 3.0), (1, 4.0), (0, 5.0)]);
        assert_eq!(dataset.load_report.n_duplicates, 2);
        assert_eq!(dataset.load_report.n_unknown_items, 3);
        assert_eq!(dataset.catalogue[0].title, "1");
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let mut table = IdTable::default();
        assert_eq!(table.intern(b""), None);
        assert_eq!(table.intern(b"  "), None);
        assert_eq!(table.intern(&[0xff, 0xfe]), None);
        assert_eq!(table.intern("x".repeat(257).as_bytes()), None);
        assert_eq!(table.intern(b"0"), Some(0));
        assert_eq!(table.intern(b"00"), Some(1));
        assert_eq!(table.intern(b" 0 "), Some(0));
        assert_eq!(table.intern(b"4194304"), Some(2));
        assert_eq!(table.intern(b"4194304"), Some(2));
    }
}
