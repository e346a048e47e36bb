//! What `fetch` takes.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::base::limits;
use crate::cli::args::general::GeneralArgs;
use crate::cli::args::pages::PagesArgs;
use crate::cli::args::wire::WireArgs;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct FetchArgs {
    /// URLs to fetch, before those of the lists
    #[arg(value_name = "URL")]
    pub(in crate::cli) urls: Vec<String>,
    /// A list of URLs, one a line; - is standard input; gzip and zstd are recognised
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) input: Vec<PathBuf>,
    /// Go on behind the rows that -o has already: lines with a row are not fetched again
    #[arg(long, requires = "output")]
    pub(in crate::cli) resume: bool,
    /// Where rows go; - is standard output
    #[arg(short, long, value_name = "PATH", default_value = "-")]
    pub(in crate::cli) output: PathBuf,
    /// How rows are written
    #[arg(long, value_name = "FORMAT", default_value = "jsonl", hide_possible_values = true)]
    pub(in crate::cli) format: Format,
    /// Connections in all
    #[arg(short, long, value_name = "N", default_value_t = limits::CONNECTIONS_DEFAULT)]
    pub(in crate::cli) connections: usize,
    /// Starts a second in all [default: no limit]
    #[arg(short = 'R', long, value_name = "N")]
    pub(in crate::cli) rate: Option<f64>,
    #[command(flatten)]
    pub(in crate::cli) pages: PagesArgs,
    #[command(flatten)]
    pub(in crate::cli) wire: WireArgs,
    #[command(flatten)]
    pub(in crate::cli) common: GeneralArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// One JSON object a line
    Jsonl,
}
