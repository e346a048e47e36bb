//! `ringfetch bench`: from arguments to an exit code.
//!
//! Invariant: the plan, where there is one, and the result are all that goes to standard output.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use serde::Serialize;

use crate::base::limits::BENCH_START_LEAD;
use crate::bench::Trial;
use crate::bench::find_max::{
    SEARCH_RATE_FIRST, SEARCH_WARMUP_DEFAULT, SEARCH_WINDOW_DEFAULT, SearchOptions, search,
};
use crate::bench::found::Search;
use crate::bench::hdr_log::HdrLog;
use crate::bench::options::Bench;
use crate::bench::run::{RunningBench, TrialProgress, TrialWatcher};
use crate::bench::series::Second;
use crate::bench::slo::{Checked, Objectives};
use crate::bench::summary::BenchSummary;
use crate::bench::verdict::Judgement;
use crate::cli::args::{ArrivalsArg, BenchArgs, BenchFormat};
use crate::cli::exit::{DONE, INTERRUPTED, SOME_FAILED};
use crate::cli::output::{SummaryPlace, write_all};
use crate::cli::signals::listen_for_signals;
use crate::cli::stderr::{paint, warn};
use crate::cli::{options, values};
use crate::client::Stop;
use crate::report::bench::live::Sight;
use crate::report::bench::path::path;
use crate::report::bench::plan::{BenchPlan, plan};
use crate::report::bench::{csv, text};
use crate::report::json;
use crate::report::paint::Paint;
use crate::report::progress::ProgressLine;
use crate::runtime::clock;

/// `args` with `-R N` in place of `-q N` after `bench` and `compare`: users of other tools write it
/// so. Before anything but a number, `-q` is `--quiet` here as everywhere.
pub(super) fn with_rate(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.collect();
    if args.get(1).is_none_or(|command| command != "bench" && command != "compare") {
        return args;
    }
    let is_rate = |arg: &OsString| arg.to_str().is_some_and(|text| values::rate(text).is_ok());
    for idx in 2..args.len() {
        if args[idx] == "-q" && args.get(idx + 1).is_some_and(is_rate) {
            args[idx] = OsString::from("-R");
        }
    }
    args
}

/// Runs the bench that `args` describe; the exit code.
pub(super) fn run(args: &BenchArgs) -> anyhow::Result<u8> {
    let common = &args.common;
    let options = options(args)?;
    options.check()?;
    let wanted = Wanted::parse(args)?;
    warn(&without_effect(args), common);
    let trial = options.trial()?;
    let summary_json = SummaryPlace::open(common)?;
    let log = open_log(args)?;
    let is_signalled = Arc::new(AtomicBool::new(false));
    listen_for_signals(&is_signalled)?;
    let law = options.law();
    let stop = Stop::from(is_signalled);
    let mut running = options.start(stop.clone())?;
    warn(running.notes(), common);
    let searching =
        wanted.find_max.as_ref().map(|objectives| search_options(args, objectives.clone(), law));
    if args.output == BenchFormat::Text && !common.quiet {
        tell_plan(args, &trial, searching.as_ref(), &running)?;
    }
    let mut watching = Watching::start(args, &trial, log)?;
    let found = match &searching {
        None => running.run(&trial, &mut watching).map(|trial| Found { trial, search: None }),
        Some(options) => search(&mut running, options, &mut watching)
            .map(|(search, trial)| Found { trial, search: Some(search) }),
    };
    if found.is_err() {
        stop.request();
    }
    // A worker that could not go on says why here, which explains the other errors.
    running.join()?;
    let found = found?;
    watching.finish()?;
    let checked: Vec<Checked> =
        wanted.asserted.iter().flat_map(|objectives| objectives.check(&found.trial)).collect();
    let result = result(args, &found, &checked);
    write_all(&mut io::stdout(), &result).context("cannot write to standard output")?;
    summary_json.write(&json::json(&found))?;
    Ok(exit_code(args, &found, &checked))
}

