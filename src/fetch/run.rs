//! A fetch that is under way: its start, how far it has come, its rows, its end.
//!
//! Invariant: a summary is made only of numbers that agree with each other; else the run panics.

use std::fmt;
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::base::cpu_time::CpuTime;
use crate::base::instant::Instant;
use crate::client::{Snapshot, Stop};
use crate::fetch::output::row::Row;
use crate::fetch::output::{FinisherCounts, FinisherSettings, Finishers, Sink};
use crate::fetch::summary::{CoreInput, RunEnd, Summary, SummaryInput};
use crate::fetch::tally::Tally;
use crate::fetch::{FetchRun, FetchRunEnd, Settings};
use crate::input::source::{Source, SourceSize};
use crate::os::system;
use crate::runtime::launch::{Ended, Engine, Launch, Pinning};
use crate::runtime::{clock, cores};

// LIMIT: batches of what was fetched that wait for the extraction threads.
const BATCHES_QUEUED_MAX: usize = 8;

/// A fetch that is under way.
pub struct RunningFetch {
    run: FetchRun,
    finishers: Finishers,
    engine: Engine,
    pinning: Pinning,
    started_at: Instant,
    cpu_before: CpuTime,
    stop: Stop,
    notes: Vec<String>,
}

/// How far a fetch has come.
#[derive(Clone, Copy, Debug)]
pub struct FetchProgress {
    /// Time since the start.
    pub elapsed: Duration,
    /// The counters of all cores.
    pub snapshot: Snapshot,
    /// Lines that were given to cores.
    pub lines: u64,
    /// How much of the input was read, where that is known.
    pub input: Option<SourceSize>,
}

/// The rows of a fetch, in the order of completion.
///
/// Dropping it before the end stops the fetch.
#[derive(Debug)]
pub struct Rows {
    rows: flume::IntoIter<Row>,
    stop: Stop,
    supervisor: Option<JoinHandle<Result<Summary, FetchError>>>,
}

/// Why a fetch could not run, or not to its end.
#[derive(Debug)]
pub enum FetchError {
    /// An option has a value that cannot be used.
    Option(String),
    /// The input cannot be read to its end; the summary is of the lines before that, where there
    /// are any.
    Input(io::Error, Option<Box<Summary>>),
    /// The output does not take rows any more.
    Output(io::Error),
    /// The threads or the engine could not be started.
    Start(io::Error),
}

impl RunningFetch {
    /// Starts the threads that extract, and then those that fetch what `source` names. `notes` are
    /// for the summary.
    pub(super) fn start<S: Sink>(
        settings: Settings,
        finishers: &FinisherSettings,
        source: impl Source + 'static,
        sink: impl Fn() -> S + Send,
        stop: Stop,
        notes: Vec<String>,
    ) -> Result<Self, FetchError> {
        let Launch { engine, pinning, ref cpus, .. } = settings.launch;
        let cpus = cpus.clone();
        let (cpu_before, started_at) = (system::process_cpu_time(), clock::now());
        let stopper = stop.clone();
        let start = || -> io::Result<(FetchRun, Finishers)> {
            let (rows, batches) = flume::bounded(BATCHES_QUEUED_MAX);
            let finishers = Finishers::start(finishers, rows.clone(), &batches, sink, &stopper)?;
            Ok((FetchRun::start(settings, source, rows, stopper)?, finishers))
        };
        let (run, finishers) = cores::start_on(&cpus, start).map_err(FetchError::Start)?;
        Ok(Self { run, finishers, engine, pinning, started_at, cpu_before, stop, notes })
    }

