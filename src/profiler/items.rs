//! What is asked about an item: what kind of thing it is and whom it suits, from what the catalogue says of it.
//! Must not know interactions.

use super::words::{Template, Words};
use super::{Subject, messages};
use crate::dataset::Dataset;
use crate::llm::fence::fenced;
use minijinja::context;

/// Characters of a title.
pub const TITLE_CHARS_MAX: usize = 120;
/// Characters of the genres together.
const GENRES_CHARS_MAX: usize = 160;
/// Characters of a summary.
const SUMMARY_CHARS_MAX: usize = 1000;

/// One subject an item, in order; one of which the catalogue says nothing but its id is not asked about.
///
/// # Errors
/// When a template cannot be filled in.
pub fn subjects(
    dataset: &Dataset,
    words: &Words,
    text_chars: usize,
) -> Result<Vec<Subject>, minijinja::Error> {
    let subject = |number: usize| {
        let (raw, item) = (dataset.items.raw(number as u32), &dataset.catalogue[number]);
        let summary = item.summary.as_deref().map(|text| fenced(text, SUMMARY_CHARS_MAX)).unwrap_or_default();
        let title = fenced(&item.title, TITLE_CHARS_MAX);
        let is_unknown = title.is_empty() || item.title == raw;
        let asked = if is_unknown && item.genres.is_empty() && summary.is_empty() {
            Err("nothing is known of it")
        } else {
            let known = context! { title, year => item.year, genres => genres(dataset, number), summary };
            Ok(messages(words, Template::Item, text_chars, known)?)
        };
        Ok(Subject { number: number as u32, raw: raw.to_owned(), asked })
    };
    (0..dataset.n_items()).map(subject).collect()
}

/// The genres of an item, fenced.
pub fn genres(dataset: &Dataset, item: usize) -> String {
    let genres = &dataset.catalogue[item].genres;
    let names: Vec<&str> = genres.iter().map(|genre| dataset.genres.raw(genre.0.into())).collect();
    fenced(&names.join(", "), GENRES_CHARS_MAX)
}
