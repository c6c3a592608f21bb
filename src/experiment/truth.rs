//! From observed truth and event files to `true_ratings.csv`, `truth.csv` and `truth_order.csv`.
//! Must not know recommenders or agents' taste.

use super::RunError;
use super::folder::RunFolder;
use super::prepare::Prepared;
use super::tables::write_table;
use crate::id::{ItemId, UserId};
use crate::metric::analyse::ArmResult;
use crate::metric::truth::{OrderRow, TrueRatingRow, TrueRatings, TruthRow, Truths};
use crate::scenario::Scenario;

/// The true ratings of the people who are simulated, where the dataset knows any.
pub fn ratings(prepared: &Prepared) -> Option<TrueRatings> {
    let observed = prepared.dataset.observed.as_ref()?;
    Some(TrueRatings::new(&prepared.population, |persona| {
        let Some(user) = prepared.dataset.users.get(persona).map(UserId) else { return Vec::new() };
        let (items, ratings) = observed.matrix.row(user.idx());
        items.iter().map(|&item| ItemId(item)).zip(ratings.iter().copied()).collect()
    }))
}

/// Writes the three tables.
pub fn write(
    scenario: &Scenario,
    prepared: &Prepared,
    folder: &RunFolder,
    truths: Truths<'_>,
    results: &[ArmResult],
) -> Result<(), RunError> {
    let shown = truths.shown_ratings(&prepared.catalogue);
    let params = &scenario.file.statistics;
    let found = truths.tables(results, &prepared.population, params, &prepared.streams);
    write_table(folder, "true_ratings.csv", &shown, &TrueRatingRow::HEADER)?;
    write_table(folder, "truth.csv", &found.arms, &TruthRow::HEADER)?;
    write_table(folder, "truth_order.csv", &found.orders, &OrderRow::HEADER)
}
