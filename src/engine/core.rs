//! One core: what its lanes share, and the loop that looks after them.
//!
//! Does not drive exchanges (`drive`), judge them (`lane`) or choose jobs (`shard`); it brings them
//! together. Every cell here is borrowed for a moment, never across an await.
//!
//! Invariant: a core ends only when it has no lane in flight, no row unsent and no job left.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::engine::drive::Connection;
use crate::engine::lane;
use crate::engine::outbox::Outbox;
use crate::engine::shard::{HostId, Politeness, Shard};
use crate::engine::shared::Shared;
use crate::engine::watch::{Alarm, LaneId, Watch};
use crate::io::launch::Seat;
use crate::io::resolve::Names;
use crate::io::system;
use crate::io::{Io, Socket};
use crate::machines::pool::Pool;
use crate::machines::stats::tally::Tally;
use crate::words::buf::FreeBlocks;
use crate::words::failure::{Failure, Kind, Stage};
use crate::words::instant::Instant;
use crate::words::job::{Fetched, Intake, Job};
use crate::words::limits::{
    EXHAUSTED_PAUSE, IDLE_CONNECTION_MAX, JOBS_PER_TURN_MAX, SHARD_JOBS_LOW, SHARD_JOBS_MAX,
    STOP_GRACE, SWEEP_INTERVAL,
};

/// What ends the operations of an engine's socket.
type AlarmOf<I> = Alarm<<<I as Io>::Socket as Socket>::Interrupter>;

/// What the lanes of one core share.
pub(super) struct Core<I: Io> {
    pub(super) io: I,
    pub(super) shared: Arc<Shared>,
    pub(super) names: Names<I>,
    pub(super) pool: RefCell<Pool<Connection<I>>>,
    pub(super) blocks: RefCell<FreeBlocks>,
    pub(super) tally: RefCell<Tally>,
    pub(super) watch: RefCell<Watch<AlarmOf<I>>>,
    seat: Seat,
    lanes_max: usize,
    shard: RefCell<Shard>,
    outbox: RefCell<Outbox>,
    /// Jobs on their way to each core, this one's own always empty.
    moved: RefCell<Vec<Vec<Job>>>,
    arrivals: flume::Receiver<Vec<Job>>,
    /// Lanes that were started and have not ended.
    lanes: Cell<usize>,
    in_flight: Cell<usize>,
    /// Lanes that wait for room among the batches of rows.
    backlog: Cell<usize>,
    exhausted_until: Cell<Instant>,
    /// Whether a connection was ever opened by IPv4, and by IPv6.
    has_connected: [Cell<bool>; 2],
    /// Whether a lane waits because of one of those two.
    has_held_back: Cell<bool>,
    /// When what is in flight must be over; NEVER until a stop is seen.
    stop_at: Cell<Instant>,
    is_over: Cell<bool>,
    /// Whether a task ended by a panic: what it held is lost, and the core with it.
    is_broken: Cell<bool>,
    feeder_has_ended: Cell<bool>,
    waiting: RefCell<Waiting>,
}

/// A lane's turn with one host.
pub(super) struct Turn {
    host: HostId,
    /// Jobs that it has begun.
    jobs: u32,
}

/// A task of a core, which an engine may drop in silence where it panics.
pub(super) struct Task<I: Io>(Rc<Core<I>>, bool);

impl<I: Io> Task<I> {
    /// A task of `core` that has begun.
    pub(super) fn of(core: &Rc<Core<I>>) -> Self {
        Self(Rc::clone(core), false)
    }

    fn ended(mut self) {
        self.1 = true;
    }
}

impl<I: Io> Drop for Task<I> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.is_broken.set(true);
        }
    }
}

/// Who waits for a change of the core's state.
#[derive(Default)]
struct Waiting {
    feeder: Option<Waker>,
    /// Whether the feeder waits for room, and not for lines.
    needs_room: bool,
    lanes: Vec<Option<Waker>>,
    /// Lanes with a waker, the latest last: it is the one whose memory is warm.
    idle: Vec<usize>,
}

