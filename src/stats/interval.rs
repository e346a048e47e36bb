//! How well a quantile of recorded times is known: confidence intervals by order statistics.
//!
//! Any distribution will do, but the times must be independent of each other. Where they are not (a
//! queue builds up, a collector pauses), the intervals are too narrow.
//!
//! Invariant: an interval reaches from one recorded time to another; it is never extrapolated.

use crate::stats::latency::is_known;

/// Samples beyond a quantile up to which its confidence interval is made of exact binomial
/// probabilities; from there on a normal distribution is as good and needs no sum.
const EXACT_SAMPLES_BEYOND_MAX: u32 = 1000;

/// The ranks, from 1, of the interval of `count` ordered samples that `quantile` lies in with a
/// probability of at least `confidence`; none where the quantile is not known.
pub(super) fn ranks_of(count: u64, quantile: f64, confidence: f64) -> Option<(u64, u64)> {
    assert!(quantile > 0.0 && quantile < 1.0, "a quantile is between 0 and 1: {quantile}");
    assert!(confidence > 0.0 && confidence < 1.0, "no certainty is had: {confidence}");
    if !is_known(count, quantile) {
        return None;
    }
    ranks(count, quantile, (1.0 - confidence) / 2.0)
}

/// The ranks, from 1, of the narrowest interval of `count` ordered samples that leaves `quantile`
/// out with a probability of at most `tail` on each side; none where a rank is not in the sample.
fn ranks(count: u64, quantile: f64, tail: f64) -> Option<(u64, u64)> {
    // The rarer side is counted: in its small numbers the tails are exact, the other's are not.
    let rarer = quantile.min(1.0 - quantile);
    let (few, many) = if count as f64 * rarer <= f64::from(EXACT_SAMPLES_BEYOND_MAX) {
        exact_ranks(count, rarer, tail)
    } else {
        normal_ranks(count, rarer, tail)
    };
    if few == 0 || many > count {
        return None;
    }
    // Counted from the top, the interval is the same one in a mirror.
    let is_low = quantile <= 0.5;
    Some(if is_low { (few, many) } else { (count + 1 - many, count + 1 - few) })
}

/// The largest rank with `P(B < rank) <= tail` and the smallest with `P(B >= rank) <= tail`, where
/// B is binomial: how many of `count` samples lie on the side of `share`. 0 and `count + 1` mean
/// that there is none.
fn exact_ranks(count: u64, share: f64, tail: f64) -> (u64, u64) {
    let odds_ln = (share / (1.0 - share)).ln();
    // In logarithms, since the first terms are below what an f64 holds.
    let mut term_ln = count as f64 * (-share).ln_1p();
    let mut below = 0.0;
    let mut low = 0;
    for rank in 1..=count {
        // INVARIANT: `below` is P(B < rank), `term_ln` was that of B = rank - 1.
        below += term_ln.exp();
        if below <= tail {
            low = rank;
        }
        // LIMIT: ends some standard deviations above the mean, of 1000 at most.
        if 1.0 - below <= tail {
            return (low, rank);
        }
        term_ln += ((count - rank + 1) as f64 / rank as f64).ln() + odds_ln;
    }
    (low, count + 1)
}

/// As [`exact_ranks`], by the normal distribution that B comes close to in large numbers, with the
/// correction for its steps.
fn normal_ranks(count: u64, share: f64, tail: f64) -> (u64, u64) {
    let mean = count as f64 * share;
    let reach = normal_quantile_above(tail) * (mean * (1.0 - share)).sqrt();
    let whole = |rank: f64| rank.clamp(0.0, count as f64 + 1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "just clamped to what is a rank"
    )]
    let rank = |rank: f64| whole(rank) as u64;
    (rank((mean - reach + 0.5).floor()), rank((mean + reach + 0.5).ceil()))
}

