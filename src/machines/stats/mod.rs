//! What was measured: times by their distribution, and counts that must add up.
//!
//! Knows neither clocks nor threads: a core records into its own tally, which is merged with the
//! others after the cores have ended.
//!
//! Invariant: every finished fetch is in exactly one of ok and failed, and every request of a
//! benchmark in exactly one place of its ledger, here as in the summaries.

pub mod bench;
pub mod ledger;
pub mod record;
pub mod search;
pub mod series;
pub mod slo;
pub mod stability;
pub mod verdict;
