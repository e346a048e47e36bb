//! What a person, or a script, is told of a benchmark.
//!
//! Makes strings of a plan before the run and of a summary after it; JSON is
//! [`report::json`](crate::report::json), as everywhere.
//!
//! Invariant: no number is computed here that the summary does not hold.

pub mod csv;
pub mod live;
pub mod path;
pub mod plan;
pub mod text;
