//! What to run: the scenario file, checked into a `Scenario`.

pub mod params;
