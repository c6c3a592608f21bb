//! Off-policy estimators against Open Bandit Pipeline, against simulated worlds whose truth is known, and on the Open
//! Bandit Dataset. Expected numbers were printed by `tests/recompute/oracle_off_policy.py`.

#[path = "off_policy/oracle.rs"]
mod oracle;
#[path = "off_policy/real.rs"]
mod real;
#[path = "off_policy/study.rs"]
mod study;
#[path = "off_policy/worlds.rs"]
mod worlds;
