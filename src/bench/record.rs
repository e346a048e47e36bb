//! What one core noted in one trial of a benchmark. The records of all cores are added up when the
//! trial is over.
//!
//! Invariant: adding loses nothing. The window, which all cores share, is not added up: the longest
//! one is kept.

use crate::bench::ledger::Ledger;
use crate::stats::latency::Latency;

/// One core's counts and times of one trial.
///
/// Service time runs from the hand-over of a request to the kernel to the last byte of its
/// response, response time from its intended start; the difference is the send lag (G. Tene, "How
/// NOT to measure latency"). All times are of requests that belong to the measured phase.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The requests that were scheduled before the window began.
    pub warmup: Ledger,
    /// The requests that were scheduled in the window.
    pub measured: Ledger,
    /// Requests of either phase whose response was complete within the window.
    pub answered_in_window: u64,
    /// Open loop: response times of the completed. Closed loop: nothing, since they equal the
    /// service times.
    pub response: Latency,
    /// The ages at the end of the window of requests that were due and had not ended, sent or not:
    /// their response times are longer.
    pub censored: Latency,
    /// Service times of the completed.
    pub service: Latency,
    /// Open loop: how late requests were handed to the kernel, whatever became of them.
    pub send_lag: Latency,
    /// How long connections took to open.
    pub connect: Latency,
    /// From the hand-over to the first byte of the response.
    pub first_byte: Latency,
    /// From the intended start to the failure of those that failed.
    pub failed: Latency,
    /// Open loop: the send lag of the arrivals that found a free connection. Nothing but the
    /// generator can have made them late.
    pub pacing: Latency,
    /// Open loop: arrivals that found no free connection.
    pub waited: u64,
    /// Nanoseconds that requests spent in flight within the window, whatever became of them and
    /// whichever phase they belong to; for Little's law.
    pub in_flight_ns: u128,
    /// How the connections were used.
    pub connections: TrialConnections,
    /// Length of the window in nanoseconds.
    pub window_ns: u64,
    /// CPU time of the core's thread in the program, within the window, in nanoseconds.
    pub cpu_user_ns: u64,
    /// CPU time of the core's thread in the kernel, within the window, in nanoseconds.
    pub cpu_sys_ns: u64,
    /// Time within the window in which the thread was awake for the sole reason that it was told to
    /// spin before a start, in nanoseconds; what it did for answers meanwhile is part of it.
    pub spun_ns: u64,
    /// Time within the window in which the thread could run and did not, since its CPU did
    /// something else, in nanoseconds; `schedstat` has it (Linux, sched-stats.rst).
    pub run_queue_ns: u64,
}

/// How one core's connections were used in one trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrialConnections {
    /// Connections that were asked for.
    pub wanted: u64,
    /// Connections that were opened before the trial or at its start.
    pub opened: u64,
    /// Connections that were opened later, in place of closed ones.
    pub reopened: u64,
    /// Of those opened, the ones that never answered a request.
    pub unserved: u64,
    /// Pauses because the kernel was out of descriptors, buffers or ports.
    pub exhausted_pauses: u64,
}

impl Record {
    /// Adds what `other`, of the same trial, noted.
    pub fn add(&mut self, other: &Self) {
        // Without `..`, so that the compiler reports a field that is forgotten here.
        let Self {
            warmup,
            measured,
            answered_in_window,
            response,
            censored,
            service,
            send_lag,
            connect,
            first_byte,
            failed,
            pacing,
            waited,
            in_flight_ns,
            connections,
            window_ns,
            cpu_user_ns,
            cpu_sys_ns,
            spun_ns,
            run_queue_ns,
        } = other;
        self.warmup.add(warmup);
        self.measured.add(measured);
        self.answered_in_window += answered_in_window;
        self.response.add(response);
        self.censored.add(censored);
        self.service.add(service);
        self.send_lag.add(send_lag);
        self.connect.add(connect);
        self.first_byte.add(first_byte);
        self.failed.add(failed);
        self.pacing.add(pacing);
        self.waited += waited;
        self.in_flight_ns += in_flight_ns;
        self.connections.add(connections);
        self.window_ns = self.window_ns.max(*window_ns);
        self.cpu_user_ns += cpu_user_ns;
        self.cpu_sys_ns += cpu_sys_ns;
        self.spun_ns += spun_ns;
        self.run_queue_ns += run_queue_ns;
    }

