//! One run of fetches: starts the reader and the cores, and gathers what they counted.
//!
//! Knows neither files nor formats: lines come from a [`Source`], rows leave in batches.
//!
//! Invariant: when a run ends, every line that was handed over is a row or is counted as not
//! started.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::client::lane;
use crate::client::stop::{Snapshot, Stop};
use crate::client::worker::Worker;
use crate::fetch::job::{Fetched, Intake, Job};
use crate::fetch::judge;
use crate::fetch::reader::{READER_PATIENCE, Reader};
use crate::fetch::settings::Settings;
use crate::fetch::shared::{JOB_BATCHES_QUEUED_MAX, Shared};
use crate::fetch::tally::Tally;
use crate::fetch::worker::{self, FetchWork};
use crate::input::source::{Source, SourceSize};
use crate::net::dns::Resolver;
use crate::runtime::launch::{Ended, Placement, Program, Running, launch};
use crate::runtime::{Io, clock};

/// How often the end of a run looks for the end of its reader.
const READER_TRIES: u32 = 10;

/// The ways into the cores, one for each.
type Inboxes = Vec<flume::Receiver<Vec<Intake>>>;

/// A run that is under way.
pub struct FetchRun {
    shared: Arc<Shared>,
    inboxes: Inboxes,
    arrivals: Vec<flume::Receiver<Vec<Job>>>,
    cores: Running<Tally>,
    reader: Option<JoinHandle<io::Result<()>>>,
    size: flume::Receiver<SourceSize>,
    last_size: Option<SourceSize>,
}

/// What a run gave.
#[derive(Debug)]
pub struct FetchRunEnd {
    /// What each core counted.
    pub cores: Vec<Ended<Tally>>,
    /// What was counted of jobs that no core had taken when the run was stopped.
    pub leftover: Tally,
    /// Lines that were handed to cores.
    pub lines: u64,
    /// Why the input ended early, if it did.
    pub input_error: Option<io::Error>,
}

/// What runs on each core.
struct FetchProgram {
    shared: Arc<Shared>,
    inboxes: Inboxes,
    arrivals: Vec<flume::Receiver<Vec<Job>>>,
}

impl Program for FetchProgram {
    type Output = Tally;

    async fn run<I: Io>(self: Arc<Self>, io: I, placement: Placement) -> Tally {
        let mut alarm = StopOnPanic(Some(self.shared.stop.clone()));
        let (inbox, arrivals) = (&self.inboxes[placement.idx], &self.arrivals[placement.idx]);
        let tally = fetch_on(io, placement, &self.shared, inbox, arrivals).await;
        alarm.0 = None;
        tally
    }
}

/// Does the part of the core at `placement`; what it counted.
pub(super) async fn fetch_on<I: Io>(
    io: I,
    placement: Placement,
    shared: &Arc<Shared>,
    inbox: &flume::Receiver<Vec<Intake>>,
    arrivals: &flume::Receiver<Vec<Job>>,
) -> Tally {
    let settings = FetchWork::settings(shared, placement);
    let work = FetchWork::new(Arc::clone(shared), placement, inbox.clone(), arrivals.clone());
    let resolver = shared.resolver.clone();
    let worker = Worker::new(io.clone(), &settings, resolver, work, lane::start);
    io.spawn(worker::feed(Rc::clone(&worker)));
    worker.run().await;
    worker.work.take_tally(worker.lanes.connections.counts())
}

/// Stops the run where a core panics outside its lanes: its jobs would never become rows.
struct StopOnPanic(Option<Stop>);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if let Some(stop) = &self.0 {
            stop.request();
        }
    }
}

impl FetchRun {
    /// Starts fetching what `source` names. Rows leave through `rows`, in batches, in the order of
    /// completion; a full queue holds the cores back.
    ///
    /// # Errors
    ///
    /// Where a thread cannot be started.
    pub fn start(
        settings: Settings,
        source: impl Source + 'static,
        rows: flume::Sender<Vec<Fetched>>,
        stop: Stop,
    ) -> io::Result<Self> {
        let cores = settings.launch.cpus.len();
        let (ways_in, inboxes): (Vec<_>, Inboxes) =
            (0..cores).map(|_| flume::bounded(JOB_BATCHES_QUEUED_MAX)).unzip();
        let (moves, arrivals): (Vec<_>, Vec<_>) = (0..cores).map(|_| flume::unbounded()).unzip();
        let resolver = Resolver::start(settings.overrides.clone())?;
        let shared = Arc::new(Shared::new(settings, ways_in, moves, rows, resolver, stop));
        let program = Arc::new(FetchProgram {
            shared: Arc::clone(&shared),
            inboxes: inboxes.clone(),
            arrivals: arrivals.clone(),
        });
        let cores = launch(&shared.settings.launch, &program)?;
        let (size, sizes) = flume::bounded(1);
        let reader = Reader::new(source, Arc::clone(&shared), size);
        let reader =
            std::thread::Builder::new().name("reader".to_owned()).spawn(move || reader.run())?;
        let reader = Some(reader);
        Ok(Self { shared, inboxes, arrivals, cores, reader, size: sizes, last_size: None })
    }

    /// Whether every core has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.cores.is_over()
    }

    /// How far all cores have come.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.shared.gauges)
    }

    /// Lines that the cores were handed so far.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.shared.handed_over()
    }

    /// How much of the input was read, where that is known.
    pub fn input_size(&mut self) -> Option<SourceSize> {
        self.last_size = self.size.try_iter().last().or(self.last_size);
        self.last_size
    }

    /// Waits for the cores, and then hands on what they left behind.
    ///
    /// # Errors
    ///
    /// Where a core could not build its runtime or panicked outside any lane.
    pub fn join(mut self) -> io::Result<FetchRunEnd> {
        let cores = std::mem::take(&mut self.cores).join()?;
        let input_error = self.wait_for_reader();
        let (mut leftover, mut rows) = (Tally::default(), Vec::new());
        let now = clock::now();
        for _ in self.inboxes.iter().flat_map(|inbox| inbox.drain().flatten()) {
            leftover.jobs_taken += 1;
            leftover.not_started += 1;
        }
        for job in self.arrivals.iter().flat_map(|arrivals| arrivals.drain().flatten()) {
            leftover.moved_in += 1;
            rows.push(judge::abandoned(job, now));
        }
        rows.iter().for_each(|row| leftover.record(row));
        if !rows.is_empty() {
            // Where nobody reads rows any more, these are lost with all the others.
            let _ = self.shared.rows.send(rows);
        }
        Ok(FetchRunEnd { cores, leftover, lines: self.shared.handed_over(), input_error })
    }

    /// Why the input ended early. A reader that hangs in its input after a stop is left behind: it
    /// holds nothing that anyone waits for.
    fn wait_for_reader(&mut self) -> Option<io::Error> {
        for _ in 0..READER_TRIES {
            if self.reader.as_ref().is_none_or(JoinHandle::is_finished) {
                break;
            }
            clock::pause(READER_PATIENCE);
        }
        let reader = self.reader.take_if(|reader| reader.is_finished())?;
        let gone = || Err(io::Error::other("the reader's thread panicked"));
        reader.join().unwrap_or_else(|_| gone()).err()
    }
}
