//! A bench under way: runs trials, adds up what the cores noted, and ends the cores.
//!
//! Invariant: a watcher sees numbers after they were recorded, and can change nothing that is
//! measured.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::base::failure::FailureCounts;
use crate::base::instant::Instant;
use crate::base::limits::PROGRESS_INTERVAL;
use crate::bench::record::Record;
use crate::bench::series::{Second, Series};
use crate::bench::stability::{Stability, Steadiness};
use crate::bench::summary::{BenchCore, BenchInput, BenchSummary};
use crate::bench::verdict::Mode;
use crate::bench::{BenchRun, BenchSettings, CoreEnd, Event, Loop, Opened, Trial};
use crate::client::{Snapshot, Stop};
use crate::os::system;
use crate::runtime::clock;
use crate::runtime::launch::{Engine, Pinning};

/// A bench whose connections are open.
pub struct RunningBench {
    bench: BenchRun,
    engine: Engine,
    cpus: Vec<usize>,
    pinning: Pinning,
    connections: usize,
    pipeline: usize,
    first_url: String,
    url_count: usize,
    stop: Stop,
    notes: Vec<String>,
}

/// Follows a trial while it lasts.
pub trait TrialWatcher {
    /// Shows how far the trial has come; called some ten times a second.
    fn show(&mut self, progress: &TrialProgress);

    /// Keeps one second of the measured time, once it is over on all cores.
    ///
    /// # Errors
    ///
    /// Where it cannot be kept. The bench ends with this error.
    fn keep(&mut self, second: &Second) -> io::Result<()>;
}

/// A watcher that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl TrialWatcher for Unwatched {
    fn show(&mut self, _: &TrialProgress) {}

    fn keep(&mut self, _: &Second) -> io::Result<()> {
        Ok(())
    }
}

/// How far a trial has come.
#[derive(Clone, Copy, Debug)]
pub struct TrialProgress {
    /// Time since its first request was due; zero before that.
    pub elapsed: Duration,
    /// How long it takes, where time ends it.
    pub span: Option<Duration>,
    /// How many requests are measured, where their number ends it.
    pub requests: Option<u64>,
    /// What the cores have done so far.
    pub snapshot: Snapshot,
}

/// Why a bench could not run, or not to its end.
#[derive(Debug)]
pub enum BenchError {
    /// An option has a value that cannot be used.
    Option(String),
    /// The list of URLs cannot be read.
    Input(io::Error),
    /// What was measured could not be kept.
    Output(io::Error),
    /// The threads or the engine could not be started, or could not go on.
    Start(io::Error),
}

impl RunningBench {
    /// Starts the cores of `settings` and waits until their connections are open.
    pub(super) fn start(
        settings: BenchSettings,
        pinning: Pinning,
        stop: Stop,
        notes: Vec<String>,
    ) -> Result<Self, BenchError> {
        let launch = settings.launch.clone();
        let (connections, pipeline) = (settings.connections, settings.pipeline);
        let (first_url, url_count) = (settings.targets[0].url().to_owned(), settings.targets.len());
        let bench = BenchRun::start(settings, stop.clone()).map_err(BenchError::Start)?;
        let mut running = Self {
            bench,
            engine: launch.engine,
            cpus: launch.cpus,
            pinning,
            connections,
            pipeline,
            first_url,
            url_count,
            stop,
            notes,
        };
        running.wait_for_connections()?;
        Ok(running)
    }

    /// Options that were changed, and connections that could not be opened, for a person to read.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The engine that really runs.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The CPUs of the cores.
    #[must_use]
    pub fn cpus(&self) -> &[usize] {
        &self.cpus
    }

    /// The first URL, as it is asked for.
    #[must_use]
    pub fn first_url(&self) -> &str {
        &self.first_url
    }

    /// How many URLs are asked for in turn.
    #[must_use]
    pub fn url_count(&self) -> usize {
        self.url_count
    }

