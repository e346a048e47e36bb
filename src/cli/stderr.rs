//! What a person is told on standard error: texts, warnings and the log.

use std::io::{IsTerminal, Write};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::args::{Color, GeneralArgs};
use crate::report::paint::Paint;
use crate::report::warning::Warning;

/// Writes `text` to standard error. If it is closed, there is nobody to tell.
pub(super) fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Tells the notes of a run, which may end in a hint, as warnings.
pub(super) fn warn(notes: &[String], common: &GeneralArgs) {
    for note in notes.iter().filter(|_| !common.quiet) {
        let (what, hint) = note.split_once(", hint: ").unwrap_or((note, ""));
        let warning = Warning::new(what);
        let warning = if hint.is_empty() { warning } else { warning.hint(hint) };
        tell(&format!("{}\n", warning.text(paint(common)).trim_end()));
    }
}

/// Whether text on standard error is coloured.
pub(super) fn paint(common: &GeneralArgs) -> Paint {
    let wanted = match common.color {
        Color::Always => true,
        Color::Never => false,
        // https://no-color.org
        Color::Auto => std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    };
    if wanted { Paint::Ansi } else { Paint::Plain }
}

/// Starts the log on standard error.
pub(super) fn start_log(common: &GeneralArgs) -> anyhow::Result<()> {
    let level = match (common.quiet, common.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, 2) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    let targets = match &common.log {
        None => Targets::new().with_default(level),
        Some(filter) => filter.parse().map_err(|error| {
            anyhow::anyhow!("no log filter: {filter}: {error}, hint: --log ringfetch=debug")
        })?,
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(paint(common) == Paint::Ansi);
    tracing_subscriber::registry().with(lines).with(targets).init();
    Ok(())
}
