//! The distribution of one kind of time, in nanoseconds, in fixed memory.
//!
//! Nothing is thinned or corrected.
//!
//! Invariant: every recorded value is counted exactly once, and memory does not grow with them.

use hdrhistogram::Histogram;

/// Longest latency of the distribution, in nanoseconds: one hour. Longer ones count as clipped.
pub const LATENCY_NS_MAX: u64 = 3_600_000_000_000;
/// Samples that must lie beyond a quantile for it to be known: with fewer it is an anecdote.
pub(super) const QUANTILE_SAMPLES_BEYOND: u32 = 10;
/// Significant decimal digits that a latency keeps.
const LATENCY_DIGITS: u8 = 3;

/// How often each time was seen: quantiles to three significant digits from 1 ns to one hour;
/// count, mean, minimum and maximum exact.
///
/// An unused one takes no memory beyond itself. The first value allocates some 260 KiB; nothing
/// after that allocates.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    /// Boxed, so that a tally of many unused phases stays small.
    histogram: Option<Box<Histogram<u64>>>,
    clipped: u64,
    sum_ns: u128,
    min_ns: u64,
    max_ns: u64,
}

impl Latency {
    /// One that has its memory already, so that recording never allocates.
    #[must_use]
    pub fn prepared() -> Self {
        let mut latency = Self::default();
        latency.histogram();
        latency
    }

    /// Counts one time of `ns` nanoseconds.
    ///
    /// A time of more than [`LATENCY_NS_MAX`] has its place at that bound in the distribution and
    /// is counted as clipped; mean and maximum see it as it is.
    pub fn record_ns(&mut self, ns: u64) {
        let histogram = self.histogram();
        let first = histogram.is_empty();
        histogram
            .record(ns.min(LATENCY_NS_MAX))
            .expect("the histogram reaches from 0 to LATENCY_NS_MAX");
        self.clipped += u64::from(ns > LATENCY_NS_MAX);
        self.sum_ns += u128::from(ns);
        self.min_ns = if first { ns } else { self.min_ns.min(ns) };
        self.max_ns = self.max_ns.max(ns);
    }

    /// Adds what `other` counted.
    pub fn add(&mut self, other: &Self) {
        let Some(theirs) = other.histogram.as_deref() else { return };
        if theirs.is_empty() {
            return;
        }
        let mine = self.histogram();
        let first = mine.is_empty();
        mine.add(theirs).expect("all histograms have the same bounds");
        self.clipped += other.clipped;
        self.sum_ns += other.sum_ns;
        self.min_ns = if first { other.min_ns } else { self.min_ns.min(other.min_ns) };
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// Forgets what was counted and keeps the memory for what comes.
    pub fn clear(&mut self) {
        if let Some(histogram) = &mut self.histogram {
            // Not `clear`, which would keep minimum and maximum.
            histogram.reset();
        }
        *self = Self { histogram: self.histogram.take(), ..Self::default() };
    }

    /// The distribution itself, in nanoseconds, [`LATENCY_NS_MAX`] at most; none where nothing was
    /// ever recorded.
    #[must_use]
    pub fn distribution(&self) -> Option<&Histogram<u64>> {
        self.histogram.as_deref()
    }

    /// How many times were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, |histogram| histogram.len())
    }

    /// How many of them were over [`LATENCY_NS_MAX`].
    #[must_use]
    pub const fn clipped(&self) -> u64 {
        self.clipped
    }

    /// The shortest time in nanoseconds, exact; none where nothing was recorded.
    #[must_use]
    pub fn min_ns(&self) -> Option<u64> {
        (self.count() > 0).then_some(self.min_ns)
    }

    /// The longest time in nanoseconds, exact; none where nothing was recorded.
    #[must_use]
    pub fn max_ns(&self) -> Option<u64> {
        (self.count() > 0).then_some(self.max_ns)
    }

    /// The mean in nanoseconds, of the exact times; none where nothing was recorded.
    #[must_use]
    pub fn mean_ns(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.sum_ns as f64 / count as f64)
    }

    /// The smallest time in nanoseconds that a share of `quantile` (0 to 1) of all times does not
    /// exceed, to three significant digits, never above [`Latency::max_ns`]; none where nothing was
    /// recorded.
    ///
    /// It says nothing of how well it is known: see [`Latency::quantile_known`].
    #[must_use]
    pub fn quantile_ns(&self, quantile: f64) -> Option<u64> {
        let histogram = self.histogram.as_deref().filter(|histogram| !histogram.is_empty())?;
        let value_ns = histogram.value_at_quantile(quantile);
        Some(value_ns.clamp(self.min_ns, self.max_ns))
    }

    /// Whether there are enough times for `quantile` (0 to 1) to mean something: at least
    /// `10 / (1 - quantile)`, so that some ten of them lie beyond it.
    ///
    /// ```
    /// let mut latency = ringfetch::stats::latency::Latency::default();
    /// (0..100).for_each(|ns| latency.record_ns(ns));
    /// assert!(latency.quantile_known(0.9));
    /// assert!(!latency.quantile_known(0.99));
    /// ```
    #[must_use]
    pub fn quantile_known(&self, quantile: f64) -> bool {
        is_known(self.count(), quantile)
    }

    /// [`Latency::quantile_ns`] where it is known, else none.
    #[must_use]
    pub fn known_quantile_ns(&self, quantile: f64) -> Option<u64> {
        if self.quantile_known(quantile) { self.quantile_ns(quantile) } else { None }
    }

    fn histogram(&mut self) -> &mut Histogram<u64> {
        self.histogram.get_or_insert_with(|| {
            // From 1 ns: a coarser lowest value would save 20 % of the memory and cost the third
            // digit of all that is faster than a millisecond, which is most of what loopback shows.
            let histogram = Histogram::new_with_bounds(1, LATENCY_NS_MAX, LATENCY_DIGITS)
                .expect("the bounds of a latency are bounds of a histogram");
            Box::new(histogram)
        })
    }
}