    /// Connections in all.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections
    }

    /// Runs one trial, and adds up what the cores noted. The connections stay open for the next.
    ///
    /// # Errors
    ///
    /// Where a core could not go on, or `watcher` could not.
    ///
    /// # Panics
    ///
    /// Where the numbers contradict each other, which is a bug.
    pub fn run(
        &mut self,
        trial: &Trial,
        watcher: &mut impl TrialWatcher,
    ) -> Result<BenchSummary, BenchError> {
        let start_at = self.bench.begin(trial.clone());
        let mut series = Series::new(self.bench.core_count());
        let mut ends: Vec<CoreEnd> = Vec::with_capacity(self.bench.core_count());
        let mut shown_at = Instant::default();
        while ends.len() < self.bench.core_count() {
            match self.bench.next_event(PROGRESS_INTERVAL) {
                Some(Event::Interval(core, interval)) => {
                    series.add(core, &interval);
                    self.bench.give_back(core, interval.response);
                    keep_seconds(&mut series, watcher)?;
                }
                Some(Event::Ended(end)) => ends.push(*end),
                Some(Event::Opened(_)) => {}
                None => {}
            }
            let now = clock::now();
            if now.since(shown_at) >= PROGRESS_INTERVAL {
                if self.bench.has_lost_core() {
                    return Err(lost_core(&self.stop));
                }
                shown_at = now;
                watcher.show(&self.progress(trial, start_at, now));
            }
        }
        ends.sort_by_key(|end| end.placement.idx);
        let window_ns = ends.iter().map(|end| end.record.window_ns).max().unwrap_or(0);
        series.end(window_ns);
        keep_seconds(&mut series, watcher)?;
        Ok(BenchSummary::new(self.input(trial, ends, window_ns, &series)))
    }

    /// Ends the cores.
    ///
    /// # Errors
    ///
    /// Where a core could not go on, or panicked outside any lane.
    pub fn join(self) -> Result<(), BenchError> {
        self.bench.join().map(drop).map_err(BenchError::Start)
    }

    fn wait_for_connections(&mut self) -> Result<(), BenchError> {
        let (mut told, mut wanted, mut opened) = (0, 0, 0);
        let mut failures = FailureCounts::default();
        while told < self.bench.core_count() {
            match self.bench.next_event(PROGRESS_INTERVAL) {
                Some(Event::Opened(core)) => {
                    let Opened { wanted: w, opened: o, failures: f } = core;
                    told += 1;
                    wanted += w;
                    opened += o;
                    failures.add(&f);
                }
                Some(_) => {}
                None if self.bench.has_lost_core() => return Err(lost_core(&self.stop)),
                None => {}
            }
        }
        if opened < wanted {
            let why: Vec<String> =
                failures.iter().map(|(stage, kind, n)| format!("{n} {stage}.{kind}")).collect();
            let why = if why.is_empty() { "not in time".to_owned() } else { why.join(", ") };
            self.notes.push(format!(
                "connections: {opened} of {wanted} could be opened before the first request: \
                 {why}, hint: a smaller -c, or a longer --connect-timeout"
            ));
        }
        Ok(())
    }

    fn progress(&self, trial: &Trial, start_at: Instant, now: Instant) -> TrialProgress {
        TrialProgress {
            elapsed: now.since(start_at),
            span: trial.window.map(|window| trial.warmup + window),
            requests: trial.requests,
            snapshot: self.bench.snapshot(),
        }
    }

    fn input(
        &self,
        trial: &Trial,
        ends: Vec<CoreEnd>,
        window_ns: u64,
        series: &Series,
    ) -> BenchInput {
        let window = Duration::from_nanos(window_ns);
        let mut notes = self.notes.clone();
        if self.pinning == Pinning::Pinned {
            let free = ends.iter().filter(|end| !end.placement.pinned);
            notes.extend(free.map(|end| format!("CPU {}: not pinned", end.placement.cpu)));
        }
        let (mode, wanted_per_s) = match &trial.pace {
            Loop::Closed => (Mode::Closed, None),
            Loop::Open(profile, _) => {
                let wanted = profile.expected_between(trial.warmup, trial.warmup + window);
                (Mode::Open, (window_ns > 0).then(|| wanted / window.as_secs_f64()))
            }
        };
        // Every core measures the process; the one with the longest window saw the most of it.
        let longest = ends.iter().max_by_key(|end| end.record.window_ns);
        let cpu_time = longest.map(|end| end.process).unwrap_or_default();
        if series.late() > 0 {
            notes.push(format!(
                "series: intervals so late that counts of theirs stand in a later second: {}",
                series.late()
            ));
        }
        BenchInput {
            engine: self.engine.word(),
            cores: ends.into_iter().map(bench_core).collect(),
            mode,
            connections: self.connections,
            pipeline: self.pipeline,
            wanted_per_s,
            window,
            cpu_time,
            max_rss_bytes: system::peak_rss_bytes(),
            points: series.points().to_vec(),
            stability: stability_of(series, &trial.pace),
            interrupted: self.stop.is_requested(),
            notes,
        }
    }
}

/// Stops the run, since a core has ended by itself; [`RunningBench::join`] says why.
fn lost_core(stop: &Stop) -> BenchError {
    stop.request();
    BenchError::Start(io::Error::other("a core has ended by itself"))
}

fn bench_core(end: CoreEnd) -> BenchCore {
    let record: Record = end.record;
    BenchCore { cpu: end.placement.cpu, pinned: end.placement.pinned, record }
}

/// Whether the trial was steady. A drift means nothing where the rate was told to change.
fn stability_of(series: &Series, pace: &Loop) -> Stability {
    let mut stability = series.stability();
    let is_told_to_change = matches!(pace, Loop::Open(profile, _) if profile.span().is_some());
    if is_told_to_change && matches!(stability.steadiness, Steadiness::Drifting { .. }) {
        stability.steadiness = Steadiness::ToldToChange;
    }
    stability
}

/// Hands on the seconds that are over on all cores.
fn keep_seconds(series: &mut Series, watcher: &mut impl TrialWatcher) -> Result<(), BenchError> {
    while let Some(second) = series.take_second() {
        watcher.keep(&second).map_err(BenchError::Output)?;
    }
    Ok(())
}

impl fmt::Debug for RunningBench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningBench")
            .field("snapshot", &self.bench.snapshot())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(text) => f.write_str(text),
            Self::Input(error) => error.fmt(f),
            Self::Output(error) => write!(f, "cannot write the output: {error}"),
            Self::Start(error) => write!(f, "cannot go on: {error}"),
        }
    }
}

impl std::error::Error for BenchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Option(_) => None,
            // The message has the error already, so the chain of causes goes on with its cause.
            Self::Input(error) | Self::Output(error) | Self::Start(error) => error.source(),
        }
    }
}
