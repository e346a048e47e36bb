//! The job of `bench`: requests go out when they are due, and each is recorded.
//!
//! A run keeps its connections over any number of trials; each core gives one record a trial.
//!
//! Invariant: a request is in exactly one place of its trial's ledger, and the ledger closes.

pub mod arrivals;
mod block_size;
mod call;
mod changes;
mod cores;
mod events;
pub mod find_max;
pub mod found;
pub mod hdr_log;
pub mod ledger;
mod opening;
pub mod options;
mod pacer;
#[cfg(test)]
mod panics;
pub mod record;
mod recorder;
pub mod run;
pub mod search;
pub mod series;
mod session;
mod settings;
mod shared;
pub mod slo;
pub mod stability;
pub mod summary;
mod targets;
#[cfg(test)]
mod tests;
mod trial;
mod usage;
pub mod verdict;
mod worker;

pub use cores::{BenchRun, Trials};
pub use events::{CoreEnd, Event, Opened};
pub use settings::{BenchSettings, Loop, Trial};
