//! Floor 0: the words that every other floor speaks.
//!
//! Plain values: bounds, bytes, addresses, jobs, rows, failures, points in time, units. Nothing
//! here knows of sockets, clocks, files or `async`.
//!
//! Invariant: this floor uses nothing of the crate but itself.

pub mod job;
pub mod row;