impl<I: Io> Core<I> {
    /// A core with no job and no lane.
    pub(super) fn new(
        io: I,
        shared: Arc<Shared>,
        seat: Seat,
        arrivals: flume::Receiver<Vec<Job>>,
    ) -> Rc<Self> {
        let settings = &shared.settings;
        let lanes_max = settings.connections_of(seat.idx);
        let per_host = match settings.politeness.per_host {
            0 => lanes_max,
            cap => usize::try_from(cap).unwrap_or(usize::MAX),
        };
        let names = Names::new(io.clone(), shared.resolver.clone());
        let shard = Shard::new(settings.politeness);
        Rc::new(Self {
            io,
            names,
            pool: RefCell::new(Pool::new(per_host, lanes_max, IDLE_CONNECTION_MAX)),
            blocks: RefCell::default(),
            tally: RefCell::default(),
            watch: RefCell::new(Watch::new()),
            seat,
            lanes_max,
            shard: RefCell::new(shard),
            outbox: RefCell::default(),
            moved: RefCell::new((0..seat.count).map(|_| Vec::new()).collect()),
            arrivals,
            lanes: Cell::new(0),
            in_flight: Cell::new(0),
            backlog: Cell::new(0),
            exhausted_until: Cell::default(),
            has_connected: [Cell::new(false), Cell::new(false)],
            has_held_back: Cell::new(false),
            stop_at: Cell::new(Instant::NEVER),
            is_over: Cell::new(false),
            is_broken: Cell::new(false),
            feeder_has_ended: Cell::new(false),
            waiting: RefCell::default(),
            shared,
        })
    }

    /// Works until the run is over, and gives back what was counted.
    pub(super) async fn run(self: Rc<Self>, inbox: flume::Receiver<Vec<Intake>>) -> Tally {
        self.io.spawn(Rc::clone(&self).feed(inbox));
        while !(self.is_over.get() && self.lanes.get() == 0 && self.feeder_has_ended.get()) {
            self.io.sleep_until(self.io.now() + SWEEP_INTERVAL).await;
            self.sweep();
        }
        // Sockets must be dropped while their runtime lives.
        self.pool.borrow_mut().clear();
        self.tally.take()
    }

    /// The next job that may start, for `lane`; none once the run is over.
    ///
    /// `turn` is the lane's own, for this function alone: a lane goes on with the host that it has
    /// a warm connection to, and after some jobs lets the others have their turn.
    pub(super) async fn next(
        self: &Rc<Self>,
        lane: LaneId,
        turn: &mut Option<Turn>,
    ) -> Option<(Job, Instant)> {
        poll_fn(|context| {
            if self.is_over.get() {
                return Poll::Ready(None);
            }
            let now = self.io.now();
            let is_stopping = self.is_stopping();
            if !is_stopping && self.is_held_back(now) {
                // The lane keeps its turn, and with it the use of its warm connection.
                self.has_held_back.set(true);
                self.park(lane, context);
                return Poll::Pending;
            }
            if let Some(held) = turn {
                let again = match !is_stopping && held.jobs < JOBS_PER_TURN_MAX {
                    true => self.shard.borrow_mut().take_again(held.host),
                    false => None,
                };
                if let Some(job) = again {
                    held.jobs += 1;
                    self.count_begun(&job);
                    self.kick();
                    return Poll::Ready(Some((job, now)));
                }
                self.shard.borrow_mut().release(held.host);
                *turn = None;
                self.count_in_flight(self.in_flight.get() - 1);
            }
            let taken = if is_stopping { None } else { self.shard.borrow_mut().take(now) };
            let Some((job, host)) = taken else {
                self.park(lane, context);
                return Poll::Pending;
            };
            *turn = Some(Turn { host, jobs: 1 });
            self.count_begun(&job);
            self.count_in_flight(self.in_flight.get() + 1);
            self.kick();
            Poll::Ready(Some((job, now)))
        })
        .await
    }

    /// Whether no job may start for now, whichever it is.
    fn is_held_back(&self, now: Instant) -> bool {
        self.backlog.get() > 0 || self.exhausted_until.get() > now
    }

    /// Wakes the lanes that were held back, once nothing holds them back any more.
    fn let_go(&self, now: Instant) {
        if !self.is_held_back(now) && self.has_held_back.replace(false) {
            self.wake_lanes();
        }
    }

