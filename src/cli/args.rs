//! What can be typed.
//!
//! Knows names, defaults and help texts; what the values mean to a run is `command`'s.
//!
//! Invariant: the names and defaults are a contract with users' scripts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use crate::cli::values::{
    body, count, duration, header, rate, resolve, selector, size, stages, stamps,
};
use crate::command::serve::Serve;
use crate::io::launch::Engine;
use crate::io::resolve::Override;
use crate::machines::pace::Stage;
use crate::words::limits;

/// Default connections of a bench.
const CONNECTIONS: u64 = limits::CONNECTIONS_DEFAULT as u64;

/// Fetches over HTTP as fast as the kernel allows, and tells the truth about how long it took.
#[derive(Debug, Parser)]
#[command(name = "ringfetch", version, max_term_width = 100)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Fetch every URL of a list: one row for each line, as JSON lines
    Fetch(Box<FetchArgs>),
    /// Put a load on an origin, and tell what it took and how long
    Bench(Box<BenchArgs>),
    /// Serve the built-in test origin until Ctrl-C; / lists what it serves
    Serve(ServeArgs),
    /// Fetch generated pages from the built-in origin and put a load on it, to see it work
    Demo(DemoArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Common {
    /// What carries the I/O: uring, epoll or tokio
    ///
    /// Where the kernel refuses io_uring, epoll serves instead, and a warning says why.
    #[arg(long, default_value = "uring", value_name = "ENGINE")]
    pub(super) engine: Engine,
    /// CPUs to use, such as 0,2-5 [default: all that this process may use]
    #[arg(long, value_name = "LIST")]
    pub(super) cores: Option<String>,
    /// Let the kernel move the threads of the cores between CPUs
    #[arg(long)]
    pub(super) no_pin: bool,
    /// Say nothing but errors
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// Say more; repeat it for still more
    #[arg(short, action = ArgAction::Count)]
    pub(super) verbose: u8,
    /// What to log to standard error, such as ringfetch=debug
    #[arg(long, value_name = "FILTER")]
    pub(super) log: Option<String>,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub(super) color: Color,
    /// Write the run's numbers as one JSON object; - is standard output
    #[arg(long, value_name = "FILE")]
    pub(super) summary_json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One JSON object a line
    Jsonl,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ExtractArg {
    /// Title, links and words of HTML
    Page,
    /// Nothing: bodies are counted and forgotten
    None,
}

#[derive(Debug, clap::Args)]
pub(super) struct FetchArgs {
    /// URLs to fetch, before those of the lists
    #[arg(value_name = "URL")]
    pub(super) urls: Vec<String>,
    /// A list of URLs, one a line; - is standard input; gzip and zstd are recognised
    #[arg(short, long, value_name = "FILE")]
    pub(super) input: Vec<PathBuf>,
    /// Go on behind the rows that -o has already: lines with a row are not fetched again
    #[arg(long, requires = "output")]
    pub(super) resume: bool,
    /// Where rows go; - is standard output
    #[arg(short, long, value_name = "PATH", default_value = "-")]
    pub(super) output: PathBuf,
    /// How rows are written
    #[arg(long, value_name = "FORMAT", default_value = "jsonl", hide_possible_values = true)]
    pub(super) format: Format,
    /// Connections in all
    #[arg(short, long, value_name = "N", default_value_t = limits::CONNECTIONS_DEFAULT)]
    pub(super) connections: usize,
    /// Fetches of one host at a time; 0 is no cap, and deals the list to all cores in turn
    #[arg(long, value_name = "N", default_value_t = limits::PER_HOST_DEFAULT)]
    pub(super) per_host: usize,
    /// Least time between two starts on one host
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0")]
    pub(super) delay: Duration,
    /// Starts a second in all [default: no limit]
    #[arg(short = 'R', long, value_name = "N")]
    pub(super) rate: Option<f64>,
    /// Time for one whole fetch, redirects and retries included
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    pub(super) timeout: Duration,
    /// Time for one connect
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    pub(super) connect_timeout: Duration,
    /// Failures of one fetch that are tried again, and statuses 408, 429, 500, 502, 503, 504
    #[arg(long, value_name = "N", default_value_t = limits::RETRIES_DEFAULT)]
    pub(super) retries: u32,
    /// Redirects that one fetch follows
    #[arg(long, value_name = "N", default_value_t = limits::REDIRECTS_DEFAULT)]
    pub(super) redirects: usize,
    /// Largest body
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "16Mi")]
    pub(super) max_body: u64,
    /// A header field to send; repeat it for more
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header)]
    pub(super) header: Vec<(String, String)>,
    /// What the User-Agent field says
    #[arg(short = 'A', long, value_name = "TEXT")]
    pub(super) user_agent: Option<String>,
    /// What is extracted from HTML: page or none
    #[arg(long, value_name = "WHAT", default_value = "page", hide_possible_values = true)]
    pub(super) extract: ExtractArg,
    /// List the texts that a CSS selector matches in each page; repeat it for more
    #[arg(long, value_name = "NAME=CSS", value_parser = selector)]
    pub(super) select: Vec<(String, String)>,
    /// Count a status of 400 or above as failed
    #[arg(long)]
    pub(super) fail: bool,
    /// Connect to ADDR for HOST:PORT, either of which may be *; repeat it for more
    #[arg(long, value_name = "HOST:PORT:ADDR", value_parser = resolve)]
    pub(super) resolve: Vec<Override>,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ArrivalsArg {
    /// With the gaps of many independent users: exponential
    Poisson,
    /// With equal gaps
    Even,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum BenchFormat {
    /// For a person
    Text,
    /// One JSON object
    Json,
    /// A header line and one line for each trial
    Csv,
}

#[derive(Debug, clap::Args)]
pub(super) struct BenchArgs {
    /// URLs to ask for, in turn, before those of the lists
    #[arg(value_name = "URL")]
    pub(super) urls: Vec<String>,
    /// A list of URLs, one a line; - is standard input; gzip and zstd are recognised
    #[arg(short, long, value_name = "FILE")]
    pub(super) input: Vec<PathBuf>,
    /// Ask for the URLs in an order that the seed gives, instead of in turn
    #[arg(long)]
    pub(super) shuffle: bool,
    /// Connections in all; so many to each host where there are several
    #[arg(short, long, value_name = "N", value_parser = count, default_value_t = CONNECTIONS)]
    pub(super) connections: u64,
    /// How long requests are measured [default: 10s, or as long as -n takes]
    #[arg(short, long, visible_short_alias = 'z', value_name = "TIME", value_parser = duration)]
    pub(super) duration: Option<Duration>,
    /// How many requests are measured, exactly
    #[arg(short = 'n', long, value_name = "N", value_parser = count)]
    pub(super) requests: Option<u64>,
    /// Requests a second in all: an open loop, which no slow answer slows down; also -q N
    ///
    /// Without it each connection sends its next request when its last answer is complete.
    #[arg(short = 'R', long, value_name = "N", value_parser = rate)]
    pub(super) rate: Option<f64>,
    /// How the requests of an open loop are spread: poisson or even
    #[arg(long, value_name = "HOW", default_value = "poisson", hide_possible_values = true)]
    pub(super) arrivals: ArrivalsArg,
    /// What arrivals and shuffling are derived from [default: 1]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// How long requests are sent before any is measured
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0")]
    pub(super) warmup: Duration,
    /// Most cores to use [default: all of --cores]
    #[arg(short, long, value_name = "N")]
    pub(super) threads: Option<usize>,
    /// Time for one request, from the moment that a connection takes it
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    pub(super) timeout: Duration,
    /// Time for one connect
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    pub(super) connect_timeout: Duration,
    /// The request method [default: GET, or POST with a body]
    #[arg(short = 'X', long, visible_short_alias = 'm', value_name = "METHOD")]
    pub(super) method: Option<String>,
    /// A header field to send; repeat it for more
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header)]
    pub(super) header: Vec<(String, String)>,
    /// What each request carries: a text, or @FILE
    #[arg(short, long, value_name = "TEXT", value_parser = body)]
    pub(super) body: Option<Body>,
    /// Requests that one connection has under way at a time
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    pub(super) pipeline: usize,
    /// Open a connection for each request
    #[arg(long)]
    pub(super) no_keepalive: bool,
    /// Change the rate over time: 10s:0-50k,30s:50k ramps up for 10 s and holds for 30 s
    #[arg(long, value_name = "STAGES", value_parser = stages)]
    pub(super) stages: Option<Stages>,
    /// Spin before each start of an open loop instead of sleeping: exacter, and burns the CPU
    #[arg(long)]
    pub(super) spin: bool,
    /// Search for the highest rate at which this holds, such as 'p99<5ms,errors<0.1%'
    #[arg(long, value_name = "SLO")]
    pub(super) find_max: Option<String>,
    /// End with exit code 1 unless this holds, such as 'p99<10ms'; repeat it for more
    #[arg(long, value_name = "SLO")]
    pub(super) assert: Vec<String>,
    /// End with exit code 1 unless the verdict is valid
    #[arg(long)]
    pub(super) strict: bool,
    /// Write the response times of each second as an HdrHistogram log
    #[arg(long, value_name = "FILE")]
    pub(super) hdr: Option<PathBuf>,
    /// How the result is written to standard output: text, json or csv
    #[arg(short, long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub(super) output: BenchFormat,
    /// Connect to ADDR for HOST:PORT, either of which may be *; repeat it for more
    #[arg(long, value_name = "HOST:PORT:ADDR", value_parser = resolve)]
    pub(super) resolve: Vec<Override>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What a request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Body(pub(super) Vec<u8>);

/// Stages of an open loop.
#[derive(Clone, Debug)]
pub(super) struct Stages(pub(super) Vec<Stage>);

#[derive(Debug, clap::Args)]
pub(super) struct ServeArgs {
    /// The address to listen on; port 0 picks a free one
    ///
    /// Once connections are accepted, standard output says "listening on http://ADDR". Ctrl-C or
    /// SIGTERM is the normal end, with exit code 0.
    #[arg(long, value_name = "ADDR", default_value_t = Serve::default().listen)]
    pub(super) listen: SocketAddr,
    /// Keep when the last N requests arrived, on each core, for /stamps
    #[arg(long, value_name = "N", value_parser = stamps, default_value = "0")]
    pub(super) stamps: usize,
    /// End when standard input does: whoever started this process is then gone
    #[arg(long, hide = true)]
    pub(super) until_stdin_ends: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, clap::Args)]
pub(super) struct DemoArgs {
    /// The folder for the list and the rows [default: one of its own for temporary files]
    #[arg(short, long, value_name = "FOLDER")]
    pub(super) output: Option<PathBuf>,
    #[command(flatten)]
    pub(super) common: Common,
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
