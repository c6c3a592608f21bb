//! What can be said with confidence: intervals, tests, corrections, power.
//! Must not know metrics or arms: numbers in, numbers out.

pub mod assignment;
pub mod bootstrap;
pub mod cuped;
pub mod estimate;
pub mod least_squares;
pub mod multiple;
pub mod paired;
pub mod params;
pub mod power;
pub mod proportions;
pub mod rank_correlation;
pub mod sequential;
pub mod shrinkage;
pub mod student;
pub mod summary;
pub mod unpaired;

#[cfg(test)]
mod oracle;
