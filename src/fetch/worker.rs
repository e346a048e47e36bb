//! One core's part of a fetch: takes lines in, lends jobs to lanes, hands rows on.
//!
//! Does not choose between jobs (`scheduler`) nor judge their exchanges (`judge`).
//!
//! Invariant: a core ends only when it has no lane in flight, no row unsent and no job left.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use crate::base::instant::Instant;
use crate::base::limits::{BLOCK_BYTES, IDLE_CONNECTION_MAX, STOP_GRACE};
use crate::client::answer::Arrival;
use crate::client::connections::ConnectionCounts;
use crate::client::exchanged::{End, Exchanged};
use crate::client::lanes::Lanes;
use crate::client::pool::IdleOrder;
use crate::client::question::Question;
use crate::client::stop::Gauge;
use crate::client::worker::{Task, Worker, WorkerSettings};
use crate::client::workload::{Next, Wait, Work};
use crate::fetch::call::FetchCall;
use crate::fetch::job::{Fetched, Intake, Job};
use crate::fetch::judge::{self, JobJudge, JobOutcome};
use crate::fetch::outbox::Outbox;
use crate::fetch::response::FetchAnswer;
use crate::fetch::scheduler::{HostId, Politeness, Scheduler};
use crate::fetch::shared::{Shared, WAITING_JOBS_LOW, WAITING_JOBS_MAX};
use crate::fetch::tally::Tally;
use crate::runtime::Io;
use crate::runtime::launch::Placement;

/// Jobs that a lane does for one host in a row before the other hosts have their turn: a connection
/// is then opened for every 32 requests at worst, however many hosts a list has.
const JOBS_PER_TURN_MAX: u32 = 32;

/// One core's part of a fetch.
pub(super) struct FetchWork {
    shared: Arc<Shared>,
    tally: RefCell<Tally>,
    placement: Placement,
    scheduler: RefCell<Scheduler>,
    outbox: RefCell<Outbox>,
    /// Jobs on their way to each core, this one's own always empty.
    moved: RefCell<Vec<Vec<Job>>>,
    inbox: flume::Receiver<Vec<Intake>>,
    arrivals: flume::Receiver<Vec<Job>>,
    feeder: RefCell<Option<Waker>>,
    /// Whether the feeder waits for room, and not for lines.
    needs_room: Cell<bool>,
}

/// A lane's turn with one host.
#[derive(Debug)]
pub(super) struct HostTurn {
    host: HostId,
    /// Jobs that it has begun.
    jobs: u32,
}

impl Work for FetchWork {
    type Job = FetchCall;
    type Turn = Option<HostTurn>;
    type Answer = FetchAnswer;

    const IDLE_ORDER: IdleOrder = IdleOrder::NewestFirst;
    // Hosts take turns, so the next job may be another host's.
    const KEEPS_CONNECTIONS: bool = false;

    /// A lane goes on with the host that it has a warm connection to, and after some jobs lets the
    /// others have their turn.
    fn take<I: Io>(
        &self,
        lanes: &Lanes<I>,
        turn: &mut Option<HostTurn>,
        now: Instant,
    ) -> Option<FetchCall> {
        let is_stopping = lanes.core.is_stopping();
        if let Some(held) = turn {
            let again = match !is_stopping && held.jobs < JOBS_PER_TURN_MAX {
                true => self.scheduler.borrow_mut().take_again(held.host),
                false => None,
            };
            if let Some(job) = again {
                held.jobs += 1;
                return Some(self.begin(job, now));
            }
            self.scheduler.borrow_mut().release(held.host);
            *turn = None;
            self.count_in_flight(lanes, lanes.in_flight() - 1);
        }
        let (job, host) = if is_stopping { None } else { self.scheduler.borrow_mut().take(now) }?;
        *turn = Some(HostTurn { host, jobs: 1 });
        self.count_in_flight(lanes, lanes.in_flight() + 1);
        Some(self.begin(job, now))
    }

    fn has_ready(&self) -> bool {
        let scheduler = self.scheduler.borrow();
        let (has_ready, has_room) = (scheduler.has_ready(), scheduler.len() < WAITING_JOBS_LOW);
        drop(scheduler);
        if has_room && self.needs_room.replace(false) {
            self.wake_feeder();
        }
        has_ready
    }

    fn question<'a>(&'a self, call: &'a FetchCall) -> Question<'a> {
        let request = &self.shared.settings.request;
        Question {
            target: &call.job.target,
            request,
            rendered: None,
            count: 1,
            may_repeat: request.method().is_idempotent(),
            deadline: call.progress.deadline,
            block_bytes: BLOCK_BYTES,
        }
    }

