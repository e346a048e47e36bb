//! Fetches over HTTP from Linux hosts, as fast as the kernel allows, and tells the truth about how
//! long it took.

pub mod engine;
pub mod io;
pub mod machines;
pub mod report;
pub mod sink;
pub mod source;
pub mod words;
