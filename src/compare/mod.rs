//! The job of `compare`: one workload on several engines in turns, each in a process of its own.
//!
//! A contestant is one process of a comparison. [`contestant`] says what can be one: an engine of
//! ringfetch, or another client. `contestant_process` is its process as the parent sees it;
//! [`contestant_main`] is what that process does, with one implementor of `slices` for each kind of
//! work. `protocol` is what the two say to each other. A contestant works when it has its turn, for
//! a slice of time, and rests while others work; the parent only schedules and reads.
//!
//! ```text
//! options, workload, testbed     what is compared, at what work, and where
//! run, order                     the rounds: who works when
//! slice, measurements, subject   what was measured, and what it is of
//! bootstrap, ratio, figures      medians, intervals and verdicts
//! comparison, notes, matrix      what is told of them
//! saved                          what has changed since an earlier run
//! clients                        hyper, reqwest and monoio-http (feature `peers`)
//! ```
//!
//! Invariants: at most one contestant works at a time. A verdict is given only where an interval
//! excludes 1 by more than the same run shows between two contestants that are the same.

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
