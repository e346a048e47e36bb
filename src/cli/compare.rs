//! `ringfetch compare`: from arguments to an exit code.
//!
//! Invariant: only the result goes to standard output.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, anyhow, bail};
use serde::Serialize;

use crate::bench::options::Bench;
use crate::cli::args::{ArrivalsArg, CompareArgs, CompareFormat, ExtractArg, WorkloadArg};
use crate::cli::exit::{DONE, INTERRUPTED, SOME_FAILED};
use crate::cli::options;
use crate::cli::output::{SummaryPlace, write_all};
use crate::cli::signals::listen_for_signals;
use crate::cli::stderr::{paint, tell, warn};
use crate::client::Stop;
use crate::compare::comparison::Comparison;
use crate::compare::matrix::{Cell, Matrix};
use crate::compare::measurements::Measurements;
use crate::compare::options::BODY_BYTES_DEFAULT;
use crate::compare::saved::{Saved, Since};
use crate::compare::subject::Subject;
use crate::compare::testbed::Testbed;
use crate::compare::workload::Workload;
use crate::compare::{Compare, CompareError, Turn};
use crate::fetch::options::Fetch;
use crate::report::compare::{markdown, text};
use crate::report::json;
use crate::report::paint::Paint;
use crate::report::progress::ProgressLine;
use crate::runtime::cores;

/// Runs the comparison that `args` describe; the exit code.
pub(super) fn run(args: &CompareArgs) -> anyhow::Result<u8> {
    let is_signalled = Arc::new(AtomicBool::new(false));
    listen_for_signals(&is_signalled)?;
    let stop = Stop::from(is_signalled);
    let workload = workload(args)?;
    check_matrix(args, &workload)?;
    // What can be found wrong is found before anything is measured.
    let earlier = args.against.as_deref().map(load).transpose()?;
    let save = args.save.as_deref().map(create).transpose()?;
    let summary_json = SummaryPlace::open(&args.common)?;
    warn(&without_effect(args), &args.common);
    let compare = comparing(args, workload.clone())?;
    let testbed = compare.testbed()?;
    if let Some(earlier) = &earlier {
        check_comparable(&compare.subject(&testbed)?, &earlier.measurements.subject)?;
    }
    if args.matrix {
        return sweep(args, &compare, &workload, &testbed, &stop, summary_json);
    }
    let measurements = match measure(args, "", &compare, &testbed, &stop) {
        Err(stopped @ CompareError::Stopped) => {
            tell(&format!("{stopped}\n"));
            return Ok(INTERRUPTED);
        }
        measured => measured?,
    };
    let saved = Saved { version: env!("CARGO_PKG_VERSION").to_owned(), measurements };
    if let Some(file) = save {
        // Only now, so that an earlier run is there until this one takes its place.
        let emptied = file.set_len(0);
        emptied
            .and_then(|()| write_all(&mut &file, &json::json(&saved)))
            .context("cannot write the run of --save")?;
    }
    let since = earlier.map(|earlier| saved.since(&earlier));
    let compared = Compared { comparison: Comparison::new(&saved.measurements), since };
    let (comparison, since) = (&compared.comparison, compared.since.as_ref());
    let result = match args.output {
        CompareFormat::Json => json::json(&compared),
        CompareFormat::Text => text::text(comparison, since, paint_stdout(args)),
        CompareFormat::Markdown => markdown::markdown(comparison, since),
    };
    write_all(&mut io::stdout(), &result).context("cannot write to standard output")?;
    summary_json.write(&json::json(&compared))?;
    Ok(exit_code(comparison.interrupted, comparison.has_failed()))
}

/// A comparison as its JSON has it.
#[derive(Serialize)]
struct Compared {
    #[serde(flatten)]
    comparison: Comparison,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Since>,
}

/// One comparison of a sweep that is to be run.
struct Planned {
    connections: usize,
    body_bytes: u64,
    compare: Compare,
}

