//! The requests of one phase of a trial, each counted in the one place where it ended.
//!
//! Invariant: once the phase is over, `scheduled = sent + skipped` and
//! `sent = completed + failed + in_flight_at_stop`, or [`Ledger::assert_closed`] stops the program.

use crate::base::failure::FailureCounts;
use crate::stats::counts::StatusCounts;

/// Statuses from here on are errors (RFC 9110 sections 15.5 and 15.6).
const ERROR_STATUS_MIN: u16 = 400;

/// The requests that were scheduled in one phase (warm-up or measured) and what became of them.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Requests whose intended start lay in the phase.
    pub scheduled: u64,
    /// Of those, the ones that the kernel was never handed before the window ended.
    pub skipped: u64,
    /// The others: handed to the kernel, or failed before that for want of a connection.
    pub sent: u64,
    /// Of those, the ones whose response was read to its last byte.
    pub completed: u64,
    /// The ones that were neither completed nor failed when the window ended.
    pub in_flight_at_stop: u64,
    /// The ones that failed, by stage and kind.
    pub failures: FailureCounts,
    /// The statuses of the completed ones and of no others.
    pub statuses: StatusCounts,
    /// Bytes received for the completed ones: heads, framing and bodies.
    pub wire_bytes: u64,
    /// Bytes of their bodies with transfer codings removed.
    pub body_bytes: u64,
}

impl Ledger {
    /// Adds what `other` counted.
    pub fn add(&mut self, other: &Self) {
        // Without `..`, so that the compiler reports a field that is forgotten here.
        let Self {
            scheduled,
            skipped,
            sent,
            completed,
            in_flight_at_stop,
            failures,
            statuses,
            wire_bytes,
            body_bytes,
        } = other;
        self.scheduled += scheduled;
        self.skipped += skipped;
        self.sent += sent;
        self.completed += completed;
        self.in_flight_at_stop += in_flight_at_stop;
        self.failures.add(failures);
        self.statuses.add(statuses);
        self.wire_bytes += wire_bytes;
        self.body_bytes += body_bytes;
    }

    /// Requests that failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.total()
    }

    /// Requests that failed, and completed ones with a status of 400 or above.
    #[must_use]
    pub fn errors(&self) -> u64 {
        let is_error = |(status, _): &(u16, u64)| *status >= ERROR_STATUS_MIN;
        self.failed() + self.statuses.iter().filter(is_error).map(|(_, count)| count).sum::<u64>()
    }

    /// Checks that every request of the phase is in exactly one place.
    ///
    /// # Panics
    ///
    /// Where one was lost or counted twice, which is a bug; the message is the equation that fails.
    pub fn assert_closed(&self) {
        let Self { scheduled, skipped, sent, completed, in_flight_at_stop, .. } = *self;
        let failed = self.failed();
        assert_eq!(
            scheduled,
            sent + skipped,
            "scheduled = sent + skipped: {scheduled} = {sent} + {skipped}"
        );
        assert_eq!(
            sent,
            completed + failed + in_flight_at_stop,
            "sent = completed + failed + in_flight_at_stop: \
             {sent} = {completed} + {failed} + {in_flight_at_stop}"
        );
        assert_eq!(self.statuses.total(), completed, "a completed request has one status");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::failure::{Failure, Kind, Stage};

    /// Ten requests: one skipped, one in flight, two failed, six completed of which two are errors.
    fn ledger() -> Ledger {
        let mut ledger = Ledger {
            scheduled: 10,
            skipped: 1,
            sent: 9,
            completed: 6,
            in_flight_at_stop: 1,
            wire_bytes: 600,
            body_bytes: 400,
            ..Ledger::default()
        };
        ledger.failures.count(Failure::new(Stage::Connect, Kind::Refused, ""));
        ledger.failures.count(Failure::new(Stage::Head, Kind::Timeout, ""));
        [200, 200, 204, 399, 400, 503].iter().for_each(|status| ledger.statuses.count(*status));
        ledger
    }

    #[test]
    fn errors_are_failures_and_statuses_from_400_on() {
        assert_eq!((ledger().failed(), ledger().errors()), (2, 4));
        assert_eq!(Ledger::default().errors(), 0);
    }

    #[test]
    fn adding_adds_every_field() {
        let mut sum = ledger();
        sum.add(&ledger());
        sum.assert_closed();
        assert_eq!((sum.scheduled, sum.skipped, sum.sent), (20, 2, 18));
        assert_eq!((sum.completed, sum.in_flight_at_stop, sum.failed()), (12, 2, 4));
        assert_eq!((sum.statuses.total(), sum.errors()), (12, 8));
        assert_eq!((sum.wire_bytes, sum.body_bytes), (1200, 800));
    }

    #[test]
    fn a_ledger_that_balances_is_closed() {
        Ledger::default().assert_closed();
        ledger().assert_closed();
    }

    #[test]
    #[should_panic(expected = "scheduled = sent + skipped: 11 = 9 + 1")]
    fn a_request_that_was_scheduled_and_lost_is_a_bug() {
        Ledger { scheduled: 11, ..ledger() }.assert_closed();
    }

    #[test]
    #[should_panic(expected = "sent = completed + failed + in_flight_at_stop: 9 = 6 + 2 + 2")]
    fn a_request_that_was_counted_twice_is_a_bug() {
        Ledger { in_flight_at_stop: 2, ..ledger() }.assert_closed();
    }

    #[test]
    #[should_panic(expected = "a completed request has one status")]
    fn a_completed_request_without_a_status_is_a_bug() {
        Ledger { scheduled: 11, sent: 10, completed: 7, ..ledger() }.assert_closed();
    }
}
