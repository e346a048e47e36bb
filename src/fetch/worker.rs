//! One core's part of a fetch: takes lines in, lends jobs to lanes, hands rows on.
//!
//! Does not choose between jobs (`shard`) nor judge what came of them (`judge`).
//!
//! Invariant: a core ends only when it has no lane in flight, no row unsent and no job left.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use crate::base::buf::{Block, FreeBlocks};
use crate::base::instant::Instant;
use crate::base::limits::{
    BLOCK_BYTES, IDLE_CONNECTION_MAX, JOBS_PER_TURN_MAX, SHARD_JOBS_LOW, SHARD_JOBS_MAX, STOP_GRACE,
};
use crate::base::target::Target;
use crate::client::exchange::{Exchanged, Obstacle};
use crate::client::pool::IdleOrder;
use crate::client::stop::Gauge;
use crate::client::worker::{ConnectionCounts, Core, CoreSettings, Task};
use crate::client::workload::{Next, Work};
use crate::fetch::call::FetchCall;
use crate::fetch::job::{Fetched, Intake, Job};
use crate::fetch::judge;
use crate::fetch::outbox::Outbox;
use crate::fetch::response::Noted;
use crate::fetch::scheduler::{HostId, Politeness, Shard};
use crate::fetch::shared::Shared;
use crate::fetch::tally::Tally;
use crate::http::http1::RequestKind;
use crate::runtime::Io;
use crate::runtime::launch::Placement;

/// One core's part of a fetch.
pub(super) struct Fetching {
    pub(super) shared: Arc<Shared>,
    pub(super) tally: RefCell<Tally>,
    idx: usize,
    shard: RefCell<Shard>,
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
pub(super) struct Turn {
    host: HostId,
    /// Jobs that it has begun.
    jobs: u32,
}

impl Work for Fetching {
    type Job = FetchCall;
    type Turn = Option<Turn>;
    type Reading = Noted;
    type Request = Block;
    type Key = Infallible;

    const IDLE_ORDER: IdleOrder = IdleOrder::NewestFirst;
    const REMEMBERS_HEADS: bool = false;

    fn start<I: Io>(core: &Rc<Core<I, Self>>) {
        core.io.spawn(feed(Rc::clone(core)));
    }

    /// A lane goes on with the host that it has a warm connection to, and after some jobs lets the
    /// others have their turn.
    fn take<I: Io>(
        core: &Rc<Core<I, Self>>,
        turn: &mut Option<Turn>,
        now: Instant,
    ) -> Option<FetchCall> {
        let work = &core.work;
        let is_stopping = core.is_stopping();
        if let Some(held) = turn {
            let again = match !is_stopping && held.jobs < JOBS_PER_TURN_MAX {
                true => work.shard.borrow_mut().take_again(held.host),
                false => None,
            };
            if let Some(job) = again {
                held.jobs += 1;
                return Some(work.begin(job, now));
            }
            work.shard.borrow_mut().release(held.host);
            *turn = None;
            count_in_flight(core, core.in_flight() - 1);
        }
        let (job, host) = if is_stopping { None } else { work.shard.borrow_mut().take(now) }?;
        *turn = Some(Turn { host, jobs: 1 });
        count_in_flight(core, core.in_flight() + 1);
        Some(work.begin(job, now))
    }

    fn has_ready<I: Io>(core: &Core<I, Self>) -> bool {
        let shard = core.work.shard.borrow();
        let (has_ready, has_room) = (shard.has_ready(), shard.len() < SHARD_JOBS_LOW);
        drop(shard);
        if has_room && core.work.needs_room.replace(false) {
            core.work.wake_feeder();
        }
        has_ready
    }

    /// Has the lane wait where the rows' readers are behind: no further job starts on this core
    /// until they have caught up.
    fn settle<I: Io>(
        core: &Rc<Core<I, Self>>,
        job: FetchCall,
        exchanged: Result<Exchanged<Noted>, Obstacle>,
    ) -> Next {
        let fetched = judge::judge(core, job, exchanged);
        match fetched.and_then(|fetched| core.work.emit(fetched)) {
            None => Next::Job(None),
            Some(batch) => Next::Wait(Box::pin(wait_for_room(Rc::clone(core), batch))),
        }
    }

    fn sweep<I: Io>(core: &Rc<Core<I, Self>>, now: Instant) {
        let work = &core.work;
        if work.shared.stop.is_requested() {
            if !core.is_stopping() {
                core.stop_at(now + STOP_GRACE);
            }
            work.abandon_waiting(now);
        }
        work.shard.borrow_mut().settle(now);
        work.move_jobs();
        if !core.is_holding() {
            work.flush();
        }
    }

    fn may_end<I: Io>(core: &Core<I, Self>) -> bool {
        let work = &core.work;
        let is_done = work.shared.is_complete() || core.is_stopping();
        let is_idle = core.in_flight() == 0 && !core.is_holding();
        let is_empty = work.shard.borrow().len() == 0 && work.outbox.borrow().is_empty();
        is_done && is_idle && is_empty
    }

    fn end<I: Io>(core: &Core<I, Self>) {
        core.work.wake_feeder();
    }

    fn kind(&self) -> RequestKind {
        RequestKind::from(self.shared.settings.request.method())
    }

    fn may_repeat(&self) -> bool {
        self.shared.settings.request.method().is_idempotent()
    }

    fn closes(&self) -> bool {
        self.shared.settings.request.closes()
    }