/// Whether `count` times are enough for `quantile` to mean something.
pub(super) fn is_known(count: u64, quantile: f64) -> bool {
    // 1 - 0.9 is a little less than 0.1 in binary; the slack is far below one sample.
    let beyond = count as f64 * (1.0 - quantile) + 1e-6;
    beyond >= f64::from(QUANTILE_SAMPLES_BEYOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Most memory of one record that is in use, in bytes.
    const BYTES_MAX: usize = 272 * 1024;

    fn latency_of(times_ns: impl IntoIterator<Item = u64>) -> Latency {
        let mut latency = Latency::default();
        times_ns.into_iter().for_each(|ns| latency.record_ns(ns));
        latency
    }

    #[test]
    fn what_was_not_used_knows_nothing_and_costs_nothing() {
        let latency = Latency::default();
        assert!(latency.histogram.is_none());
        assert_eq!((latency.count(), latency.clipped()), (0, 0));
        assert_eq!((latency.min_ns(), latency.max_ns()), (None, None));
        assert_eq!((latency.mean_ns(), latency.quantile_ns(0.5)), (None, None));
        assert!(!latency.quantile_known(0.0));
    }

    #[test]
    fn the_memory_in_use_is_bounded_and_does_not_grow() {
        let mut latency = Latency::prepared();
        let cells = |latency: &Latency| latency.histogram.as_ref().unwrap().distinct_values();
        let before = cells(&latency);
        assert!(before * size_of::<u64>() <= BYTES_MAX, "{before} cells");
        for ns in [0, 1, 1000, LATENCY_NS_MAX, u64::MAX] {
            latency.record_ns(ns);
        }
        assert_eq!(cells(&latency), before);
        assert_eq!(latency.count(), 5);
    }

    #[test]
    fn quantiles_keep_three_digits_at_any_size() {
        for scale in [1, 1_000, 1_000_000, 1_000_000_000] {
            let latency = latency_of((1..=1000).map(|n| n * scale));
            for (quantile, expected) in [(0.5, 500), (0.9, 900), (0.99, 990), (1.0, 1000)] {
                let (seen, expected) = (latency.quantile_ns(quantile).unwrap(), expected * scale);
                assert!(seen >= expected && seen - expected <= expected / 1000, "{seen}");
            }
            assert_eq!(latency.min_ns(), Some(scale));
            assert_eq!(latency.max_ns(), Some(1000 * scale));
            assert_eq!(latency.mean_ns(), Some(500.5 * scale as f64));
        }
    }

    #[test]
    fn a_time_over_the_bound_is_clipped_but_not_forgotten() {
        let latency = latency_of([5, LATENCY_NS_MAX, LATENCY_NS_MAX * 3]);
        assert_eq!((latency.count(), latency.clipped()), (3, 1));
        assert_eq!(latency.max_ns(), Some(LATENCY_NS_MAX * 3));
        assert!(latency.quantile_ns(1.0).unwrap() <= LATENCY_NS_MAX * 1001 / 1000);
    }

    #[test]
    fn adding_equals_recording_everything_in_one() {
        let mut sum = latency_of([7, 3_000]);
        sum.add(&Latency::default());
        sum.add(&Latency::prepared());
        sum.add(&latency_of([2, LATENCY_NS_MAX + 1]));
        let mut into_empty = Latency::default();
        into_empty.add(&sum);
        let all = latency_of([7, 3_000, 2, LATENCY_NS_MAX + 1]);
        for merged in [&sum, &into_empty] {
            assert_eq!((merged.count(), merged.clipped()), (all.count(), all.clipped()));
            assert_eq!((merged.min_ns(), merged.max_ns()), (all.min_ns(), all.max_ns()));
            assert_eq!(merged.mean_ns(), all.mean_ns());
            assert_eq!(merged.quantile_ns(0.5), all.quantile_ns(0.5));
        }
    }

    #[test]
    fn what_was_cleared_is_as_new_but_for_its_memory() {
        let mut latency = latency_of([3, LATENCY_NS_MAX + 1]);
        latency.clear();
        assert!(latency.distribution().is_some_and(Histogram::is_empty));
        assert_eq!((latency.count(), latency.clipped()), (0, 0));
        assert_eq!((latency.min_ns(), latency.max_ns()), (None, None));
        latency.record_ns(40);
        assert_eq!((latency.min_ns(), latency.max_ns()), (Some(40), Some(40)));
        assert_eq!((latency.mean_ns(), latency.quantile_ns(0.5)), (Some(40.0), Some(40)));
        assert_eq!(latency.distribution().map(Histogram::max), Some(40));
        latency = Latency::default();
        latency.clear();
        assert!(latency.distribution().is_none());
    }

    #[test]
    fn a_quantile_is_known_from_ten_samples_beyond_it() {
        for (quantile, samples) in
            [(0.5, 20), (0.9, 100), (0.99, 1_000), (0.999, 10_000), (0.9999, 100_000)]
        {
            let mut latency = latency_of((1..samples).map(|_| 1));
            assert_eq!(latency.known_quantile_ns(quantile), None, "{quantile}");
            latency.record_ns(1);
            assert_eq!(latency.known_quantile_ns(quantile), Some(1), "{quantile}");
        }
    }
}
