//! What gradient-trained recommenders share: initial values, samples, optimisers,
//! validation, early stopping, checkpoints.
//!
//! Parameters come out bit-identical at any number of threads. Work is cut into parts
//! whose number depends on the data alone, every part writes its own rows, and no sum
//! crosses a part out of order. Nothing here may know a particular model.

pub mod activations;
pub mod adam;
pub mod blocks;
pub mod bpr;
pub mod checkpoint;
pub mod contrast;
pub mod cosine;
pub mod gcn;
pub mod graph;
pub mod init;
pub mod kernels;
pub mod layers;
pub mod mlp;
pub mod negatives;
pub mod schedule;
pub mod sgd;
pub mod spmm;
pub mod validation;

/// Parts that samples are cut into, each with randomness of its own; never the number of threads.
pub const CHUNKS: usize = 8;

#[cfg(test)]
pub mod toy;
