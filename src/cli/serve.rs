//! `ringfetch serve`: from arguments to an exit code.
//!
//! Invariant: the address stands on standard output only once connections are accepted. A signal is
//! the normal end of a server: the exit code is 0.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context;

use crate::cli::args::ServeArgs;
use crate::cli::exit::{COULD_NOT_RUN, DONE};
use crate::cli::output::{SummaryPlace, write_all};
use crate::cli::signals::listen_for_signals;
use crate::cli::stderr::{tell, warn};
use crate::runtime::launch::Pinning;
use crate::runtime::{clock, cores};
use crate::testserver::{Serve, ServeSummary};

/// How often a signal is looked for.
const WATCH_INTERVAL: Duration = Duration::from_millis(50);

/// Serves until a signal comes; the exit code.
pub(super) fn run(args: &ServeArgs) -> anyhow::Result<u8> {
    let common = &args.common;
    let is_ending = Arc::new(AtomicBool::new(false));
    listen_for_signals(&is_ending)?;
    let summary_json = SummaryPlace::open(common)?;
    let mut serve = Serve::new()
        .listen(args.listen)
        .engine(common.engine)
        .pinning(if common.no_pin { Pinning::Free } else { Pinning::Pinned })
        .stamps(args.stamps);
    if let Some(list) = common.cores.as_deref() {
        serve = serve.cpus(cores::parse(list)?);
    }
    let serving = serve.start()?;
    if args.until_stdin_ends {
        end_with_stdin(&is_ending)?;
    }
    warn(serving.notes(), common);
    write_all(&mut io::stdout(), &format!("listening on http://{}\n", serving.addr()))
        .context("cannot write to standard output")?;
    while !is_ending.load(Relaxed) && !serving.is_over() {
        clock::pause(WATCH_INTERVAL);
    }
    let summary = serving.stop()?;
    if !common.quiet {
        let ServeSummary { requests, connections, refused, .. } = &summary;
        tell(&format!("{requests} requests on {connections} connections, {refused} refused\n"));
    }
    summary_json.write(&serde_json::to_string(&summary)?)?;
    // Workers end by themselves only where something is broken.
    Ok(if is_ending.load(Relaxed) { DONE } else { COULD_NOT_RUN })
}

/// Sets `is_ending` when standard input ends.
fn end_with_stdin(is_ending: &Arc<AtomicBool>) -> anyhow::Result<()> {
    let is_ending = Arc::clone(is_ending);
    let wait = move || {
        // An input that cannot be read has ended, too.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        is_ending.store(true, Relaxed);
    };
    let thread = std::thread::Builder::new().name("stdin".to_owned());
    thread.spawn(wait).context("cannot watch standard input")?;
    Ok(())
}
