//! Where every search starts: parameters of the right form in which nothing matters.
//! Must not know data beyond how long sessions and pages are.

use crate::agent::behavior::choice::ChoiceParameters;
use crate::agent::behavior::choice::align::Align;
use crate::agent::behavior::choice::cues::CueEffects;
use crate::agent::behavior::choice::exit::Exit;
use crate::agent::behavior::choice::interview::Interview;
use crate::agent::behavior::choice::rating::Rating;
use crate::agent::behavior::choice::reflection::Reflection;
use crate::agent::behavior::choice::watch::Watch;

/// Importance every page brings, so that an agent reflects after each: what recorded agents do.
const REFLECT_ON_EVERY_PAGE: f64 = 0.0;

/// The template for pages of up to `n_slots` items and sessions of up to `n_pages` pages.
pub fn template(n_slots: usize, n_pages: usize) -> ChoiceParameters {
    let (n_slots, n_pages) = (n_slots.max(1), n_pages.max(1));
    let by_page = || std::array::from_fn(|_| vec![0.0; n_pages]);
    // A record that does not tell what was looked at says nothing of the first slot: it stays looked at.
    let mut examination = vec![0.8; n_slots];
    examination[0] = 1.0;
    ChoiceParameters {
        cues: CueEffects::default(),
        align: Align {
            examination,
            intercept: 0.0,
            taste: 0.0,
            quality: 0.0,
            popularity: 0.0,
            by_slot: vec![0.0; n_slots],
            by_diversity: [0.0; 3],
        },
        watch: Watch {
            appetite: (1..=n_slots).map(|n| vec![0.0; n]).collect(),
            by_activity: [0.0; 3],
            by_diversity: [0.0; 3],
            worth: 0.2,
            by_slot: vec![0.0; n_slots],
            taste: 0.0,
            quality: 0.0,
            popularity: 0.0,
            satiation_on_page: 0.2,
            satiation_earlier: 0.1,
        },
        rating: Rating {
            cuts: [-3.0, -2.0, -0.5, 1.5],
            taste_by_conformity: [0.0; 3],
            quality_by_conformity: [0.0; 3],
            popularity: 0.0,
            leniency: 0.0,
        },
        reflection: Reflection {
            threshold: REFLECT_ON_EVERY_PAGE,
            by_page: by_page(),
            by_diversity: [0.0; 3],
            before: 0.0,
            fitting: 0.0,
            watched: 0.0,
            rating: 0.0,
        },
        exit: Exit { tiredness: by_page(), by_diversity: [0.0; 3], latest: 0.0, overall: 0.0 },
        interview: Interview {
            cuts: [-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0],
            by_page: by_page(),
            by_diversity: [0.0; 3],
            latest: 0.0,
            overall: 0.0,
            fitting: 0.0,
            watched: 0.0,
            rating: 0.0,
        },
        fit: None,
    }
}
