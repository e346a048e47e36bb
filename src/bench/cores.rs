//! A run of trials: starts the cores, orders each trial, and receives their events.
//!
//! Invariant: orders and events travel by value, and nothing that watches a run can change it.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::base::instant::Instant;
use crate::base::limits::BENCH_START_LEAD;
use crate::bench::events::{Event, Ways};
use crate::bench::pacer;
use crate::bench::settings::{BenchSettings, Trial};
use crate::bench::shared::{Shared, first_by_route};
use crate::bench::trial::TrialOrder;
use crate::bench::worker::BenchWork;
use crate::client::lane;
use crate::client::stop::{Gauge, Snapshot, Stop};
use crate::client::worker::Worker;
use crate::net::dns::Resolver;
use crate::runtime::launch::{Placement, Program, Running, launch};
use crate::runtime::{Io, clock, cores};
use crate::stats::latency::Latency;

/// Histograms that a core of a bench has for what it hands on, besides the one in use.
const SPARES: usize = 2;

/// A run of trials that is under way.
pub struct BenchRun {
    shared: Arc<Shared>,
    orders: Vec<flume::Sender<Arc<TrialOrder>>>,
    spares: Vec<flume::Sender<Latency>>,
    events: flume::Receiver<Event>,
    cores: Running<Option<io::Error>>,
}

/// What runs on each core: the trials that are ordered, one after the other.
///
/// Public for benchmarks and tests, which run them on an [`Io`] of their own.
pub struct Trials {
    shared: Arc<Shared>,
    resolver: Resolver,
    ways: Vec<Ways>,
}

impl Program for Trials {
    type Output = Option<io::Error>;

    async fn run<I: Io>(self: Arc<Self>, io: I, placement: Placement) -> Option<io::Error> {
        self.on(io, placement).await
    }
}

impl Trials {
    /// Runs on the core at `placement` by `io` until no trial will come any more; why that was too
    /// early, if it was.
    pub async fn on<I: Io>(&self, io: I, placement: Placement) -> Option<io::Error> {
        let settings = BenchWork::settings(&self.shared, placement);
        let ways = self.ways[placement.idx].clone();
        let work = BenchWork::new(Arc::clone(&self.shared), placement, ways);
        let resolver = self.resolver.clone();
        let worker = Worker::new(io.clone(), &settings, resolver, work, lane::start);
        worker.work.open(io.now(), worker.lanes.most());
        io.spawn(pacer::run(Rc::clone(&worker)));
        worker.kick();
        worker.run().await;
        worker.work.session.broken()
    }
}

impl BenchRun {
    /// Starts the cores. Each opens its connections and says so.
    ///
    /// # Errors
    ///
    /// Where a thread or an engine cannot be started.
    pub fn start(settings: BenchSettings, stop: Stop) -> io::Result<Self> {
        let cpus = settings.launch.cpus.clone();
        cores::start_on(&cpus, || Self::start_as(settings, stop, |trials| trials))
    }

    /// Starts the cores here and now, each of which runs what `program` makes of the trials.
    ///
    /// Public for benchmarks and tests: a program is handed an [`Io`] of the launch's engine, and
    /// may hand the trials another one.
    ///
    /// # Errors
    ///
    /// As [`BenchRun::start`].
    pub fn start_as<P: Program<Output = Option<io::Error>>>(
        settings: BenchSettings,
        stop: Stop,
        program: impl FnOnce(Trials) -> P,
    ) -> io::Result<Self> {
        let count = settings.launch.cpus.len();
        let origins = first_by_route(&settings.targets);
        let resolver = Resolver::start(settings.overrides.clone())?;
        let gauges = (0..count).map(|_| Gauge::default()).collect();
        let shared = Arc::new(Shared { settings, stop, gauges, origins });
        let (orders, takers): (Vec<_>, Vec<_>) = (0..count).map(|_| flume::bounded(1)).unzip();
        let (spares, lent): (Vec<_>, Vec<_>) = (0..count).map(|_| flume::bounded(SPARES)).unzip();
        for spares in &spares {
            (0..SPARES).for_each(|_| drop(spares.try_send(Latency::prepared())));
        }
        let (teller, events) = flume::unbounded();
        let ways = takers.into_iter().zip(lent).map(|(orders, spares)| Ways {
            orders,
            spares,
            events: teller.clone(),
        });
        let ways = ways.collect();
        let program = Arc::new(program(Trials { shared: Arc::clone(&shared), resolver, ways }));
        let cores = launch(&shared.settings.launch, &program)?;
        Ok(Self { shared, orders, spares, events, cores })
    }

    /// Has every core begin `trial`; the time at which its first request is due. Every core must
    /// have said that it is ready, or that the trial before is over.
    pub fn begin(&self, trial: Trial) -> Instant {
        let start_at = clock::now() + BENCH_START_LEAD;
        let order = Arc::new(TrialOrder::new(trial, start_at));
        for orders in &self.orders {
            // A core that has ended takes no orders; its end is told by the join.
            let _ = orders.send(Arc::clone(&order));
        }
        start_at
    }

    /// The next thing that a core says, waiting for it no longer than `patience`.
    #[must_use]
    pub fn next_event(&self, patience: Duration) -> Option<Event> {
        self.events.recv_timeout(patience).ok()
    }

    /// Gives the memory of an interval back to core `core`, for another one.
    pub fn give_back(&self, core: usize, mut latency: Latency) {
        latency.clear();
        // One too many is dropped.
        let _ = self.spares[core].try_send(latency);
    }

    /// How many cores there are.
    #[must_use]
    pub fn core_count(&self) -> usize {
        self.orders.len()
    }

    /// How far all cores have come, in the present trial.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.shared.gauges)
    }

    /// Whether a core has ended, which before [`BenchRun::join`] only a failure brings about.
    #[must_use]
    pub fn has_lost_core(&self) -> bool {
        self.cores.has_lost_one()
    }

    /// Ends the cores, and waits for them.
    ///
    /// # Errors
    ///
    /// Where a core could not go on, or panicked outside any lane.
    pub fn join(self) -> io::Result<()> {
        drop(self.orders);
        let ended = self.cores.join()?;
        ended.into_iter().find_map(|core| core.output).map_or(Ok(()), Err)
    }
}
