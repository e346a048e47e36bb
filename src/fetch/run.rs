//! A fetch that is under way: how far it has come, its rows, its end.
//!
//! Does not know how it was set up (`fetch`), nor what its rows are for.
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
use crate::fetch::output::{FinisherCounts, Finishers};
use crate::fetch::summary::{CoreInput, RunEnd, Summary, SummaryInput};
use crate::fetch::tally::Tally;
use crate::fetch::{FetchRun, FetchRunEnd};
use crate::input::source::SourceSize;
use crate::os::system;
use crate::runtime::clock;
use crate::runtime::launch::{Ended, Engine, Pinning};

/// A fetch that is under way.
pub struct RunningFetch {
    pub(super) run: FetchRun,
    pub(super) finishers: Finishers,
    pub(super) engine: Engine,
    pub(super) pinning: Pinning,
    pub(super) started_at: Instant,
    pub(super) cpu_before: CpuTime,
    pub(super) stop: Stop,
    pub(super) notes: Vec<String>,
}

/// How far a fetch has come.
#[derive(Clone, Copy, Debug)]
pub struct FetchProgress {
    /// Time since the start.
    pub elapsed: Duration,
    /// What the cores show.
    pub reading: Snapshot,
    /// Lines that the cores were handed.
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
    /// The input cannot be read; where some of it was, this is what came of that.
    Input(io::Error, Option<Box<Summary>>),
    /// Rows could not be handed on.
    Output(io::Error),
    /// The threads or the engine could not be started.
    Start(io::Error),
}

impl RunningFetch {
    /// Whether the cores have ended; [`RunningFetch::join`] then waits for the last rows only.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.run.is_over()
    }

    /// What was changed on the way from the options to the run, for a person.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How far it has come.
    pub fn progress(&mut self) -> FetchProgress {
        FetchProgress {
            elapsed: clock::now().since(self.started_at),
            reading: self.run.snapshot(),
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
        // Also without an outcome: the rows that there are shall be written.
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
        let cpu_time = system::process_cpu_time();
        let input_error = outcome.input_error.take();
        let summary = Summary::new(SummaryInput {
            engine: self.engine.word(),
            cores: outcome.cores.into_iter().map(core_input).collect(),
            reader: outcome.leftover,
            elapsed: clock::now().since(self.started_at),
            lines: outcome.lines,
            cpu_time: CpuTime {
                user: cpu_time.user.saturating_sub(self.cpu_before.user),
                system: cpu_time.system.saturating_sub(self.cpu_before.system),
            },
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

/// Checks what was finished against what was counted, and says what was noted of pages.
fn add_notes(outcome: &FetchRunEnd, finished: &FinisherCounts, notes: &mut Vec<String>) {
    let of_cores: u64 = outcome.cores.iter().map(|core| core.output.rows()).sum();
    let counted = of_cores + outcome.leftover.rows();
    assert_eq!(finished.documents, counted, "every row that was counted was handed on");
    let words = finished.notes.iter().map(|(stage, kind, n)| format!("{stage}.{kind}: {n} pages"));
    notes.extend(words);
}

/// A core's part of the summary.
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
