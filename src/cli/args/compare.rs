//! The arguments of `compare`: its own options, and those of the workload.
//!
//! Invariant: the names and defaults are a contract with users' scripts.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::base::limits;
use crate::cli::args::general::GeneralArgs;
use crate::cli::args::load::LoadArgs;
use crate::cli::args::pages::PagesArgs;
use crate::cli::args::wire::WireArgs;
use crate::cli::values::{count, duration, size};
use crate::compare::contestant::Contestant;
use crate::compare::options::{BODY_BYTES_DEFAULT, ROUNDS_DEFAULT};

/// Default connections.
const CONNECTIONS: u64 = limits::CONNECTIONS_DEFAULT as u64;

#[derive(Debug, clap::Args)]
#[command(mut_arg("engine", |arg| arg.hide(true)))]
pub(in crate::cli) struct CompareArgs {
    /// URLs to ask for [default: a built-in origin's, on CPUs of its own]
    #[arg(value_name = "URL")]
    pub(in crate::cli) urls: Vec<String>,
    /// What to compare; the first is the baseline, and a name may come twice
    ///
    /// Besides uring, epoll and tokio there are uring:plain and uring:sqpoll, other ways to set up
    /// the ring. [default: every client that was built in]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(in crate::cli) engines: Vec<Contestant>,
    /// How often each engine has its turn
    #[arg(long, value_name = "N", default_value_t = ROUNDS_DEFAULT)]
    pub(in crate::cli) rounds: usize,
    /// How long each turn is measured
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    pub(in crate::cli) slice: Duration,
    /// What each engine does: bench (a load) or fetch (a list of URLs)
    #[arg(long, value_name = "WHAT", default_value = "bench", hide_possible_values = true)]
    pub(in crate::cli) workload: WorkloadArg,
    /// Sweep connections and body sizes, and tell which engine wins where
    #[arg(long, conflicts_with = "save", conflicts_with = "against")]
    pub(in crate::cli) matrix: bool,
    /// Connections of the sweep
    #[arg(long, value_name = "LIST", value_parser = count, value_delimiter = ',',
          default_value = "1,16,64,256,1024", requires = "matrix")]
    pub(in crate::cli) matrix_connections: Vec<u64>,
    /// Body sizes of the sweep
    #[arg(long, value_name = "LIST", value_parser = size, value_delimiter = ',',
          default_value = "64,4Ki,64Ki,1Mi", requires = "matrix")]
    pub(in crate::cli) matrix_bodies: Vec<u64>,
    /// How the result is written to standard output: text, json or markdown
    #[arg(short, long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub(in crate::cli) output: CompareFormat,
    /// Keep the run, to compare a later one against
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) save: Option<PathBuf>,
    /// Compare with a run that was kept, of the same workload on the same machine
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) against: Option<PathBuf>,
    /// Size of the built-in origin's bodies, where no URL is given and the workload is bench
    #[arg(long, value_name = "SIZE", value_parser = size, default_value_t = BODY_BYTES_DEFAULT)]
    pub(in crate::cli) body_size: u64,
    /// CPUs of the built-in origin [default: half of those that this process may use]
    #[arg(long, value_name = "LIST")]
    pub(in crate::cli) origin_cores: Option<String>,
    /// A list of URLs, one a line; gzip and zstd are recognised
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) input: Vec<PathBuf>,
    /// Connections in all
    #[arg(short, long, value_name = "N", value_parser = count, default_value_t = CONNECTIONS)]
    pub(in crate::cli) connections: u64,
    #[command(flatten, next_help_heading = "Options of a load (--workload bench)")]
    pub(in crate::cli) load: LoadArgs,
    #[command(flatten, next_help_heading = "Options of a list (--workload fetch)")]
    pub(in crate::cli) pages: PagesArgs,
    #[command(flatten, next_help_heading = "Options of both")]
    pub(in crate::cli) wire: WireArgs,
    #[command(flatten)]
    pub(in crate::cli) common: GeneralArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum WorkloadArg {
    /// A load, in a closed or an open loop
    Bench,
    /// A list of URLs, over and over
    Fetch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum CompareFormat {
    /// For a person
    Text,
    /// One JSON object
    Json,
    /// Tables to paste
    Markdown,
}