    fn answer(&self) -> FetchAnswer {
        FetchAnswer::new(self.shared.settings.keep, self.shared.settings.body_bytes_max)
    }

    /// An answer is judged when its exchange is settled.
    fn handle_answer(&self, _: &FetchCall, _: usize, _: &FetchAnswer, _: Arrival) {}

    /// Has the lane wait where the rows' readers are behind: no further job starts on this core
    /// until they have caught up.
    fn settle<I: Io>(
        &self,
        lanes: &Lanes<I>,
        call: FetchCall,
        exchanged: Exchanged<FetchAnswer>,
    ) -> Next {
        if let End::NoRoom(_) = exchanged.end {
            lanes.pause_for_room();
        }
        let judge = JobJudge {
            policy: &self.shared.settings.policy,
            now: lanes.core.io.now(),
            is_stopping: lanes.core.is_stopping(),
            chance: fastrand::u64(..),
        };
        let fetched = match judge.judge(call, exchanged) {
            JobOutcome::Over(fetched) => fetched,
            JobOutcome::Retry(job, at, discarded_bytes) => {
                let tally = &mut *self.tally.borrow_mut();
                tally.retries += 1;
                tally.discarded_bytes += discarded_bytes;
                self.scheduler.borrow_mut().defer(job, at);
                return Next::Job(None);
            }
            JobOutcome::Redirect(job, discarded_bytes) => {
                self.tally.borrow_mut().discarded_bytes += discarded_bytes;
                self.requeue(job);
                return Next::Job(None);
            }
            JobOutcome::Wait(job, at) => {
                self.scheduler.borrow_mut().defer(job, at);
                return Next::Job(None);
            }
        };
        match self.emit(fetched) {
            None => Next::Job(None),
            Some(batch) => Next::Hold(hand_on(Arc::clone(&self.shared), batch)),
        }
    }

    fn sweep<I: Io>(&self, lanes: &Lanes<I>, now: Instant) {
        if self.shared.stop.is_requested() {
            if !lanes.core.is_stopping() {
                lanes.stop_at(now + STOP_GRACE);
            }
            self.abandon_waiting(now);
        }
        self.scheduler.borrow_mut().settle(now);
        self.move_jobs();
        if !lanes.is_holding() {
            self.flush();
        }
    }

    fn may_end<I: Io>(&self, lanes: &Lanes<I>) -> bool {
        let is_done = self.shared.is_complete() || lanes.core.is_stopping();
        let is_idle = lanes.in_flight() == 0 && !lanes.is_holding();
        let is_empty = self.scheduler.borrow().len() == 0 && self.outbox.borrow().is_empty();
        is_done && is_idle && is_empty
    }

    fn end(&self) {
        self.wake_feeder();
    }
}

impl FetchWork {
    /// The part of the core at `placement`, which lines reach through `inbox` and other cores' jobs
    /// through `arrivals`.
    pub(super) fn new(
        shared: Arc<Shared>,
        placement: Placement,
        inbox: flume::Receiver<Vec<Intake>>,
        arrivals: flume::Receiver<Vec<Job>>,
    ) -> Self {
        let scheduler = Scheduler::new(shared.settings.politeness);
        Self {
            tally: RefCell::default(),
            placement,
            scheduler: RefCell::new(scheduler),
            outbox: RefCell::default(),
            moved: RefCell::new((0..placement.count).map(|_| Vec::new()).collect()),
            inbox,
            arrivals,
            feeder: RefCell::default(),
            needs_room: Cell::new(false),
            shared,
        }
    }

    /// What the core at `placement` is told of such a run.
    pub(super) fn settings(shared: &Shared, placement: Placement) -> WorkerSettings {
        let connections_max = placement.share_of(shared.settings.connections);
        let idle_per_route_max = match shared.settings.politeness.per_host {
            0 => connections_max,
            cap => usize::try_from(cap).unwrap_or(usize::MAX),
        };
        WorkerSettings {
            lanes_max: connections_max,
            connections_max,
            idle_per_route_max,
            idle_max: IDLE_CONNECTION_MAX,
            connect_timeout: shared.settings.connect_timeout,
        }
    }

    /// What was counted, with how the core's `connections` were used.
    pub(super) fn take_tally(&self, connections: ConnectionCounts) -> Tally {
        let ConnectionCounts { opened, reused, stale_retries, exhausted_pauses, .. } = connections;
        let mut tally = self.tally.take();
        tally.connections_opened = opened;
        tally.connections_reused = reused;
        tally.stale_retries = stale_retries;
        tally.exhausted_pauses = exhausted_pauses;
        tally
    }

    fn gauge(&self) -> &Gauge {
        &self.shared.gauges[self.placement.idx]
    }

