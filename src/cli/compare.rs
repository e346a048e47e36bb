//! `ringfetch compare`: from arguments to an exit code.
//!
//! Knows terminals, files and signals; the comparison itself is `command`'s.
//!
//! Invariant: only the result goes to standard output.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};

use crate::cli::args::{CompareArgs, WorkloadArg};
use crate::cli::ends::{listen_for_signals, write_all};
use crate::cli::{DONE, SOME_FAILED, bench, fetch};
use crate::command::bench::BenchOptions;
use crate::command::compare::contender::Contender;
use crate::command::compare::ground::Ground;
use crate::command::compare::workload::Workload;
use crate::command::compare::{Compare, Turn};
use crate::command::fetch::Fetch;
use crate::engine::Stop;
use crate::io::cores;
use crate::machines::compare::comparison::Comparison;
use crate::report::json;

/// Runs the comparison that `args` describe; the exit code.
pub(super) fn run(args: &CompareArgs) -> anyhow::Result<u8> {
    let is_signalled = Arc::new(AtomicBool::new(false));
    listen_for_signals(&is_signalled)?;
    let stop = Stop::from(is_signalled);
    let ground = ground(args)?;
    let compare = Compare {
        program: program()?,
        contenders: contenders(args),
        workload: ground.workload(workload(args)?, args.body_size),
        rounds: args.rounds,
        slice: args.slice,
        cpus: ground.cpus().to_vec(),
    };
    let evidence = compare.run(ground.origin(), &stop, |_: Turn<'_>| ())?;
    let comparison = Comparison::new(&evidence);
    write_all(&mut io::stdout(), &json::json(&comparison))
        .context("cannot write to standard output")?;
    Ok(if comparison.has_failed() { SOME_FAILED } else { DONE })
}

/// This program's own file, which the contestants and the origin run as well.
fn program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("cannot find this program's own file")
}

fn contenders(args: &CompareArgs) -> Vec<Contender> {
    if args.engines.is_empty() { Contender::defaults() } else { args.engines.clone() }
}

/// Where the comparison takes place: the CPUs, and the origin where it is the built-in one.
fn ground(args: &CompareArgs) -> anyhow::Result<Ground> {
    let parse = |list: &Option<String>| list.as_deref().map(cores::parse).transpose();
    let (cpus, origin_cpus) = (parse(&args.common.cores)?, parse(&args.origin_cores)?);
    let is_built_in = args.urls.is_empty() && args.input.is_empty();
    if !is_built_in && origin_cpus.is_some() {
        bail!("the built-in origin serves where no URL is given, hint: leave --origin-cores out");
    }
    Ok(match is_built_in {
        true => Ground::built_in(&program()?, cpus, origin_cpus)?,
        false => Ground::foreign(cpus),
    })
}

fn workload(args: &CompareArgs) -> anyhow::Result<Workload> {
    let connections = usize::try_from(args.connections).unwrap_or(usize::MAX);
    Ok(match args.workload {
        WorkloadArg::Bench => Workload::Bench(Box::new(BenchOptions {
            urls: args.urls.clone(),
            files: args.input.clone(),
            connections,
            ..bench::load(&args.load, &args.wire, &args.common)?
        })),
        WorkloadArg::Fetch => Workload::Fetch(Box::new(Fetch {
            urls: args.urls.clone(),
            files: args.input.clone(),
            connections,
            starts_per_s: args.load.rate,
            ..fetch::pages(&args.pages, &args.wire, &args.common)?
        })),
    })
}
