//! Fetches over HTTP from Linux hosts, as fast as the kernel allows, and tells the truth about how
//! long it took.
//!
//! Four jobs, each a builder with a default for every option: [`Fetch`] a list of URLs, [`Bench`] a
//! host, [`Compare`] engines under one workload, [`Serve`] a test server. They run on one pinned,
//! single-threaded runtime per CPU core, with completion-based I/O on io_uring. Each core has its
//! own connections and its own record of what happened; the records are merged once at the end.
//!
//! ```
//! use ringfetch::{Fetch, Serve};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Serve::new().listen("127.0.0.1:0".parse()?).start()?;
//! let url = format!("http://{}/page/1", server.addr());
//! let rows: Vec<_> = Fetch::new().urls([url]).rows()?.collect();
//! assert_eq!(rows[0].status, Some(200));
//! println!("{:?}", rows[0].page.as_ref().and_then(|page| page.title.as_ref()));
//! server.stop()?;
//! # Ok(())
//! # }
//! ```
//!
//! What is shown here is meant for programs. The folders below are public for the binary, for
//! benchmarks and for tests, and may change from one version to the next.
//!
//! # Folders
//!
//! A folder is a subject, and uses only those that stand before it. ARCHITECTURE.md says what is
//! where.
//!
//! - `base`: values that everything speaks
//! - `os`: system calls and /proc
//! - `runtime`: the engines: io_uring, epoll, Tokio
//! - `http`: bytes to messages and back
//! - `input`: lists of URLs
//! - `extract`: what a page says
//! - `stats`: times by their distribution, and counts
//! - `net`: from a name to a byte stream
//! - `client`: lanes, connections and exchanges, for fetch and bench alike
//! - `testserver`: the built-in server
//! - `fetch`: a list into rows
//! - `bench`: a load, measured
//! - `compare`: engines against each other
//! - `report`: numbers for a person
//! - `cli`: arguments, exit codes, signals
//!
//! # What never happens
//!
//! No lock, channel or shared write on the path of a request; no timer for a request; nothing that
//! grows with the number of URLs; no line without a row, and none with two.

#[doc(hidden)]
pub mod base;
#[doc(hidden)]
pub mod bench;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod client;
#[doc(hidden)]
pub mod compare;
#[doc(hidden)]
pub mod extract;
#[doc(hidden)]
pub mod fetch;
#[doc(hidden)]
pub mod http;
#[doc(hidden)]
pub mod input;
#[doc(hidden)]
pub mod net;
#[doc(hidden)]
pub mod os;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod runtime;
#[doc(hidden)]
pub mod stats;
#[doc(hidden)]
pub mod testserver;

// What several jobs take.
pub use net::dns::Override;
pub use runtime::launch::{Engine, Pinning};
pub use stats::counts::NamedCounts;
pub use stats::percentiles::Percentiles;

// Fetch, its rows and its summary.
pub use extract::page::{Page, Selected};
pub use fetch::options::{Extract, Fetch};
pub use fetch::output::row::{Row, RowError, RowTimes};
pub use fetch::policy::StatusPolicy;
pub use fetch::run::{FetchError, Rows};
pub use fetch::summary::{
    ConnectionSummary, CoreSummary, CostSummary, InputSummary, Latencies, PhaseTimes,
    ReceivedBytes, Summary,
};
pub use fetch::tally::Phase;

// Bench and its summary.
pub use bench::arrivals::RateStage;
pub use bench::options::{Bench, Spread, UrlOrder};
pub use bench::run::BenchError;
pub use bench::series::Point;
pub use bench::stability::{Stability, Steadiness};
pub use bench::summary::{
    BenchSummary, Censored, Confidence, ConnectionsDetail, Errors, LittlesLaw, Requests, TrialCost,
    TrialTimes, Warmup,
};
pub use bench::verdict::{Judgement, Mode, Verdict};

// Compare and its comparison.
pub use compare::bootstrap::Estimate;
pub use compare::comparison::Comparison;
pub use compare::contestant::Contestant;
pub use compare::figures::{Figures, FiguresByLabel, Ratios};
pub use compare::ratio::{Measure, Ratio, RatioVerdict};
pub use compare::workload::Workload;
pub use compare::{Compare, CompareError};
pub use os::machine::Machine;

// Serve.
pub use testserver::{Serve, ServeError, ServeSummary, Serving};

/// Fetches `urls` with every option at its default, and gives their rows as they come.
///
/// # Errors
///
/// Where the fetch cannot be started. A URL that cannot be fetched is a row that says why.
pub fn fetch(urls: impl IntoIterator<Item = impl Into<String>>) -> Result<Rows, FetchError> {
    Fetch::new().urls(urls).rows()
}
