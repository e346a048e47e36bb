//! One core's connections and trials, from the first connection to the report of the last trial.
//!
//! Invariant: a trial ends on a core only when none of its requests is in flight there.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::base::instant::Instant;
use crate::base::limits::{BENCH_OPENING_ROUNDS_MAX, SERIES_STEP};
use crate::bench::call::Prepared;
use crate::bench::changes::Changes;
use crate::bench::events::{CoreEnd, Event, Opened, Ways};
use crate::bench::opening::Opening;
use crate::bench::recorder::Recorder;
use crate::bench::shared::Shared;
use crate::bench::trial::{RunningTrial, TrialStage};
use crate::bench::usage::{Usage, Used};
use crate::bench::verdict::Mode;
use crate::client::connections::ConnectionCounts;
use crate::client::lanes::Lanes;
use crate::client::stop::Snapshot;
use crate::runtime::Io;
use crate::runtime::launch::Placement;
use crate::stats::latency::Latency;

/// One core's connections and trials.
pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) changes: Changes,
    pub(super) recorder: RefCell<Recorder>,
    /// None once the connections are open, or will not be.
    pub(super) opening: RefCell<Option<Opening>>,
    trial: RefCell<Option<SessionTrial>>,
    placement: Placement,
    ways: Ways,
    /// Why the core cannot go on.
    broken: RefCell<Option<io::Error>>,
}

/// A trial, and what is measured beside its requests.
struct SessionTrial {
    running: RunningTrial,
    interval_at: Instant,
    /// Usage when measuring began.
    began: Option<Usage>,
    used: Used,
    /// What had become of the connections when the trial began.
    before: ConnectionCounts,
    /// Connections that were open when the trial began.
    open_before: u64,
}

impl Session {
    /// A session that is to open its connections.
    pub(super) fn new(shared: Arc<Shared>, placement: Placement, ways: Ways) -> Self {
        Self {
            shared,
            changes: Changes::default(),
            recorder: RefCell::new(Recorder::new()),
            opening: RefCell::default(),
            trial: RefCell::default(),
            placement,
            ways,
            broken: RefCell::default(),
        }
    }

    /// Begins to open connections to `origins`, unless each request is to have its own.
    pub(super) fn open(&self, origins: Vec<Rc<Prepared>>, now: Instant, lanes: usize) {
        // A host that drops what it is sent must not hold the run up for each batch of connects.
        let until = now + BENCH_OPENING_ROUNDS_MAX * self.shared.settings.connect_timeout;
        let wanted = self.shared.connections_wanted(lanes);
        *self.opening.borrow_mut() = Some(Opening::new(origins, wanted, until));
    }

    /// What `act` gives for the trial, where there is one.
    pub(super) fn with_trial<T>(&self, act: impl FnOnce(&mut RunningTrial) -> T) -> Option<T> {
        self.trial.borrow_mut().as_mut().map(|trial| act(&mut trial.running))
    }

    /// Whether the end of one request makes the next one due.
    pub(super) fn is_closed_loop(&self) -> bool {
        self.with_trial(|trial| trial.mode() == Mode::Closed) == Some(true)
    }

    /// Whether a call may start, as far as the last time that was seen tells.
    pub(super) fn has_ready(&self) -> bool {
        self.opening.borrow().as_ref().is_some_and(Opening::has_ready)
            || self.with_trial(|trial| trial.has_due()) == Some(true)
    }

    /// When the pacer must act next.
    pub(super) fn next_due(&self) -> Instant {
        self.with_trial(|trial| trial.next_due()).unwrap_or(Instant::NEVER)
    }

    /// Tells the trial the time.
    pub(super) fn observe(&self, now: Instant) {
        self.with_trial(|trial| trial.observe(now));
    }

    /// Whether nothing is left to do, where no call is in flight, and nothing will come.
    pub(super) fn may_end(&self) -> bool {
        let is_idle = self.opening.borrow().is_none() && self.trial.borrow().is_none();
        is_idle && self.ways.orders.is_disconnected()
    }

    /// Ends the run: this core cannot go on.
    pub(super) fn break_off(&self, error: io::Error) {
        *self.broken.borrow_mut() = Some(error);
        self.shared.stop.request();
    }

    /// Why the core could not go on, if so.
    pub(super) fn broken(&self) -> Option<io::Error> {
        self.broken.take()
    }

    /// What is done every few milliseconds.
    pub(super) fn sweep<I: Io>(&self, lanes: &Lanes<I>, now: Instant) {
        self.end_opening(lanes, now);
        self.begin_trial(lanes);
        self.show(lanes);
        self.sweep_trial(lanes, now);
    }

    /// Says that the connections are open, once they are or will not be.
    fn end_opening<I: Io>(&self, lanes: &Lanes<I>, now: Instant) {
        let mut slot = self.opening.borrow_mut();
        let Some(opening) = &mut *slot else { return };
        if self.shared.stop.is_requested() {
            opening.give_up();
            lanes.stop_at(now);
        }
        opening.observe(now);
        if !opening.is_done() {
            return;
        }
        let failures = std::mem::take(&mut opening.failures);
        *slot = None;
        lanes.stop_at(Instant::NEVER);
        let wanted = self.shared.connections_wanted(lanes.most());
        let opened = lanes.connections.idle_count();
        self.ways.tell(Event::Opened(Opened { wanted, opened, failures }));
    }

