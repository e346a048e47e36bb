//! One core: what its lanes share, and the loop that looks after them.
//!
//! Does not drive exchanges (`drive`) nor know what they are for (`work`); it brings them together.
//! Every cell here is borrowed for a moment, never across an await.
//!
//! Invariant: a core ends only when its work says so and none of its tasks is left.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::base::buf::FreeBlocks;
use crate::base::failure::{Failure, Kind, Stage};
use crate::base::instant::Instant;
use crate::base::limits::{EXHAUSTED_PAUSE, SWEEP_INTERVAL};
use crate::client::deadlines::{Alarm, LaneId, Watch};
use crate::client::exchange::{Berth, Connection};
use crate::client::lane;
use crate::client::pool::Pool;
use crate::client::workload::Work;
use crate::http::http1::HeadMemo;
use crate::net::dns::{Names, Resolver};
use crate::os::system;
use crate::runtime::launch::Placement;
use crate::runtime::{Io, Socket};

/// What ends the operations of an engine's socket.
type AlarmOf<I> = Alarm<<<I as Io>::Socket as Socket>::Interrupter>;

/// What the lanes of one core share.
pub(crate) struct Core<I: Io, W> {
    pub(crate) io: I,
    pub(crate) placement: Placement,
    pub(crate) work: W,
    pub(crate) names: Names<I>,
    pub(crate) pool: RefCell<Pool<Connection<I>>>,
    pub(crate) blocks: RefCell<FreeBlocks>,
    pub(crate) heads: RefCell<HeadMemo>,
    pub(crate) watch: RefCell<Watch<AlarmOf<I>>>,
    pub(crate) connections: RefCell<ConnectionCounts>,
    pub(crate) connect_timeout: Duration,
    lanes_max: usize,
    connections_max: usize,
    /// Lanes that were started and have not ended.
    lanes: Cell<usize>,
    /// Tasks that have begun and not ended, lanes among them.
    tasks: Cell<usize>,
    in_flight: Cell<usize>,
    /// Lanes for whose sake no job starts.
    holds: Cell<usize>,
    exhausted_until: Cell<Instant>,
    /// Whether a connection was ever opened by IPv4, and by IPv6.
    has_connected: [Cell<bool>; 2],
    /// Whether a lane waits because of one of those two.
    has_held_back: Cell<bool>,
    /// When what is in flight must be over; NEVER while the run goes on.
    stop_at: Cell<Instant>,
    is_over: Cell<bool>,
    /// Whether a task ended by a panic: what it held is lost, and the core with it.
    is_broken: Cell<bool>,
    waiting: RefCell<Waiting>,
}

/// What a core is told of its run.
pub(crate) struct CoreSettings {
    /// Jobs that it may have under way at a time.
    pub(crate) lanes_max: usize,
    /// Connections that it may have, busy and idle together; at least one for each lane.
    pub(crate) connections_max: usize,
    /// Connections of one origin that it may keep idle.
    pub(crate) idle_per_origin_max: usize,
    /// How long a connection may stay idle.
    pub(crate) idle_max: Duration,
    /// Time for one connect, name lookup included.
    pub(crate) connect_timeout: Duration,
}

/// What became of a core's connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ConnectionCounts {
    /// Connections that were opened.
    pub(crate) opened: u64,
    /// Those that carried a response.
    pub(crate) served: u64,
    /// Exchanges that were begun on a connection that had served one before.
    pub(crate) reused: u64,
    /// Exchanges begun again on a fresh connection because the reused one was already closed.
    pub(crate) stale_retries: u64,
    /// Pauses because the kernel was out of descriptors, buffers or ports.
    pub(crate) exhausted_pauses: u64,
}

/// A task of a core, which an engine may drop in silence where it panics.
pub(crate) struct Task<I: Io, W: Work>(Rc<Core<I, W>>, bool);

impl<I: Io, W: Work> Task<I, W> {
    /// A task of `core` that begins.
    pub(crate) fn of(core: &Rc<Core<I, W>>) -> Self {
        core.tasks.set(core.tasks.get() + 1);
        Self(Rc::clone(core), false)
    }

    /// The task has come to its end.
    pub(crate) fn ended(mut self) {
        self.1 = true;
    }
}

