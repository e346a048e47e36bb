//! The job of `fetch`: every line of a list becomes a job, and every job one row.
//!
//! Invariant: a job is in exactly one place (batch, scheduler, lane, on its way to another core)
//! until it is exactly one row.

mod call;
mod cores;
pub mod job;
mod judge;
pub mod options;
pub mod ordinals;
mod outbox;
pub mod output;
pub mod policy;
mod reader;
mod response;
pub mod run;
mod scheduler;
mod settings;
mod shared;
pub mod summary;
pub mod tally;
#[cfg(test)]
mod tests;
mod worker;

pub use cores::{FetchRun, FetchRunEnd};
pub use response::Keep;
pub use scheduler::Politeness;
pub use settings::Settings;
