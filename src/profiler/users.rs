//! What is asked about a person: what they like, from a sample of their training interactions and from the
//! profiles of those items. What is held out is not at hand here. Must not know items that nobody rated.

use super::items::{TITLE_CHARS_MAX, genres};
use super::words::{Template, Words};
use super::{Subject, messages};
use crate::agent::behavior::llm::persona::{Told, sampled};
use crate::dataset::{Dataset, Interactions};
use crate::id::UserId;
use crate::llm::fence::fenced;
use crate::rng::Streams;
use minijinja::context;

/// Characters of an item's profile beside its rating.
const PROFILE_CHARS_MAX: usize = 240;

/// One subject a person, in order, told from `train` alone; one without training interactions is not asked about.
///
/// # Errors
/// When a template cannot be filled in.
pub fn subjects(
    dataset: &Dataset,
    train: &Interactions,
    streams: Streams,
    words: &Words,
    text_chars: usize,
) -> Result<Vec<Subject>, minijinja::Error> {
    let line = |told: &Told| {
        let item = &dataset.catalogue[told.item.idx()];
        context! {
            rating => told.rating.map_or_else(|| "used".to_owned(), |rating| format!("{rating:.0} of 5")),
            title => fenced(&item.title, TITLE_CHARS_MAX),
            genres => genres(dataset, told.item.idx()),
            profile => item.profile.as_deref().map(|text| fenced(text, PROFILE_CHARS_MAX)).unwrap_or_default(),
        }
    };
    let subject = |user: UserId| {
        let told = sampled(dataset, train, user, streams);
        let asked = if told.is_empty() {
            Err("nothing of what they used is in the training part")
        } else {
            let ratings: Vec<minijinja::Value> = told.iter().map(line).collect();
            Ok(messages(words, Template::User, text_chars, context! { ratings })?)
        };
        Ok(Subject { number: user.0, raw: dataset.users.raw(user.0).to_owned(), asked })
    };
    (0..dataset.n_users() as u32).map(UserId).map(subject).collect()
}