/// Notes on options that were given and change nothing: who gave them expects something else.
fn without_effect(args: &BenchArgs) -> Vec<String> {
    let is_open = args.load.rate.is_some() || args.stages.is_some() || args.find_max.is_some();
    let is_even = matches!(args.load.arrivals, ArrivalsArg::Even);
    let mut notes = Vec::new();
    if !is_open && is_even {
        notes.push("--arrivals changes nothing in a closed loop, hint: -R RATE".to_owned());
    }
    if !is_open && args.load.spin {
        notes.push("--spin changes nothing in a closed loop, hint: -R RATE".to_owned());
    }
    let is_seeded = args.load.shuffle || (is_open && !is_even);
    if args.load.seed.is_some() && !is_seeded {
        let hint = "--shuffle, or -R RATE with arrivals that are not even";
        notes.push(format!("--seed changes nothing: nothing is drawn by lot, hint: {hint}"));
    }
    notes
}

/// What must hold, and what the rate is searched for.
struct Wanted {
    asserted: Vec<Objectives>,
    find_max: Option<Objectives>,
}

impl Wanted {
    fn parse(args: &BenchArgs) -> anyhow::Result<Self> {
        let parse = |text: &String| Objectives::parse(text).map_err(|error| anyhow!(error));
        let asserted = args.assert.iter().map(parse).collect::<anyhow::Result<_>>()?;
        let find_max = args.find_max.as_ref().map(parse).transpose()?;
        if find_max.is_some() && args.requests.is_some() {
            bail!("a search tries each rate for a time, hint: --find-max with -d, without -n");
        }
        if find_max.is_some() && args.stages.is_some() {
            bail!("a search chooses the rates itself, hint: --find-max without --stages");
        }
        if find_max.is_some() && args.hdr.is_some() {
            bail!("a search is many trials, and one log holds one, hint: leave --hdr out");
        }
        Ok(Self { asserted, find_max })
    }
}

/// The result of the bench, as its JSON has it.
#[derive(Serialize)]
struct Found {
    #[serde(flatten)]
    trial: BenchSummary,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<Search>,
}

/// The options of the bench.
fn options(args: &BenchArgs) -> anyhow::Result<Bench> {
    Ok(Bench {
        urls: args.urls.clone(),
        files: args.input.clone(),
        connections: usize::try_from(args.connections).unwrap_or(usize::MAX),
        duration: args.duration,
        requests: args.requests,
        stages: args.stages.clone().map(|stages| stages.0).unwrap_or_default(),
        warmup: args.warmup,
        ..options::of_load(&args.load, &args.wire, &args.common)?
    })
}

fn search_options(
    args: &BenchArgs,
    objectives: Objectives,
    law: crate::bench::arrivals::Law,
) -> SearchOptions {
    let warmup = if args.warmup.is_zero() { SEARCH_WARMUP_DEFAULT } else { args.warmup };
    SearchOptions {
        objectives,
        first_per_s: args.load.rate.unwrap_or(SEARCH_RATE_FIRST),
        law,
        warmup,
        window: args.duration.unwrap_or(SEARCH_WINDOW_DEFAULT),
    }
}

fn tell_plan(
    args: &BenchArgs,
    trial: &Trial,
    searching: Option<&SearchOptions>,
    running: &RunningBench,
) -> anyhow::Result<()> {
    let spread = match args.load.arrivals {
        ArrivalsArg::Poisson => "poisson",
        ArrivalsArg::Even => "even",
    };
    let stages = args.stages.as_ref().map(|stages| &stages.0[..]).unwrap_or_default();
    let highest = stages.iter().map(|stage| stage.from_per_s.max(stage.to_per_s));
    let first = searching.map(|options| options.first_per_s);
    let rate = args.load.rate.or_else(|| highest.reduce(f64::max)).or(first);
    let (warmup, duration) = match searching {
        Some(options) => (options.warmup, Some(options.window)),
        None => (trial.warmup, trial.window),
    };
    let text = plan(
        &BenchPlan {
            engine: running.engine().word(),
            cores: running.cpus(),
            url: running.first_url(),
            urls: running.url_count(),
            connections: running.connections(),
            pipeline: args.load.pipeline,
            rate: rate.map(|rate| (rate, spread)),
            search: searching.map(|options| options.objectives.to_string()),
            duration,
            requests: trial.requests,
            warmup,
        },
        paint_stdout(args),
    );
    write_all(&mut io::stdout(), &format!("{text}\n")).context("cannot write to standard output")
}

/// Text on standard output is coloured where that is a terminal, too.
fn paint_stdout(args: &BenchArgs) -> Paint {
    if io::stdout().is_terminal() { paint(&args.common) } else { Paint::Plain }
}

