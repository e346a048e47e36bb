//! `ringfetch serve`: from arguments to an exit code.
//!
//! Knows terminals and signals; the origin itself is `command`'s.
//!
//! Invariant: the address stands on standard output only once connections are accepted. A signal is
//! the normal end of a server: the exit code is 0.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::cli::args::ServeArgs;
use crate::cli::{COULD_NOT_RUN, DONE, INTERRUPTED, paint, tell};
use crate::command::serve::{Serve, ServeSummary};
use crate::io::launch::Pinning;
use crate::io::{clock, cores};
use crate::report::warning::Warning;

/// How often a signal is looked for.
const WATCH_INTERVAL: Duration = Duration::from_millis(50);

/// Serves until a signal comes; the exit code.
pub(super) fn run(args: &ServeArgs) -> anyhow::Result<u8> {
    let common = &args.common;
    let is_ending = listen_for_signals().context("cannot listen for signals")?;
    let serve = Serve {
        listen: args.listen,
        engine: common.engine,
        cpus: common.cores.as_deref().map(cores::parse).transpose()?,
        pinning: if common.no_pin { Pinning::Free } else { Pinning::Pinned },
        ..Serve::default()
    };
    let serving = serve.start()?;
    for note in serving.notes().iter().filter(|_| !common.quiet) {
        let (what, hint) = note.split_once(", hint: ").unwrap_or((note, ""));
        tell(&(Warning::new(what).hint(hint).text(paint(common)) + "\n"));
    }
    say(&format!("listening on http://{}\n", serving.addr()))?;
    while !is_ending.load(Relaxed) && !serving.is_over() {
        clock::pause(WATCH_INTERVAL);
    }
    let summary = serving.stop()?;
    if !common.quiet {
        let ServeSummary { requests, connections, refused, .. } = &summary;
        tell(&format!("{requests} requests on {connections} connections, {refused} refused\n"));
    }
    if let Some(path) = &common.summary_json {
        write_summary(path, &summary)?;
    }
    // Cores end by themselves only where something is broken.
    Ok(if is_ending.load(Relaxed) { DONE } else { COULD_NOT_RUN })
}

/// A flag that the first signal sets; the second ends the process.
fn listen_for_signals() -> io::Result<Arc<AtomicBool>> {
    let is_ending = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the second signal finds the flag that the first one set.
        flag::register_conditional_shutdown(
            signal,
            i32::from(INTERRUPTED),
            Arc::clone(&is_ending),
        )?;
        flag::register(signal, Arc::clone(&is_ending))?;
    }
    Ok(is_ending)
}

fn write_summary(path: &Path, summary: &ServeSummary) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(summary)? + "\n";
    if path == Path::new("-") {
        return say(&text);
    }
    std::fs::write(path, text)
        .with_context(|| format!("cannot write the summary: {}", path.display()))
}

/// Writes `text` to standard output at once. A reader that is gone has seen enough.
fn say(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}
