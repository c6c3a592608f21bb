//! What can be said with confidence: intervals, tests, corrections, power.
//! Must not know metrics or arms: numbers in, numbers out.