    /// Counts the line of `job` where this is its first exchange.
    fn count_begun(&self, job: &Job) {
        if job.progress.is_none() {
            self.shared.gauges[self.seat.idx].count_begun();
        }
    }

    fn count_in_flight(&self, count: usize) {
        self.in_flight.set(count);
        self.shared.gauges[self.seat.idx].show_in_flight(count);
    }

    /// Waits for `operation` until `deadline` or the end of a stop's grace; none where that came
    /// first. The operation is then dropped.
    pub(super) async fn until<T>(
        &self,
        lane: LaneId,
        deadline: Instant,
        operation: impl Future<Output = T>,
    ) -> Option<T> {
        let mut operation = pin!(operation);
        let mut is_armed = false;
        poll_fn(|context| {
            if let Poll::Ready(value) = operation.as_mut().poll(context) {
                self.watch.borrow_mut().disarm(lane);
                return Poll::Ready(Some(value));
            }
            let mut watch = self.watch.borrow_mut();
            if watch.is_late(lane) {
                watch.disarm(lane);
                return Poll::Ready(None);
            }
            if !is_armed {
                watch.arm(lane, deadline, Alarm::Task(context.waker().clone()));
                is_armed = true;
            }
            Poll::Pending
        })
        .await
    }

    /// What it means that a lane's operation was ended from outside.
    pub(super) fn lateness(&self, stage: Stage, deadline: Instant) -> Failure {
        if self.io.now() < deadline {
            return Failure::new(stage, Kind::Interrupted, "the run was stopped");
        }
        let phrase = match stage {
            Stage::Dns | Stage::Connect => {
                "no connection in time; hint: --connect-timeout, --timeout"
            }
            _ => "the deadline passed; hint: --timeout",
        };
        Failure::new(stage, Kind::Timeout, phrase)
    }