    fn request(&self, call: &mut FetchCall, blocks: &mut FreeBlocks) -> Block {
        let mut block = blocks.take(BLOCK_BYTES);
        let target = &call.job.target;
        let request = &self.shared.settings.request;
        request.write(block.as_mut_vec(), target.authority(), target.path_and_query());
        block
    }

    fn read_block(&self, _: &Self::Job, mut request: Block, _: &mut FreeBlocks) -> Block {
        request.clear();
        request
    }

    /// Hosts take turns, so the next job may be another host's.
    fn key_of(&self, _: &FetchCall) -> Option<Infallible> {
        None
    }

    fn target_of(key: &Infallible) -> &Target {
        match *key {}
    }

    fn reading(&self) -> Noted {
        Noted::new(self.shared.settings.keep, self.shared.settings.body_bytes_max)
    }
}

impl Fetching {
    /// The part of the core at `placement`, which lines reach through `inbox` and other cores' jobs
    /// through `arrivals`.
    pub(super) fn new(
        shared: Arc<Shared>,
        placement: Placement,
        inbox: flume::Receiver<Vec<Intake>>,
        arrivals: flume::Receiver<Vec<Job>>,
    ) -> Self {
        let shard = Shard::new(shared.settings.politeness);
        Self {
            tally: RefCell::default(),
            idx: placement.idx,
            shard: RefCell::new(shard),
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
    pub(super) fn core_settings(shared: &Shared, placement: Placement) -> CoreSettings {
        let connections_max = placement.share_of(shared.settings.connections);
        let idle_per_origin_max = match shared.settings.politeness.per_host {
            0 => connections_max,
            cap => usize::try_from(cap).unwrap_or(usize::MAX),
        };
        CoreSettings {
            lanes_max: connections_max,
            connections_max,
            idle_per_origin_max,
            idle_max: IDLE_CONNECTION_MAX,
            connect_timeout: shared.settings.connect_timeout,
        }
    }

    /// What was counted, with what became of the core's `connections`.
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
        &self.shared.gauges[self.idx]
    }

    /// Counts the line of `job` where this is its first exchange.
    fn begin(&self, job: Job, now: Instant) -> FetchCall {
        if job.progress.is_none() {
            self.gauge().count_begun();
        }
        FetchCall::new(job, self.shared.settings.timeout, now)
    }

    /// Gives `job`, which has begun, to the core that owns its next request.
    pub(super) fn requeue(&self, job: Job, placement: Placement) {
        let owner = match self.shared.settings.politeness.is_by_host() {
            true => Politeness::owner(job.target.origin_hash(), placement.count),
            false => placement.idx,
        };
        if owner == placement.idx {
            self.shard.borrow_mut().push_front(job);
        } else {
            self.moved.borrow_mut()[owner].push(job);
        }
    }

    /// Keeps `job` until `at`.
    pub(super) fn defer(&self, job: Job, at: Instant) {
        self.shard.borrow_mut().defer(job, at);
    }

    /// Hands on what came of one line; the batch that it filled, where there is no room for it.
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
            self.shard.borrow_mut().push_front(job);
        }
    }

    /// After a stop: jobs that have not begun will not; those that have are rows that say so.
    fn abandon_waiting(&self, now: Instant) {
        let mut jobs = self.shard.borrow_mut().drain();
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

    fn wake_feeder(&self) {
        self.feeder.borrow_mut().take().into_iter().for_each(Waker::wake);
    }
}

fn count_in_flight<I: Io>(core: &Core<I, Fetching>, count: usize) {
    core.set_in_flight(count);
    core.work.gauge().show_in_flight(count);
}

/// Hands `batch` on once its readers have caught up; no job starts on this core until then.
async fn wait_for_room<I: Io>(core: Rc<Core<I, Fetching>>, batch: Vec<Fetched>) {
    let (shared, count) = (&core.work.shared, batch.len());
    core.hold_while(async {
        // Nobody reads rows any more: the run has been told to stop, and the rows are lost with
        // it.
        let _ = shared.rows.send_async(batch).await;
        shared.finish(count);
    })
    .await;
}

/// Takes lines in while there is room for them, until the run is over.
async fn feed<I: Io>(core: Rc<Core<I, Fetching>>) {
    let task = Task::of(&core);
    while let Some(batch) = receive(&core).await {
        for intake in batch {
            core.work.tally.borrow_mut().jobs_taken += 1;
            match intake {
                Intake::Refused { n, line, failure } => {
                    core.work.gauge().count_begun();
                    let refused = Fetched::refused(n, &line, failure);
                    if let Some(batch) = core.work.emit(refused) {
                        wait_for_room(Rc::clone(&core), batch).await;
                    }
                }
                Intake::Job(job) => core.work.shard.borrow_mut().push(job),
            }
        }
        core.kick();
    }
    task.ended();
}

/// The next batch of lines, once there is room; none once the run is over.
async fn receive<I: Io>(core: &Core<I, Fetching>) -> Option<Vec<Intake>> {
    let work = &core.work;
    let mut batch = pin!(work.inbox.recv_async());
    poll_fn(|context| {
        if core.is_over() {
            return Poll::Ready(None);
        }
        *work.feeder.borrow_mut() = Some(context.waker().clone());
        let is_full = work.shard.borrow().len() >= SHARD_JOBS_MAX;
        work.needs_room.set(is_full);
        if is_full {
            return Poll::Pending;
        }
        batch.as_mut().poll(context).map(Result::ok)
    })
    .await
}
