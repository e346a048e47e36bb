//! One core's part of a bench: hands due requests to lanes, and records what came of them.
//!
//! Does not decide when a request is due (`trial`) nor what is noted of it (`recorder`).
//!
//! Invariant: a trial ends on a core only when none of its requests is in flight there.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::base::buf::{Block, FreeBlocks, SharedBytes};
use crate::base::cpu_time::CpuTime;
use crate::base::failure::{Cause, Failure, FailureCounts, Kind, Stage as FailureStage};
use crate::base::instant::Instant;
use crate::base::limits::{
    BENCH_OPENING_MAX, BENCH_OPENING_ROUNDS_MAX, BENCH_RECONNECT_PAUSE, CONNECTIONS_MAX,
    RESPONSE_BLOCK_BYTES_MAX, RESPONSE_BLOCK_BYTES_MIN, RESPONSE_BLOCKS_BYTES, SERIES_STEP,
};
use crate::base::target::Target;
use crate::bench::call::{BenchCall, Prepared};
use crate::bench::cores::{CoreEnd, Event, Opened, Shared, Ways};
use crate::bench::pacer::{self, Changes};
use crate::bench::recorder::{Noted, Recorder};
use crate::bench::trial::{Opening, Running, Stage};
use crate::bench::verdict::Mode;
use crate::client::exchange::{Exchanged, Obstacle};
use crate::client::pool::IdleOrder;
use crate::client::stop;
use crate::client::worker::{ConnectionCounts, Core, CoreSettings};
use crate::client::workload::{Answer, Next, Purpose, Reading, Work};
use crate::http::http1::{Framing, Head, Observer, RequestKind};
use crate::os::system;
use crate::runtime::Io;
use crate::runtime::launch::Placement;
use crate::stats::latency::Latency;

/// One core's part of a bench.
pub(super) struct Benching {
    pub(super) changes: Changes,
    shared: Arc<Shared>,
    placement: Placement,
    ways: Ways,
    /// Every target, in the order of its turns.
    targets: Vec<Rc<Prepared>>,
    turn: Cell<usize>,
    /// The most that a lane reads a response into at first, in bytes.
    block_bytes_max: usize,
    /// How large responses have been lately, in bytes.
    expected_bytes: Cell<usize>,
    recorder: RefCell<Recorder>,
    opening: RefCell<Option<Opening>>,
    opening_failures: RefCell<FailureCounts>,
    running: RefCell<Option<Running>>,
    /// Lists of due times that wait to be used again.
    lists: RefCell<Vec<Vec<Instant>>>,
    interval_at: Cell<Instant>,
    /// Usage when measuring began, and when that was seen.
    began: Cell<Option<Usage>>,
    used: Cell<Used>,
    connections_before: Cell<ConnectionCounts>,
    /// Connections that were open when the trial began.
    open_before: Cell<u64>,
    /// Why the core cannot go on.
    broken: RefCell<Option<std::io::Error>>,
}

/// What the core's thread and the process had used at one time.
#[derive(Clone, Copy, Debug)]
struct Usage {
    at: Instant,
    thread: CpuTime,
    process: CpuTime,
    run_queue_wait: Duration,
}

/// What was used within a window.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    thread: CpuTime,
    process: CpuTime,
    run_queue_wait: Duration,
}

impl Usage {
    fn now(at: Instant) -> Self {
        Self {
            at,
            thread: system::thread_cpu_time(),
            process: system::process_cpu_time(),
            run_queue_wait: system::thread_run_queue_wait(),
        }
    }

