//! Comparisons over a sweep of two settings, and which contestant is best where.
//!
//! Invariant: none is best by less than a verdict.

use serde::Serialize;

use crate::compare::bootstrap::Estimate;
use crate::compare::comparison::Comparison;
use crate::compare::measurements::{ContestantRecord, Measurements};
use crate::compare::ratio::{Ratio, RatioVerdict};

/// The comparisons of a sweep; its JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Matrix {
    /// One comparison for each pair of settings, connections first.
    pub matrix: Vec<Cell>,
}

/// One comparison of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// Connections in all.
    pub connections: usize,
    /// Size of the bodies that were asked for.
    pub body_bytes: u64,
    /// The best contestant, and those that no verdict tells apart from it; empty after too few
    /// turns.
    pub winners: Vec<String>,
    /// The comparison.
    pub comparison: Comparison,
}

impl Cell {
    /// Compares the contestants of `measurements`, which were made with these settings.
    #[must_use]
    pub fn new(connections: usize, body_bytes: u64, measurements: &Measurements) -> Self {
        let comparison = Comparison::new(measurements);
        let winners = winners(measurements, &comparison).unwrap_or_default();
        Self { connections, body_bytes, winners, comparison }
    }
}

impl Matrix {
    /// The connections of the sweep, in order.
    #[must_use]
    pub fn connections(&self) -> Vec<usize> {
        let mut all: Vec<usize> = self.matrix.iter().map(|cell| cell.connections).collect();
        all.dedup();
        all
    }

    /// The body sizes of the sweep, in order.
    #[must_use]
    pub fn body_sizes(&self) -> Vec<u64> {
        let mut all = Vec::new();
        for cell in &self.matrix {
            if !all.contains(&cell.body_bytes) {
                all.push(cell.body_bytes);
            }
        }
        all
    }

    /// The comparison with these settings; none where it was not made.
    #[must_use]
    pub fn cell(&self, connections: usize, body_bytes: u64) -> Option<&Cell> {
        let is_it = |cell: &&Cell| cell.connections == connections && cell.body_bytes == body_bytes;
        self.matrix.iter().find(is_it)
    }
}

/// The contestant with the best median, and those that are not slower by the verdict. They are
/// compared with the best one, not with the baseline.
fn winners(measurements: &Measurements, comparison: &Comparison) -> Option<Vec<String>> {
    let measure = comparison.verdict_by;
    let noise = comparison.same_to_baseline.measure(measure)?.noise();
    let median = |record: &ContestantRecord| {
        Estimate::of(
            &record.slices.iter().filter_map(|slice| measure.of(slice)).collect::<Vec<_>>(),
        )
    };
    let medians =
        measurements.contestants.iter().filter_map(|record| Some((record, median(record)?.median)));
    // Less is better, whatever the verdicts go by.
    let (best, _) = medians.min_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let is_as_good = |record: &&ContestantRecord| {
        let ratio = Ratio::of(measure, &record.slices, &best.slices);
        record.label == best.label
            || ratio.is_some_and(|r| measure.verdict(&r.estimate, noise) != RatioVerdict::Slower)
    };
    let others =
        measurements.contestants.iter().filter(is_as_good).map(|record| record.label.clone());
    Some(others.collect())
}
