//! The signals that end a run early, and the counters that show how far it has come.
//!
//! Both are relaxed: a core writes only its own counters, and a display that reads them can change
//! nothing that is measured.
//!
//! Invariant: once requested, a stop is never taken back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::base::failure::Failure;

/// A request to stop: no job starts any more, what is in flight has a few seconds.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl From<Arc<AtomicBool>> for Stop {
    /// A stop that is requested by setting `flag`, as the handler of a signal can.
    fn from(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }
}

impl Stop {
    /// Requests the stop.
    pub fn request(&self) {
        self.0.store(true, Relaxed);
    }

    /// Whether it was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// What one core shows of its progress, on a cache line that it shares with nobody.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Gauge {
    rows: AtomicU64,
    failed: AtomicU64,
    body_bytes: AtomicU64,
    in_flight: AtomicU64,
    begun: AtomicU64,
}

/// The progress of one core, or of several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Lines that ended in a row, or requests of a bench that ended.
    pub rows: u64,
    /// Of those, how many failed.
    pub failed: u64,
    /// Body bytes received.
    pub body_bytes: u64,
    /// Fetches, or calls of a bench, under way.
    pub in_flight: u64,
}

impl Snapshot {
    /// What `gauges` show together.
    pub(crate) fn of(gauges: &[Gauge]) -> Self {
        let mut sum = Self::default();
        gauges.iter().for_each(|gauge| gauge.add_to(&mut sum));
        sum
    }
}

impl Gauge {
    /// Counts one row. Only the gauge's own core calls this, so a load and a store are enough.
    pub(crate) fn count_row(&self, failure: Option<Failure>, body_bytes: u64) {
        self.rows.store(self.rows.load(Relaxed) + 1, Relaxed);
        self.failed.store(self.failed.load(Relaxed) + u64::from(failure.is_some()), Relaxed);
        self.body_bytes.store(self.body_bytes.load(Relaxed) + body_bytes, Relaxed);
    }

    /// Counts a line whose fetch begins, or that needs none.
    pub(crate) fn count_begun(&self) {
        self.begun.store(self.begun.load(Relaxed) + 1, Relaxed);
    }

    /// Lines whose fetch has begun.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Relaxed)
    }

    /// Shows what stands elsewhere, all of it at once.
    pub(crate) fn show(&self, snapshot: Snapshot) {
        self.rows.store(snapshot.rows, Relaxed);
        self.failed.store(snapshot.failed, Relaxed);
        self.body_bytes.store(snapshot.body_bytes, Relaxed);
        self.in_flight.store(snapshot.in_flight, Relaxed);
    }

    /// Shows how many fetches are under way.
    pub(crate) fn show_in_flight(&self, count: usize) {
        self.in_flight.store(count as u64, Relaxed);
    }

    /// What the gauge shows now, added to `sum`.
    fn add_to(&self, sum: &mut Snapshot) {
        sum.rows += self.rows.load(Relaxed);
        sum.failed += self.failed.load(Relaxed);
        sum.body_bytes += self.body_bytes.load(Relaxed);
        sum.in_flight += self.in_flight.load(Relaxed);
    }
}
