//! Counts and times of one slice, by the rules that the own engine's are counted by.
//!
//! Knows no clock: every time is an argument.
//!
//! Invariant: a request that was begun is counted once, and one that was due before the end and
//! never begun leaves its age among the times.

use crate::base::instant::Instant;
use crate::compare::slice::Slice;
use crate::stats::latency::Latency;
use crate::stats::percentiles::Percentiles;

/// When things happen in one slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// When the schedule begins.
    pub(super) start_at: Instant,
    /// When the first request is measured.
    pub(super) measure_at: Instant,
    /// When the window ends; NEVER where the end of a list ends it.
    pub(super) end_at: Instant,
    /// When nothing more is begun.
    pub(super) until: Instant,
    /// When requests under way are given up.
    pub(super) cut_at: Instant,
}

/// How one request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestOutcome {
    /// It was answered.
    Answered,
    /// It was answered with a status that counts as an error.
    Refused,
    /// It was not answered, or the answer does not count.
    Failed,
}

/// A request that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    /// When it was to be sent.
    pub(super) due: Instant,
    /// When the response was complete, or it had failed.
    pub(super) ended_at: Instant,
    /// How it ended.
    pub(super) outcome: RequestOutcome,
}

/// Counts and times of the requests of one slice.
#[derive(Debug)]
pub(super) struct SliceTally {
    span: Span,
    completed: u64,
    errors: u64,
    handled: u64,
    /// Times of the responses to requests that were due in the window.
    response: Latency,
    /// Ages of those that had no response when the window ended.
    censored: Latency,
}

impl SliceTally {
    /// Nothing counted yet of the slice `span`.
    pub(super) fn new(span: Span) -> Self {
        Self { response: Latency::prepared(), ..Self::empty(span) }
    }

    /// The same without the memory for times.
    fn empty(span: Span) -> Self {
        let (response, censored) = (Latency::default(), Latency::default());
        Self { span, completed: 0, errors: 0, handled: 0, response, censored }
    }

    /// Takes what was counted, and leaves nothing.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::empty(self.span))
    }

    /// Counts a request that has ended.
    pub(super) fn count(&mut self, done: &Done) {
        let Done { due, ended_at, outcome } = *done;
        if ended_at >= self.span.end_at {
            return self.count_in_flight(due);
        }
        self.handled += 1;
        let is_answered = outcome != RequestOutcome::Failed;
        self.completed += u64::from(is_answered && ended_at >= self.span.measure_at);
        if due < self.span.measure_at {
            return;
        }
        self.errors += u64::from(outcome != RequestOutcome::Answered);
        // A fetch has its time however it ended; a load has no times of failures.
        if is_answered || self.is_list() {
            self.response.record_ns(ended_at.ns_since(due));
        }
    }

    /// Counts a request that was given up at `now`.
    pub(super) fn count_cut(&mut self, due: Instant, now: Instant) {
        match self.is_list() {
            true => self.count(&Done { due, ended_at: now, outcome: RequestOutcome::Failed }),
            false => self.count_in_flight(due),
        }
    }

    /// Counts a request that was due before the end, and for which no connection was free.
    pub(super) fn count_untaken(&mut self, due: Instant) {
        if due >= self.span.measure_at {
            self.censored.record_ns(self.span.end_at.ns_since(due));
        }
    }

    /// Adds another tally of the same slice.
    pub(super) fn add(&mut self, other: &Self) {
        self.completed += other.completed;
        self.errors += other.errors;
        self.handled += other.handled;
        self.response.add(&other.response);
        self.censored.add(&other.censored);
    }

    /// The slice, but for the CPU time of the process.
    pub(super) fn into_slice(self, window_s: f64) -> Slice {
        let response = Percentiles::of_censored(&self.response, &self.censored);
        Slice {
            window_s,
            completed: self.completed,
            errors: self.errors,
            p50_us: response.named("p50"),
            p99_us: response.named("p99"),
            p99_9_us: response.named("p99.9"),
            handled: self.handled,
            ..Slice::default()
        }
    }

    /// Whether the end of a list ends it, so that every request belongs to it.
    fn is_list(&self) -> bool {
        self.span.end_at == Instant::NEVER
    }

    /// A request that was under way at the end: its response time is at least its age.
    fn count_in_flight(&mut self, due: Instant) {
        self.handled += 1;
        self.count_untaken(due);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ns: u64) -> Instant {
        Instant::from_ns(ns)
    }

    /// A window from 1,000 to 2,000.
    fn tally() -> SliceTally {
        SliceTally::new(Span {
            start_at: at(500),
            measure_at: at(1_000),
            end_at: at(2_000),
            until: at(2_000),
            cut_at: at(3_000),
        })
    }

    /// Checks what a request adds to: completed, errors, handled, times, ages.
    fn check(due: u64, ended_at: u64, outcome: RequestOutcome, expected: [u64; 5]) {
        let mut tally = tally();
        tally.count(&Done { due: at(due), ended_at: at(ended_at), outcome });
        let (times, ages) = (tally.response.count(), tally.censored.count());
        let counted = [tally.completed, tally.errors, tally.handled, times, ages];
        assert_eq!(counted, expected, "{due} {ended_at} {outcome:?}");
    }

    #[test]
    fn answers_count_by_their_end_and_times_by_when_they_were_due() {
        use RequestOutcome::{Answered, Failed, Refused};
        check(900, 950, Answered, [0, 0, 1, 0, 0]);
        check(900, 1_100, Answered, [1, 0, 1, 0, 0]);
        check(1_000, 1_999, Answered, [1, 0, 1, 1, 0]);
        check(1_000, 2_000, Answered, [0, 0, 1, 0, 1]);
        check(900, 2_000, Answered, [0, 0, 1, 0, 0]);
        check(900, 1_100, Refused, [1, 0, 1, 0, 0]);
        check(1_100, 1_200, Refused, [1, 1, 1, 1, 0]);
        check(1_100, 1_200, Failed, [0, 1, 1, 0, 0]);
        check(1_100, 2_200, Failed, [0, 0, 1, 0, 1]);
    }

    #[test]
    fn what_was_never_begun_leaves_its_age_and_was_not_handled() {
        let mut tally = tally();
        tally.count_untaken(at(1_400));
        tally.count_untaken(at(900));
        tally.count_cut(at(1_500), at(3_000));
        assert_eq!((tally.handled, tally.censored.count()), (1, 2));
        assert_eq!(tally.censored.max_ns(), Some(600));
        let mut sum = self::tally();
        sum.add(&tally);
        assert_eq!((sum.handled, sum.censored.max_ns()), (1, Some(600)));
    }

    #[test]
    fn all_of_a_list_belongs_to_its_slice() {
        let span = Span { end_at: Instant::NEVER, measure_at: at(0), ..tally().span };
        let mut tally = SliceTally::new(span);
        tally.count_cut(at(1_500), at(3_000));
        tally.count(&Done { due: at(10), ended_at: at(9_000), outcome: RequestOutcome::Answered });
        let slice = tally.into_slice(2.0);
        assert_eq!((slice.completed, slice.errors, slice.handled), (1, 1, 2));
    }
}
