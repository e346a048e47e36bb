//! Response times of which some are known only to be longer than an age: the censored ones.
//!
//! An age is not a time: a young request in flight is not a fast one, and an old one is not done.
//! The product-limit estimate uses an age as what it is: the request had not ended by then (E. L.
//! Kaplan and P. Meier, "Nonparametric Estimation from Incomplete Observations", JASA 53, 1958).
//!
//! Invariant: without censored times, every quantile is that of the times themselves.

use hdrhistogram::Histogram;

use crate::stats::interval::ranks_of;
use crate::stats::latency::Latency;

/// A quantile of times that are partly censored, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantile {
    /// It is this.
    At(u64),
    /// It is at least this: too many were censored to say more.
    AtLeast(u64),
}

/// The distribution of times that are partly censored.
#[derive(Clone, Debug)]
pub struct Survival {
    /// Times that occurred, ascending.
    steps: Vec<Occurred>,
    count: u64,
    /// The longest of all times and ages.
    longest_ns: u64,
}

/// Times that a histogram does not tell apart.
#[derive(Clone, Copy, Debug)]
struct Occurred {
    shortest_ns: u64,
    longest_ns: u64,
    /// The share of all times that did not exceed them.
    share: f64,
}

impl Survival {
    /// The distribution of the times of `completed` and of others that are known to be longer than
    /// the ages of `censored`.
    #[must_use]
    pub fn of(completed: &Latency, censored: &Latency) -> Self {
        let recorded = |latency: &Latency| -> Vec<(u64, u64)> {
            let values = latency.distribution().into_iter().flat_map(Histogram::iter_recorded);
            values.map(|v| (v.value_iterated_to(), v.count_since_last_iteration())).collect()
        };
        let mut ages = recorded(censored).into_iter().peekable();
        let count = completed.count() + censored.count();
        let (mut at_risk, mut surviving) = (count, 1.0);
        let mut steps = Vec::new();
        let (min_ns, max_ns) = (completed.min_ns().unwrap_or(0), completed.max_ns().unwrap_or(0));
        let shortest = |ns: u64| completed.distribution().map_or(ns, |h| h.lowest_equivalent(ns));
        for (value_ns, ended) in recorded(completed) {
            // Those censored before this time are no longer observed; at the same time, they are.
            while let Some((_, gone)) = ages.next_if(|(age_ns, _)| *age_ns < value_ns) {
                at_risk -= gone;
            }
            surviving *= 1.0 - ended as f64 / at_risk as f64;
            at_risk -= ended;
            let shortest_ns = shortest(value_ns).clamp(min_ns, max_ns);
            let longest_ns = value_ns.clamp(min_ns, max_ns);
            steps.push(Occurred { shortest_ns, longest_ns, share: 1.0 - surviving });
        }
        // The last one that was observed is the end of the distribution, not a rounding error.
        if at_risk == 0
            && let Some(last) = steps.last_mut()
        {
            last.share = 1.0;
        }
        let longest_ns = max_ns.max(censored.max_ns().unwrap_or(0));
        Self { steps, count, longest_ns }
    }

