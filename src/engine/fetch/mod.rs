//! The work of `fetch`: every line of a list becomes a job, and every job one row.
//!
//! Knows neither where lines come from nor where rows go: a reader thread pulls the one, batches of
//! the other leave through a queue.
//!
//! Invariant: a job is in exactly one place (batch, shard, lane, on its way to another core) until
//! it is exactly one row.

mod call;
mod judge;
mod outbox;
mod reader;
mod response;
mod run;
mod settings;
mod shard;
mod shared;
#[cfg(test)]
mod tests;
mod work;

pub use run::{Outcome, Run};
pub use settings::{Keep, Settings};
pub use shard::Politeness;
