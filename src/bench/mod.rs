//! The job of `bench`: requests that are due go out, and what came of each is recorded.
//!
//! A run keeps its connections over any number of trials; each trial gives one record a core.
//!
//! Invariant: a request is in exactly one place of its trial's ledger, and the ledger closes.

pub mod arrivals;
mod call;
mod cores;
pub mod find_max;
pub mod found;
pub mod hdr_log;
pub mod ledger;
pub mod options;
mod pacer;
#[cfg(test)]
mod panics;
pub mod record;
mod recorder;
pub mod run;
pub mod search;
pub mod series;
mod settings;
pub mod slo;
pub mod stability;
pub mod summary;
#[cfg(test)]
mod tests;
mod trial;
pub mod verdict;
mod worker;

pub use cores::{Bench, CoreEnd, Event, Opened, Trials};
pub use settings::{BenchSettings, Loop, Trial};
