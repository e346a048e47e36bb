//! Fetches over HTTP from Linux hosts, as fast as the kernel allows, and tells the truth about how
//! long it took.

pub mod cli;
pub mod command;
pub mod engine;
pub mod io;
pub mod machines;
pub mod report;
pub mod sink;
pub mod source;
pub mod words;

pub use command::fetch::{Extract, Fetch};
pub use command::fetching::{FetchError, Rows};