    /// What was used from `self` to `later`, scaled to a window of `window_ns`: the two looks are a
    /// few milliseconds off its ends.
    fn until(self, later: Self, window_ns: u64) -> Used {
        let looked_ns = later.at.ns_since(self.at);
        if looked_ns == 0 {
            return Used::default();
        }
        let scale = window_ns as f64 / looked_ns as f64;
        let part = |from: Duration, to: Duration| to.saturating_sub(from).mul_f64(scale);
        let times = |from: CpuTime, to: CpuTime| CpuTime {
            user: part(from.user, to.user),
            system: part(from.system, to.system),
        };
        Used {
            thread: times(self.thread, later.thread),
            process: times(self.process, later.process),
            run_queue_wait: part(self.run_queue_wait, later.run_queue_wait),
        }
    }
}

impl Observer for Noted {
    fn head(&mut self, head: &Head<'_>, _: Framing) -> Result<(), Failure> {
        self.status = head.status();
        Ok(())
    }

    fn body(&mut self, part: &[u8]) -> Result<(), Failure> {
        self.body_bytes += part.len() as u64;
        Ok(())
    }

    fn known_head(&mut self, status: u16) -> bool {
        self.status = status;
        true
    }
}

impl Reading for Noted {}

impl Work for Benching {
    type Job = BenchCall;
    type Turn = ();
    type Reading = Noted;
    type Request = SharedBytes;
    type Key = Rc<Prepared>;

    // Whoever asks for a number of connections wants that number to be used.
    const IDLE_ORDER: IdleOrder = IdleOrder::OldestFirst;
    const REMEMBERS_HEADS: bool = true;

    fn start<I: Io>(core: &Rc<Core<I, Self>>) {
        core.work.open(core.io.now(), core.lanes_max());
        core.io.spawn(pacer::run(Rc::clone(core)));
        core.kick();
    }

    fn take<I: Io>(core: &Rc<Core<I, Self>>, _: &mut (), now: Instant) -> Option<BenchCall> {
        let call = core.work.next_call(now)?;
        core.set_in_flight(core.in_flight() + 1);
        Some(call)
    }

    fn has_ready<I: Io>(core: &Core<I, Self>) -> bool {
        let is_opening = |opening: &Opening| opening.has_ready(BENCH_OPENING_MAX);
        core.work.opening.borrow().as_ref().is_some_and(is_opening)
            || core.work.running.borrow().as_ref().is_some_and(Running::has_due)
    }

    fn settle<I: Io>(
        core: &Rc<Core<I, Self>>,
        mut call: BenchCall,
        exchanged: Result<Exchanged<Noted>, Obstacle>,
    ) -> Next {
        let work = &core.work;
        let in_flight = core.in_flight();
        core.set_in_flight(in_flight - 1);
        let exchanged = match exchanged {
            Ok(exchanged) => exchanged,
            Err(Obstacle::Exhausted(errno)) => {
                core.pause_for_room();
                if call.count_pause() {
                    work.put_back(call);
                    return Next::Job(None);
                }
                let (stage, cause) = (FailureStage::Connect, Cause::Os(errno));
                let failure = Failure { stage, kind: Kind::Exhausted, cause };
                Exchanged::failed(failure, core.io.now())
            }
        };
        let ended_at = exchanged.ended_at;
        if in_flight == core.lanes_max()
            && let Some(running) = &mut *work.running.borrow_mut()
        {
            running.saturated_at = ended_at;
        }
        if call.connect_ns() > 0 && exchanged.failure.is_none_or(is_behind_connect) {
            work.recorder.borrow_mut().handle_connected(call.connect_ns());
        }
        match call.purpose {
            Purpose::Open => work.handle_opened(exchanged.failure),
            Purpose::Ask => {
                let Some(failure) = exchanged.failure else {
                    work.give_back(call);
                    return Next::Job(Some(ended_at));
                };
                work.handle_failure(&call, failure, ended_at);
                work.give_back(call);
                if !is_behind_connect(failure) && work.is_closed_loop() {
                    // A host that refuses at once would be asked as fast as the core can.
                    let (io, until) = (core.io.clone(), ended_at + BENCH_RECONNECT_PAUSE);
                    return Next::Wait(Box::pin(async move { io.sleep_until(until).await }));
                }
            }
        }
        Next::Job(None)
    }

