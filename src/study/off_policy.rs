//! What would another arm have earned? Estimates from the log of an arm that explores, beside the truth that only a
//! simulation has.

pub mod between_logs;
pub mod estimators;
pub mod interval;
pub mod open_bandit;
pub mod reward_model;
pub mod slate;
