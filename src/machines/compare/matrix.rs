//! Comparisons over a sweep of two settings, and who wins where.
//!
//! Knows comparisons by their verdicts alone.
//!
//! Invariant: nobody wins by less than a verdict.

use serde::Serialize;

use crate::machines::compare::comparison::Comparison;
use crate::machines::compare::ratio::Verdict;

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
    /// Who wins; several where they were not told apart.
    pub winners: Vec<String>,
    /// The comparison.
    pub comparison: Comparison,
}

impl Cell {
    /// A comparison made with these settings.
    #[must_use]
    pub fn new(connections: usize, body_bytes: u64, comparison: Comparison) -> Self {
        Self { connections, body_bytes, winners: winners(&comparison), comparison }
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

    /// The comparison with these settings, if it was made.
    #[must_use]
    pub fn cell(&self, connections: usize, body_bytes: u64) -> Option<&Cell> {
        let is_it = |cell: &&Cell| cell.connections == connections && cell.body_bytes == body_bytes;
        self.matrix.iter().find(is_it)
    }
}

/// The contestants that beat the baseline, or else the baseline and those that it was not told
/// apart from, in the order of the report.
fn winners(comparison: &Comparison) -> Vec<String> {
    let with = |verdict: Verdict| {
        let found = comparison.engines.0.iter().filter(move |(_, f)| f.verdict == Some(verdict));
        found.map(|(label, _)| label.clone())
    };
    let faster: Vec<String> = with(Verdict::Faster).collect();
    if !faster.is_empty() {
        return faster;
    }
    [comparison.baseline.clone()].into_iter().chain(with(Verdict::NotShown)).collect()
}
