//! The engine that fetch and bench share: lanes that drive exchanges over pooled connections, and
//! what they share on one core.
//!
//! Knows neither where jobs come from nor where results go, nor which engine carries its I/O.
//!
//! Invariant: nothing here is shared between cores but the relaxed progress counters, the stop
//! signal and the bounded queues that batches travel through.
//!
//! ```text
//! worker       what runs on one core         workload     what its lanes work on: fetch, bench
//! lane         the one lane loop             exchange     a question on an idle or new connection
//! lanes        what they share               exchanged    what it gave
//! connections  idle ones and new ones        question     what is asked, whatever the protocol
//! connection   carries exchanges             answer       what is noted of the answers
//! http1        one exchange over HTTP/1.1    core         engine, blocks, deadlines of one core
//! pool         idle connections by route     deadlines    one sweep for all lanes
//! stop         the end of a run, and how far it has come
//! ```

pub(crate) mod answer;
mod asker;
mod connection;
pub(crate) mod connections;
mod core;
mod deadlines;
mod exchange;
pub(crate) mod exchanged;
mod http1;
pub(crate) mod lane;
pub(crate) mod lanes;
#[cfg(test)]
pub(crate) mod panicking;
pub mod pool;
pub(crate) mod question;
pub(crate) mod stop;
pub(crate) mod worker;
pub(crate) mod workload;

pub use stop::{Snapshot, Stop};
