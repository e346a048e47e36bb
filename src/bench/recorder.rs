//! What one core notes of one trial: every request in its place of the ledger, every time in its
//! histogram.
//!
//! Invariant: a request that was scheduled is noted exactly once more: as answered, failed, in
//! flight at the stop, or skipped. It belongs to the phase in which it should have started, so no
//! reset of counters races with requests under way.

use crate::base::failure::Failure;
use crate::base::instant::Instant;
use crate::bench::ledger::Ledger;
use crate::bench::record::Record;
use crate::bench::series::Interval;
use crate::bench::verdict::Mode;
use crate::client::answer::Arrival;
use crate::client::stop::Snapshot;
use crate::stats::latency::Latency;

/// When one request should have started, and when it was handed to the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) due: Instant,
    /// None where no byte of it was.
    pub(super) sent_at: Option<Instant>,
}

/// What is noted of one answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BenchAnswer {
    pub(super) status: u16,
    pub(super) body_bytes: u64,
}

/// What one core notes of one trial.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) record: Record,
    mode: Mode,
    measure_at: Instant,
    end_at: Instant,
    /// When the last response was complete, or the last request failed.
    last_at: Instant,
    /// Times of responses whose first byte came with the last: first byte and service alike.
    at_once: Latency,
    interval: Interval,
    interval_from: Instant,
}

impl Recorder {
    /// A recorder of no trial: it takes the times of connects alone.
    pub(super) fn new() -> Self {
        Self {
            record: Record::default(),
            mode: Mode::Closed,
            measure_at: Instant::NEVER,
            end_at: Instant::NEVER,
            last_at: Instant::default(),
            at_once: Latency::default(),
            interval: Interval::default(),
            interval_from: Instant::NEVER,
        }
    }

    /// Begins a trial that measures requests due from `measure_at` on until `end_at`. What was
    /// noted of connects since the last trial belongs to this one.
    pub(super) fn begin(&mut self, mode: Mode, measure_at: Instant, end_at: Instant) {
        self.mode = mode;
        self.measure_at = measure_at;
        self.end_at = end_at;
        self.last_at = measure_at;
        self.interval_from = measure_at;
        self.interval = Interval { response: Latency::prepared(), ..Interval::default() };
        let record = &mut self.record;
        self.at_once = Latency::prepared();
        record.service = Latency::prepared();
        record.first_byte = Latency::prepared();
        if mode == Mode::Open {
            record.response = Latency::prepared();
            record.send_lag = Latency::prepared();
            record.pacing = Latency::prepared();
        }
    }

    /// Ends the trial at `at` instead, which is not after the end that was planned.
    pub(super) fn end_at(&mut self, at: Instant) {
        self.end_at = self.end_at.min(at.max(self.measure_at));
    }

    /// When the trial ends, as far as is known.
    pub(super) fn planned_end(&self) -> Instant {
        self.end_at
    }

    /// When the last response was complete, or the last request failed.
    pub(super) fn last_at(&self) -> Instant {
        self.last_at
    }

    /// How long requests are measured, as far as is known.
    pub(super) fn window_ns(&self) -> u64 {
        self.end_at.ns_since(self.measure_at)
    }

    /// Whether a request that is due at `due` is measured.
    pub(super) fn is_measured(&self, due: Instant) -> bool {
        due >= self.measure_at
    }

    /// Notes that a request which should start at `due` was taken by a lane at `now`; `has_waited`
    /// says whether every connection was busy at some time since then.
    pub(super) fn handle_taken(&mut self, due: Instant, now: Instant, has_waited: bool) {
        self.ledger(due).scheduled += 1;
        if self.mode == Mode::Open && self.is_measured(due) {
            match has_waited {
                true => self.record.waited += 1,
                false => self.record.pacing.record_ns(now.ns_since(due)),
            }
        }
    }

    /// Notes a whole response.
    pub(super) fn handle_answer(&mut self, start: Start, answer: BenchAnswer, arrival: Arrival) {
        let ended_at = arrival.ended_at;
        if ended_at >= self.end_at {
            return self.handle_in_flight(start);
        }
        let sent_at = start.sent_at.expect("what was answered was sent");
        self.last_at = self.last_at.max(ended_at);
        self.record.answered_in_window += u64::from(ended_at >= self.measure_at);
        self.count_in_flight(sent_at, ended_at);
        let ledger = self.ledger(start.due);
        ledger.sent += 1;
        ledger.completed += 1;
        ledger.statuses.count(answer.status);
        ledger.wire_bytes += arrival.wire_bytes;
        ledger.body_bytes += answer.body_bytes;
        if !self.is_measured(start.due) {
            return;
        }
        let service_ns = ended_at.ns_since(sent_at);
        if arrival.first_byte_at == ended_at {
            self.at_once.record_ns(service_ns);
        } else {
            self.record.service.record_ns(service_ns);
            self.record.first_byte.record_ns(arrival.first_byte_at.ns_since(sent_at));
        }
        let mut response_ns = service_ns;
        if self.mode == Mode::Open {
            response_ns = ended_at.ns_since(start.due);
            self.record.response.record_ns(response_ns);
        }
        self.record_lag(start);
        self.interval.completed += 1;
        self.interval.bytes += arrival.wire_bytes;
        self.interval.response.record_ns(response_ns);
    }

