//! From what came of a fetch to the bytes that users' scripts read.
//!
//! Knows nothing of where the bytes go: they are appended to memory that the caller owns.
//!
//! Invariant: one fetch gives one row, and one row gives one line.

pub mod jsonl;
pub mod row;
