//! What cues do: lines beside an item shift how much of its quality comes through, and add to how much it
//! appeals.
//!
//! Mean ratings shown are part of how quality is known at all, and ratings given drift towards them (Cosley et al.,
//! CHI 2003); popularity shown makes the popular more popular (Salganik, Dodds & Watts, Science 2006); an advert makes
//! its item more appealing. Sizes are reasoned unless a parameter file gives fitted ones.

use super::view::Prospect;
use crate::agent::cue::Cues;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How strong cues are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CueEffects {
    /// Share of what general quality does that comes of the mean rating beside an item, 0..=1: hidden, it is gone.
    pub rating: f64,
    /// Added to fitting and to value per standard deviation of log popularity, where popularity is shown; in logits.
    pub popularity: f64,
    /// Added to fitting and to value where an item is advertised; in logits.
    pub advert: f64,
}

impl Default for CueEffects {
    fn default() -> Self {
        CueEffects { rating: 0.5, popularity: 0.15, advert: 0.3 }
    }
}

impl CueEffects {
    /// Whether these are the reasoned sizes, which a file need not repeat.
    pub fn is_reasoned(&self) -> bool {
        *self == CueEffects::default()
    }

    /// The item as it looks with these lines beside it.
    pub fn shown(&self, item: Prospect, cues: Cues, is_advertised: bool) -> Prospect {
        let through = if cues.rating { 1.0 } else { 1.0 - self.rating };
        let of_popularity = if cues.popularity { self.popularity * item.popularity } else { 0.0 };
        let of_advert = if is_advertised { self.advert } else { 0.0 };
        Prospect { quality: item.quality * through, nudge: of_popularity + of_advert, ..item }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_cues_change_nothing_and_others_shift_quality_and_appeal() {
        let item =
            Prospect { slot: 0, taste: 0.3, quality: 1.0, popularity: 2.0, satiation: 0.0, nudge: 0.0 };
        let effects = CueEffects { rating: 0.25, popularity: 0.5, advert: 0.125 };
        assert_eq!(effects.shown(item, Cues::USUAL, false), item);
        let hidden = effects.shown(item, Cues::of(&[]), false);
        assert_eq!((hidden.quality, hidden.nudge), (0.75, 0.0));
        let loud = effects.shown(item, Cues { rating: true, popularity: true, advert: true }, true);
        assert_eq!((loud.quality, loud.nudge), (1.0, 1.125));
    }
}