    /// Notes that a request failed at `now`; after the end that is our doing, not the server's.
    pub(super) fn handle_failure(&mut self, start: Start, failure: Failure, now: Instant) {
        if now >= self.end_at {
            match start.sent_at {
                Some(_) => return self.handle_in_flight(start),
                None => return self.handle_skipped(start.due),
            }
        }
        self.last_at = self.last_at.max(now);
        if let Some(sent_at) = start.sent_at {
            self.count_in_flight(sent_at, now);
        }
        let ledger = self.ledger(start.due);
        ledger.sent += 1;
        ledger.failures.count(failure);
        if self.is_measured(start.due) {
            self.record.failed.record_ns(now.ns_since(start.due));
            self.interval.failed += 1;
            self.record_lag(start);
        }
    }

    /// Notes a request that was taken and of which no byte was handed to the kernel before the end.
    pub(super) fn handle_skipped(&mut self, due: Instant) {
        self.ledger(due).skipped += 1;
        self.record_age(due);
    }

    /// Notes a request that was due before the end and that no connection was free for.
    pub(super) fn handle_untaken(&mut self, due: Instant) {
        self.ledger(due).scheduled += 1;
        if self.is_measured(due) {
            self.record.waited += 1;
        }
        self.handle_skipped(due);
    }

    /// Notes how long opening a connection took.
    pub(super) fn handle_connected(&mut self, connect_ns: u64) {
        self.record.connect.record_ns(connect_ns);
    }

    /// Notes that the core span from `from` to `to`, since nothing was due.
    pub(super) fn handle_spun(&mut self, from: Instant, to: Instant) {
        self.record.spun_ns += self.ns_in_window(from, to);
    }

    /// What happened since the last interval, up to `now`; `spare` takes what comes next.
    pub(super) fn take_interval(&mut self, now: Instant, spare: Latency) -> Interval {
        // A trial that is counted out ends with its last answer, which may be before the last
        // interval ended.
        let to = now.min(self.end_at).max(self.interval_from);
        let from_ns = self.interval_from.ns_since(self.measure_at);
        self.interval_from = to;
        let next = Interval { response: spare, ..Interval::default() };
        let interval = std::mem::replace(&mut self.interval, next);
        Interval { from_ns, to_ns: to.ns_since(self.measure_at), ..interval }
    }

    /// The record of the trial that has ended.
    pub(super) fn finish(&mut self) -> Record {
        self.record.window_ns = self.window_ns();
        self.record.service.add(&self.at_once);
        self.record.first_byte.add(&self.at_once);
        self.at_once.clear();
        std::mem::take(&mut self.record)
    }

    /// How far the trial has come, but for what is in flight.
    pub(super) fn snapshot(&self) -> Snapshot {
        let (warmup, measured) = (&self.record.warmup, &self.record.measured);
        let failed = warmup.failed() + measured.failed();
        Snapshot {
            rows: warmup.completed + measured.completed + failed,
            failed,
            body_bytes: warmup.body_bytes + measured.body_bytes,
            in_flight: 0,
        }
    }

    /// Notes a request that was handed to the kernel, at least in part, and in flight at the end.
    fn handle_in_flight(&mut self, start: Start) {
        let sent_at = start.sent_at.expect("what is in flight was sent");
        self.count_in_flight(sent_at, self.end_at);
        let ledger = self.ledger(start.due);
        ledger.sent += 1;
        ledger.in_flight_at_stop += 1;
        self.record_age(start.due);
        if self.is_measured(start.due) {
            self.record_lag(start);
        }
    }

    /// The response time is at least the age at the end: leaving it out would hide the worst.
    fn record_age(&mut self, due: Instant) {
        if self.is_measured(due) {
            self.record.censored.record_ns(self.end_at.ns_since(due));
        }
    }

    /// How late a measured request of an open loop was handed to the kernel, also one that failed.
    fn record_lag(&mut self, start: Start) {
        if self.mode == Mode::Open
            && let Some(sent_at) = start.sent_at
        {
            self.record.send_lag.record_ns(sent_at.ns_since(start.due));
        }
    }

    /// Adds the time in flight, as far as it lies in the window, whichever phase it belongs to.
    fn count_in_flight(&mut self, from: Instant, to: Instant) {
        self.record.in_flight_ns += u128::from(self.ns_in_window(from, to));
    }

    fn ns_in_window(&self, from: Instant, to: Instant) -> u64 {
        to.min(self.end_at).ns_since(from.max(self.measure_at))
    }

    fn ledger(&mut self, due: Instant) -> &mut Ledger {
        if due >= self.measure_at { &mut self.record.measured } else { &mut self.record.warmup }
    }
}
