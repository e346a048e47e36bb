//! A contestant beside the baseline: ratios taken turn by turn, and what they show. A turn in which
//! either side has no number is left out.
//!
//! Invariant: nothing is called a difference that the same run also shows between two contestants
//! that are the same.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::compare::bootstrap::Estimate;
use crate::compare::slice::Slice;

/// Turns below which no ratio is told: the interval of five values at most reaches from the least
/// to the greatest, and still misses their median 6 times in 100.
const TURNS_TOLD_MIN: usize = 6;
/// What share a difference must exceed in any case, of whatever measure. CPU medians of two
/// processes of the same program were 0.5 % apart (one standard deviation of 24 pairs in 12 runs of
/// `benches/verdicts same` on a virtual machine of two CPUs, the most 1.5 %), and the twin is but
/// one draw of that, which many turns would make too much of. Criterion has the same threshold.
pub(super) const NOISE_MIN: f64 = 0.01;

/// What contestants are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Measure {
    /// Requests a second: more is better.
    #[serde(rename = "rate")]
    Rate,
    /// CPU time of a request, in the program and in the kernel: less is better.
    #[serde(rename = "cpu")]
    Cpu,
    /// Median of the response time: less is better.
    #[serde(rename = "p50")]
    P50,
    /// 99th percentile of the response time: less is better.
    #[serde(rename = "p99")]
    P99,
}

/// What the ratios to the baseline show of a contestant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RatioVerdict {
    /// Better than the baseline.
    #[serde(rename = "faster")]
    Faster,
    /// Worse than the baseline.
    #[serde(rename = "slower")]
    Slower,
    /// The ratios show neither.
    #[serde(rename = "no difference shown")]
    NotShown,
}

/// One measure of a contestant beside that of the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The contestant's divided by the baseline's, over the turns.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Turns in which both had a number.
    pub n: usize,
}

impl Measure {
    /// Every measure.
    pub const ALL: [Self; 4] = [Self::Rate, Self::Cpu, Self::P50, Self::P99];

    /// Its word in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Cpu => "cpu",
            Self::P50 => "p50",
            Self::P99 => "p99",
        }
    }

    /// The value of `slice`; none where it is not known.
    #[must_use]
    pub fn of(self, slice: &Slice) -> Option<f64> {
        match self {
            Self::Rate => slice.rate_per_s(),
            Self::Cpu => slice.cpu_us(),
            Self::P50 => slice.p50_us,
            Self::P99 => slice.p99_us,
        }
    }

    /// The verdict on an interval of ratios. `noise` is how far from 1 the ratios of two
    /// contestants that are the same may lie, as a factor of at least 1.
    #[must_use]
    pub fn verdict(self, ratio: &Estimate, noise: f64) -> RatioVerdict {
        assert!(noise >= 1.0, "noise is a factor: {noise}");
        let (is_more, is_less) = (ratio.is_above(noise), ratio.is_below(1.0 / noise));
        match (self, is_more, is_less) {
            (Self::Rate, true, _) | (Self::Cpu | Self::P50 | Self::P99, _, true) => {
                RatioVerdict::Faster
            }
            (Self::Rate, _, true) | (Self::Cpu | Self::P50 | Self::P99, true, _) => {
                RatioVerdict::Slower
            }
            _ => RatioVerdict::NotShown,
        }
    }
}

impl Ratio {
    /// The ratio of `measure` between `contestant` and `baseline`, the slices of the same turns in
    /// the same order; none where fewer than six turns have both
    /// numbers.
    #[must_use]
    pub fn of(measure: Measure, contestant: &[Slice], baseline: &[Slice]) -> Option<Self> {
        let pairs = contestant.iter().zip(baseline);
        let ratio = |(own, other): (&Slice, &Slice)| {
            let (own, other) = (measure.of(own)?, measure.of(other)?);
            (own > 0.0 && other > 0.0).then(|| own / other)
        };
        let ratios: Vec<f64> = pairs.filter_map(ratio).collect();
        let n = ratios.len();
        if n < TURNS_TOLD_MIN {
            return None;
        }
        Estimate::of(&ratios).map(|estimate| Self { estimate, n })
    }

