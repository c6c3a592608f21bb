//! The content hash: what a dataset says, in one number that no platform, file format
//! or row order changes. Must not know where the data came from.

use super::{Dataset, Interactions, Vocabulary};
use crate::digest::hex;
use crate::id::UserId;
use sha2::{Digest, Sha256};

/// Changes whenever the bytes that are hashed change their meaning.
const FORM: &str = "windtunnel dataset 1";

/// Feeds values to the hash: numbers little-endian, texts and lists with their length before them.
struct Canon(Sha256);

impl Canon {
    fn u64(&mut self, n: usize) {
        self.0.update((n as u64).to_le_bytes());
    }

    fn f32(&mut self, x: f32) {
        // Both zeros are the same number.
        self.0.update((x + 0.0).to_bits().to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.u64(text.len());
        self.0.update(text);
    }

    fn option<T>(&mut self, value: Option<T>, feed: impl FnOnce(&mut Self, T)) {
        self.0.update([u8::from(value.is_some())]);
        if let Some(value) = value {
            feed(self, value);
        }
    }

    fn vocabulary(&mut self, vocabulary: &Vocabulary) {
        self.u64(vocabulary.len());
        vocabulary.all().iter().for_each(|raw| self.text(raw));
    }

    fn interaction(&mut self, user: u32, item: u32, rating: f32, order: i64) {
        let mut bytes = [0u8; 20];
        bytes[..4].copy_from_slice(&user.to_le_bytes());
        bytes[4..8].copy_from_slice(&item.to_le_bytes());
        bytes[8..12].copy_from_slice(&(rating + 0.0).to_bits().to_le_bytes());
        bytes[12..].copy_from_slice(&order.to_le_bytes());
        self.0.update(bytes);
    }

    fn interactions(&mut self, interactions: &Interactions) {
        self.u64(interactions.len());
        for user in 0..interactions.matrix.n_rows as u32 {
            for x in interactions.history_of(UserId(user)) {
                self.interaction(user, x.item.0, x.rating, x.order);
            }
        }
    }
}

impl Dataset {
    /// SHA-256 over the canonical form, in lower-case hex: ids, interactions, item texts, user
    /// attributes, published split and personas, written profiles, and observed truth. Not the source's name nor what reading cost, so
    /// the same data hash alike in every file format; and not a synthetic world's truth.
    pub fn content_hash(&self) -> String {
        let mut canon = Canon(Sha256::new());
        canon.text(FORM);
        canon.vocabulary(&self.users);
        canon.vocabulary(&self.items);
        canon.vocabulary(&self.genres);
        for item in &self.catalogue {
            canon.text(&item.title);
            canon.option(item.year, |c, year| c.u64(usize::from(year)));
            canon.u64(item.genres.len());
            item.genres.iter().for_each(|genre| canon.u64(genre.idx()));
            canon.option(item.summary.as_deref(), Canon::text);
            canon.option(item.mean_rating, Canon::f32);
            if let Some(profile) = &item.profile {
                canon.text("profile");
                canon.text(profile);
            }
        }
        canon.u64(self.user_attributes.len());
        for attribute in &self.user_attributes {
            canon.text(&attribute.name);
            attribute.values.iter().for_each(|value| canon.option(value.as_deref(), Canon::text));
        }
        canon.u64(self.interactions.len());
        for x in &self.interactions {
            canon.interaction(x.user.0, x.item.0, x.rating, x.order);
        }
        canon.option(self.rating_range, |c, (low, high)| {
            c.f32(low);
            c.f32(high);
        });
        canon.option(self.published_split.as_ref(), |c, split| {
            [&split.train, &split.valid, &split.test].into_iter().for_each(|part| c.interactions(part));
        });
        canon.option(self.published_personas.as_ref(), |c, personas| {
            for persona in personas {
                c.0.update([persona.activity, persona.diversity, persona.conformity]);
                c.u64(persona.taste.len());
                persona.taste.iter().for_each(|sentence| c.text(sentence));
            }
        });
        if let Some(profiles) = &self.user_profiles {
            canon.text("user profiles");
            profiles.iter().for_each(|profile| canon.option(profile.as_deref(), Canon::text));
        }
        if let Some(observed) = &self.observed {
            canon.text("observed");
            canon.u64(observed.matrix.nnz());
            for user in 0..observed.matrix.n_rows as u32 {
                let (items, ratings) = observed.matrix.row(user as usize);
                items
                    .iter()
                    .zip(ratings)
                    .for_each(|(&item, &rating)| canon.interaction(user, item, rating, 0));
            }
        }
        hex(canon.0.finalize())
    }
}
