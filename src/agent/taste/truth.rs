//! The taste a synthetic world was made from, as it stands.

use super::TasteError;
use super::factors::Factors;
use crate::dataset::Dataset;

/// The truth behind the dataset.
pub(super) fn of(dataset: &Dataset) -> Result<Factors, TasteError> {
    let truth = dataset.truth.as_ref().ok_or_else(|| TasteError::NoTruth(dataset.source.clone()))?;
    Ok(Factors {
        n_factors: truth.n_factors,
        users: truth.users.clone(),
        items: truth.items.clone(),
        quality: truth.quality.clone(),
    })
}
