//! What `fetch` and `compare` take to describe how a list is fetched.

use std::time::Duration;

use clap::ValueEnum;

use crate::cli::values::{duration, selector, size};
use crate::fetch::options;

/// How each URL of a list is fetched, and what is made of it.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct PagesArgs {
    /// Fetches of one host at a time; 0 is no cap, and deals the list to all cores in turn
    #[arg(long, value_name = "N", default_value_t = options::PER_HOST_DEFAULT)]
    pub(in crate::cli) per_host: usize,
    /// Least time between two starts on one host
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0")]
    pub(in crate::cli) delay: Duration,
    /// Failures of one fetch that are tried again, and statuses 408, 429, 500, 502, 503, 504
    #[arg(long, value_name = "N", default_value_t = options::RETRIES_DEFAULT)]
    pub(in crate::cli) retries: u32,
    /// Redirects that one fetch follows
    #[arg(long, value_name = "N", default_value_t = options::REDIRECTS_DEFAULT)]
    pub(in crate::cli) redirects: usize,
    /// Largest body
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "16Mi")]
    pub(in crate::cli) max_body: u64,
    /// What the User-Agent field says
    #[arg(short = 'A', long, value_name = "TEXT")]
    pub(in crate::cli) user_agent: Option<String>,
    /// What is extracted from HTML: page or none
    #[arg(long, value_name = "WHAT", default_value = "page", hide_possible_values = true)]
    pub(in crate::cli) extract: ExtractArg,
    /// List the texts that a CSS selector matches in each page; repeat it for more
    #[arg(long, value_name = "NAME=CSS", value_parser = selector)]
    pub(in crate::cli) select: Vec<(String, String)>,
    /// Count a status of 400 or above as failed
    #[arg(long)]
    pub(in crate::cli) fail: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ExtractArg {
    /// Title, links and words of HTML
    Page,
    /// Nothing: bodies are counted and forgotten
    None,
}
