//! Where results go: standard output, and the file of `--summary-json`.
//!
//! Invariant: a reader of standard output may close it at any time; that is no error.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, anyhow};

use crate::cli::args::GeneralArgs;

/// Where a summary goes.
pub(super) struct SummaryPlace(Option<Box<dyn Write>>);

impl SummaryPlace {
    /// Opens the place that `--summary-json` names, before the work begins.
    pub(super) fn open(common: &GeneralArgs) -> anyhow::Result<Self> {
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

    /// Writes the summary as one line of JSON, if a place for it was named.
    pub(super) fn write(self, json: &str) -> anyhow::Result<()> {
        let Some(mut place) = self.0 else { return Ok(()) };
        write_all(&mut place, &format!("{}\n", json.trim_end())).context("cannot write the summary")
    }
}

/// Writes `text` and flushes it.
pub(super) fn write_all(place: &mut impl Write, text: &str) -> io::Result<()> {
    match place.write_all(text.as_bytes()).and_then(|()| place.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