/// The result in the format that was asked for.
fn result(args: &BenchArgs, found: &Found, checked: &[Checked]) -> String {
    let paint = paint_stdout(args);
    match args.output {
        BenchFormat::Json => json::json(found),
        BenchFormat::Csv => {
            let mut out = csv::header();
            let trials = match &found.search {
                Some(search) => &search.trials[..],
                None => std::slice::from_ref(&found.trial),
            };
            trials.iter().for_each(|trial| out.push_str(&csv::row(trial)));
            out
        }
        BenchFormat::Text => {
            let mut out = String::new();
            if let Some(search) = &found.search {
                out.push_str(&path(search, paint));
                out.push('\n');
            }
            out.push_str(&text::text(&found.trial, paint));
            out.push_str(&text::checks(checked, paint));
            out
        }
    }
}

fn exit_code(args: &BenchArgs, found: &Found, checked: &[Checked]) -> u8 {
    let trial = &found.trial;
    let has_failed = !trial.ledger.failed.0.is_empty() || trial.ledger.completed == 0;
    let does_not_hold = checked.iter().any(|checked| !checked.holds)
        || (args.strict && trial.verdict.is != Judgement::Valid)
        || found.search.as_ref().is_some_and(|search| search.found_per_s.is_none());
    let is_interrupted =
        trial.interrupted || found.search.as_ref().is_some_and(Search::is_interrupted);
    match (is_interrupted, has_failed || does_not_hold) {
        (true, _) => INTERRUPTED,
        (false, true) => SOME_FAILED,
        (false, false) => DONE,
    }
}

/// The live line, and the log of each second.
struct Watching {
    line: ProgressLine,
    log: Option<HdrLog<BufWriter<File>>>,
}

/// Opens the file of `--hdr`. It keeps what an earlier run wrote until this one begins.
fn open_log(args: &BenchArgs) -> anyhow::Result<Option<File>> {
    let Some(path) = &args.hdr else { return Ok(None) };
    let opened = File::options().write(true).create(true).truncate(false).open(path);
    let file = opened.map_err(|error| {
        let path = path.display();
        anyhow!("cannot write the log: {path}: {error}, hint: --hdr takes a path to write to")
    })?;
    Ok(Some(file))
}

impl Watching {
    /// Starts the live line, and the log in `file`, for a trial that is about to begin.
    fn start(args: &BenchArgs, trial: &Trial, file: Option<File>) -> anyhow::Result<Self> {
        let is_shown = !args.common.quiet && io::stderr().is_terminal();
        let line = if is_shown { ProgressLine::stderr() } else { ProgressLine::hidden() };
        let begin = |file: File| {
            // A pipe or a device cannot be emptied, and need not be.
            let _ = file.set_len(0);
            let started_at = clock::wall() + BENCH_START_LEAD + trial.warmup;
            let what = ["response times of ringfetch bench, in ns"];
            HdrLog::start(BufWriter::new(file), started_at, &what)
        };
        let log = file.map(begin).transpose().context("cannot write the log of --hdr")?;
        Ok(Self { line, log })
    }

    fn finish(self) -> anyhow::Result<()> {
        self.line.finish();
        match self.log {
            Some(log) => log.finish().map(drop).context("cannot write the log of --hdr"),
            None => Ok(()),
        }
    }
}

impl TrialWatcher for Watching {
    fn show(&mut self, progress: &TrialProgress) {
        if self.line.is_hidden() {
            return;
        }
        let snapshot = progress.snapshot;
        self.line.show(&Sight {
            elapsed: progress.elapsed,
            span: progress.span,
            requests: progress.requests,
            ended: snapshot.rows,
            failed: snapshot.failed,
            in_flight: snapshot.in_flight,
            body_bytes: snapshot.body_bytes,
        });
    }

    fn keep(&mut self, second: &Second) -> io::Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let from = Duration::from_nanos(second.from_ns);
        let span = Duration::from_nanos(second.to_ns - second.from_ns);
        log.write(from, span, &second.response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_may_be_called_q() {
        let read = |line: &str| {
            let args = with_rate(line.split(' ').map(OsString::from));
            args.into_iter().map(|arg| arg.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(read("ringfetch bench u -q 20k -n 5"), "ringfetch bench u -R 20k -n 5");
        assert_eq!(read("ringfetch compare -q 5"), "ringfetch compare -R 5");
        for line in ["ringfetch bench u -q -o json", "ringfetch bench u -q", "ringfetch fetch -q 5"]
        {
            assert_eq!(read(line), line);
        }
    }
}
