//! The search for the highest rate that holds: rates are doubled until one fails, and then the gap
//! between the highest that held and the lowest that failed is halved.
//!
//! Invariant: a search ends after a bounded number of rates, whichever of them hold.

/// Lowest rate that a search tries, in requests a second.
const RATE_MIN: f64 = 1.0;
/// Highest rate that a search tries.
const RATE_MAX: f64 = 10e6;
/// A search ends when the lowest rate that failed is above the highest that held by this share or
/// less.
const PRECISION: f64 = 0.05;
/// Most rates that a search tries: doubling over all of its range, and then as many halvings as the
/// precision needs.
const STEPS_MAX: u32 = 32;

/// A search under way.
#[derive(Clone, Debug)]
pub struct RateSearch {
    first: f64,
    lowest: f64,
    /// The highest rate that held.
    held: Option<f64>,
    /// The lowest rate above it that did not.
    failed: Option<f64>,
    steps: u32,
}

impl RateSearch {
    /// A search that begins with `first` requests a second and tries nothing below `lowest`. Both
    /// are moved into the range from 1 to 10 million.
    #[must_use]
    pub fn new(first: f64, lowest: f64) -> Self {
        let lowest = lowest.clamp(RATE_MIN, RATE_MAX);
        let first = first.clamp(lowest, RATE_MAX);
        Self { first, lowest, held: None, failed: None, steps: 0 }
    }

    /// The next rate to try; none once the search is over.
    #[must_use]
    pub fn next_rate(&self) -> Option<f64> {
        if self.steps >= STEPS_MAX {
            return None;
        }
        match (self.held, self.failed) {
            (None, None) => Some(self.first),
            (Some(held), None) => (held < RATE_MAX).then(|| RATE_MAX.min(held * 2.0)),
            (None, Some(failed)) => {
                // Nothing has held so far: larger steps down find a rate that holds sooner.
                (failed > self.lowest).then(|| self.lowest.max(failed / 4.0))
            }
            (Some(held), Some(failed)) => {
                let is_close = failed / held <= 1.0 + PRECISION;
                (!is_close).then(|| f64::midpoint(held, failed))
            }
        }
    }

    /// Learns that `rate` held.
    pub fn handle_held(&mut self, rate: f64) {
        self.steps += 1;
        self.held = Some(self.held.map_or(rate, |held| held.max(rate)));
    }

    /// Learns that `rate` did not hold.
    pub fn handle_failed(&mut self, rate: f64) {
        self.steps += 1;
        self.failed = Some(self.failed.map_or(rate, |failed| failed.min(rate)));
    }

    /// The highest rate that held.
    #[must_use]
    pub const fn held(&self) -> Option<f64> {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `search` to its end where the rates hold for which `holds` says so; the rates that were
    /// tried.
    fn path(search: &mut RateSearch, mut holds: impl FnMut(f64) -> bool) -> Vec<f64> {
        let mut path = Vec::new();
        while let Some(rate) = search.next_rate() {
            path.push(rate);
            if holds(rate) {
                search.handle_held(rate);
            } else {
                search.handle_failed(rate);
            }
        }
        path
    }

    /// Searches for `limit` from `first`: what was found, and the rates that were tried.
    fn search(first: f64, limit: f64) -> (Option<f64>, Vec<f64>) {
        let mut search = RateSearch::new(first, 0.0);
        let path = path(&mut search, |rate| rate <= limit);
        (search.held(), path)
    }

    #[test]
    fn the_limit_is_found_from_below_and_from_above() {
        for first in [1.0, 1000.0, 1e6] {
            for limit in [3.0, 777.0, 45_678.0, 2e6] {
                let (held, path) = search(first, limit);
                let held = held.unwrap();
                assert!(held <= limit && held * (1.0 + PRECISION) >= limit * 0.999);
                assert!(path.len() <= STEPS_MAX as usize, "{first} {limit} {path:?}");
            }
        }
    }

    #[test]
    fn what_never_or_always_holds_ends_too() {
        assert_eq!(search(1000.0, 0.0).0, None);
        assert_eq!(search(1000.0, f64::INFINITY).0, Some(RATE_MAX));
    }

    #[test]
    fn nothing_is_tried_under_the_lowest_rate() {
        assert_eq!(path(&mut RateSearch::new(10.0, 300.0), |_| false), [300.0]);
    }

    #[test]
    fn a_limit_that_wavers_ends_too() {
        let mut steps = 0;
        path(&mut RateSearch::new(1000.0, 0.0), |_| {
            steps += 1;
            steps % 2 == 0
        });
        assert!(steps <= STEPS_MAX);
    }
}