    /// Counts the line of `job` where this is its first exchange.
    fn begin(&self, job: Job, now: Instant) -> FetchCall {
        if job.progress.is_none() {
            self.gauge().count_begun();
        }
        FetchCall::new(job, self.shared.settings.timeout, now)
    }

    /// Gives `job`, which has begun, to the core that owns its next request.
    fn requeue(&self, job: Job) {
        let Placement { idx, count, .. } = self.placement;
        let owner = match self.shared.settings.politeness.is_by_host() {
            true => Politeness::owner(job.target.origin_hash(), count),
            false => idx,
        };
        if owner == idx {
            self.scheduler.borrow_mut().push_front(job);
        } else {
            self.moved.borrow_mut()[owner].push(job);
        }
    }

    /// Hands on one line's result; gives back the batch that it filled where there is no room.
    fn emit(&self, fetched: Fetched) -> Option<Vec<Fetched>> {
        self.tally.borrow_mut().record(&fetched);
        let body_bytes = fetched.response.as_ref().map_or(0, |response| response.body_bytes);
        self.gauge().count_row(fetched.failure, body_bytes);
        let batch = self.outbox.borrow_mut().push(fetched)?;
        self.send(batch)
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

    /// Hands on the rows gathered so far, where there is room.
    fn flush(&self) {
        let batch = self.outbox.borrow_mut().take();
        if batch.is_empty() {
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
            self.scheduler.borrow_mut().push_front(job);
        }
    }

    /// After a stop: jobs that have not begun will not; those that have are rows that say so.
    fn abandon_waiting(&self, now: Instant) {
        let mut jobs = self.scheduler.borrow_mut().drain();
        self.moved.borrow_mut().iter_mut().for_each(|moved| jobs.append(moved));
        let mut full = Vec::new();
        for job in jobs {
            if job.progress.is_none() {
                self.tally.borrow_mut().not_started += 1;
                self.shared.finish(1);
                continue;
            }
            let fetched = judge::abandoned(job, now);
            self.tally.borrow_mut().record(&fetched);
            self.gauge().count_row(fetched.failure, 0);
            if let Some(batch) = self.outbox.borrow_mut().push(fetched) {
                full.push(batch);
            }
        }
        // All of them go with the next flush: none of them is a body.
        full.into_iter().rev().for_each(|batch| self.outbox.borrow_mut().put_back(batch));
    }

    fn count_in_flight<I: Io>(&self, lanes: &Lanes<I>, count: usize) {
        lanes.set_in_flight(count);
        self.gauge().show_in_flight(count);
    }

    fn wake_feeder(&self) {
        self.feeder.borrow_mut().take().into_iter().for_each(Waker::wake);
    }
}

/// Hands `batch` on once its readers have caught up.
fn hand_on(shared: Arc<Shared>, batch: Vec<Fetched>) -> Wait {
    Box::pin(async move {
        let count = batch.len();
        // Nobody reads rows any more: the run has been told to stop, and the rows are lost with
        // it.
        let _ = shared.rows.send_async(batch).await;
        shared.finish(count);
    })
}

/// Takes lines in while there is room for them, until the run is over.
pub(super) async fn feed<I: Io>(worker: Rc<Worker<I, FetchWork>>) {
    let task = Task::of(&worker);
    let work = &worker.work;
    while let Some(batch) = receive(&worker).await {
        for intake in batch {
            work.tally.borrow_mut().jobs_taken += 1;
            match intake {
                Intake::Refused { n, line, failure } => {
                    work.gauge().count_begun();
                    let refused = Fetched::refused(n, &line, failure);
                    if let Some(batch) = work.emit(refused) {
                        let wait = hand_on(Arc::clone(&work.shared), batch);
                        worker.lanes.hold_while(wait).await;
                    }
                }
                Intake::Job(job) => work.scheduler.borrow_mut().push(job),
            }
        }
        worker.kick();
    }
    task.ended();
}

/// The next batch of lines, once there is room; none once the run is over.
async fn receive<I: Io>(worker: &Worker<I, FetchWork>) -> Option<Vec<Intake>> {
    let work = &worker.work;
    let mut batch = pin!(work.inbox.recv_async());
    poll_fn(|context| {
        if worker.lanes.is_over() {
            return Poll::Ready(None);
        }
        *work.feeder.borrow_mut() = Some(context.waker().clone());
        let is_full = work.scheduler.borrow().len() >= WAITING_JOBS_MAX;
        work.needs_room.set(is_full);
        if is_full {
            return Poll::Pending;
        }
        batch.as_mut().poll(context).map(Result::ok)
    })
    .await
}
