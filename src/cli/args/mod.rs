//! What can be typed: commands and options, their defaults and their help texts.
//!
//! Invariant: names and defaults are a contract with users' scripts.

mod bench;
mod compare;
mod fetch;
mod general;
mod load;
mod pages;
mod serve;
mod wire;

use clap::{Parser, Subcommand};

pub(super) use bench::{BenchArgs, BenchFormat};
pub(super) use compare::{CompareArgs, CompareFormat, WorkloadArg};
pub(super) use fetch::{FetchArgs, Format};
pub(super) use general::{Color, GeneralArgs};
pub(super) use load::{ArrivalsArg, LoadArgs};
pub(super) use pages::{ExtractArg, PagesArgs};
pub(super) use serve::{DemoArgs, ServeArgs};
pub(super) use wire::WireArgs;

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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::base::limits;
    use crate::compare::options::SLICE_DEFAULT;
    use crate::fetch::options as fetch_options;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn defaults_are_those_of_the_library() {
        let parsed = |text: &str| Args::parse_from(text.split(' ')).command;
        let Command::Fetch(fetch) = parsed("ringfetch fetch http://a/") else { unreachable!() };
        assert_eq!(fetch.wire.timeout, limits::TIMEOUT_DEFAULT);
        assert_eq!(fetch.wire.connect_timeout, limits::CONNECT_TIMEOUT_DEFAULT);
        assert_eq!(fetch.pages.max_body, fetch_options::BODY_BYTES_DEFAULT);
        let Command::Compare(compare) = parsed("ringfetch compare") else { unreachable!() };
        assert_eq!(compare.slice, SLICE_DEFAULT);
    }
}