    fn sweep<I: Io>(core: &Rc<Core<I, Self>>, now: Instant) {
        let work = &core.work;
        work.sweep_opening(core, now);
        work.take_order(core);
        work.show(core);
        work.sweep_trial(core, now);
    }

    fn may_end<I: Io>(core: &Core<I, Self>) -> bool {
        let work = &core.work;
        let is_idle = work.opening.borrow().is_none() && work.running.borrow().is_none();
        is_idle && core.in_flight() == 0 && work.ways.orders.is_disconnected()
    }

    fn end<I: Io>(core: &Core<I, Self>) {
        core.work.changes.tell();
    }

    fn kind(&self) -> RequestKind {
        RequestKind::from(self.shared.settings.request.method())
    }

    /// No: the origin may have seen the first one, and its count must equal ours.
    fn may_repeat(&self) -> bool {
        false
    }

    fn closes(&self) -> bool {
        self.shared.settings.request.closes()
    }

    fn request(&self, call: &mut BenchCall, _: &mut FreeBlocks) -> SharedBytes {
        call.prepared.requests(call.count())
    }

    fn read_block(&self, call: &BenchCall, _: SharedBytes, blocks: &mut FreeBlocks) -> Block {
        let bytes = block_bytes(self.expected_bytes.get(), call.count(), self.block_bytes_max);
        blocks.take(bytes)
    }

    fn key_of(&self, call: &BenchCall) -> Option<Rc<Prepared>> {
        Some(Rc::clone(&call.prepared))
    }

    fn target_of(key: &Rc<Prepared>) -> &Target {
        &key.target
    }

    fn reading(&self) -> Noted {
        Noted::default()
    }

    fn handle_answer(&self, call: &mut BenchCall, noted: &Noted, answer: Answer) -> bool {
        let start = call.start(call.answered);
        self.recorder.borrow_mut().handle_answer(start, *noted, answer);
        self.expect(answer.wire_bytes);
        call.answered += 1;
        call.answered < call.count()
    }
}

/// How large a block is read into for `answers` answers that are expected to have `each_bytes`.
///
/// One byte more shows whether that was all. Many connections wait at once, so small blocks are
/// more than thrift: they stay in the cache. All answers of a pipeline go into one: a head that
/// the end of a block cuts is parsed in full, and was every fourth where a block had room for one
/// answer (16 answers of 64 B: 0.34 us of CPU a request, 0.50 so).
fn block_bytes(each_bytes: usize, answers: usize, most: usize) -> usize {
    let bytes = each_bytes.saturating_mul(answers).saturating_add(1);
    bytes.clamp(RESPONSE_BLOCK_BYTES_MIN, most)
}

/// Whether the connection was there when it failed.
fn is_behind_connect(failure: Failure) -> bool {
    !matches!(failure.stage, FailureStage::Dns | FailureStage::Connect)
}

impl Benching {
    /// The part of the core at `placement`.
    pub(super) fn new(shared: Arc<Shared>, placement: Placement, ways: Ways) -> Self {
        let settings = &shared.settings;
        let prepare = |target| Prepared::new(target, &settings.request, settings.pipeline);
        let targets = settings.targets.iter().cloned().map(|t| Rc::new(prepare(t))).collect();
        // Cores begin at different places, so that a short list is not asked for in step.
        let turn = placement.idx * settings.targets.len() / placement.count;
        let lanes = placement.share_of(settings.connections);
        let block_bytes_max = (RESPONSE_BLOCKS_BYTES / lanes)
            .clamp(RESPONSE_BLOCK_BYTES_MIN, RESPONSE_BLOCK_BYTES_MAX);
        Self {
            changes: Changes::default(),
            placement,
            ways,
            targets,
            turn: Cell::new(turn),
            block_bytes_max,
            expected_bytes: Cell::new(RESPONSE_BLOCK_BYTES_MIN),
            recorder: RefCell::new(Recorder::new()),
            opening: RefCell::default(),
            opening_failures: RefCell::default(),
            running: RefCell::default(),
            lists: RefCell::default(),
            interval_at: Cell::new(Instant::NEVER),
            began: Cell::new(None),
            used: Cell::default(),
            connections_before: Cell::default(),
            open_before: Cell::default(),
            broken: RefCell::default(),
            shared,
        }
    }

