//! The command line: arguments into options, summaries into text, ends into exit codes.
//!
//! Invariant: standard output carries data alone; what is for a person goes to standard error.

mod args;
mod bench;
mod compare;
mod contestant;
mod demo;
mod exit;
mod fetch;
mod options;
mod output;
mod serve;
mod signals;
mod stderr;
mod values;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Args, Command};
use exit::{COULD_NOT_RUN, DONE};
use output::write_all;
use stderr::{start_log, tell};

/// Runs the command that the process's arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse_from(bench::with_rate(std::env::args_os()));
    let result = match args.command {
        Command::Fetch(fetch) => {
            let common = &fetch.common;
            start_log(common).and_then(|()| fetch::run(&fetch))
        }
        Command::Bench(bench) => start_log(&bench.common).and_then(|()| bench::run(&bench)),
        Command::Compare(compare) => {
            start_log(&compare.common).and_then(|()| compare::run(&compare))
        }
        Command::Contestant => contestant::run(),
        Command::Demo(demo) => start_log(&demo.common).and_then(|()| demo::run(&demo)),
        Command::Serve(serve) => start_log(&serve.common).and_then(|()| serve::run(&serve)),
        Command::Completions { shell } => {
            let name = env!("CARGO_PKG_NAME");
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), name, &mut script);
            let script = String::from_utf8_lossy(&script);
            write_all(&mut std::io::stdout(), &script).map(|()| DONE).map_err(Into::into)
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
