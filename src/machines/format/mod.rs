//! From what came of a fetch, or of a run, to the bytes that users' scripts and tools read.
//!
//! Knows nothing of where the bytes go: to memory or to a writer that the caller owns.
//!
//! Invariant: one fetch gives one row, and one row gives one line; so does one interval of a log.

pub mod hdr_log;