    /// Begins the next trial, if there is one.
    fn begin_trial<I: Io>(&self, lanes: &Lanes<I>) {
        if self.opening.borrow().is_some() || self.trial.borrow().is_some() {
            return;
        }
        let Ok(order) = self.ways.orders.try_recv() else { return };
        let (measure_at, end_at) = (order.measure_at(), order.end_at());
        let running = RunningTrial::new(order, self.placement.idx, self.placement.count);
        self.recorder.borrow_mut().begin(running.mode(), measure_at, end_at);
        *self.trial.borrow_mut() = Some(SessionTrial {
            running,
            interval_at: measure_at + SERIES_STEP,
            began: None,
            used: Used::default(),
            before: lanes.connections.counts(),
            open_before: lanes.connections.idle_count() as u64,
        });
        self.changes.tell();
    }

    /// Shows how far the core has come.
    fn show<I: Io>(&self, lanes: &Lanes<I>) {
        let in_flight = lanes.in_flight() as u64;
        let snapshot = Snapshot { in_flight, ..self.recorder.borrow().snapshot() };
        self.shared.gauges[self.placement.idx].show(snapshot);
    }

    /// Ends the trial, hands an interval on, or reports what was drained, when it is time.
    fn sweep_trial<I: Io>(&self, lanes: &Lanes<I>, now: Instant) {
        let mut slot = self.trial.borrow_mut();
        let Some(trial) = &mut *slot else { return };
        let recorder = &mut *self.recorder.borrow_mut();
        if trial.began.is_none() && now >= trial.running.order.measure_at() {
            trial.began = Some(Usage::now(now));
        }
        let is_stopped =
            self.shared.stop.is_requested() && trial.running.stage != TrialStage::Draining;
        if is_stopped || trial.running.is_over(now, lanes.in_flight()) {
            trial.end(recorder, now, if is_stopped { TrialEnd::Stopped } else { TrialEnd::Due });
            lanes.stop_at(match is_stopped {
                true => now,
                false => recorder.planned_end() + trial.running.order.trial.drain,
            });
        } else if now >= trial.interval_at && trial.running.stage == TrialStage::Running {
            self.hand_on_interval(trial, recorder, now);
        }
        if trial.is_drained(recorder, lanes.in_flight()) {
            lanes.stop_at(Instant::NEVER);
            self.report(trial, recorder, lanes, now);
            *slot = None;
        }
    }

    /// Hands on what happened since the last time, if there is memory for what comes next.
    fn hand_on_interval(&self, trial: &mut SessionTrial, recorder: &mut Recorder, now: Instant) {
        if let Ok(spare) = self.ways.spares.try_recv() {
            let interval = recorder.take_interval(now, spare);
            self.ways.tell(Event::Interval(self.placement.idx, Box::new(interval)));
            trial.interval_at = trial.interval_at + SERIES_STEP;
        }
    }

    /// Reports the trial, which is drained: its last interval, and its record.
    fn report<I: Io>(
        &self,
        trial: &SessionTrial,
        recorder: &mut Recorder,
        lanes: &Lanes<I>,
        now: Instant,
    ) {
        let last = recorder.take_interval(now, Latency::default());
        self.ways.tell(Event::Interval(self.placement.idx, Box::new(last)));
        let mut record = recorder.finish();
        let (before, after) = (trial.before, lanes.connections.counts());
        let counts = &mut record.connections;
        counts.wanted = self.shared.connections_wanted(lanes.most()) as u64;
        counts.opened = trial.open_before;
        counts.reopened = after.opened - before.opened;
        if counts.wanted > 0 {
            let unserved = after.opened.saturating_sub(after.served);
            counts.unserved = unserved.min(counts.opened + counts.reopened);
        }
        counts.exhausted_pauses = after.exhausted_pauses - before.exhausted_pauses;
        let ns = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        record.cpu_user_ns = ns(trial.used.thread.user);
        record.cpu_sys_ns = ns(trial.used.thread.system);
        record.run_queue_ns = ns(trial.used.run_queue_wait);
        let (placement, process) = (self.placement, trial.used.process);
        self.ways.tell(Event::Ended(Box::new(CoreEnd { placement, record, process })));
    }
}

/// Why a trial ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TrialEnd {
    /// It has run its course.
    Due,
    /// The run is to stop.
    Stopped,
}

impl SessionTrial {
    /// Ends the trial at `now`: what is in flight may go on for a while, and nothing is sent.
    fn end(&mut self, recorder: &mut Recorder, now: Instant, why: TrialEnd) {
        let is_counted_out = why == TrialEnd::Due && now < self.running.order.end_at();
        recorder.end_at(if is_counted_out { recorder.last_at() } else { now });
        let usage = Usage::now(now);
        self.used = self.began.unwrap_or(usage).until(usage, recorder.window_ns());
        self.running.end(recorder);
    }

    /// Notes what was due and was not sent, once the trial has ended; whether that was all, and
    /// nothing is in flight.
    fn is_drained(&mut self, recorder: &mut Recorder, in_flight: usize) -> bool {
        self.running.stage == TrialStage::Draining
            && self.running.skip_untaken(recorder)
            && in_flight == 0
    }
}
