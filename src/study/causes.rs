//! Causes: what leads to what among items, as DirectLiNGAM finds it in what happened, beside what an experiment measures.
//! Must not know recommenders.

pub mod lars;
pub mod linear;
pub mod lingam;
pub mod observations;
pub mod prior;
pub mod stability;

#[cfg(test)]
mod oracle;
