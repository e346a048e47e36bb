//! The job of `compare`: one workload on several engines in turns, each in a process of its own.
//!
//! The parent only schedules and reads; the contestants do the work.
//!
//! Invariants: at most one contestant runs at a time, and the others rest. A verdict is given only
//! where an interval excludes 1 by more than the same run shows between two that are the same.

mod bench_slices;
pub mod bootstrap;
#[cfg(feature = "peers")]
mod client_slices;
#[cfg(feature = "peers")]
pub mod clients;
pub mod comparison;
pub mod contestant;
pub mod contestant_main;
mod contestant_process;
mod error;
mod fetch_slices;
pub mod figures;
pub mod matrix;
pub mod measurements;
mod notes;
pub mod options;
pub mod order;
mod protocol;
pub mod ratio;
mod run;
pub mod saved;
pub mod server_process;
pub mod slice;
mod slices;
mod slowed;
pub mod subject;
pub mod testbed;
#[cfg(test)]
mod tests;
pub mod workload;

pub use error::CompareError;
pub use options::Compare;
pub use run::Turn;
