//! Fetches over HTTP from Linux hosts, as fast as the kernel allows, and tells the truth about how
//! long it took.

pub mod machines;
pub mod source;
pub mod report;
pub mod words;
