//! Whether simulated people can be believed: what they do against what is known of real ones.

pub mod people;
pub mod taste_test;