/// What a standard normal variable exceeds with a probability of `tail`, up to a half, to within
/// 0.00045 (Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.2.23).
fn normal_quantile_above(tail: f64) -> f64 {
    let t = (-2.0 * tail.ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    t - above / below
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::latency::Latency;
    use crate::stats::survival::Survival;

    /// The interval of a quantile of `latency`, of which nothing is censored.
    fn interval(latency: &Latency, quantile: f64, confidence: f64) -> Option<(u64, u64)> {
        let nothing = Latency::default();
        Survival::of(latency, &nothing).quantile_interval_ns(quantile, confidence)
    }

    /// How many of `trials` intervals at 95 % hold the true quantile of an exponential distribution
    /// with a mean of 1 ms, and how many could not be told.
    fn covered(samples: u64, quantile: f64, trials: u64) -> (u64, u64) {
        let truth_ns = -(1.0 - quantile).ln() * 1e6;
        let (mut held, mut untold) = (0, 0);
        for seed in 0..trials {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut latency = Latency::default();
            for _ in 0..samples {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a time of at most 40 ms"
                )]
                latency.record_ns((-(1.0 - random.f64()).ln() * 1e6) as u64);
            }
            match interval(&latency, quantile, 0.95) {
                Some((low, high)) => {
                    held += u64::from(low as f64 <= truth_ns && truth_ns <= high as f64);
                }
                None => untold += 1,
            }
        }
        (held, untold)
    }

    #[test]
    fn intervals_of_95_percent_hold_the_truth_95_times_in_a_hundred() {
        for (samples, quantile) in [(20, 0.5), (400, 0.9), (1_000, 0.99), (4_000, 0.5)] {
            let (held, untold) = covered(samples, quantile, 400);
            assert_eq!(untold, 0, "{samples} samples, {quantile}");
            assert!(held >= 372, "{held} of 400: {samples} samples, {quantile}");
            // One that always held it would say nothing.
            assert!(held < 400, "{samples} samples, {quantile}");
        }
    }

    #[test]
    fn ranks_are_those_of_the_tables() {
        // The median at 95 %, as tables of the sign test have it.
        for (count, expected) in [(6, (1, 6)), (10, (2, 9)), (20, (6, 15)), (100, (40, 61))] {
            assert_eq!(ranks(count, 0.5, 0.025), Some(expected), "{count}");
        }
        assert_eq!(ranks(5, 0.5, 0.025), None, "1 in 16 lies outside of all five");
        // Fewer than four of 10,000 lie beyond p99.9 with a probability of 1.0 %, fewer than five
        // with one of 2.9 %.
        assert_eq!(ranks(10_000, 0.999, 0.025), Some((9_983, 9_997)));
        assert_eq!(ranks(10_000, 0.001, 0.025), Some((4, 18)));
        assert_eq!(ranks(100, 0.999, 0.025), None);
        assert_eq!(ranks(0, 0.5, 0.025), None);
    }

    #[test]
    fn the_approximation_meets_the_exact_ranks() {
        for (count, share) in [(2_000, 0.5), (10_000, 0.1), (100_000, 0.01), (1_000_000, 0.001)] {
            let (exact, normal) =
                (exact_ranks(count, share, 0.025), normal_ranks(count, share, 0.025));
            let apart = exact.0.abs_diff(normal.0).max(exact.1.abs_diff(normal.1));
            assert!(apart <= 2, "{exact:?} {normal:?}");
        }
        for (tail, expected) in [(0.025, 1.959_964), (0.005, 2.575_829), (0.05, 1.644_854)] {
            assert!((normal_quantile_above(tail) - expected).abs() < 4.5e-4);
        }
    }

    #[test]
    fn large_samples_take_no_longer_and_stay_in_order() {
        let (low, high) = ranks(1 << 40, 0.5, 0.025).unwrap();
        let half = (1 << 40) / 2;
        assert!(low < half && half < high && high - low < 3 << 20, "{low} {high}");
        let mut latency = Latency::default();
        (0..30_000).for_each(|ns| latency.record_ns(ns));
        for quantile in [0.5, 0.9, 0.99, 0.999] {
            let (low, high) = interval(&latency, quantile, 0.95).unwrap();
            let told = latency.quantile_ns(quantile).unwrap();
            assert!(low <= told && told <= high && low < high, "{low} {told} {high}");
        }
    }

    #[test]
    fn what_is_not_known_has_no_interval() {
        let mut latency = Latency::default();
        assert_eq!(interval(&latency, 0.5, 0.95), None);
        (0..999).for_each(|ns| latency.record_ns(ns));
        assert_eq!(interval(&latency, 0.99, 0.95), None);
        latency.record_ns(999);
        assert!(interval(&latency, 0.99, 0.95).is_some());
        // Ten samples beyond do not reach for one chance in 10^9.
        assert_eq!(interval(&latency, 0.99, 1.0 - 1e-9), None);
    }
}