    /// How many times there are, censored ones among them.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The smallest time that a share of `quantile` (0 to 1) of all times does not exceed; none
    /// where there are no times.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<Quantile> {
        if self.count == 0 {
            return None;
        }
        let step = self.step_at(quantile);
        Some(step.map_or(Quantile::AtLeast(self.longest_ns), |step| Quantile::At(step.longest_ns)))
    }

    /// The first times that a share of `quantile` does not exceed.
    fn step_at(&self, quantile: f64) -> Option<&Occurred> {
        // The shares are sums of many parts; the slack is far below one sample of any run.
        let idx = self.steps.partition_point(|step| step.share < quantile - 1e-12);
        self.steps.get(idx)
    }

    /// The mean in nanoseconds, the end of what is still in flight being taken for its age: no more
    /// than the true one. None where there are no times.
    #[must_use]
    pub fn mean_ns(&self) -> Option<f64> {
        let (mut sum_ns, mut before) = (0.0, 0.0);
        for step in &self.steps {
            sum_ns += step.longest_ns as f64 * (step.share - before);
            before = step.share;
        }
        (self.count > 0).then_some(sum_ns + self.longest_ns as f64 * (1.0 - before))
    }

    /// The two times in nanoseconds between which `quantile` (0 to 1) of the distribution lies with
    /// a probability of at least `confidence` (0 to 1, as in 0.95); none where the quantile is not
    /// known ([`Latency::quantile_known`]), or the samples or the censored ones among them do not
    /// let it be told.
    ///
    /// How many of n samples lie below the quantile follows a binomial distribution, whatever that
    /// of the times, so the interval runs from one rank to another (H. A. David and H. N. Nagaraja,
    /// "Order Statistics", section 7.1; used for latencies by Lancet, Kogias et al., USENIX ATC
    /// 2019). It supposes independent samples: those of a closed loop, or around a stall, are not,
    /// and the interval is then too narrow.
    ///
    /// # Panics
    ///
    /// Where `quantile` or `confidence` is not between 0 and 1, both excluded.
    ///
    /// ```
    /// use ringfetch::stats::latency::Latency;
    /// use ringfetch::stats::survival::Survival;
    ///
    /// let mut latency = Latency::default();
    /// (1..=100).for_each(|ns| latency.record_ns(ns));
    /// let survival = Survival::of(&latency, &Latency::default());
    /// assert_eq!(survival.quantile_interval_ns(0.5, 0.95), Some((40, 61)));
    /// assert_eq!(survival.quantile_interval_ns(0.99, 0.95), None);
    /// ```
    #[must_use]
    pub fn quantile_interval_ns(&self, quantile: f64, confidence: f64) -> Option<(u64, u64)> {
        let (low, high) = ranks_of(self.count, quantile, confidence)?;
        let at_rank = |rank: u64| self.step_at((rank as f64 - 0.5) / self.count as f64);
        Some((at_rank(low)?.shortest_ns, at_rank(high)?.longest_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(times_ns: impl IntoIterator<Item = u64>) -> Latency {
        let mut latency = Latency::default();
        times_ns.into_iter().for_each(|ns| latency.record_ns(ns));
        latency
    }

    #[test]
    fn without_censored_times_nothing_changes() {
        let times = latency((1..=1000).map(|n| n * 1000));
        let survival = Survival::of(&times, &Latency::default());
        for quantile in [0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let expected = times.quantile_ns(quantile).unwrap();
            assert_eq!(survival.quantile(quantile), Some(Quantile::At(expected)), "{quantile}");
        }
        let (mean, exact) = (survival.mean_ns().unwrap(), times.mean_ns().unwrap());
        assert!((mean / exact - 1.0).abs() < 1e-3, "{mean} {exact}");
        // Ranks 469 and 532 of 1000, as far as three digits tell the times apart.
        let (low, high) = survival.quantile_interval_ns(0.5, 0.95).unwrap();
        assert!((468_500..=469_000).contains(&low), "{low}");
        assert!((532_000..=532_600).contains(&high), "{high}");
    }

    #[test]
    fn young_requests_in_flight_are_not_fast_ones() {
        // A server that takes a second, stopped half a second after its second round began.
        let survival = Survival::of(&latency([1_000_000; 64]), &latency([500_000; 64]));
        assert!(matches!(survival.quantile(0.01), Some(Quantile::At(ns)) if ns >= 999_000));
        assert_eq!(survival.quantile(0.5), survival.quantile(0.99));
    }

    #[test]
    fn requests_that_hang_are_at_least_as_old_as_they_are() {
        let survival = Survival::of(&latency([1000; 90]), &latency([9_000_000_000; 10]));
        assert_eq!(survival.quantile(0.9), Some(Quantile::At(1000)));
        let Some(Quantile::AtLeast(ns)) = survival.quantile(0.91) else {
            panic!("it is not known")
        };
        assert_eq!(ns, 9_000_000_000);
        let hung = Survival::of(&Latency::default(), &latency([5, 7]));
        assert_eq!(hung.quantile(0.5), Some(Quantile::AtLeast(7)));
        assert_eq!(hung.mean_ns(), Some(7.0));
        assert_eq!(Survival::of(&Latency::default(), &Latency::default()).quantile(0.5), None);
    }

    #[test]
    fn the_estimate_is_that_of_the_textbook() {
        // Kaplan and Meier 1958, section 2: deaths at 0.8, 3.1, 5.4 and 9.2, losses at 1.0, 2.7,
        // 7.0 and 12.1.
        let survival =
            Survival::of(&latency([800, 3100, 5400, 9200]), &latency([1000, 2700, 7000, 12_100]));
        let shares: Vec<f64> = survival.steps.iter().map(|step| 1.0 - step.share).collect();
        for (found, expected) in shares.iter().zip([7.0 / 8.0, 0.7, 0.525, 0.2625]) {
            assert!((found - expected).abs() < 1e-9, "{shares:?}");
        }
    }
}
