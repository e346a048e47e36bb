//! What `serve` and `demo` take.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::cli::args::general::GeneralArgs;
use crate::cli::values::stamps;
use crate::testserver::LISTEN_DEFAULT;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ServeArgs {
    /// The address to listen on; port 0 picks a free one
    ///
    /// Once connections are accepted, standard output says "listening on http://ADDR". Ctrl-C or
    /// SIGTERM is the normal end, with exit code 0.
    #[arg(long, value_name = "ADDR", default_value_t = LISTEN_DEFAULT)]
    pub(in crate::cli) listen: SocketAddr,
    /// Keep when the last N requests arrived, on each core, for /stamps
    #[arg(long, value_name = "N", value_parser = stamps, default_value = "0")]
    pub(in crate::cli) stamps: usize,
    /// End when standard input does: whoever started this process is then gone
    #[arg(long, hide = true)]
    pub(in crate::cli) until_stdin_ends: bool,
    #[command(flatten)]
    pub(in crate::cli) common: GeneralArgs,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct DemoArgs {
    /// The folder for the list and the rows [default: one of its own for temporary files]
    #[arg(short, long, value_name = "FOLDER")]
    pub(in crate::cli) output: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) common: GeneralArgs,
}
