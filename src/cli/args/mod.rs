//! What can be typed.
//!
//! Knows names, defaults and help texts; what the values mean to a run is `command`'s.
//!
//! Invariant: the names and defaults are a contract with users' scripts.

mod bench;
mod compare;
mod fetch;
mod load;
mod pages;
mod serve;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use crate::cli::values::{duration, header, resolve};
use crate::net::dns::Override;
use crate::runtime::launch::Engine;

pub(super) use bench::{BenchArgs, BenchFormat, Stages};
pub(super) use compare::{CompareArgs, CompareFormat, WorkloadArg};
pub(super) use fetch::{FetchArgs, Format};
pub(super) use load::{ArrivalsArg, Body, LoadArgs};
pub(super) use pages::{ExtractArg, PagesArgs};
pub(super) use serve::{DemoArgs, ServeArgs};

/// Fetches over HTTP as fast as the kernel allows, and tells the truth about how long it took.
#[derive(Debug, Parser)]
#[command(name = "ringfetch", version, max_term_width = 100)]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    pub(in crate::cli) command: Command,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Fetch every URL of a list: one row for each line, as JSON lines
    Fetch(Box<FetchArgs>),
    /// Put a load on an origin, and tell what it took and how long
    Bench(Box<BenchArgs>),
    /// Serve the built-in test origin until Ctrl-C; / lists what it serves
    Serve(ServeArgs),
    /// Compare engines on one workload, in turns, and tell which differences are real
    Compare(Box<CompareArgs>),
    /// Work as one side of a comparison
    #[command(hide = true)]
    Contestant,
    /// Fetch generated pages from the built-in origin, bench it and compare engines, to see it work
    Demo(DemoArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Common {
    /// What carries the I/O: uring, epoll or tokio
    ///
    /// Where the kernel refuses io_uring, epoll serves instead, and a warning says why.
    #[arg(long, default_value = "uring", value_name = "ENGINE")]
    pub(in crate::cli) engine: Engine,
    /// CPUs to use, such as 0,2-5 [default: all that this process may use]
    #[arg(long, value_name = "LIST")]
    pub(in crate::cli) cores: Option<String>,
    /// Let the kernel move the threads of the cores between CPUs
    #[arg(long)]
    pub(in crate::cli) no_pin: bool,
    /// Say nothing but errors
    #[arg(short, long)]
    pub(in crate::cli) quiet: bool,
    /// Say more; repeat it for still more
    #[arg(short, action = ArgAction::Count)]
    pub(in crate::cli) verbose: u8,
    /// What to log to standard error, such as ringfetch=debug
    #[arg(long, value_name = "FILTER")]
    pub(in crate::cli) log: Option<String>,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub(in crate::cli) color: Color,
    /// Write the run's numbers as one JSON object; - is standard output
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) summary_json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Color {
    Auto,
    Always,
    Never,
}

/// What every client on the wire has.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct WireArgs {
    /// Time for one request of a load, or one whole fetch with its redirects and retries
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    pub(in crate::cli) timeout: Duration,
    /// Time for one connect
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    pub(in crate::cli) connect_timeout: Duration,
    /// A header field to send; repeat it for more
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header)]
    pub(in crate::cli) header: Vec<(String, String)>,
    /// Connect to ADDR for HOST:PORT, either of which may be *; repeat it for more
    #[arg(long, value_name = "HOST:PORT:ADDR", value_parser = resolve)]
    pub(in crate::cli) resolve: Vec<Override>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }
}
