//! Gate: one kind of thing all over a page tires. The same people watch more of a page of
//! many kinds than of a page of one, where both are liked as much.

use super::probe::{Probes, common_luck};
use super::{gate, mean, paired};
use crate::event::Session;
use crate::validate::ValidateError;
use crate::validate::check::{Bound, Check};
use crate::validate::simulate::Stage;
use crate::world::SessionRules;

/// Items of a probe page.
pub fn n_items(stage: &Stage<'_>) -> usize {
    stage.rules().items_per_page.clamp(2, 4)
}

/// Runs the gate on one page. The first slot is left out: nothing has been repeated there yet.
pub fn run(stage: &Stage<'_>, probes: &Probes) -> Result<Check, ValidateError> {
    let rules = SessionRules { items_per_page: n_items(stage), max_pages: 1, ..stage.rules() };
    let luck = common_luck(stage.prepared);
    let same = stage.sessions("probe", &probes.same, rules, luck)?;
    let mixed = stage.sessions("probe", &probes.mixed, rules, luck)?;
    let mut check = gate("diversity", "share", paired(&same, &mixed, watched_after_first))
        .bounded(Bound::Positive)
        .about(format!(
            "how much more is watched below the first slot where the items of a page are of different kinds, liked \
             as much, than where they are alike ({} agents have both pages)",
            probes.n_paired
        ));
    check.reference = mean(&same, watched_after_first);
    check.simulated = mean(&mixed, watched_after_first);
    Ok(check)
}

/// The share watched of everything below the first slot.
fn watched_after_first(session: &Session) -> Option<f64> {
    let slots = &session.pages.first()?.slots;
    let below = slots.get(1..).filter(|below| !below.is_empty())?;
    Some(below.iter().filter(|slot| slot.watched).count() as f64 / below.len() as f64)
}