    /// What the core at `placement` is told of such a run.
    pub(super) fn core_settings(shared: &Shared, placement: Placement) -> CoreSettings {
        let settings = &shared.settings;
        let lanes_max = placement.share_of(settings.connections);
        CoreSettings {
            lanes_max,
            connections_max: lanes_max.saturating_mul(shared.origins.len()).min(CONNECTIONS_MAX),
            idle_per_origin_max: lanes_max,
            // Only the server may close a connection of a bench.
            idle_max: Duration::MAX,
            connect_timeout: settings.connect_timeout,
        }
    }

    /// Has responses expected to be as large as this one was; what is less changes that slowly.
    fn expect(&self, wire_bytes: u64) {
        let bytes = usize::try_from(wire_bytes).unwrap_or(usize::MAX);
        let before = self.expected_bytes.get();
        self.expected_bytes.set(bytes.max(before - before / 256));
    }

    /// How long before a start the pacer spins instead of sleeping.
    pub(super) fn spin(&self) -> Duration {
        self.shared.settings.spin
    }

    /// Notes that the pacer spun from `from` to `to`, in which others had a turn as well.
    pub(super) fn count_spun(&self, from: Instant, to: Instant) {
        self.recorder.borrow_mut().handle_spun(from, to);
    }

    /// When the pacer must act next.
    pub(super) fn next_due(&self) -> Instant {
        self.running.borrow().as_ref().map_or(Instant::NEVER, Running::next_due)
    }

    /// Takes notice of the time.
    pub(super) fn observe(&self, now: Instant) {
        if let Some(running) = &mut *self.running.borrow_mut() {
            running.observe(now);
        }
    }

    /// Ends the run: this core cannot go on.
    pub(super) fn break_off(&self, error: std::io::Error) {
        *self.broken.borrow_mut() = Some(error);
        self.shared.stop.request();
    }

    /// Why the core could not go on, if so.
    pub(super) fn broken(&self) -> Option<std::io::Error> {
        self.broken.take()
    }

    /// Begins to open connections, unless each request is to have its own.
    fn open(&self, now: Instant, lanes: usize) {
        let origins = self.shared.origins.iter().map(|idx| Rc::clone(&self.targets[*idx]));
        let origins = origins.collect();
        // A host that drops what it is sent must not hold the run up for each batch of connects.
        let until = now + BENCH_OPENING_ROUNDS_MAX * self.shared.settings.connect_timeout;
        *self.opening.borrow_mut() = Some(Opening::new(origins, self.wanted(lanes), until));
    }

    fn is_closed_loop(&self) -> bool {
        self.running.borrow().as_ref().is_some_and(|running| running.mode() == Mode::Closed)
    }

    fn next_call(&self, now: Instant) -> Option<BenchCall> {
        if let Some(opening) = &mut *self.opening.borrow_mut() {
            return opening.take(now, BENCH_OPENING_MAX);
        }
        let mut running = self.running.borrow_mut();
        let running = running.as_mut()?;
        if let Some(mut call) = running.returned.pop() {
            call.put_off(now + self.shared.settings.timeout);
            return Some(call);
        }
        let depth = self.shared.settings.pipeline;
        let list = if depth > 1 { self.lists.borrow_mut().pop() } else { None };
        let mut more = list.unwrap_or_default();
        let recorder = &mut *self.recorder.borrow_mut();
        let Some(first) = running.take_due(now, depth, recorder, &mut more) else {
            self.keep_list(more);
            return None;
        };
        if running.mode() == Mode::Open && running.next_due() > now {
            // What the pacer waits for was taken, and what comes next is not due yet.
            self.changes.tell();
        }
        let turn = self.turn.get();
        self.turn.set(if turn + 1 == self.targets.len() { 0 } else { turn + 1 });
        let prepared = Rc::clone(&self.targets[turn]);
        Some(BenchCall::ask(prepared, first, more, now + self.shared.settings.timeout))
    }

