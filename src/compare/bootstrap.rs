//! How well the median of some turns is known: intervals by the bootstrap.
//!
//! It supposes nothing of how the values are spread. It supposes that pairs of neighbours are
//! independent of other pairs: two turns that mirror each other, so that what drifts raises one and
//! lowers the other. So whole pairs are resampled (Efron and Tibshirani, "An Introduction to the
//! Bootstrap", chapters 8 and 13: blocks, and the percentile interval).
//!
//! Invariant: the same values give the same interval; an interval never reaches beyond the values.

use serde::{Deserialize, Serialize};

use crate::base::limits::CONFIDENCE;
use crate::stats::arithmetic::median;

/// Resamples: their 2.5 % tail has fifty of them.
const RESAMPLES: usize = 2000;

/// Where the random numbers start: the same values have the same interval in every run.
const SEED: u64 = 0x5EED;
/// How many neighbours are drawn together.
const PAIR: usize = 2;

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
    /// The median of `values`, in the order in which they were taken; none where there are no
    /// values or some are not finite.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        if !are_numbers(values) {
            return None;
        }
        let mut random = fastrand::Rng::with_seed(SEED);
        let mut sample = vec![0.0; values.len()];
        let resampled = || median_of_resample(values, &mut sample, &mut random);
        Some(Self::from_resamples(median(&mut values.to_vec()), resampled))
    }

    /// The median of `values` divided by that of `others`, which were not taken in the same turns;
    /// none where either has no values, or some that are not finite or not above zero.
    #[must_use]
    pub fn of_ratio(values: &[f64], others: &[f64]) -> Option<Self> {
        let are_usable = |values: &[f64]| are_numbers(values) && values.iter().all(|v| *v > 0.0);
        if !are_usable(values) || !are_usable(others) {
            return None;
        }
        let mut random = fastrand::Rng::with_seed(SEED);
        let (mut sample, mut other) = (vec![0.0; values.len()], vec![0.0; others.len()]);
        let ratio = median(&mut values.to_vec()) / median(&mut others.to_vec());
        Some(Self::from_resamples(ratio, || {
            let above = median_of_resample(values, &mut sample, &mut random);
            above / median_of_resample(others, &mut other, &mut random)
        }))
    }

    /// `median`, with the interval that its resamples give.
    fn from_resamples(median: f64, resample: impl FnMut() -> f64) -> Self {
        let mut resamples = Vec::with_capacity(RESAMPLES);
        resamples.resize_with(RESAMPLES, resample);
        resamples.sort_by(f64::total_cmp);
        let at = |share: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of the number of resamples"
            )]
            let idx = (share * (resamples.len() - 1) as f64).round() as usize;
            resamples[idx]
        };
        let tail = (1.0 - CONFIDENCE) / 2.0;
        Self { median, low: at(tail), high: at(1.0 - tail) }
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

/// Whether there are values, and all of them are finite.
fn are_numbers(values: &[f64]) -> bool {
    !values.is_empty() && values.iter().all(|value| value.is_finite())
}

/// The median of as many values as there are, drawn from `values` in pairs of neighbours; `sample`
/// is room for them.
fn median_of_resample(values: &[f64], sample: &mut [f64], random: &mut fastrand::Rng) -> f64 {
    let pairs = values.len().div_ceil(PAIR);
    let mut filled = 0;
    // Bounded by the values, since each pair has one at least.
    while filled < sample.len() {
        let first = PAIR * random.usize(..pairs);
        let pair = &values[first..values.len().min(first + PAIR)];
        let count = pair.len().min(sample.len() - filled);
        sample[filled..filled + count].copy_from_slice(&pair[..count]);
        filled += count;
    }
    median(sample)
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
        let truth = (0.5, 0.5 * 10.0 / 9.0);
        for count in [20, 60] {
            let held = (covered(count, 100, even, truth.0), covered(count, 100, spiky, truth.1));
            assert!((84..=100).contains(&held.0), "{held:?} of 100 with {count} values");
            assert!(held.1 >= 84, "{held:?} of 100 with {count} values");
        }
    }

    #[test]
    fn what_raises_one_neighbour_and_lowers_the_other_widens_nothing() {
        let drifting: Vec<f64> = (0..40).map(|idx| 1.0 + [0.2, -0.2][idx % 2]).collect();
        let estimate = Estimate::of(&drifting).unwrap();
        assert_eq!((estimate.low, estimate.high), (1.0, 1.0));
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
