//! What a comparison has measured: the slices of every contestant. It can be saved, and a later one
//! compared with it.

use serde::{Deserialize, Serialize};

use crate::compare::bootstrap::Estimate;
use crate::compare::figures::Ratios;
use crate::compare::slice::Slice;
use crate::compare::subject::Subject;

/// What share of the rate that was asked for a contestant must do, for its latency to be judged.
const RATE_KEPT_MIN: f64 = 0.98;

/// What a comparison has measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurements {
    /// What it is of.
    pub subject: Subject,
    /// Whether requests were due by a schedule.
    pub is_open_loop: bool,
    /// Requests a second that were asked for; none where nothing limits them.
    pub wanted_per_s: Option<f64>,
    /// How long each contestant was measured in a round, in seconds.
    pub slice_s: f64,
    /// How many turns that time was spread over.
    pub turns_per_slice: usize,
    /// The contestants, the baseline first; never empty.
    #[serde(rename = "entries")]
    pub contestants: Vec<ContestantRecord>,
    /// A second contestant that is the same as the baseline.
    pub twin: ContestantRecord,
    /// Whether the comparison was stopped before its end.
    pub interrupted: bool,
    /// What else a reader should know.
    pub notes: Vec<String>,
}

/// What one contestant did: as many slices as every other one, in the same order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContestantRecord {
    /// What it is called.
    pub label: String,
    /// Its turns, as many in each round.
    pub slices: Vec<Slice>,
    /// A slice that was not timed and in which system calls were to be counted.
    pub counted: Option<Slice>,
    /// Connections that it keeps; 0 where its work opens and closes them.
    pub connections: usize,
    /// How many CPUs it uses.
    pub cores: usize,
    /// Memory that was resident before its connections were open, in bytes.
    pub rss_before_bytes: u64,
}

impl Measurements {
    /// The contestant that the others are compared to.
    ///
    /// # Panics
    ///
    /// Where there is none, which is a bug.
    #[must_use]
    pub fn baseline(&self) -> &ContestantRecord {
        self.contestants.first().expect("a comparison has a baseline")
    }

    /// The ratios of the twin to the baseline: what two contestants that are the same differ by.
    #[must_use]
    pub fn twin_ratios(&self) -> Ratios {
        Ratios::of(&self.twin.slices, &self.baseline().slices)
    }

    /// The rate at which latency is compared, in requests a second; none in a closed loop.
    pub(super) fn latency_rate_per_s(&self) -> Option<f64> {
        self.wanted_per_s.filter(|_| self.is_open_loop)
    }

    /// Whether a contestant with `rate` kept up with an open loop. If it did not, its latency is
    /// that of a queue.
    pub(super) fn keeps_up(&self, rate: Option<&Estimate>) -> bool {
        let kept = |wanted: f64| rate.is_some_and(|r| r.high >= RATE_KEPT_MIN * wanted);
        self.latency_rate_per_s().is_none_or(kept)
    }
}