    /// Keeps `call` until the kernel has room for its connection.
    fn put_back(&self, call: BenchCall) {
        if let Some(opening) = &mut *self.opening.borrow_mut() {
            opening.under_way -= 1;
            opening.put_back();
            return;
        }
        let mut running = self.running.borrow_mut();
        let running = running.as_mut().expect("a trial waits for its requests");
        running.returned.push(call);
        if running.stage == Stage::Draining {
            running.skip_returned(&mut self.recorder.borrow_mut());
        }
    }

    /// Takes back what a call that is over has lent.
    fn give_back(&self, call: BenchCall) {
        self.keep_list(call.into_list());
    }

    fn keep_list(&self, mut list: Vec<Instant>) {
        // Without a pipeline the list never got any memory.
        if list.capacity() > 0 {
            list.clear();
            self.lists.borrow_mut().push(list);
        }
    }

    fn handle_failure(&self, call: &BenchCall, failure: Failure, now: Instant) {
        let mut recorder = self.recorder.borrow_mut();
        // A stop interrupts what is in flight just after the end that it names.
        let now = match failure.kind {
            Kind::Interrupted => now.max(recorder.planned_end()),
            _ => now,
        };
        for start in call.unanswered() {
            recorder.handle_failure(start, failure, now);
        }
    }

    fn handle_opened(&self, failure: Option<Failure>) {
        if let Some(failure) = failure {
            self.opening_failures.borrow_mut().count(failure);
        }
        if let Some(opening) = &mut *self.opening.borrow_mut() {
            opening.under_way -= 1;
        }
    }

    /// Says that the connections are open, once they are or will not be.
    fn sweep_opening<I: Io>(&self, core: &Rc<Core<I, Self>>, now: Instant) {
        let mut opening = self.opening.borrow_mut();
        let Some(state) = &mut *opening else { return };
        if self.shared.stop.is_requested() {
            state.give_up();
            core.stop_at(now);
        }
        if now >= state.until {
            state.give_up();
        }
        if !state.is_done() {
            return;
        }
        *opening = None;
        core.stop_at(Instant::NEVER);
        let wanted = self.wanted(core.lanes_max());
        let opened = core.pool.borrow().len();
        let failures = self.opening_failures.take();
        self.ways.tell(Event::Opened(Opened { wanted, opened, failures }));
    }

    /// Begins the next trial, if there is one.
    fn take_order<I: Io>(&self, core: &Rc<Core<I, Self>>) {
        if self.opening.borrow().is_some() || self.running.borrow().is_some() {
            return;
        }
        let Ok(order) = self.ways.orders.try_recv() else { return };
        let (measure_at, end_at) = (order.measure_at(), order.end_at());
        let running = Running::new(order, self.placement.idx, self.placement.count);
        self.recorder.borrow_mut().begin(running.mode(), measure_at, end_at);
        self.interval_at.set(measure_at + SERIES_STEP);
        self.began.set(None);
        self.connections_before.set(*core.connections.borrow());
        self.open_before.set(core.pool.borrow().len() as u64);
        *self.running.borrow_mut() = Some(running);
        self.changes.tell();
    }