/// Runs `compare` with `workload` for each pair of connections and body size.
fn sweep(
    args: &CompareArgs,
    compare: &Compare,
    workload: &Workload,
    testbed: &Testbed,
    stop: &Stop,
    summary_json: SummaryPlace,
) -> anyhow::Result<u8> {
    let mut planned = Vec::new();
    for connections in &args.matrix_connections {
        let connections = usize::try_from(*connections).unwrap_or(usize::MAX);
        let workload = workload.clone().with_connections(connections);
        for body_bytes in args.matrix_bodies.iter().copied() {
            let compare = compare.clone().workload(workload.clone()).body_bytes(body_bytes);
            planned.push(Planned { connections, body_bytes, compare });
        }
    }
    // What cannot be measured is found before anything is.
    planned.iter().try_for_each(|planned| planned.compare.check_on(testbed))?;
    let mut matrix = Matrix { matrix: Vec::new() };
    let mut has_failed = false;
    for Planned { connections, body_bytes, compare } in planned {
        let place = format!("{connections} connections, {body_bytes} bytes: ");
        match measure(args, &place, &compare, testbed, stop) {
            Ok(measurements) => {
                let cell = Cell::new(connections, body_bytes, &measurements);
                has_failed |= cell.comparison.has_failed();
                matrix.matrix.push(cell);
            }
            Err(CompareError::Stopped) => break,
            // The others are worth as much without it.
            Err(error) => {
                has_failed = true;
                tell(&format!("error: {connections} x {body_bytes} bytes: {error}\n"));
            }
        }
    }
    let result = match args.output {
        CompareFormat::Json => json::json(&matrix),
        CompareFormat::Text => text::matrix(&matrix, paint_stdout(args)),
        CompareFormat::Markdown => markdown::matrix(&matrix),
    };
    write_all(&mut io::stdout(), &result).context("cannot write to standard output")?;
    summary_json.write(&json::json(&matrix))?;
    Ok(exit_code(stop.is_requested(), has_failed))
}

/// Runs one comparison, and shows each turn on a terminal, behind the comparison's `place` in a
/// sweep.
fn measure(
    args: &CompareArgs,
    place: &str,
    compare: &Compare,
    testbed: &Testbed,
    stop: &Stop,
) -> Result<Measurements, CompareError> {
    let is_shown = !args.common.quiet && io::stderr().is_terminal();
    let line = if is_shown { ProgressLine::stderr() } else { ProgressLine::hidden() };
    // Drawn between turns alone, so that nothing runs beside a contestant.
    let show = |turn: Turn<'_>| {
        line.say(match turn.round {
            Some(round) => format!("{place}round {round} of {}: {}", turn.rounds, turn.label),
            None => format!("{place}not timed: {}", turn.label),
        });
    };
    compare.run_on(testbed, stop, show)
}

/// This very program, which the contestants and the test server run as well: also where its file
/// was replaced meanwhile (proc(5)).
pub(super) fn program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

/// The comparison that `args` describe.
fn comparing(args: &CompareArgs, workload: Workload) -> anyhow::Result<Compare> {
    let parse = |list: &Option<String>| list.as_deref().map(cores::parse).transpose();
    let mut compare = Compare::new(program())
        .workload(workload)
        .body_bytes(args.body_size)
        .rounds(args.rounds)
        .slice(args.slice);
    if !args.engines.is_empty() {
        compare = compare.contestants(args.engines.iter().copied());
    }
    if let Some(cpus) = parse(&args.common.cores)? {
        compare = compare.cpus(cpus);
    }
    if let Some(cpus) = parse(&args.origin_cores)? {
        compare = compare.server_cpus(cpus);
    }
    Ok(compare)
}

fn is_built_in(args: &CompareArgs) -> bool {
    args.urls.is_empty() && args.input.is_empty()
}

/// What every contestant does; its URLs are those of the arguments, or none for the test server.
fn workload(args: &CompareArgs) -> anyhow::Result<Workload> {
    let connections = usize::try_from(args.connections).unwrap_or(usize::MAX);
    Ok(match args.workload {
        WorkloadArg::Bench => Workload::Bench(Box::new(Bench {
            urls: args.urls.clone(),
            files: args.input.clone(),
            connections,
            ..options::of_load(&args.load, &args.wire, &args.common)?
        })),
        WorkloadArg::Fetch => Workload::Fetch(Box::new(Fetch {
            urls: args.urls.clone(),
            files: args.input.clone(),
            connections,
            starts_per_s: args.load.rate,
            ..options::of_pages(&args.pages, &args.wire, &args.common)?
        })),
    })
}

