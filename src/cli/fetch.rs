//! `ringfetch fetch`: from arguments to an exit code.
//!
//! Invariant: whatever ended the run, the rows that were finished are written and the numbers told.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};

use crate::base::limits::{PROGRESS_INTERVAL, STOP_GRACE};
use crate::base::units::count;
use crate::cli::args::{FetchArgs, Format};
use crate::cli::exit::{COULD_NOT_RUN, DONE, INTERRUPTED, SOME_FAILED};
use crate::cli::options;
use crate::cli::output::SummaryPlace;
use crate::cli::signals::listen_for_signals;
use crate::cli::stderr::{paint, tell, warn};
use crate::client::Stop;
use crate::fetch::options::Fetch;
use crate::fetch::ordinals::Ordinals;
use crate::fetch::output::{Resumed, Writer, resume};
use crate::fetch::run::{FetchError, RunningFetch};
use crate::fetch::summary::Summary;
use crate::input::Input;
use crate::report::progress::{FetchSnapshot, ProgressLine};
use crate::report::{json, text};
use crate::runtime::clock;

/// How long the run's last rows may take to be written, after the grace of a stop.
const STALL_PATIENCE: Duration = Duration::from_secs(5);
/// How often the end of the run is looked for.
const WATCH_INTERVAL: Duration = Duration::from_millis(10);

/// Runs the fetch that `args` describe; the exit code.
pub(super) fn run(args: &FetchArgs) -> anyhow::Result<u8> {
    if args.urls.is_empty() && args.input.is_empty() {
        bail!(
            "nothing to fetch, hint: give URLs, or a list of them with -i FILE (-i - reads a pipe)"
        );
    }
    let common = &args.common;
    let mut fetch = options(args)?;
    let Format::Jsonl = args.format;
    // Wrong options must be found before an older output is overwritten.
    fetch.check()?;
    let (urls, files) = (std::mem::take(&mut fetch.urls), std::mem::take(&mut fetch.files));
    let input = Input::open(urls, files).map_err(|error| FetchError::Input(error, None))?;
    check_output_is_no_input(args)?;
    let summary_json = SummaryPlace::open(common)?;
    let (output, done) = open_output(args)?;
    if !done.is_empty() && !common.quiet {
        tell(&format!("resuming: {} lines have their row already\n", count(done.len())));
    }
    fetch.done = done;
    let stop = Stop::default();
    let is_signalled = Arc::new(AtomicBool::new(false));
    listen_for_signals(&is_signalled)?;
    let writer = Writer::start(output).context("cannot start the writer")?;
    let mut fetching = fetch.start_from(input, || writer.sink(), stop.clone())?;
    warn(fetching.notes(), common);
    end_when_stalled(&is_signalled, &stop)?;
    watch(&mut fetching, args);
    let result = fetching.join();
    let written = writer.join();
    report(args, result, written, summary_json)
}

/// The fetch's options.
fn options(args: &FetchArgs) -> anyhow::Result<Fetch> {
    Ok(Fetch {
        urls: args.urls.clone(),
        files: args.input.clone(),
        connections: args.connections,
        starts_per_s: args.rate,
        ..options::of_pages(&args.pages, &args.wire, &args.common)?
    })
}

/// Opens the place that rows go to. Returns which lines have their row there already, too.
fn open_output(args: &FetchArgs) -> anyhow::Result<(Box<dyn Write + Send>, Ordinals)> {
    let path = args.output.as_path();
    if path == Path::new("-") {
        if args.resume {
            bail!("standard output cannot be resumed, hint: -o FILE --resume");
        }
        // It is written in large chunks: a line buffer would only copy them.
        return Ok((Box::new(io::stdout()), Ordinals::default()));
    }
    let opened = match args.resume {
        true => resume(path).map(|Resumed { output, done }| (output, done)),
        false => File::create(path).map(|file| (file, Ordinals::default())),
    };
    let (file, done) = opened.map_err(|error| {
        let path = path.display();
        anyhow!("cannot write the output: {path}: {error}, hint: -o takes a path to write to")
    })?;
    Ok((Box::new(file), done))
}

/// Passes a signal on to the run, and ends the process if the run does not end in time: then the
/// reader of standard output has stopped reading, and nothing more can be written.
fn end_when_stalled(is_signalled: &Arc<AtomicBool>, stop: &Stop) -> anyhow::Result<()> {
    let (is_signalled, stop) = (Arc::clone(is_signalled), stop.clone());
    let wait = move || {
        while !is_signalled.load(Relaxed) {
            clock::pause(WATCH_INTERVAL);
        }
        stop.request();
        clock::pause(STOP_GRACE + STALL_PATIENCE);
        tell("error: the output is not being read, so what was not written is lost\n");
        std::process::exit(i32::from(INTERRUPTED));
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(wait).context("cannot watch for signals")?;
    Ok(())
}

/// Refuses an output that is one of the lists: it would be emptied before it is read.
fn check_output_is_no_input(args: &FetchArgs) -> anyhow::Result<()> {
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
    let is_file = std::fs::metadata(&args.output).is_ok_and(|output| output.is_file());
    let is_output = |input: &&PathBuf| is_file && identity(input) == identity(&args.output);
    match args.input.iter().find(is_output) {
        Some(list) => {
            bail!("the output is one of the lists: {}, hint: name another -o", list.display())
        }
        None => Ok(()),
    }
}

/// Waits for the end of the cores, and shows how far they have come.
fn watch(fetching: &mut RunningFetch, args: &FetchArgs) {
    let is_shown = !args.common.quiet && io::stderr().is_terminal();
    let mut line = if is_shown { ProgressLine::stderr() } else { ProgressLine::hidden() };
    let mut drawn_at = clock::now();
    while !fetching.is_over() {
        clock::pause(WATCH_INTERVAL);
        if clock::now().since(drawn_at) < PROGRESS_INTERVAL {
            continue;
        }
        drawn_at = clock::now();
        let progress = fetching.progress();
        line.show(&FetchSnapshot {
            elapsed: progress.elapsed,
            rows: progress.snapshot.rows,
            failed: progress.snapshot.failed,
            in_flight: progress.snapshot.in_flight,
            bytes: progress.snapshot.body_bytes,
            lines: progress.lines,
            read: progress.input,
        });
    }
    line.finish();
}

/// Tells the result of the run; the exit code.
fn report(
    args: &FetchArgs,
    result: Result<Summary, FetchError>,
    written: io::Result<()>,
    summary_json: SummaryPlace,
) -> anyhow::Result<u8> {
    let mut error = None;
    let summary = match result {
        Ok(summary) => summary,
        Err(FetchError::Input(reason, Some(summary))) => {
            error = Some(FetchError::Input(reason, None));
            *summary
        }
        Err(reason) => return Err(reason.into()),
    };
    let is_closed = match written {
        Ok(()) => false,
        Err(reason) if reason.kind() == io::ErrorKind::BrokenPipe => true,
        Err(reason) => return Err(FetchError::Output(reason).into()),
    };
    if !args.common.quiet && !is_closed {
        tell(&text::text(&summary, paint(&args.common)));
    }
    summary_json.write(&json::json(&summary))?;
    if let Some(error) = error {
        tell(&format!("error: {error}\n"));
        return Ok(COULD_NOT_RUN);
    }
    Ok(match (is_closed, summary.interrupted, summary.failed) {
        // A reader that has seen enough is no failure.
        (true, _, _) => DONE,
        (false, true, _) => INTERRUPTED,
        (false, false, 0) => DONE,
        (false, false, _) => SOME_FAILED,
    })
}
