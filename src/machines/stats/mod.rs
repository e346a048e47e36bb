//! What was measured: times by their distribution, and counts that must add up.
//!
//! Knows neither clocks nor threads: a core records into its own tally, which is merged with the
//! others after the cores have ended.
//!
//! Invariant: every finished fetch is in exactly one of ok and failed, here as in the summary.

pub mod latency;
pub mod summary;
pub mod tally;
