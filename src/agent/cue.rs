//! What a page says of an item beside its title and genres: cues that may nudge whoever looks. Must not know
//! how anybody reacts to them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A line beside an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cue {
    /// The mean rating that people gave it.
    Rating,
    /// How many people have it.
    Popularity,
    /// An advert, beside a random share of what is shown.
    Advert,
}

impl Cue {
    /// Its name in a scenario.
    pub fn name(self) -> &'static str {
        match self {
            Cue::Rating => "rating",
            Cue::Popularity => "popularity",
            Cue::Advert => "advert",
        }
    }
}

/// Which lines a page shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cues {
    /// Mean ratings.
    pub rating: bool,
    /// Popularity.
    pub popularity: bool,
    /// Adverts.
    pub advert: bool,
}

impl Cues {
    /// What pages show where nothing else is said, and what recorded agents saw: mean ratings.
    pub const USUAL: Cues = Cues { rating: true, popularity: false, advert: false };

    /// These lines and no others.
    pub fn of(cues: &[Cue]) -> Self {
        let shows = |cue| cues.contains(&cue);
        Cues { rating: shows(Cue::Rating), popularity: shows(Cue::Popularity), advert: shows(Cue::Advert) }
    }
}
