//! What all workers of one test server share: the stop flag, two settings, and the counters.
//!
//! Invariant: a worker writes only its own counters; anyone may read all of them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What the workers of one server share.
#[derive(Debug)]
pub(super) struct ServerShared {
    /// Whether the server is to end.
    pub(super) stop: AtomicBool,
    /// How long a connection may wait for its peer.
    pub(super) idle: Duration,
    /// How many arrival times each worker keeps.
    pub(super) stamps_max: usize,
    counters: Vec<WorkerCounters>,
}

/// What one worker counts, on a cache line that it shares with nobody.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct WorkerCounters {
    requests: AtomicU64,
    refused: AtomicU64,
    connections: AtomicU64,
}

/// What a test server has done, all workers together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Requests that were read and are answered, faults included. Those for `/count` and `/stamps`
    /// are left out, so that asking changes nothing.
    pub requests: u64,
    /// Requests that were no HTTP, or too large, and ended their connection.
    pub refused: u64,
    /// Connections that were accepted.
    pub connections: u64,
}

impl ServerShared {
    /// What `workers` workers share that have done nothing yet.
    pub(super) fn new(workers: usize, idle: Duration, stamps_max: usize) -> Self {
        let counters = (0..workers).map(|_| WorkerCounters::default()).collect();
        Self { stop: AtomicBool::new(false), idle, stamps_max, counters }
    }

    /// The counters of the worker `idx`, which alone may add to them.
    pub(super) fn counters(&self, idx: usize) -> &WorkerCounters {
        &self.counters[idx]
    }

    /// What was done so far.
    pub(super) fn served(&self) -> Served {
        let mut served = Served::default();
        for counters in &self.counters {
            served.requests += counters.requests.load(Relaxed);
            served.refused += counters.refused.load(Relaxed);
            served.connections += counters.connections.load(Relaxed);
        }
        served
    }
}

impl WorkerCounters {
    /// Counts a request that is answered.
    pub(super) fn count_request(&self) {
        add_one(&self.requests);
    }

    /// Counts a request that is refused.
    pub(super) fn count_refused(&self) {
        add_one(&self.refused);
    }

    /// Counts a connection that was accepted.
    pub(super) fn count_connection(&self) {
        add_one(&self.connections);
    }
}

/// Adds one to a counter. Only one thread writes it, so a load and a store are enough.
fn add_one(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}
