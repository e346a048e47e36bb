//! A benchmark as text and CSV: its plan, its progress line, its summary and the path of a search.
//! JSON is [`report::json`](crate::report::json), as everywhere.
//!
//! Invariant: every number in a report of a finished trial is in its summary.

pub mod csv;
pub mod live;
pub mod path;
pub mod plan;
pub mod text;
