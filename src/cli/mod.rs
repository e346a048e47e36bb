//! Floor 7: the command line. Words into options, summaries into text, ends into exit codes.
//!
//! Knows what a person types and sees, and nothing of how it is done.
//!
//! Invariant: standard output carries data alone; all that is for a person goes to standard error.

mod args;
mod bench;
mod compare;
mod contestant;
mod demo;
mod ends;
mod fetch;
mod serve;
mod values;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::report::paint::Paint;

use args::{Args, Color, Command, Common};

/// Done.
const DONE: u8 = 0;
/// Done, and some fetches failed.
const SOME_FAILED: u8 = 1;
/// Could not run.
const COULD_NOT_RUN: u8 = 2;
/// Stopped by a signal.
const INTERRUPTED: u8 = 130;

/// Runs the command that the process's arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse_from(bench::with_rate(std::env::args_os()));
    let result = match args.command {
        Command::Fetch(fetch) => {
            let common = &fetch.common;
            log_to_stderr(common).and_then(|()| fetch::run(&fetch))
        }
        Command::Bench(bench) => log_to_stderr(&bench.common).and_then(|()| bench::run(&bench)),
        Command::Compare(compare) => {
            log_to_stderr(&compare.common).and_then(|()| compare::run(&compare))
        }
        Command::Contestant => contestant::run(),
        Command::Demo(demo) => log_to_stderr(&demo.common).and_then(|()| demo::run(&demo)),
        Command::Serve(serve) => log_to_stderr(&serve.common).and_then(|()| serve::run(&serve)),
        Command::Completions { shell } => {
            let name = env!("CARGO_PKG_NAME");
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), name, &mut script);
            let script = String::from_utf8_lossy(&script);
            ends::write_all(&mut std::io::stdout(), &script).map(|()| DONE).map_err(Into::into)
        }
    };
    result.map_or_else(
        |error| {
            tell(&format!("error: {error:#}\n"));
            ExitCode::from(COULD_NOT_RUN)
        },
        ExitCode::from,
    )
}

/// Whether text on standard error is coloured.
fn paint(common: &Common) -> Paint {
    let wanted = match common.color {
        Color::Always => true,
        Color::Never => false,
        // https://no-color.org
        Color::Auto => std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    };
    if wanted { Paint::Ansi } else { Paint::Plain }
}

/// Starts the log on standard error.
fn log_to_stderr(common: &Common) -> anyhow::Result<()> {
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

/// Writes `text` to standard error. One that is closed has nobody to tell.
fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
