//! A wind tunnel for recommender systems.
//!
//! Simulated people meet pluggable recommenders page by page; every session is
//! logged, measured and compared. The modules stand in the order in which a
//! scenario becomes a report:
//!
//! ```text
//! scenario -> dataset -> split -> recommender.fit -> world <-> (page, reaction)
//!          -> events -> metrics -> statistics -> studies -> report
//! ```
//!
//! `ARCHITECTURE.md` in the repository is the map; this crate is its territory.
#![deny(missing_docs, unsafe_code)]

mod columns;
mod digest;
pub mod files;
pub mod id;
mod intake;
pub mod naming;
pub mod progress;
pub mod rng;
pub mod secret;
pub mod stop;

pub mod scenario;

pub mod dataset;

pub mod encoder;

pub mod recommender;

pub mod llm;

pub mod agent;

pub mod profiler;

pub mod world;

pub mod event;

pub mod metric;

pub mod stats;

pub mod study;

pub mod report;

pub mod experiment;

pub mod sweep;

pub mod calibrate;

pub mod validate;

pub mod cli;
