//! What one thread counted of its fetches.
//!
//! Each thread records into its own tally without locks; the tallies are added up when the threads
//! have ended.
//!
//! Invariant: `rows = ok + failed`, and the statuses sum up to the rows that have a response.

use crate::base::failure::{FailureCounts, Kind, Stage};
use crate::fetch::job::Fetched;
use crate::stats::counts::StatusCounts;
use crate::stats::latency::Latency;

/// A part of a fetch that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// From the reading of the line to the start of the fetch; of every fetch that was begun.
    Queue,
    /// Looking names up; only of fetches that did.
    Dns,
    /// Opening connections; only of fetches that did.
    Connect,
    /// TLS handshakes; only of fetches that had one.
    Tls,
    /// From the hand-over of the last request to the first byte of its response; only of fetches
    /// that saw one.
    FirstByte,
    /// From the start of the fetch to its end; of every fetch that was begun, failed ones included.
    Total,
    /// The same of fetches that failed and of no others.
    Failed,
}

impl Phase {
    /// Every phase, in the order in which a fetch goes through them.
    pub const ALL: [Self; 7] = [
        Self::Queue,
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::FirstByte,
        Self::Total,
        Self::Failed,
    ];

    /// The word that rows and summaries use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::FirstByte => "first_byte",
            Self::Total => "total",
            Self::Failed => "failed",
        }
    }
}

/// What one thread counted: a core that fetches, or the reader for lines that reach no core.
///
/// [`Tally::record`] counts finished fetches. The public fields count what happens in between, and
/// are raised where it happens.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    rows: u64,
    ok: u64,
    answered: u64,
    failures: FailureCounts,
    statuses: StatusCounts,
    redirects_followed: u64,
    wire_bytes: u64,
    body_bytes: u64,
    latencies: [Latency; Phase::ALL.len()],

    /// Failures that were tried again after a pause or at once; stale connections not among them.
    pub retries: u64,
    /// Bytes received for responses that no row shows: those before a redirect or a retry.
    pub discarded_bytes: u64,
    /// Connections that were opened.
    pub connections_opened: u64,
    /// Exchanges that were begun on a connection that had served one before.
    pub connections_reused: u64,
    /// Exchanges begun again on a fresh connection because the reused one was already closed.
    pub stale_retries: u64,
    /// Pauses because the kernel was out of descriptors, buffers or ports.
    pub exhausted_pauses: u64,
    /// Jobs that came from the reader.
    pub jobs_taken: u64,
    /// Jobs that came from other cores.
    pub moved_in: u64,
    /// Jobs that went to other cores.
    pub moved_out: u64,
    /// Lines or jobs that the end of the run left without a row.
    pub not_started: u64,
}

impl Tally {
    /// Counts one finished fetch: ok or failed, its status, its bytes and its times.
    ///
    /// Where nothing was begun (a line that is no URL) there is no time to record. Phases of zero
    /// nanoseconds did not happen and are left out.
    ///
    /// # Panics
    ///
    /// Where the response's status has more than three digits, which no parser lets through.
    pub fn record(&mut self, fetched: &Fetched) {
        self.rows += 1;
        match fetched.failure {
            Some(failure) => self.failures.count(failure),
            None => self.ok += 1,
        }
        if let Some(response) = &fetched.response {
            self.answered += 1;
            self.statuses.count(response.status);
            self.wire_bytes += response.wire_bytes;
            self.body_bytes += response.body_bytes;
        }
        let is_followed = fetched.failure.is_none_or(|failure| {
            // These failures name one redirect more than was followed.
            failure.stage != Stage::Redirect || !matches!(failure.kind, Kind::Loop | Kind::TooMany)
        });
        let named = fetched.redirects.len() as u64;
        self.redirects_followed += if is_followed { named } else { named.saturating_sub(1) };
        self.record_times(fetched);
    }

    /// Adds what `other` counted.
    pub fn add(&mut self, other: &Self) {
        // Named one by one and without `..`, so that no field can be forgotten here.
        let Self {
            rows,
            ok,
            answered,
            failures,
            statuses,
            redirects_followed,
            wire_bytes,
            body_bytes,
            latencies,
            retries,
            discarded_bytes,
            connections_opened,
            connections_reused,
            stale_retries,
            exhausted_pauses,
            jobs_taken,
            moved_in,
            moved_out,
            not_started,
        } = other;
        self.rows += rows;
        self.ok += ok;
        self.answered += answered;
        self.failures.add(failures);
        self.statuses.add(statuses);
        self.redirects_followed += redirects_followed;
        self.wire_bytes += wire_bytes;
        self.body_bytes += body_bytes;
        for (mine, theirs) in self.latencies.iter_mut().zip(latencies) {
            mine.add(theirs);
        }
        self.retries += retries;
        self.discarded_bytes += discarded_bytes;
        self.connections_opened += connections_opened;
        self.connections_reused += connections_reused;
        self.stale_retries += stale_retries;
        self.exhausted_pauses += exhausted_pauses;
        self.jobs_taken += jobs_taken;
        self.moved_in += moved_in;
        self.moved_out += moved_out;
        self.not_started += not_started;
    }