    /// Whether the cores have ended; [`RunningFetch::join`] then waits for the last rows only.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.run.is_over()
    }

    /// What had to be changed between the options and the run, for a person.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How far it has come.
    pub fn progress(&mut self) -> FetchProgress {
        FetchProgress {
            elapsed: clock::now().since(self.started_at),
            snapshot: self.run.snapshot(),
            lines: self.run.lines(),
            input: self.run.input_size(),
        }
    }

    /// Waits for the end, and adds up what happened.
    ///
    /// # Errors
    ///
    /// See [`FetchError`].
    ///
    /// # Panics
    ///
    /// Where the numbers contradict each other, which is a bug.
    pub fn join(self) -> Result<Summary, FetchError> {
        let outcome = self.run.join().map_err(FetchError::Start);
        // Also where the cores failed: what was fetched until then is written.
        let finished = self.finishers.join();
        let mut outcome = outcome?;
        let mut notes = self.notes;
        let end = match finished {
            Ok(finished) => {
                add_notes(&outcome, &finished, &mut notes);
                match self.stop.is_requested() {
                    true => RunEnd::Interrupted,
                    false => RunEnd::Complete,
                }
            }
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => RunEnd::OutputClosed,
            Err(error) => return Err(FetchError::Output(error)),
        };
        let unpinned = outcome.cores.iter().filter(|core| !core.placement.pinned);
        if self.pinning == Pinning::Pinned {
            notes.extend(unpinned.map(|core| format!("CPU {}: not pinned", core.placement.cpu)));
        }
        let input_error = outcome.input_error.take();
        let summary = Summary::new(SummaryInput {
            engine: self.engine.word(),
            cores: outcome.cores.into_iter().map(core_input).collect(),
            reader: outcome.leftover,
            elapsed: clock::now().since(self.started_at),
            lines: outcome.lines,
            cpu_time: system::process_cpu_time().since(self.cpu_before),
            max_rss_bytes: system::peak_rss_bytes(),
            end,
            notes,
        });
        match input_error {
            Some(error) => Err(FetchError::Input(error, Some(Box::new(summary)))),
            None => Ok(summary),
        }
    }
}

/// Checks that the outputs were given what the cores counted, and notes what went wrong with pages.
fn add_notes(outcome: &FetchRunEnd, finished: &FinisherCounts, notes: &mut Vec<String>) {
    let of_cores: u64 = outcome.cores.iter().map(|core| core.output.rows()).sum();
    let counted = of_cores + outcome.leftover.rows();
    assert_eq!(finished.documents, counted, "every row that was counted was given to an output");
    let words = finished.notes.iter().map(|(stage, kind, n)| format!("{stage}.{kind}: {n} pages"));
    notes.extend(words);
}

/// What a core brings to the summary.
fn core_input(ended: Ended<Tally>) -> CoreInput {
    ended.output.assert_jobs_closed();
    CoreInput {
        cpu: ended.placement.cpu,
        pinned: ended.placement.pinned,
        tally: ended.output,
        cpu_time: Some(ended.cpu_time),
    }
}

impl Rows {
    /// The rows that come out of `rows` until `running` ends; a thread waits for that.
    pub(super) fn new(
        rows: flume::Receiver<Row>,
        running: RunningFetch,
        stop: Stop,
    ) -> Result<Self, FetchError> {
        let thread = std::thread::Builder::new().name("supervisor".to_owned());
        let supervisor = thread.spawn(|| running.join()).map_err(FetchError::Start)?;
        Ok(Self { rows: rows.into_iter(), stop, supervisor: Some(supervisor) })
    }

    /// Waits for the end and adds up what happened; rows that were not read are dropped.
    ///
    /// # Errors
    ///
    /// See [`FetchError`].
    ///
    /// # Panics
    ///
    /// Where the numbers contradict each other, which is a bug.
    pub fn finish(mut self) -> Result<Summary, FetchError> {
        self.rows.by_ref().for_each(drop);
        let supervisor = self.supervisor.take().expect("only this takes it");
        supervisor.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        self.rows.next()
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.stop.request();
    }
}

impl fmt::Debug for RunningFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let progress = self.run.snapshot();
        f.debug_struct("RunningFetch").field("progress", &progress).finish_non_exhaustive()
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(text) => f.write_str(text),
            // A source says itself what could not be read.
            Self::Input(error, _) => error.fmt(f),
            Self::Output(error) => write!(f, "cannot write the output: {error}"),
            Self::Start(error) => write!(f, "cannot start: {error}"),
        }
    }
}

impl std::error::Error for FetchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Option(_) => None,
            // The error itself is in the message already; a chain of causes begins behind it.
            Self::Input(error, _) | Self::Output(error) | Self::Start(error) => error.source(),
        }
    }
}