    /// Whether the run is being stopped.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop_at.get() < Instant::NEVER
    }

    /// Gives `job`, which has begun, to the core that owns its next request.
    pub(super) fn requeue(&self, job: Job) {
        let politeness = self.shared.settings.politeness;
        let owner = match politeness.is_by_host() {
            true => Politeness::owner(job.target.origin_hash(), self.seat.count),
            false => self.seat.idx,
        };
        if owner == self.seat.idx {
            self.shard.borrow_mut().push_front(job);
        } else {
            self.moved.borrow_mut()[owner].push(job);
        }
    }

    /// Keeps `job` until `at`.
    pub(super) fn defer(&self, job: Job, at: Instant) {
        self.shard.borrow_mut().defer(job, at);
    }

    /// Counts a connection that was opened to `addr`.
    pub(super) fn connected(&self, addr: SocketAddr) {
        self.has_connected[usize::from(addr.is_ipv6())].set(true);
        self.tally.borrow_mut().connections_opened += 1;
    }

    /// Whether waiting may help where connecting to `addr` failed with `errno`: the kernel is out
    /// of something that others give back. It says the same where it has no ephemeral port left and
    /// where it has no address of the family at all, so that is told by what went well before.
    pub(super) fn may_wait_for(&self, addr: SocketAddr, errno: i32) -> bool {
        let is_known = self.has_connected[usize::from(addr.is_ipv6())].get();
        system::is_exhaustion(errno) && (is_known || !system::is_no_address(errno))
    }

    /// Closes idle connections until one more fits: busy and idle ones together are no more than
    /// this core's share.
    pub(super) fn make_room_for_connection(&self) {
        let mut pool = self.pool.borrow_mut();
        // Each lane in flight has a connection or is about to; the caller's is one of those.
        while pool.len() + self.in_flight.get() > self.lanes_max {
            let Some(oldest) = pool.evict_oldest() else { break };
            drop(oldest);
        }
    }

    /// Opens no connection for a while: the kernel has no room for one. The longest idle one is
    /// closed, since it holds what is short.
    pub(super) fn pause_for_room(&self) {
        self.exhausted_until.set(self.io.now() + EXHAUSTED_PAUSE);
        drop(self.pool.borrow_mut().evict_oldest());
        self.tally.borrow_mut().exhausted_pauses += 1;
    }

    /// Hands on what came of one line. Waits where the rows' readers are behind: no further job
    /// starts on this core until they have caught up.
    pub(super) async fn emit(self: &Rc<Self>, fetched: Fetched) {
        self.tally.borrow_mut().record(&fetched);
        let body_bytes = fetched.response.as_ref().map_or(0, |response| response.body_bytes);
        let gauge = &self.shared.gauges[self.seat.idx];
        gauge.count_row(fetched.failure, body_bytes);
        let Some(batch) = self.outbox.borrow_mut().push(fetched) else { return };
        if let Some(batch) = self.send(batch) {
            let count = batch.len();
            self.backlog.set(self.backlog.get() + 1);
            // Nobody reads rows any more: the run has been told to stop, and the rows are lost with
            // it.
            let _ = self.shared.rows.send_async(batch).await;
            self.shared.finish(count);
            self.backlog.set(self.backlog.get() - 1);
            self.let_go(self.io.now());
        }
    }

    /// Hands `batch` on if that needs no wait, else gives it back.
    fn send(&self, batch: Vec<Fetched>) -> Option<Vec<Fetched>> {
        let count = batch.len();
        match self.shared.rows.try_send(batch) {
            Ok(()) => {}
            Err(flume::TrySendError::Full(batch)) => return Some(batch),
            Err(flume::TrySendError::Disconnected(_)) => self.shared.stop.request(),
        }
        self.shared.finish(count);
        None
    }

    /// Counts the end of a lane, whose task `task` is.
    pub(super) fn lane_ended(&self, task: Task<I>) {
        self.lanes.set(self.lanes.get() - 1);
        task.ended();
    }

    /// Takes lines in while there is room for them, until the run is over.
    async fn feed(self: Rc<Self>, inbox: flume::Receiver<Vec<Intake>>) {
        let task = Task::of(&self);
        while let Some(batch) = self.receive(&inbox).await {
            for intake in batch {
                match intake {
                    Intake::Refused { n, line, failure } => {
                        self.tally.borrow_mut().jobs_taken += 1;
                        self.shared.gauges[self.seat.idx].count_begun();
                        self.emit(Fetched::refused(n, &line, failure)).await;
                    }
                    Intake::Job(job) => {
                        self.tally.borrow_mut().jobs_taken += 1;
                        self.shard.borrow_mut().push(job);
                    }
                }
            }
            self.kick();
        }
        self.feeder_has_ended.set(true);
        task.ended();
    }

    /// The next batch of lines, once there is room; none once the run is over.
    async fn receive(&self, inbox: &flume::Receiver<Vec<Intake>>) -> Option<Vec<Intake>> {
        let mut batch = pin!(inbox.recv_async());
        poll_fn(|context| {
            if self.is_over.get() {
                return Poll::Ready(None);
            }
            let waiting = &mut *self.waiting.borrow_mut();
            waiting.feeder = Some(context.waker().clone());
            waiting.needs_room = self.shard.borrow().len() >= SHARD_JOBS_MAX;
            if waiting.needs_room {
                return Poll::Pending;
            }
            batch.as_mut().poll(context).map(Result::ok)
        })
        .await
    }

    /// Lets `lane` wait until it is kicked.
    fn park(&self, lane: LaneId, context: &Context<'_>) {
        let waiting = &mut *self.waiting.borrow_mut();
        if waiting.lanes.len() <= lane.0 {
            waiting.lanes.resize(lane.0 + 1, None);
        }
        if waiting.lanes[lane.0].replace(context.waker().clone()).is_none() {
            waiting.idle.push(lane.0);
        }
    }

    /// Wakes the feeder where there is room, and one more lane where there is a job for it; that
    /// lane will wake the next.
    fn kick(self: &Rc<Self>) {
        let shard = self.shard.borrow();
        let (has_ready, has_room) = (shard.has_ready(), shard.len() < SHARD_JOBS_LOW);
        drop(shard);
        let waiting = &mut *self.waiting.borrow_mut();
        if has_room
            && waiting.needs_room
            && let Some(feeder) = waiting.feeder.take()
        {
            waiting.needs_room = false;
            feeder.wake();
        }
        if !has_ready {
            return;
        }
        if let Some(lane) = waiting.idle.pop() {
            let waker = waiting.lanes[lane].take().expect("an idle lane has a waker");
            waker.wake();
        } else if self.lanes.get() < self.lanes_max {
            let lane = LaneId(self.lanes.get());
            self.lanes.set(lane.0 + 1);
            self.io.spawn(lane::run(Rc::clone(self), lane));
        }
    }

    /// What is done every few milliseconds, and for no request in particular.
    fn sweep(self: &Rc<Self>) {
        assert!(!self.is_broken.get(), "a task of this core panicked outside its guard");
        let now = self.io.now();
        if self.shared.stop.is_requested() {
            if !self.is_stopping() {
                self.stop_at.set(now + STOP_GRACE);
                // Those that wait with a turn give it back.
                self.wake_lanes();
            }
            self.abandon_waiting();
        }
        self.watch.borrow_mut().sweep(now, self.stop_at.get());
        self.pool.borrow_mut().expire(now).for_each(drop);
        self.shard.borrow_mut().settle(now);
        self.let_go(now);
        self.move_jobs();
        self.flush();
        if self.may_end() {
            self.end();
        }
        self.kick();
    }

    /// Hands on the rows gathered so far, where there is room.
    fn flush(&self) {
        let batch = self.outbox.borrow_mut().take();
        if batch.is_empty() || self.backlog.get() > 0 {
            self.outbox.borrow_mut().put_back(batch);
            return;
        }
        if let Some(batch) = self.send(batch) {
            self.outbox.borrow_mut().put_back(batch);
        }
    }

    /// Sends the jobs that redirects moved to their owners, and takes in those that came here. They
    /// have begun, so they go before those of their hosts that have not.
    fn move_jobs(&self) {
        for (owner, moved) in self.moved.borrow_mut().iter_mut().enumerate() {
            if !moved.is_empty() {
                self.tally.borrow_mut().moved_out += moved.len() as u64;
                let arrived = self.shared.arrivals[owner].send(std::mem::take(moved));
                arrived.expect("the run holds every way in until all cores have ended");
            }
        }
        for job in self.arrivals.try_iter().flatten() {
            self.tally.borrow_mut().moved_in += 1;
            self.shard.borrow_mut().push_front(job);
        }
    }

    /// After a stop: jobs that have not begun will not; those that have are rows that say so.
    fn abandon_waiting(&self) {
        let mut jobs = self.shard.borrow_mut().drain();
        self.moved.borrow_mut().iter_mut().for_each(|moved| jobs.append(moved));
        let mut full = Vec::new();
        for job in jobs {
            if job.progress.is_none() {
                self.tally.borrow_mut().not_started += 1;
                self.shared.finish(1);
                continue;
            }
            let fetched = lane::abandoned(job, self.io.now());
            self.tally.borrow_mut().record(&fetched);
            self.shared.gauges[self.seat.idx].count_row(fetched.failure, 0);
            if let Some(batch) = self.outbox.borrow_mut().push(fetched) {
                full.push(batch);
            }
        }
        // All of them go with the next flush: none of them is a body.
        full.into_iter().rev().for_each(|batch| self.outbox.borrow_mut().put_back(batch));
    }

    /// Whether nothing is left to do on this core, and nothing will come.
    fn may_end(&self) -> bool {
        let is_done = self.shared.is_complete() || self.is_stopping();
        let is_idle = self.in_flight.get() == 0 && self.backlog.get() == 0;
        is_done && is_idle && self.shard.borrow().len() == 0 && self.outbox.borrow().is_empty()
    }

    /// Ends the feeder and the lanes.
    fn end(&self) {
        self.is_over.set(true);
        self.waiting.borrow_mut().feeder.take().into_iter().for_each(Waker::wake);
        self.wake_lanes();
    }

    /// Wakes every lane that waits.
    fn wake_lanes(&self) {
        let waiting = &mut *self.waiting.borrow_mut();
        waiting.idle.clear();
        waiting.lanes.drain(..).flatten().for_each(Waker::wake);
    }
}
