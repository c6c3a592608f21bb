//! Who acts: simulated people with a profile, a memory and a behaviour.
//!
//! An agent stands for a person of the dataset and may know everything about that person,
//! held-out interactions included: it is the truth of the experiment. It must not know
//! which recommender or arm it meets.

pub mod behavior;
pub mod cue;
pub mod facts;
pub mod halves;
pub mod memory;
pub mod profile;
pub mod session;
pub mod taste;
