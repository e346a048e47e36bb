//! What every command takes that sends requests to servers of the user's choice.

use std::time::Duration;

use crate::cli::values::{duration, header, resolve};
use crate::net::dns::Override;

/// How a server is asked.
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
