//! What the cores of one run share: the queues that batches travel through, the count of jobs that
//! are not rows yet, the stop signal, the gauges.
//!
//! Knows nothing of lanes. Everything here is touched once for a batch, never once for a request,
//! but for a core's own gauge.
//!
//! Invariant: `unfinished` counts the lines that were handed over and whose row was not, so a run
//! is over when the input has ended and it is zero, wherever redirects have carried the jobs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::client::stop::{Gauge, Stop};
use crate::fetch::job::{Fetched, Intake, Job};
use crate::fetch::settings::Settings;
use crate::net::dns::Resolver;

/// Jobs handed from the reader to a core at once.
pub(super) const JOB_BATCH: usize = 256;
/// Batches of jobs on their way to one core.
pub(super) const JOB_BATCHES_QUEUED_MAX: usize = 8;
/// Jobs that one core holds, waiting or deferred, before it takes no more.
pub(super) const WAITING_JOBS_MAX: usize = 16 * 1024;
/// Waiting jobs below which a core asks for more.
pub(super) const WAITING_JOBS_LOW: usize = WAITING_JOBS_MAX / 2;
/// Lines that the reader keeps for one core whose inbox is full, while it goes on for the others.
pub(super) const READER_HELD_MAX: usize = 4096;
/// Lines per core that were handed over and are no rows yet, beyond which the reader waits: jobs
/// that redirects move between cores are then bounded, too.
pub(super) const UNFINISHED_PER_CORE_MAX: u64 =
    (WAITING_JOBS_MAX + READER_HELD_MAX + JOB_BATCH * JOB_BATCHES_QUEUED_MAX) as u64;

const _: () = assert!(WAITING_JOBS_LOW < WAITING_JOBS_MAX, "a core must ask before it runs dry");
const _: () = assert!(JOB_BATCH <= WAITING_JOBS_LOW, "one batch must fit where one is asked for");

/// What the cores of one run share.
pub(super) struct Shared {
    /// What the run was told.
    pub(super) settings: Settings,
    /// The way into each core.
    pub(super) inboxes: Vec<flume::Sender<Vec<Intake>>>,
    /// The way into each core for jobs that redirects moved there. Bounded by what the reader may
    /// hand over in all.
    pub(super) arrivals: Vec<flume::Sender<Vec<Job>>>,
    /// The way out for rows.
    pub(super) rows: flume::Sender<Vec<Fetched>>,
    /// The threads that look names up.
    pub(super) resolver: Resolver,
    /// The signal to stop.
    pub(super) stop: Stop,
    /// What each core shows.
    pub(super) gauges: Vec<Gauge>,
    /// Lines handed over whose rows were not.
    unfinished: AtomicU64,
    /// Whether every line was handed over.
    input_ended: AtomicBool,
    /// Lines that reached a core's inbox.
    handed_over: AtomicU64,
}

impl Shared {
    /// The state of a run that has not begun.
    pub(super) fn new(
        settings: Settings,
        inboxes: Vec<flume::Sender<Vec<Intake>>>,
        arrivals: Vec<flume::Sender<Vec<Job>>>,
        rows: flume::Sender<Vec<Fetched>>,
        resolver: Resolver,
        stop: Stop,
    ) -> Self {
        let gauges = inboxes.iter().map(|_| Gauge::default()).collect();
        Self {
            settings,
            inboxes,
            arrivals,
            rows,
            resolver,
            stop,
            gauges,
            unfinished: AtomicU64::new(0),
            input_ended: AtomicBool::new(false),
            handed_over: AtomicU64::new(0),
        }
    }

    /// Counts `lines` that are about to be handed over.
    pub(super) fn begin(&self, lines: usize) {
        self.unfinished.fetch_add(lines as u64, Ordering::Relaxed);
    }

    /// Counts `lines` whose rows were handed over, or that will have none.
    pub(super) fn finish(&self, lines: usize) {
        let before = self.unfinished.fetch_sub(lines as u64, Ordering::Relaxed);
        assert!(before >= lines as u64, "more lines were finished than begun");
    }

    /// Whether so many `lines` more would be too many to be under way at once.
    pub(super) fn would_exceed_window(&self, lines: usize) -> bool {
        let window = UNFINISHED_PER_CORE_MAX * self.gauges.len() as u64;
        self.unfinished.load(Ordering::Relaxed) + lines as u64 > window
    }

    /// Lines that were handed over and have not begun, roughly: the counters are relaxed.
    pub(super) fn not_begun(&self) -> u64 {
        let begun = self.gauges.iter().map(Gauge::begun).sum();
        self.handed_over().saturating_sub(begun)
    }

    /// Counts `lines` that a core's inbox has taken.
    pub(super) fn count_handed_over(&self, lines: usize) {
        self.handed_over.fetch_add(lines as u64, Ordering::Relaxed);
    }

    /// Lines that a core's inbox has taken.
    pub(super) fn handed_over(&self) -> u64 {
        self.handed_over.load(Ordering::Relaxed)
    }

    /// Says that no further line will be handed over.
    pub(super) fn end_input(&self) {
        // Release: whoever sees the end also sees every line that was counted before it.
        self.input_ended.store(true, Ordering::Release);
    }

    /// Whether every line has become a row.
    pub(super) fn is_complete(&self) -> bool {
        self.input_ended.load(Ordering::Acquire) && self.unfinished.load(Ordering::Relaxed) == 0
    }
}
