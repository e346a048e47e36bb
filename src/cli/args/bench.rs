//! What `bench` takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::base::limits;
use crate::cli::args::general::GeneralArgs;
use crate::cli::args::load::LoadArgs;
use crate::cli::args::wire::WireArgs;
use crate::cli::values::{Stages, count, duration, stages};

/// Default connections of a bench.
const CONNECTIONS: u64 = limits::CONNECTIONS_DEFAULT as u64;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct BenchArgs {
    /// URLs to ask for, in turn, before those of the lists
    #[arg(value_name = "URL")]
    pub(in crate::cli) urls: Vec<String>,
    /// A list of URLs, one a line; - is standard input; gzip and zstd are recognised
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) input: Vec<PathBuf>,
    /// Connections in all; so many to each host where there are several
    #[arg(short, long, value_name = "N", value_parser = count, default_value_t = CONNECTIONS)]
    pub(in crate::cli) connections: u64,
    /// How long requests are measured [default: 10s, or as long as -n takes]
    #[arg(short, long, visible_short_alias = 'z', value_name = "TIME", value_parser = duration)]
    pub(in crate::cli) duration: Option<Duration>,
    /// How many requests are measured, exactly
    #[arg(short = 'n', long, value_name = "N", value_parser = count)]
    pub(in crate::cli) requests: Option<u64>,
    /// How long requests are sent before any is measured
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0")]
    pub(in crate::cli) warmup: Duration,
    /// Change the rate over time: 10s:0-50k,30s:50k ramps up for 10 s and holds for 30 s
    #[arg(long, value_name = "STAGES", value_parser = stages)]
    pub(in crate::cli) stages: Option<Stages>,
    /// Search for the highest rate at which this holds, such as 'p99<5ms,errors<0.1%'
    #[arg(long, value_name = "SLO")]
    pub(in crate::cli) find_max: Option<String>,
    /// End with exit code 1 unless this holds, such as 'p99<10ms'; repeat it for more
    #[arg(long, value_name = "SLO")]
    pub(in crate::cli) assert: Vec<String>,
    /// End with exit code 1 unless the verdict is valid
    #[arg(long)]
    pub(in crate::cli) strict: bool,
    /// Write the response times of each second as an HdrHistogram log
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) hdr: Option<PathBuf>,
    /// How the result is written to standard output: text, json or csv
    #[arg(short, long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub(in crate::cli) output: BenchFormat,
    #[command(flatten)]
    pub(in crate::cli) load: LoadArgs,
    #[command(flatten)]
    pub(in crate::cli) wire: WireArgs,
    #[command(flatten)]
    pub(in crate::cli) common: GeneralArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum BenchFormat {
    /// For a person
    Text,
    /// One JSON object
    Json,
    /// A header line and one line for each trial
    Csv,
}
