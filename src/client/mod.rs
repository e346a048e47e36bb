//! The engine that fetch and bench share: lanes that drive exchanges over pooled connections, and
//! what they share on one core.
//!
//! Knows neither where jobs come from nor where results go, nor which engine carries its I/O.
//!
//! Invariant: nothing here is shared between cores but the relaxed progress counters, the stop
//! signal and the bounded queues that batches travel through.

pub(crate) mod deadlines;
pub(crate) mod exchange;
pub(crate) mod lane;
#[cfg(test)]
pub(crate) mod panicking;
pub mod pool;
pub(crate) mod stop;
pub(crate) mod worker;
pub(crate) mod workload;

pub use stop::{Reading, Stop};
