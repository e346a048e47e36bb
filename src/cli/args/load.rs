//! What `bench` and `compare` take to describe a load.

use clap::ValueEnum;

use crate::cli::values::{Body, body, rate};

/// A load.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct LoadArgs {
    /// Ask for the URLs in an order that the seed gives, instead of in turn
    #[arg(long)]
    pub(in crate::cli) shuffle: bool,
    /// Requests a second in all: an open loop, which no slow answer slows down; also -q N
    ///
    /// Without it each connection sends its next request when its last answer is complete.
    #[arg(short = 'R', long, value_name = "N", value_parser = rate)]
    pub(in crate::cli) rate: Option<f64>,
    /// How the requests of an open loop are spread: poisson or even
    #[arg(long, value_name = "HOW", default_value = "poisson", hide_possible_values = true)]
    pub(in crate::cli) arrivals: ArrivalsArg,
    /// What arrivals and shuffling are derived from [default: 1]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) seed: Option<u64>,
    /// Most cores to use [default: all of --cores]
    #[arg(short, long, value_name = "N")]
    pub(in crate::cli) threads: Option<usize>,
    /// The request method [default: GET, or POST with a body]
    #[arg(short = 'X', long, visible_short_alias = 'm', value_name = "METHOD")]
    pub(in crate::cli) method: Option<String>,
    /// What each request carries: a text, or @FILE
    #[arg(short, long, value_name = "TEXT", value_parser = body)]
    pub(in crate::cli) body: Option<Body>,
    /// Requests that one connection has under way at a time
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    pub(in crate::cli) pipeline: usize,
    /// Open a connection for each request
    #[arg(long)]
    pub(in crate::cli) no_keepalive: bool,
    /// Spin before each start of an open loop instead of sleeping: exacter, and burns the CPU
    #[arg(long)]
    pub(in crate::cli) spin: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ArrivalsArg {
    /// With the gaps of many independent users: exponential
    Poisson,
    /// With equal gaps
    Even,
}