impl<I: Io, W: Work> Drop for Task<I, W> {
    fn drop(&mut self) {
        self.0.tasks.set(self.0.tasks.get() - 1);
        if !self.1 {
            self.0.is_broken.set(true);
        }
    }
}

/// Lanes that wait for a change of the core's state.
#[derive(Default)]
struct Waiting {
    lanes: Vec<Option<Waker>>,
    /// Lanes with a waker, the latest last: it is the one whose memory is warm.
    idle: Vec<usize>,
}

impl<I: Io, W: Work> Core<I, W> {
    /// A core for `work` with no job and no lane.
    pub(crate) fn new(
        io: I,
        placement: Placement,
        settings: &CoreSettings,
        resolver: Resolver,
        work: W,
    ) -> Rc<Self> {
        let names = Names::new(io.clone(), resolver);
        let CoreSettings { lanes_max, connections_max, idle_per_origin_max, .. } = *settings;
        let heads = if W::REMEMBERS_HEADS { HeadMemo::prepared() } else { HeadMemo::default() };
        let pool = Pool::new(idle_per_origin_max, connections_max, settings.idle_max);
        Rc::new(Self {
            io,
            placement,
            work,
            names,
            pool: RefCell::new(pool.in_order(W::IDLE_ORDER)),
            blocks: RefCell::default(),
            heads: RefCell::new(heads),
            watch: RefCell::new(Watch::new()),
            connections: RefCell::default(),
            connect_timeout: settings.connect_timeout,
            lanes_max,
            connections_max,
            lanes: Cell::new(0),
            tasks: Cell::new(0),
            in_flight: Cell::new(0),
            holds: Cell::new(0),
            exhausted_until: Cell::default(),
            has_connected: [Cell::new(false), Cell::new(false)],
            has_held_back: Cell::new(false),
            stop_at: Cell::new(Instant::NEVER),
            is_over: Cell::new(false),
            is_broken: Cell::new(false),
            waiting: RefCell::default(),
        })
    }

    /// Works until the run is over.
    pub(crate) async fn run(self: &Rc<Self>) {
        W::start(self);
        while !(self.is_over.get() && self.lanes.get() == 0 && self.tasks.get() == 0) {
            self.io.sleep_until(self.io.now() + SWEEP_INTERVAL).await;
            self.sweep();
        }
        // Sockets must be dropped while their runtime lives.
        self.pool.borrow_mut().clear();
    }

    /// The next job that may start, for `lane`, and the time now; none once the run is over.
    ///
    /// `turn` is the lane's own, for the work alone; `berth` holds the connection that it keeps,
    /// but not while it waits; `known` is the time, where the lane has just looked.
    pub(crate) async fn next(
        self: &Rc<Self>,
        lane: LaneId,
        turn: &mut W::Turn,
        berth: &mut Berth<I, W>,
        mut known: Option<Instant>,
    ) -> Option<(W::Job, Instant)> {
        poll_fn(|context| {
            if self.is_over.get() {
                berth.release(self);
                return Poll::Ready(None);
            }
            let now = known.take().unwrap_or_else(|| self.io.now());
            if !self.is_stopping() && self.is_held_back(now) {
                // The lane keeps its turn, and with it the use of its warm connection.
                self.has_held_back.set(true);
                berth.release(self);
                self.park(lane, context);
                return Poll::Pending;
            }
            let Some(job) = W::take(self, turn, now) else {
                berth.release(self);
                self.park(lane, context);
                return Poll::Pending;
            };
            self.kick();
            Poll::Ready(Some((job, now)))
        })
        .await
    }

    /// Whether no job may start for now, whichever it is.
    fn is_held_back(&self, now: Instant) -> bool {
        self.holds.get() > 0 || self.exhausted_until.get() > now
    }

    /// Wakes the lanes that were held back, once nothing holds them back any more.
    fn let_go(&self, now: Instant) {
        if !self.is_held_back(now) && self.has_held_back.replace(false) {
            self.wake_lanes();
        }
    }

    /// Starts no job until `wait` is over.
    pub(crate) async fn hold_while(&self, wait: impl Future<Output = ()>) {
        self.holds.set(self.holds.get() + 1);
        wait.await;
        self.holds.set(self.holds.get() - 1);
        self.let_go(self.io.now());
    }

    /// Whether some lane holds the others back.
    pub(crate) fn is_holding(&self) -> bool {
        self.holds.get() > 0
    }

