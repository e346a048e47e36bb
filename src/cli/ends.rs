//! What every command shares at its edges: signals, warnings, the summary's file.
//!
//! Knows nothing of what a command does.
//!
//! Invariant: a reader of standard output that is gone has seen enough; that is no error.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, anyhow};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::cli::args::Common;
use crate::cli::{INTERRUPTED, paint, tell};
use crate::report::warning::Warning;

/// The first signal sets `is_ending`, the second ends the process.
pub(super) fn listen_for_signals(is_ending: &Arc<AtomicBool>) -> anyhow::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // In this order: the second signal finds the flag that the first one set.
        let status = i32::from(INTERRUPTED);
        flag::register_conditional_shutdown(signal, status, Arc::clone(is_ending))
            .and_then(|_| flag::register(signal, Arc::clone(is_ending)))
            .context("cannot listen for signals")?;
    }
    Ok(())
}

/// Tells the notes of a run, which may end in a hint, as warnings.
pub(super) fn warn(notes: &[String], common: &Common) {
    for note in notes.iter().filter(|_| !common.quiet) {
        let (what, hint) = note.split_once(", hint: ").unwrap_or((note, ""));
        let warning = Warning::new(what);
        let warning = if hint.is_empty() { warning } else { warning.hint(hint) };
        tell(&format!("{}\n", warning.text(paint(common)).trim_end()));
    }
}

/// Where a summary goes.
pub(super) struct SummaryPlace(Option<Box<dyn Write>>);

impl SummaryPlace {
    /// Opens the place that `--summary-json` names, before the work begins.
    pub(super) fn open(common: &Common) -> anyhow::Result<Self> {
        let Some(path) = common.summary_json.as_deref() else { return Ok(Self(None)) };
        if path == Path::new("-") {
            return Ok(Self(Some(Box::new(io::stdout()))));
        }
        let file = File::create(path).map_err(|error| {
            let (path, hint) = (path.display(), "--summary-json takes a path, or - for stdout");
            anyhow!("cannot write the summary: {path}: {error}, hint: {hint}")
        })?;
        Ok(Self(Some(Box::new(file))))
    }

    /// Writes the summary, one line of JSON, if it goes anywhere.
    pub(super) fn write(self, json: &str) -> anyhow::Result<()> {
        let Some(mut place) = self.0 else { return Ok(()) };
        write_all(&mut place, &format!("{}\n", json.trim_end())).context("cannot write the summary")
    }
}

/// Writes `text` at once.
pub(super) fn write_all(place: &mut impl Write, text: &str) -> io::Result<()> {
    match place.write_all(text.as_bytes()).and_then(|()| place.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