    /// CPU time of the thread for each nanosecond of the window; none where there is no window.
    #[must_use]
    pub fn busy_share(&self) -> Option<f64> {
        self.share_of_window(self.cpu_user_ns.saturating_add(self.cpu_sys_ns))
    }

    /// Time that the thread spun for each nanosecond of the window; none where there is no window.
    #[must_use]
    pub fn spun_share(&self) -> Option<f64> {
        self.share_of_window(self.spun_ns)
    }

    /// Time that the thread waited for its CPU for each nanosecond of the window; none where there
    /// is no window.
    #[must_use]
    pub fn run_queue_share(&self) -> Option<f64> {
        self.share_of_window(self.run_queue_ns)
    }

    fn share_of_window(&self, ns: u64) -> Option<f64> {
        (self.window_ns > 0).then(|| ns as f64 / self.window_ns as f64)
    }
}

impl TrialConnections {
    /// Adds what `other` counted.
    pub fn add(&mut self, other: &Self) {
        let Self { wanted, opened, reopened, unserved, exhausted_pauses } = other;
        self.wanted += wanted;
        self.opened += opened;
        self.reopened += reopened;
        self.unserved += unserved;
        self.exhausted_pauses += exhausted_pauses;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(ns: u64) -> Latency {
        let mut latency = Latency::default();
        latency.record_ns(ns);
        latency
    }

    fn record() -> Record {
        Record {
            warmup: Ledger { scheduled: 1, ..Ledger::default() },
            measured: Ledger { scheduled: 2, ..Ledger::default() },
            answered_in_window: 3,
            response: latency(1),
            censored: latency(8),
            service: latency(2),
            send_lag: latency(3),
            connect: latency(4),
            first_byte: latency(5),
            failed: latency(6),
            pacing: latency(7),
            waited: 8,
            in_flight_ns: 9,
            connections: TrialConnections {
                wanted: 10,
                opened: 11,
                reopened: 12,
                unserved: 13,
                exhausted_pauses: 14,
            },
            window_ns: 100,
            cpu_user_ns: 50,
            cpu_sys_ns: 25,
            spun_ns: 20,
            run_queue_ns: 10,
        }
    }

    #[test]
    fn adding_adds_everything_but_the_window() {
        let mut sum = record();
        sum.add(&Record { window_ns: 120, ..record() });
        assert_eq!((sum.warmup.scheduled, sum.measured.scheduled), (2, 4));
        assert_eq!(sum.answered_in_window, 6);
        for (ns, latency) in [
            (1, &sum.response),
            (8, &sum.censored),
            (2, &sum.service),
            (3, &sum.send_lag),
            (4, &sum.connect),
            (5, &sum.first_byte),
            (6, &sum.failed),
            (7, &sum.pacing),
        ] {
            assert_eq!((latency.count(), latency.max_ns()), (2, Some(ns)));
        }
        assert_eq!((sum.waited, sum.in_flight_ns), (16, 18));
        let expected = TrialConnections {
            wanted: 20,
            opened: 22,
            reopened: 24,
            unserved: 26,
            exhausted_pauses: 28,
        };
        assert_eq!(sum.connections, expected);
        assert_eq!((sum.window_ns, sum.cpu_user_ns, sum.cpu_sys_ns), (120, 100, 50));
        assert_eq!((sum.spun_ns, sum.run_queue_ns), (40, 20));
    }

    #[test]
    fn shares_are_of_the_window() {
        assert_eq!(record().busy_share(), Some(0.75));
        assert_eq!(record().run_queue_share(), Some(0.1));
        assert_eq!(record().spun_share(), Some(0.2));
        assert_eq!(Record::default().busy_share(), None);
    }
}