    /// Lanes that have a job, or a turn that goes on.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    /// Says how many lanes have a job, or a turn that goes on.
    pub(crate) fn set_in_flight(&self, count: usize) {
        self.in_flight.set(count);
    }

    /// Lanes that this core may have.
    pub(crate) fn lanes_max(&self) -> usize {
        self.lanes_max
    }

    /// Whether `operation` ended; none where `deadline` or the end of a stop's grace came first.
    /// The operation is then dropped.
    pub(crate) async fn until<T>(
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
    pub(crate) fn lateness(&self, stage: Stage, deadline: Instant) -> Failure {
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
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop_at.get() < Instant::NEVER
    }

    /// Ends whatever is in flight at `at`; NEVER takes that back.
    pub(crate) fn stop_at(&self, at: Instant) {
        self.stop_at.set(at);
        // Those that wait with a turn give it back.
        self.wake_lanes();
    }

    /// Counts a connection that was opened to `addr`.
    pub(crate) fn connected(&self, addr: SocketAddr) {
        self.has_connected[usize::from(addr.is_ipv6())].set(true);
        self.connections.borrow_mut().opened += 1;
    }

    /// Whether waiting may help where connecting to `addr` failed with `errno`: the kernel is out
    /// of something that others give back. It says the same where it has no ephemeral port left and
    /// where it has no address of the family at all, so that is told by what went well before.
    pub(crate) fn may_wait_for(&self, addr: SocketAddr, errno: i32) -> bool {
        let is_known = self.has_connected[usize::from(addr.is_ipv6())].get();
        system::is_exhaustion(errno) && (is_known || !system::is_no_address(errno))
    }

    /// Closes idle connections until one more fits: busy and idle ones together are no more than
    /// this core's share.
    pub(crate) fn make_room_for_connection(&self) {
        let mut pool = self.pool.borrow_mut();
        // Each lane in flight has a connection or is about to; the caller's is one of those.
        while pool.len() + self.in_flight.get() > self.connections_max {
            let Some(oldest) = pool.evict_oldest() else { break };
            drop(oldest);
        }
    }

    /// Opens no connection for a while: the kernel has no room for one. The longest idle one is
    /// closed, since it holds what is short.
    pub(crate) fn pause_for_room(&self) {
        self.exhausted_until.set(self.io.now() + EXHAUSTED_PAUSE);
        drop(self.pool.borrow_mut().evict_oldest());
        self.connections.borrow_mut().exhausted_pauses += 1;
    }

    /// Counts the end of a lane, whose task `task` is.
    pub(crate) fn lane_ended(&self, task: Task<I, W>) {
        self.lanes.set(self.lanes.get() - 1);
        task.ended();
    }

    /// Whether the run is over for this core.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.get()
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

    /// Wakes one more lane where there is a job for it; that lane will wake the next. Whether there
    /// was a lane for the job.
    pub(crate) fn kick(self: &Rc<Self>) -> bool {
        if !W::has_ready(self) {
            return false;
        }
        let waiting = &mut *self.waiting.borrow_mut();
        if let Some(lane) = waiting.idle.pop() {
            let waker = waiting.lanes[lane].take().expect("an idle lane has a waker");
            waker.wake();
            return true;
        }
        if self.lanes.get() < self.lanes_max {
            let lane = LaneId(self.lanes.get());
            self.lanes.set(lane.0 + 1);
            self.io.spawn(lane::run(Rc::clone(self), lane));
            return true;
        }
        false
    }

    /// What is done every few milliseconds, and for no request in particular.
    fn sweep(self: &Rc<Self>) {
        assert!(!self.is_broken.get(), "a task of this core panicked outside its guard");
        let now = self.io.now();
        W::sweep(self, now);
        self.watch.borrow_mut().sweep(now, self.stop_at.get());
        self.pool.borrow_mut().expire(now).for_each(drop);
        self.let_go(now);
        if W::may_end(self) {
            self.end();
        } else {
            self.kick();
        }
    }

    /// Ends the tasks of this core.
    fn end(&self) {
        self.is_over.set(true);
        W::end(self);
        self.wake_lanes();
    }

    /// Wakes every lane that waits.
    fn wake_lanes(&self) {
        let waiting = &mut *self.waiting.borrow_mut();
        waiting.idle.clear();
        waiting.lanes.drain(..).flatten().for_each(Waker::wake);
    }
}
