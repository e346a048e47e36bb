//! Floor 3: the engine of `fetch`. Lanes that drive exchanges, and what they share on one core.
//!
//! Knows neither where jobs come from nor where rows go, nor which engine carries its I/O.
//!
//! Invariant: nothing here is shared between cores but the relaxed progress counters, the stop
//! signal and the bounded queues that batches travel through.

mod core;
mod drive;
mod lane;
mod outbox;
mod reader;
mod response;
mod run;
mod settings;
mod shard;
mod shared;
mod stop;
#[cfg(test)]
mod tests;
mod watch;

pub use run::{Outcome, Run};
pub use settings::{Keep, Settings};
pub use shard::Politeness;
pub use stop::{Reading, Stop};
