//! Floor 3: the engine. Lanes that drive exchanges, and what they share on one core.
//!
//! Knows neither where jobs come from nor where rows go, nor which engine carries its I/O.
//!
//! Invariant: nothing here is shared between cores but the relaxed progress counters, the stop
//! signal and the bounded queues that batches travel through.

pub mod bench;
mod core;
mod drive;
pub mod fetch;
mod lane;
#[cfg(test)]
mod panicking;
mod stop;
mod watch;
mod work;

pub use stop::{Reading, Stop};
