//! The search for the highest rate that still holds an objective: doubled until one does not, then
//! halved in between.
//!
//! Knows neither requests nor objectives: whether a rate held is an argument.
//!
//! Invariant: a search ends after a bounded number of rates, whatever it is told.

/// Lowest rate that a search tries, in requests a second.
const RATE_MIN: f64 = 1.0;
/// Highest rate that a search tries.
const RATE_MAX: f64 = 10e6;
/// A search ends where the lowest rate that failed is not further above the highest that held.
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
    /// A search that begins with `first` a second, and tries nothing under `lowest`; both are moved
    /// into the range of rates that a search tries.
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
                // Nothing held so far: the ground is looked for in larger steps than the summit.
                (failed > self.lowest).then(|| self.lowest.max(failed / 4.0))
            }
            (Some(held), Some(failed)) => {
                let is_close = failed / held <= 1.0 + PRECISION;
                (!is_close).then(|| f64::midpoint(held, failed))
            }
        }
    }

    /// Takes notice that `rate` held, or did not.
    pub fn tell(&mut self, rate: f64, has_held: bool) {
        self.steps += 1;
        if has_held {
            self.held = Some(self.held.map_or(rate, |held| held.max(rate)));
        } else {
            self.failed = Some(self.failed.map_or(rate, |failed| failed.min(rate)));
        }
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

    /// Searches for `limit` from `first`: what was found, and the rates that were tried.
    fn search(first: f64, limit: f64) -> (Option<f64>, Vec<f64>) {
        let (mut search, mut path) = (RateSearch::new(first, 0.0), Vec::new());
        while let Some(rate) = search.next_rate() {
            path.push(rate);
            search.tell(rate, rate <= limit);
        }
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
        let mut search = RateSearch::new(10.0, 300.0);
        let mut path = Vec::new();
        while let Some(rate) = search.next_rate() {
            path.push(rate);
            search.tell(rate, false);
        }
        assert_eq!(path, [300.0]);
    }

    #[test]
    fn a_limit_that_wavers_ends_too() {
        let mut search = RateSearch::new(1000.0, 0.0);
        let mut steps = 0;
        while let Some(rate) = search.next_rate() {
            steps += 1;
            search.tell(rate, steps % 2 == 0);
        }
        assert!(steps <= STEPS_MAX);
    }
}
