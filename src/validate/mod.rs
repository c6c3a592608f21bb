//! How far the agents can be trusted: what they do beside what was recorded.

pub mod people;
