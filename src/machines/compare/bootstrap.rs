//! How well a median is known that few rounds tell: intervals by the bootstrap.
//!
//! Supposes that the rounds are independent of each other, and nothing of how they are spread
//! (Efron and Tibshirani, "An Introduction to the Bootstrap", chapter 13: the percentile interval).
//!
//! Invariant: the same values give the same interval; an interval never reaches beyond the values.

use serde::{Deserialize, Serialize};

use crate::words::limits::{BOOTSTRAP_RESAMPLES, CONFIDENCE};

/// Where the random numbers start: an interval is no matter of luck.
const SEED: u64 = 0x5EED;

/// A median, and the interval that holds it with a confidence of 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The median.
    pub median: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Estimate {
    /// The median of `values`, in any order; none where there are none or some are no numbers.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let mut random = fastrand::Rng::with_seed(SEED);
        let mut sample = vec![0.0; values.len()];
        let mut medians: Vec<f64> = (0..BOOTSTRAP_RESAMPLES)
            .map(|_| {
                sample.fill_with(|| values[random.usize(..values.len())]);
                median(&mut sample)
            })
            .collect();
        medians.sort_by(f64::total_cmp);
        let at = |share: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of the number of resamples"
            )]
            let idx = (share * (medians.len() - 1) as f64).round() as usize;
            medians[idx]
        };
        let tail = (1.0 - CONFIDENCE) / 2.0;
        let (low, high) = (at(tail), at(1.0 - tail));
        Some(Self { median: median(&mut values.to_vec()), low, high })
    }

    /// Whether the interval lies above `value`.
    #[must_use]
    pub fn is_above(&self, value: f64) -> bool {
        self.low > value
    }

    /// Whether the interval lies below `value`.
    #[must_use]
    pub fn is_below(&self, value: f64) -> bool {
        self.high < value
    }
}

/// The median of `values`, which are sorted by that; the mean of the two in the middle where their
/// number is even.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In how many of `trials` samples of `count` values each the interval holds the median of what
    /// they are drawn from.
    fn covered(
        count: usize,
        trials: u64,
        draw: impl Fn(&mut fastrand::Rng) -> f64,
        truth: f64,
    ) -> usize {
        let holds = |seed| {
            let mut random = fastrand::Rng::with_seed(seed);
            let values: Vec<f64> = (0..count).map(|_| draw(&mut random)).collect();
            let estimate = Estimate::of(&values).unwrap();
            estimate.low <= truth && truth <= estimate.high
        };
        (0..trials).filter(|seed| holds(*seed)).count()
    }

    #[test]
    fn medians_are_those_of_the_values() {
        for (values, expected) in
            [(vec![3.0], 3.0), (vec![4.0, 1.0], 2.5), (vec![9.0, 1.0, 2.0], 2.0)]
        {
            let estimate = Estimate::of(&values).unwrap();
            assert_eq!(estimate.median, expected);
            assert!(estimate.low <= expected && expected <= estimate.high);
        }
        assert_eq!(Estimate::of(&[]), None);
        assert_eq!(Estimate::of(&[1.0, f64::NAN]), None);
        let all = Estimate::of(&[2.0; 10]).unwrap();
        assert_eq!((all.low, all.high), (2.0, 2.0));
    }

    #[test]
    fn the_interval_holds_the_truth_about_as_often_as_it_says() {
        let even = |random: &mut fastrand::Rng| random.f64();
        // With outliers, as a machine that others use has them.
        let spiky = |random: &mut fastrand::Rng| {
            if random.u8(..10) == 0 { 10.0 } else { random.f64() * 10.0 / 9.0 }
        };
        for count in [10, 20] {
            let held =
                (covered(count, 300, even, 0.5), covered(count, 300, spiky, 0.5 * 10.0 / 9.0));
            assert!(held.0 >= 270 && held.0 < 300, "{held:?} of 300 with {count} values");
            assert!(held.1 >= 260, "{held:?} of 300 with {count} values");
        }
    }

    #[test]
    fn more_rounds_tell_more() {
        let mut random = fastrand::Rng::with_seed(7);
        let values: Vec<f64> = (0..100).map(|_| random.f64()).collect();
        let width = |count: usize| {
            let estimate = Estimate::of(&values[..count]).unwrap();
            estimate.high - estimate.low
        };
        assert!(width(100) < width(10) / 2.0, "{} {}", width(100), width(10));
    }
}