    /// Finished fetches.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows without an error.
    #[must_use]
    pub const fn ok(&self) -> u64 {
        self.ok
    }

    /// Rows with an error.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.total()
    }

    /// Rows that have a response, also those that failed after its head.
    #[must_use]
    pub const fn answered(&self) -> u64 {
        self.answered
    }

    /// The errors of the failed rows.
    #[must_use]
    pub const fn failures(&self) -> &FailureCounts {
        &self.failures
    }

    /// The statuses of the rows that have a response.
    #[must_use]
    pub const fn statuses(&self) -> &StatusCounts {
        &self.statuses
    }

    /// Redirects that rows show.
    #[must_use]
    pub const fn redirects_followed(&self) -> u64 {
        self.redirects_followed
    }

    /// Bytes received for the responses that rows show: heads, framing and bodies.
    #[must_use]
    pub const fn wire_bytes(&self) -> u64 {
        self.wire_bytes
    }

    /// Bytes of their bodies with transfer codings removed.
    #[must_use]
    pub const fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// The times of one phase.
    #[must_use]
    pub const fn latency(&self, phase: Phase) -> &Latency {
        &self.latencies[phase as usize]
    }

    /// Checks that the counts agree with each other.
    ///
    /// # Panics
    ///
    /// Where they do not, which is a bug.
    pub fn assert_consistent(&self) {
        assert_eq!(self.rows, self.ok + self.failed(), "a row is ok or failed");
        assert_eq!(self.answered, self.statuses.total(), "a response has one status");
        assert!(self.answered <= self.rows, "a row shows one response at most");
        assert!(self.ok <= self.answered, "a row without an error has a response");
        let total = self.latency(Phase::Total).count();
        assert!(total <= self.rows, "a row has one total time at most");
    }

    /// Checks that each job that reached this core left it once: as a row, to another core, or
    /// counted as not started.
    ///
    /// For the tally of a core that has ended; the reader's does not flow this way.
    ///
    /// # Panics
    ///
    /// Where a job was lost or counted twice, which is a bug.
    pub fn assert_jobs_closed(&self) {
        let came = self.jobs_taken + self.moved_in;
        let left = self.rows + self.moved_out + self.not_started;
        assert_eq!(came, left, "every job that came to a core leaves it exactly once");
    }

    fn record_times(&mut self, fetched: &Fetched) {
        let times = &fetched.times;
        if times.total_ns == 0 {
            return;
        }
        self.latencies[Phase::Queue as usize].record_ns(times.queue_ns);
        self.latencies[Phase::Total as usize].record_ns(times.total_ns);
        if fetched.failure.is_some() {
            self.latencies[Phase::Failed as usize].record_ns(times.total_ns);
        }
        for (phase, ns) in [
            (Phase::Dns, times.dns_ns),
            (Phase::Connect, times.connect_ns),
            (Phase::Tls, times.tls_ns),
            (Phase::FirstByte, times.first_byte_ns),
        ] {
            if ns > 0 {
                self.latencies[phase as usize].record_ns(ns);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::failure::{Failure, Kind, Stage};
    use crate::fetch::job::{Response, Times};

    fn fetched(status: Option<u16>, failure: Option<Failure>) -> Fetched {
        let response = status.map(|status| Response {
            status,
            minor_version: 1,
            content_type: None,
            wire_bytes: 150,
            body_bytes: 100,
            body: None,
        });
        let times = Times { queue_ns: 7, total_ns: 5_000, first_byte_ns: 900, ..Times::default() };
        Fetched {
            n: 0,
            line: "http://a/".into(),
            failure,
            response,
            attempts: 1,
            redirects: vec!["http://a/b".into()],
            ip: None,
            times,
        }
    }

    const CLOSED: Failure = Failure::new(Stage::Body, Kind::Closed, "cut short");
    const NO_URL: Failure = Failure::new(Stage::Url, Kind::Invalid, "no URL");

    #[test]
    fn every_fetch_is_counted_as_ok_or_failed_and_by_its_status() {
        let mut tally = Tally::default();
        tally.record(&fetched(Some(200), None));
        tally.record(&fetched(Some(404), None));
        tally.record(&fetched(Some(200), Some(CLOSED)));
        tally.record(&fetched(None, Some(CLOSED)));
        tally.record(&Fetched::refused(9, "nonsense", NO_URL));
        tally.assert_consistent();
        assert_eq!((tally.rows(), tally.ok(), tally.failed()), (5, 2, 3));
        assert_eq!(tally.answered(), 3);
        assert_eq!(tally.statuses().iter().collect::<Vec<_>>(), [(200, 2), (404, 1)]);
        assert_eq!((tally.wire_bytes(), tally.body_bytes()), (450, 300));
        assert_eq!(tally.redirects_followed(), 4);
    }

    #[test]
    fn only_what_happened_is_timed() {
        let mut tally = Tally::default();
        tally.record(&fetched(Some(200), None));
        tally.record(&fetched(Some(200), Some(CLOSED)));
        tally.record(&Fetched::refused(9, "nonsense", NO_URL));
        let counts = Phase::ALL.map(|phase| (phase.word(), tally.latency(phase).count()));
        let expected = [
            ("queue", 2),
            ("dns", 0),
            ("connect", 0),
            ("tls", 0),
            ("first_byte", 2),
            ("total", 2),
            ("failed", 1),
        ];
        assert_eq!(counts, expected);
    }

    #[test]
    fn adding_equals_recording_everything_in_one() {
        let (mut one, mut other, mut all) = (Tally::default(), Tally::default(), Tally::default());
        let rows = [
            fetched(Some(0), None),
            fetched(Some(999), Some(CLOSED)),
            Fetched::refused(9, "nonsense", NO_URL),
        ];
        for row in &rows {
            all.record(row);
        }
        one.record(&rows[0]);
        other.record(&rows[1]);
        other.record(&rows[2]);
        other.retries = 3;
        other.connections_opened = 2;
        one.connections_opened = 5;
        one.add(&other);
        one.assert_consistent();
        assert_eq!((one.rows(), one.ok(), one.failed()), (3, 1, 2));
        assert_eq!(one.statuses(), all.statuses());
        assert_eq!(one.failures(), all.failures());
        assert_eq!((one.retries, one.connections_opened), (3, 7));
        assert_eq!(one.latency(Phase::Total).count(), 2);
    }

    #[test]
    fn adding_leaves_out_no_field() {
        let mut one = Tally {
            rows: 1,
            ok: 2,
            answered: 3,
            redirects_followed: 4,
            wire_bytes: 5,
            body_bytes: 6,
            retries: 7,
            discarded_bytes: 8,
            connections_opened: 9,
            connections_reused: 10,
            stale_retries: 11,
            exhausted_pauses: 12,
            jobs_taken: 13,
            moved_in: 14,
            moved_out: 15,
            not_started: 16,
            ..Tally::default()
        };
        one.failures.count(CLOSED);
        one.statuses.count(200);
        one.latencies.iter_mut().for_each(|latency| latency.record_ns(5_000));
        let mut sum = one.clone();
        sum.add(&one);
        let Tally {
            rows,
            ok,
            answered,
            failures,
            statuses,
            redirects_followed,
            wire_bytes,
            body_bytes,
            latencies,
            retries,
            discarded_bytes,
            connections_opened,
            connections_reused,
            stale_retries,
            exhausted_pauses,
            jobs_taken,
            moved_in,
            moved_out,
            not_started,
        } = sum;
        let found = [
            rows,
            ok,
            answered,
            redirects_followed,
            wire_bytes,
            body_bytes,
            retries,
            discarded_bytes,
            connections_opened,
            connections_reused,
            stale_retries,
            exhausted_pauses,
            jobs_taken,
            moved_in,
            moved_out,
            not_started,
        ];
        assert_eq!(found, std::array::from_fn(|idx| 2 * (idx as u64 + 1)));
        assert_eq!(failures.total(), 2);
        assert_eq!(statuses.iter().collect::<Vec<_>>(), [(200, 2)]);
        assert!(latencies.iter().all(|latency| latency.count() == 2));
    }

    #[test]
    fn a_closed_core_accounts_for_every_job() {
        let mut tally = Tally { jobs_taken: 3, moved_in: 1, moved_out: 1, ..Tally::default() };
        tally.not_started = 2;
        tally.record(&fetched(Some(200), None));
        tally.assert_jobs_closed();
    }

    #[test]
    #[should_panic(expected = "leaves it exactly once")]
    fn a_lost_job_is_a_bug() {
        Tally { jobs_taken: 1, ..Tally::default() }.assert_jobs_closed();
    }
}