/// Notes on options that were given and change nothing.
fn without_effect(args: &CompareArgs) -> Vec<String> {
    let (load, pages) = (&args.load, &args.pages);
    let is_bench = args.workload == WorkloadArg::Bench;
    let is_open = load.rate.is_some();
    let has_no_keepalive = load.no_keepalive;
    let given = [
        ("--body-size", args.body_size != BODY_BYTES_DEFAULT && !(is_built_in(args) && is_bench)),
        ("--spin", load.spin && !(is_bench && is_open)),
        ("--arrivals", load.arrivals != ArrivalsArg::Poisson && !(is_bench && is_open)),
        ("--seed", load.seed.is_some() && !(is_bench && (is_open || load.shuffle))),
        ("--shuffle", load.shuffle && !is_bench),
        ("--pipeline", load.pipeline != 1 && !is_bench),
        ("--method", load.method.is_some() && !is_bench),
        ("--body", load.body.is_some() && !is_bench),
        ("--threads", load.threads.is_some() && !is_bench),
        ("--no-keepalive", has_no_keepalive && !is_bench),
        ("--extract", pages.extract != ExtractArg::Page && is_bench),
        ("--select", !pages.select.is_empty() && is_bench),
        ("--fail", pages.fail && is_bench),
        ("--user-agent", pages.user_agent.is_some() && is_bench),
    ];
    let unused = given.into_iter().filter(|(_, is_unused)| *is_unused);
    unused
        .map(|(option, _)| format!("{option} changes nothing of this workload, hint: --workload"))
        .collect()
}

/// Refuses sweeps that cannot be made.
fn check_matrix(args: &CompareArgs, workload: &Workload) -> anyhow::Result<()> {
    if !args.matrix {
        return Ok(());
    }
    if !is_built_in(args) || args.workload != WorkloadArg::Bench {
        bail!(
            "a sweep asks the built-in origin for bodies of all sizes, hint: --matrix without URL"
        );
    }
    if workload.is_open_loop() {
        bail!("a sweep compares capacities, hint: --matrix without --rate");
    }
    Ok(())
}

/// Opens the place that a run is kept in.
fn create(path: &Path) -> anyhow::Result<File> {
    let opened = File::options().write(true).create(true).truncate(false).open(path);
    opened.map_err(|error| {
        anyhow!("cannot keep the run: {}: {error}, hint: --save FILE", path.display())
    })
}

/// Reads a run that was kept.
fn load(path: &Path) -> anyhow::Result<Saved> {
    let hint = "hint: --against takes a file that --save wrote";
    let read = std::fs::read(path);
    let bytes = read.map_err(|e| anyhow!("cannot read: {}: {e}, {hint}", path.display()))?;
    let no_run = |why: String| anyhow!("no run that was kept: {}: {why}, {hint}", path.display());
    let saved: Saved = serde_json::from_slice(&bytes).map_err(|e| no_run(e.to_string()))?;
    if saved.measurements.contestants.is_empty() {
        return Err(no_run("it has no engines".to_owned()));
    }
    Ok(saved)
}

/// Refuses a run to compare with that is of something else.
fn check_comparable(subject: &Subject, earlier: &Subject) -> anyhow::Result<()> {
    let differences = subject.differences(earlier);
    if differences.is_empty() {
        return Ok(());
    }
    bail!(
        "the run of --against is not comparable: {}, hint: keep a run of this workload on this \
         machine with --save",
        differences.join("; ")
    )
}

/// Text on standard output is coloured where that is a terminal, too.
fn paint_stdout(args: &CompareArgs) -> Paint {
    if io::stdout().is_terminal() { paint(&args.common) } else { Paint::Plain }
}

fn exit_code(is_interrupted: bool, has_failed: bool) -> u8 {
    match (is_interrupted, has_failed) {
        (true, _) => INTERRUPTED,
        (false, true) => SOME_FAILED,
        (false, false) => DONE,
    }
}
