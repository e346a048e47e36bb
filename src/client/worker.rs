//! A worker: what runs on one core. Its workload, its lanes, and the loop that looks after them.
//!
//! Invariant: a worker ends only when its workload says so and none of its tasks is left.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::base::instant::Instant;
use crate::base::limits::SWEEP_INTERVAL;
use crate::client::answer::Answer;
use crate::client::connection::Berth;
use crate::client::connections::Connections;
use crate::client::core::Core;
use crate::client::deadlines::LaneId;
use crate::client::lanes::{Lanes, Started};
use crate::client::pool::Pool;
use crate::client::workload::Work;
use crate::http::http1::HeadMemo;
use crate::net::dns::{AddressCache, Resolver};
use crate::runtime::Io;

/// What runs on one core.
pub(crate) struct Worker<I: Io, W> {
    pub(crate) lanes: Lanes<I>,
    pub(crate) work: W,
    /// Starts a lane. A pointer, so that the lane loop knows the worker and not each the other.
    start_lane: fn(&Rc<Self>, LaneId),
    /// Tasks that have begun and not ended, lanes among them.
    tasks: Cell<usize>,
    /// Whether a task ended by a panic: what it held is lost, and the core with it.
    is_broken: Cell<bool>,
}

/// What a worker is told of its run.
pub(crate) struct WorkerSettings {
    /// Jobs that it may have under way at a time.
    pub(crate) lanes_max: usize,
    /// Connections that it may have, busy and idle together; at least one for each lane.
    pub(crate) connections_max: usize,
    /// Connections by one route that it may keep idle.
    pub(crate) idle_per_route_max: usize,
    /// How long a connection may stay idle.
    pub(crate) idle_max: Duration,
    /// Time for one connect, name lookup included.
    pub(crate) connect_timeout: Duration,
}

/// A task of a worker, which an engine may drop in silence where it panics.
pub(crate) struct Task<I: Io, W> {
    worker: Rc<Worker<I, W>>,
    has_ended: bool,
}

impl<I: Io, W> Task<I, W> {
    /// A task of `worker` that begins.
    pub(crate) fn of(worker: &Rc<Worker<I, W>>) -> Self {
        worker.tasks.set(worker.tasks.get() + 1);
        Self { worker: Rc::clone(worker), has_ended: false }
    }

    /// The task has come to its end.
    pub(crate) fn ended(mut self) {
        self.has_ended = true;
    }
}

impl<I: Io, W> Drop for Task<I, W> {
    fn drop(&mut self) {
        self.worker.tasks.set(self.worker.tasks.get() - 1);
        if !self.has_ended {
            self.worker.is_broken.set(true);
        }
    }
}

impl<I: Io, W: Work> Worker<I, W> {
    /// A worker for `work` with no job and no lane; lanes are started by `start_lane`.
    pub(crate) fn new(
        io: I,
        settings: &WorkerSettings,
        resolver: Resolver,
        work: W,
        start_lane: fn(&Rc<Self>, LaneId),
    ) -> Rc<Self> {
        let WorkerSettings { lanes_max, connections_max, idle_per_route_max, .. } = *settings;
        let names = AddressCache::new(io.clone(), resolver);
        let pool = Pool::new(idle_per_route_max, connections_max, settings.idle_max);
        let pool = pool.in_order(W::IDLE_ORDER);
        let heads = match W::Answer::KNOWS_HEADS {
            true => HeadMemo::prepared(),
            false => HeadMemo::default(),
        };
        let core = Core::new(io, heads);
        let connections = Connections::new(pool, names, connections_max, settings.connect_timeout);
        Rc::new(Self {
            lanes: Lanes::new(core, connections, lanes_max),
            work,
            start_lane,
            tasks: Cell::new(0),
            is_broken: Cell::new(false),
        })
    }

    /// Works until the run is over.
    pub(crate) async fn run(self: &Rc<Self>) {
        let io = &self.lanes.core.io;
        while !(self.lanes.is_over() && self.lanes.have_ended() && self.tasks.get() == 0) {
            io.sleep_until(io.now() + SWEEP_INTERVAL).await;
            self.sweep();
        }
        // Sockets must be dropped while their runtime lives.
        self.lanes.connections.clear();
    }

    /// The next job that may start, for `lane`, and the time now; none once the run is over.
    ///
    /// `turn` is the lane's own, for the workload alone; `berth` holds the connection that it
    /// keeps, but not while it waits; `known` is the time, where the lane has just looked.
    pub(super) async fn next(
        self: &Rc<Self>,
        lane: LaneId,
        turn: &mut W::Turn,
        berth: &mut Berth<I::Socket>,
        mut known: Option<Instant>,
    ) -> Option<(W::Job, Instant)> {
        let lanes = &self.lanes;
        poll_fn(|context| {
            if lanes.is_over() {
                lanes.connections.release(berth);
                return Poll::Ready(None);
            }
            let now = known.take().unwrap_or_else(|| lanes.core.io.now());
            // A lane that is held back keeps its turn, and with it the use of its warm connection.
            let job = match lanes.hold_back(now) {
                true => None,
                false => self.work.take(lanes, turn, now),
            };
            let Some(job) = job else {
                lanes.connections.release(berth);
                lanes.park(lane, context);
                return Poll::Pending;
            };
            self.kick();
            Poll::Ready(Some((job, now)))
        })
        .await
    }

    /// Wakes one more lane where there is a job for it; that lane will wake the next.
    pub(crate) fn kick(self: &Rc<Self>) {
        if self.work.has_ready()
            && let Started::Lane(lane) = self.lanes.wake_one()
        {
            (self.start_lane)(self, lane);
        }
    }

    /// What is done every few milliseconds, and for no request in particular.
    fn sweep(self: &Rc<Self>) {
        assert!(!self.is_broken.get(), "a task of this core panicked outside its guard");
        let now = self.lanes.core.io.now();
        self.work.sweep(&self.lanes, now);
        self.lanes.sweep(now);
        if self.work.may_end(&self.lanes) {
            self.lanes.end();
            self.work.end();
        } else {
            self.kick();
        }
    }
}