    /// How far from 1 the interval reaches, as a factor of at least 1.
    #[must_use]
    pub fn reach(&self) -> f64 {
        self.estimate.high.max(1.0 / self.estimate.low).max(1.0)
    }

    /// What an interval must lie beyond to be called a difference, as a factor above 1, where both
    /// sides of this ratio are the same: how far it reaches, and 1 % at least.
    #[must_use]
    pub fn noise(&self) -> f64 {
        self.reach().max(1.0 + NOISE_MIN)
    }
}

impl fmt::Display for RatioVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::NotShown => "no difference shown",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slices(cpu_us: &[f64]) -> Vec<Slice> {
        let slice = |us: &f64| Slice {
            window_s: 1.0,
            completed: 1_000_000,
            sys_s: *us,
            ..Slice::default()
        };
        cpu_us.iter().map(slice).collect()
    }

    #[test]
    fn ratios_are_taken_in_each_turn() {
        // The machine becomes twice as slow, and the ratio stays.
        let baseline = slices(&[5.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
        let contestant = slices(&[5.5, 6.6, 7.7, 8.8, 9.9, 11.0]);
        let ratio = Ratio::of(Measure::Cpu, &contestant, &baseline).unwrap();
        assert!((ratio.estimate.median - 1.1).abs() < 1e-9, "{ratio:?}");
        assert!(ratio.estimate.high - ratio.estimate.low < 1e-9, "{ratio:?}");
        assert_eq!(ratio.n, 6);
    }

    #[test]
    fn turns_without_a_number_do_not_count() {
        let mut baseline = slices(&[5.0; 7]);
        baseline[2].completed = 0;
        let ratio = Ratio::of(Measure::Cpu, &slices(&[5.0; 7]), &baseline).unwrap();
        assert_eq!(ratio.n, 6);
        let five = slices(&[5.0; 5]);
        assert_eq!(Ratio::of(Measure::Cpu, &five, &five), None, "five turns show nothing");
        assert_eq!(Ratio::of(Measure::P99, &baseline, &baseline), None);
    }

    #[test]
    fn a_verdict_needs_more_than_the_noise() {
        let estimate =
            |low: f64, high: f64| Estimate { median: f64::midpoint(low, high), low, high };
        for (measure, low, high, noise, expected) in [
            (Measure::Cpu, 1.03, 1.07, 1.02, RatioVerdict::Slower),
            (Measure::Cpu, 1.03, 1.07, 1.04, RatioVerdict::NotShown),
            (Measure::Cpu, 0.90, 0.93, 1.02, RatioVerdict::Faster),
            (Measure::Cpu, 0.99, 1.02, 1.0, RatioVerdict::NotShown),
            (Measure::Rate, 1.03, 1.07, 1.02, RatioVerdict::Faster),
            (Measure::Rate, 0.90, 0.93, 1.02, RatioVerdict::Slower),
            (Measure::P99, 1.5, 2.5, 1.2, RatioVerdict::Slower),
            (Measure::P50, 0.5, 0.6, 1.9, RatioVerdict::NotShown),
        ] {
            let found = measure.verdict(&estimate(low, high), noise);
            assert_eq!(found, expected, "{measure:?} {low} {high} {noise}");
        }
    }

    #[test]
    fn the_reach_is_the_further_end() {
        let ratio = |low, high| Ratio { estimate: Estimate { median: 1.0, low, high }, n: 10 };
        assert!((ratio(0.8, 1.1).reach() - 1.25).abs() < 1e-9);
        assert!((ratio(0.99, 1.1).reach() - 1.1).abs() < 1e-9);
        assert!((ratio(1.01, 1.1).reach() - 1.1).abs() < 1e-9);
        assert!((ratio(1.01, 1.1).noise() - 1.1).abs() < 1e-9);
        assert!((ratio(0.999, 1.001).noise() - 1.01).abs() < 1e-9);
    }
}
