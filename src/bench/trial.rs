//! One core's state within a trial: which requests are due, and how far the trial has come.
//!
//! Invariant: a request is due once; where requests are numbered, no more of them are handed out
//! than there are, over all cores.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::base::instant::Instant;
use crate::bench::arrivals::Arrivals;
use crate::bench::call::BenchCall;
use crate::bench::recorder::Recorder;
use crate::bench::settings::{Loop, Trial};
use crate::bench::verdict::Mode;

/// Numbered requests that a core of a bench claims at once, at most.
const CLAIM_MAX: u64 = 256;
/// Arrivals that were never sent and that a core notes in one sweep: some milliseconds' worth.
const UNTAKEN_PER_SWEEP: usize = 200_000;

/// A trial with its start, as every core is told of it.
#[derive(Debug)]
pub(super) struct TrialOrder {
    pub(super) trial: Trial,
    pub(super) start_at: Instant,
    /// Measured requests that no core has claimed.
    unclaimed: AtomicU64,
}

impl TrialOrder {
    /// `trial`, to be begun at `start_at`.
    pub(super) fn new(trial: Trial, start_at: Instant) -> Self {
        let unclaimed = AtomicU64::new(trial.requests.unwrap_or(0));
        Self { trial, start_at, unclaimed }
    }

    /// When the first request is measured.
    pub(super) fn measure_at(&self) -> Instant {
        self.start_at + self.trial.warmup
    }

    /// When the trial ends; NEVER where the number of requests alone ends it.
    pub(super) fn end_at(&self) -> Instant {
        self.trial.window.map_or(Instant::NEVER, |window| self.measure_at() + window)
    }

    /// Claims some of the numbered requests for one of `cores` cores; none are left where it is 0.
    /// The fewer are left, the fewer are claimed at once, so that all cores end together.
    fn claim(&self, cores: usize) -> u64 {
        let share = |left: u64| (left / (4 * cores as u64)).clamp(1, CLAIM_MAX).min(left);
        let claimed =
            self.unclaimed.fetch_update(Relaxed, Relaxed, |left| Some(left - share(left)));
        claimed.map_or(0, share)
    }
}

/// How far a trial has come on one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrialStage {
    /// Its first request is not due yet.
    Ordered,
    /// Requests go out.
    Running,
    /// It has ended, and some requests are still in flight.
    Draining,
}

/// One core's part of a trial.
#[derive(Debug)]
pub(super) struct RunningTrial {
    pub(super) order: Arc<TrialOrder>,
    pub(super) stage: TrialStage,
    arrivals: Option<Arrivals>,
    /// Measured requests that this core has claimed and not sent.
    claimed: u64,
    cores: usize,
    /// Requests that wait because the kernel had no room for their connection.
    pub(super) returned: Vec<BenchCall>,
    /// Whether none shall be sent any more.
    has_ended: bool,
    /// When all lanes were busy last.
    pub(super) saturated_at: Instant,
    /// The last time that was seen.
    seen_at: Instant,
}

impl RunningTrial {
    /// The part of core `idx` out of `cores` in the trial of `order`.
    pub(super) fn new(order: Arc<TrialOrder>, idx: usize, cores: usize) -> Self {
        let arrivals = match &order.trial.pace {
            Loop::Closed => None,
            Loop::Open(profile, law) => {
                Some(Arrivals::new(Arc::clone(profile), *law, idx, cores, order.start_at))
            }
        };
        Self {
            order,
            stage: TrialStage::Ordered,
            arrivals,
            claimed: 0,
            cores,
            returned: Vec::new(),
            has_ended: false,
            saturated_at: Instant::default(),
            seen_at: Instant::default(),
        }
    }

    /// What the times mean.
    pub(super) fn mode(&self) -> Mode {
        if self.arrivals.is_some() { Mode::Open } else { Mode::Closed }
    }

    /// When something must be done next, other than at the end of a request.
    pub(super) fn next_due(&self) -> Instant {
        match self.stage {
            TrialStage::Ordered => self.order.start_at,
            TrialStage::Running => self.next_arrival(),
            TrialStage::Draining => Instant::NEVER,
        }
    }