    /// What is done every few milliseconds of a trial.
    fn sweep_trial<I: Io>(&self, core: &Rc<Core<I, Self>>, now: Instant) {
        let mut state = self.running.borrow_mut();
        let Some(running) = &mut *state else { return };
        let mut recorder = self.recorder.borrow_mut();
        if self.began.get().is_none() && now >= running.order.measure_at() {
            self.began.set(Some(Usage::now(now)));
        }
        let is_stopped = self.shared.stop.is_requested() && running.stage != Stage::Draining;
        if running.is_over(now, core.in_flight()) || is_stopped {
            let is_counted_out = !is_stopped && now < running.order.end_at();
            let end_at = if is_counted_out { recorder.last_at() } else { now };
            recorder.end_at(end_at);
            let usage = Usage::now(now);
            let began = self.began.get().unwrap_or(usage);
            self.used.set(began.until(usage, recorder.window_ns()));
            running.end(&mut recorder);
            core.stop_at(match is_stopped {
                true => now,
                false => recorder.planned_end() + running.order.trial.drain,
            });
        } else if now >= self.interval_at.get() && running.stage == Stage::Running {
            self.hand_on_interval(&mut recorder, now);
        }
        if running.stage != Stage::Draining
            || !running.skip_untaken(&mut recorder)
            || core.in_flight() > 0
        {
            return;
        }
        core.stop_at(Instant::NEVER);
        let last = recorder.take_interval(now, Latency::default());
        self.ways.tell(Event::Interval(self.placement.idx, Box::new(last)));
        let end = self.end_of_trial(core, &mut recorder);
        *state = None;
        self.ways.tell(Event::Ended(Box::new(end)));
    }

    /// Hands on what happened since the last time, if there is memory for what comes next.
    fn hand_on_interval(&self, recorder: &mut Recorder, now: Instant) {
        if let Ok(spare) = self.ways.spares.try_recv() {
            let interval = recorder.take_interval(now, spare);
            self.ways.tell(Event::Interval(self.placement.idx, Box::new(interval)));
            self.interval_at.set(self.interval_at.get() + SERIES_STEP);
        }
    }

    /// What the core's trial came to.
    fn end_of_trial<I: Io>(&self, core: &Core<I, Self>, recorder: &mut Recorder) -> CoreEnd {
        let mut record = recorder.finish();
        let (before, after) = (self.connections_before.get(), *core.connections.borrow());
        let counts = &mut record.connections;
        counts.wanted = self.wanted(core.lanes_max()) as u64;
        counts.opened = self.open_before.get();
        counts.reopened = after.opened - before.opened;
        if counts.wanted > 0 {
            let unserved = after.opened.saturating_sub(after.served);
            counts.unserved = unserved.min(counts.opened + counts.reopened);
        }
        counts.exhausted_pauses = after.exhausted_pauses - before.exhausted_pauses;
        let used = self.used.get();
        let ns = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        record.cpu_user_ns = ns(used.thread.user);
        record.cpu_sys_ns = ns(used.thread.system);
        record.run_queue_ns = ns(used.run_queue_wait);
        CoreEnd { placement: self.placement, record, process: used.process }
    }

    /// Connections that are to be open before a trial, where a core has `lanes`.
    fn wanted(&self, lanes: usize) -> usize {
        if self.closes() { 0 } else { lanes * self.shared.origins.len() }
    }

    /// Shows how far the core has come.
    fn show<I: Io>(&self, core: &Core<I, Self>) {
        let in_flight = core.in_flight() as u64;
        let reading = stop::Reading { in_flight, ..self.recorder.borrow().reading() };
        self.shared.gauges[self.placement.idx].show(reading);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_holds_all_answers_of_a_pipeline_within_its_bounds() {
        let most = RESPONSE_BLOCK_BYTES_MAX;
        assert_eq!(block_bytes(150, 1, most), RESPONSE_BLOCK_BYTES_MIN);
        assert_eq!(block_bytes(150, 16, most), 2401);
        assert_eq!(block_bytes(usize::MAX, 16, most), most);
    }
}
