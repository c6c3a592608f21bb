//! A session in numbers, as a classifier sees it. Must not know which sessions are simulated.

use crate::event::Session;
use crate::metric::{Agent, Catalogue};

/// Slots that have a feature of their own.
const N_SLOTS_MAX: usize = 8;

/// The names of the features on pages of `n_slots`.
pub fn names(n_slots: usize) -> Vec<String> {
    let mut names: Vec<String> = [
        "exit page",
        "watched a page, mean",
        "watched a page, spread",
        "share watched",
        "mean rating",
        "spread of ratings",
        "share of fives",
        "likes",
        "satisfaction",
        "aligned a page",
        "watched, of aligned",
        "popularity of watched",
    ]
    .map(str::to_owned)
    .to_vec();
    names.extend((1..=n_slots.min(N_SLOTS_MAX)).map(|slot| format!("watched in slot {slot}")));
    names.extend(["activity tier", "diversity tier", "conformity tier"].map(str::to_owned));
    names
}

/// One number a name. What a session does not have (a mean of no ratings, an interview that was
/// not held) is 0, below everything it could be.
pub fn of(session: &Session, agent: Agent<'_>, catalogue: &Catalogue, n_slots: usize) -> Vec<f64> {
    let n_pages = session.pages.len() as f64;
    let (n_shown, n_watched) = (session.n_shown() as f64, session.n_watched() as f64);
    let by_page: Vec<f64> =
        session.pages.iter().map(|page| page.slots.iter().filter(|s| s.watched).count() as f64).collect();
    let ratings: Vec<f64> = session.slots().filter_map(|slot| slot.rating).map(f64::from).collect();
    let n_fives = ratings.iter().filter(|rating| **rating == 5.0).count() as f64;
    let n_aligned = session.slots().filter(|slot| slot.aligned == Some(true)).count() as f64;
    let (watched_fame, shown_fame) = (fame(session, catalogue, true), fame(session, catalogue, false));
    let mut features = vec![
        n_pages,
        mean(&by_page),
        spread(&by_page),
        ratio(n_watched, n_shown),
        mean(&ratings),
        spread(&ratings),
        ratio(n_fives, ratings.len() as f64),
        session.n_liked() as f64,
        session.satisfaction.map_or(0.0, f64::from),
        ratio(n_aligned, n_pages),
        ratio(n_watched, n_aligned),
        if n_watched > 0.0 { watched_fame - shown_fame } else { 0.0 },
    ];
    for slot in 0..n_slots.min(N_SLOTS_MAX) {
        let seen: Vec<bool> =
            session.pages.iter().filter_map(|page| page.slots.get(slot)).map(|s| s.watched).collect();
        features.push(ratio(seen.iter().filter(|watched| **watched).count() as f64, seen.len() as f64));
    }
    features.extend([agent.activity(), agent.diversity(), agent.conformity()].map(f64::from));
    features
}

/// Mean log popularity in training of what was watched, or of all that was shown.
fn fame(session: &Session, catalogue: &Catalogue, watched_only: bool) -> f64 {
    let of = session.slots().filter(|slot| slot.watched || !watched_only);
    let known = of.filter_map(|slot| catalogue.items.get(slot.item.idx()));
    mean(&known.map(|item| f64::from(item.n_train + 1).ln()).collect::<Vec<f64>>())
}

fn ratio(above: f64, below: f64) -> f64 {
    if below > 0.0 { above / below } else { 0.0 }
}

fn mean(values: &[f64]) -> f64 {
    ratio(values.iter().sum(), values.len() as f64)
}

fn spread(values: &[f64]) -> f64 {
    let centre = mean(values);
    ratio(values.iter().map(|v| (v - centre) * (v - centre)).sum(), values.len() as f64).sqrt()
}
