//! What every command takes.

use std::path::PathBuf;

use clap::{ArgAction, ValueEnum};

use crate::runtime::launch::Engine;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct GeneralArgs {
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