    /// Begins the trial where it is time.
    pub(super) fn observe(&mut self, now: Instant) {
        self.seen_at = self.seen_at.max(now);
        if self.stage == TrialStage::Ordered && now >= self.order.start_at {
            self.stage = TrialStage::Running;
        }
    }

    /// Whether a request may start, as far as the last time that was seen tells.
    pub(super) fn has_due(&self) -> bool {
        if self.stage != TrialStage::Running || self.has_ended {
            return false;
        }
        match &self.arrivals {
            _ if !self.returned.is_empty() => true,
            None => !self.is_dry(),
            Some(_) => self.next_arrival() <= self.seen_at,
        }
    }

    /// When the requests of the next call should have started, up to `depth` of them: the first
    /// one, the others being added to `more`. None where none may start at `now`.
    pub(super) fn take_due(
        &mut self,
        now: Instant,
        depth: usize,
        recorder: &mut Recorder,
        more: &mut Vec<Instant>,
    ) -> Option<Instant> {
        self.observe(now);
        if self.stage != TrialStage::Running || self.has_ended {
            return None;
        }
        if now >= self.order.end_at() {
            self.has_ended = true;
            return None;
        }
        let first = self.pop(now, recorder)?;
        while 1 + more.len() < depth {
            let Some(due) = self.pop(now, recorder) else { break };
            more.push(due);
        }
        Some(first)
    }

    /// The next request that is due, if any.
    fn pop(&mut self, now: Instant, recorder: &mut Recorder) -> Option<Instant> {
        let due = match &self.arrivals {
            None => now,
            Some(_) => self.next_arrival(),
        };
        let is_due = due <= now && due < self.order.end_at();
        if !is_due || (recorder.is_measured(due) && !self.claim()) {
            return None;
        }
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.advance();
        }
        recorder.handle_taken(due, now, due <= self.saturated_at);
        Some(due)
    }

    /// Claims one measured request.
    fn claim(&mut self) -> bool {
        if self.order.trial.requests.is_none() {
            return true;
        }
        if self.claimed == 0 {
            self.claimed = self.order.claim(self.cores);
        }
        if self.claimed == 0 {
            return false;
        }
        self.claimed -= 1;
        true
    }

    /// Whether the requests are numbered, and this core has sent all that it can get.
    fn is_dry(&self) -> bool {
        let is_numbered = self.order.trial.requests.is_some();
        is_numbered && self.claimed == 0 && self.order.unclaimed.load(Relaxed) == 0
    }

    /// Whether the trial has run its course by `now`, where `in_flight` calls are under way.
    pub(super) fn is_over(&self, now: Instant, in_flight: usize) -> bool {
        let is_done = self.is_dry() && in_flight == 0 && self.returned.is_empty();
        self.stage == TrialStage::Running && (now >= self.order.end_at() || is_done)
    }

    /// Sends nothing more.
    pub(super) fn end(&mut self, recorder: &mut Recorder) {
        self.stage = TrialStage::Draining;
        self.has_ended = true;
        self.skip_returned(recorder);
    }

    /// Notes what was due before the end and was not sent, so many at a time: there may be
    /// millions, and the core has others to look after. Whether that was all.
    pub(super) fn skip_untaken(&mut self, recorder: &mut Recorder) -> bool {
        let end_at = recorder.planned_end();
        for _ in 0..UNTAKEN_PER_SWEEP {
            let due = self.next_arrival();
            if due >= end_at || (recorder.is_measured(due) && !self.claim()) {
                return true;
            }
            recorder.handle_untaken(due);
            self.arrivals.as_mut().expect("only a schedule has arrivals").advance();
        }
        false
    }

    /// Notes the calls that still wait for the kernel's room as skipped.
    pub(super) fn skip_returned(&mut self, recorder: &mut Recorder) {
        for call in self.returned.drain(..) {
            call.unanswered(0, Instant::default())
                .for_each(|start| recorder.handle_skipped(start.due));
        }
    }

    fn next_arrival(&self) -> Instant {
        match &self.arrivals {
            // Once all numbered requests were sent nobody is due any more.
            Some(arrivals) if !self.is_dry() => arrivals.next_at(),
            _ => Instant::NEVER,
        }
    }
}
