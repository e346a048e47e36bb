//! What a core says of itself to whoever watches a run of trials.
//!
//! Everything travels by value, and is bounded: two intervals for each core, one end for each
//! trial.

use std::sync::Arc;

use crate::base::cpu_time::CpuTime;
use crate::base::failure::FailureCounts;
use crate::bench::record::Record;
use crate::bench::series::Interval;
use crate::bench::trial::TrialOrder;
use crate::runtime::launch::Placement;
use crate::stats::latency::Latency;

/// What a core says of itself.
#[derive(Debug)]
pub enum Event {
    /// Its connections are open, as far as they could be opened; it can begin a trial.
    Opened(Opened),
    /// What it saw in the last stretch of time of a trial, and which core it is.
    Interval(usize, Box<Interval>),
    /// Its part of the trial is over.
    Ended(Box<CoreEnd>),
}

/// The connections that a core opened before the first trial.
#[derive(Debug)]
pub struct Opened {
    /// Connections that were wanted; none where each request has its own.
    pub wanted: usize,
    /// Connections that are open.
    pub opened: usize,
    /// Why others are not.
    pub failures: FailureCounts,
}

/// What a core's part of a trial gave.
#[derive(Debug)]
pub struct CoreEnd {
    /// Which core it is, and where it ran.
    pub placement: Placement,
    /// What it noted.
    pub record: Record,
    /// CPU time of the whole process while this core measured.
    pub process: CpuTime,
}

/// One core's ways in and out.
#[derive(Clone)]
pub(super) struct Ways {
    pub(super) orders: flume::Receiver<Arc<TrialOrder>>,
    /// Empty histograms for intervals.
    pub(super) spares: flume::Receiver<Latency>,
    pub(super) events: flume::Sender<Event>,
}

impl Ways {
    /// Says what happened. Where nobody listens any more the run is over anyway.
    pub(super) fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }
}
