//! Fetches over HTTP from Linux hosts, as fast as the kernel allows, and tells the truth about how
//! long it took.
//!
//! ```text
//! lines ──► reader ──► cores (pinned; shard, lanes, pool, tally) ──► extraction ──► rows
//! ```
//!
//! One pinned, single-threaded runtime per CPU core, completion-based I/O on io_uring; each core
//! has its own connection pool and its own share of the URLs, and records into its own histograms,
//! which are merged once at the end. What a program wants is [`Fetch`]; the command line is made of
//! the same.
//!
//! ```no_run
//! # fn main() -> Result<(), ringfetch::FetchError> {
//! for row in ringfetch::fetch(["http://127.0.0.1:8080/"])? {
//!     println!("{} {:?}", row.url, row.page.and_then(|page| page.title));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The folders
//!
//! A folder is a subject, and uses only those that stand before it; ARCHITECTURE.md says which is
//! which.
//!
//! # What never happens
//!
//! No lock, channel or shared write on the path of a request; no timer for a request; nothing that
//! grows with the number of URLs; no line without a row, and none with two.
//!
//! [`Fetch`], [`Rows`], [`FetchError`], [`fetch()`] and what they give are meant for programs; the
//! folders are public for benchmarks and tests, and may change from one version to the next.

pub mod base;
pub mod bench;
pub mod cli;
pub mod client;
pub mod compare;
pub mod extract;
pub mod fetch;
pub mod http;
pub mod input;
pub mod net;
pub mod os;
pub mod report;
pub mod runtime;
pub mod stats;
pub mod testserver;

pub use extract::page::Page;
pub use fetch::options::{Extract, Fetch};
pub use fetch::output::row::Row;
pub use fetch::run::{FetchError, Rows};
pub use fetch::summary::Summary;
pub use testserver::{Serve, ServeError, ServeSummary, Serving};

/// Fetches `urls` with every option at its default, and gives their rows as they come.
///
/// # Errors
///
/// Where the fetch cannot be started. A URL that cannot be fetched is a row that says why.
pub fn fetch(urls: impl IntoIterator<Item = impl Into<String>>) -> Result<Rows, FetchError> {
    Fetch::new().urls(urls).rows()
}
