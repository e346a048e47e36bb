//! The percentiles of one kind of time in microseconds, as reports list them.
//!
//! Invariant: a percentile is there only where some ten samples lie beyond it.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::stats::arithmetic::us;
use crate::stats::latency::{Latency, QUANTILE_SAMPLES_BEYOND, is_known};
use crate::stats::survival::{Quantile, Survival};

/// The percentiles that are listed: their names in reports, and the quantiles.
pub const PERCENTILES: [(&str, f64); 7] = [
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
    ("p99.999", 0.99999),
];

/// One number of [`Percentiles`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// The mean.
    Mean,
    /// The shortest.
    Min,
    /// The percentile at this place of [`PERCENTILES`].
    Percentile(usize),
    /// The longest.
    Max,
}

/// The times of one kind in microseconds; none, and null in JSON, where there are too few samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Percentiles {
    /// Times recorded.
    pub n: u64,
    /// Their mean.
    pub mean: Option<f64>,
    /// The shortest.
    pub min: Option<f64>,
    /// What the shares of [`PERCENTILES`] do not exceed, in that order.
    pub percentiles: [Option<f64>; PERCENTILES.len()],
    /// The longest.
    pub max: Option<f64>,
    /// Which of the percentiles are longer than the number that stands there, by an unknown amount:
    /// too many requests had not ended. In JSON a list of their names, only where there are any.
    pub at_least: [bool; PERCENTILES.len()],
    /// Times over an hour, which the percentiles hold for one hour; in JSON only where there are
    /// any.
    pub clipped: u64,
}

impl Percentiles {
    /// The times that `latency` holds, as far as it knows them.
    #[must_use]
    pub fn of(latency: &Latency) -> Self {
        Self {
            n: latency.count(),
            mean: latency.mean_ns().map(|ns| ns.round() / 1000.0),
            min: latency.min_ns().map(us),
            percentiles: PERCENTILES.map(|(_, q)| latency.known_quantile_ns(q).map(us)),
            max: latency.max_ns().map(us),
            at_least: [false; PERCENTILES.len()],
            clipped: latency.clipped(),
        }
    }

    /// The times of `completed`, and of others that had not ended at the ages of `censored`, as far
    /// as both together know them.
    #[must_use]
    pub fn of_censored(completed: &Latency, censored: &Latency) -> Self {
        if censored.count() == 0 {
            return Self::of(completed);
        }
        let survival = Survival::of(completed, censored);
        let known = |q: f64| survival.quantile(q).filter(|_| is_known(survival.count(), q));
        let value = |quantile| match quantile {
            Quantile::At(ns) | Quantile::AtLeast(ns) => us(ns),
        };
        Self {
            n: survival.count(),
            mean: survival.mean_ns().map(|ns| ns.round() / 1000.0),
            // An age says nothing of how short a time can be.
            min: completed.min_ns().or(censored.min_ns()).map(us),
            percentiles: PERCENTILES.map(|(_, q)| known(q).map(value)),
            max: completed.max_ns().max(censored.max_ns()).map(us),
            at_least: PERCENTILES.map(|(_, q)| matches!(known(q), Some(Quantile::AtLeast(_)))),
            clipped: completed.clipped() + censored.clipped(),
        }
    }

    /// Whether the true number at `statistic` is larger, by an unknown amount.
    #[must_use]
    pub const fn is_at_least(&self, statistic: Statistic) -> bool {
        matches!(statistic, Statistic::Percentile(idx) if self.at_least[idx])
    }

    /// The number that reports call `word`, as in `p99`, in microseconds; none where it is not
    /// known or there is no such number.
    #[must_use]
    pub fn named(&self, word: &str) -> Option<f64> {
        self.statistic(Statistic::parse(word)?)
    }

    /// The number at `statistic` in microseconds; none where it is not known.
    ///
    /// # Panics
    ///
    /// Where it is a percentile beyond [`PERCENTILES`].
    #[must_use]
    pub const fn statistic(&self, statistic: Statistic) -> Option<f64> {
        match statistic {
            Statistic::Mean => self.mean,
            Statistic::Min => self.min,
            Statistic::Percentile(idx) => self.percentiles[idx],
            Statistic::Max => self.max,
        }
    }
}

impl Statistic {
    /// Every statistic, in the order of reports.
    pub const ALL: [Self; PERCENTILES.len() + 3] = [
        Self::Mean,
        Self::Min,
        Self::Percentile(0),
        Self::Percentile(1),
        Self::Percentile(2),
        Self::Percentile(3),
        Self::Percentile(4),
        Self::Percentile(5),
        Self::Percentile(6),
        Self::Max,
    ];

    /// The statistic that reports call `word`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "mean" => Some(Self::Mean),
            "min" => Some(Self::Min),
            "max" => Some(Self::Max),
            _ => {
                let idx = PERCENTILES.iter().position(|(name, _)| *name == word)?;
                Some(Self::Percentile(idx))
            }
        }
    }

    /// The word that reports use.
    ///
    /// # Panics
    ///
    /// Where it is a percentile beyond [`PERCENTILES`].
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Percentile(idx) => PERCENTILES[idx].0,
            Self::Max => "max",
        }
    }

    /// How many samples there must be for it to be known.
    ///
    /// # Panics
    ///
    /// Where it is a percentile beyond [`PERCENTILES`].
    #[must_use]
    pub fn samples_min(self) -> u64 {
        match self {
            Self::Mean | Self::Min | Self::Max => 1,
            Self::Percentile(idx) => {
                let samples = f64::from(QUANTILE_SAMPLES_BEYOND) / (1.0 - PERCENTILES[idx].1);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a million at most"
                )]
                let samples = samples.round() as u64;
                samples
            }
        }
    }
}

impl Serialize for Percentiles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("n", &self.n)?;
        map.serialize_entry("mean", &self.mean)?;
        map.serialize_entry("min", &self.min)?;
        for ((name, _), us) in PERCENTILES.iter().zip(&self.percentiles) {
            map.serialize_entry(name, us)?;
        }
        map.serialize_entry("max", &self.max)?;
        if self.at_least.contains(&true) {
            let names = PERCENTILES.iter().zip(&self.at_least).filter(|(_, is)| **is);
            let names: Vec<&str> = names.map(|((name, _), _)| *name).collect();
            map.serialize_entry("at_least", &names)?;
        }
        if self.clipped > 0 {
            map.serialize_entry("clipped", &self.clipped)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(samples: u64) -> Latency {
        let mut latency = Latency::default();
        (1..=samples).for_each(|n| latency.record_ns(n * 1000));
        latency
    }

    #[test]
    fn percentiles_are_known_as_far_as_the_samples_tell() {
        for (samples, statistics) in
            [(0, 0), (19, 0), (20, 1), (40, 2), (100, 3), (1000, 4), (10_000, 5)]
        {
            let percentiles = Percentiles::of(&latency(samples));
            assert_eq!(percentiles.percentiles.iter().flatten().count(), statistics, "{samples}");
            assert_eq!(percentiles.max.is_some(), samples > 0);
        }
    }

    #[test]
    fn the_names_in_json_are_those_of_the_statistics() {
        let json = serde_json::to_string(&Percentiles::of(&latency(100))).unwrap();
        let expected = concat!(
            r#"{"n":100,"mean":50.5,"min":1.0,"p50":50.015,"p75":75.007,"p90":90.047,"#,
            r#""p99":null,"p99.9":null,"p99.99":null,"p99.999":null,"max":100.0}"#,
        );
        assert_eq!(json, expected);
        let mut slow = Latency::default();
        slow.record_ns(u64::MAX);
        assert_eq!(serde_json::to_value(Percentiles::of(&slow)).unwrap()["clipped"], 1);
    }

    #[test]
    fn statistics_are_found_by_their_names() {
        let percentiles = Percentiles::of(&latency(1000));
        for (word, us, samples_min) in [
            ("mean", Some(500.5), 1),
            ("min", Some(1.0), 1),
            ("max", Some(1000.0), 1),
            ("p99", Some(990.207), 1000),
            ("p99.9", None, 10_000),
            ("p99.999", None, 1_000_000),
        ] {
            let statistic = Statistic::parse(word).unwrap();
            assert_eq!(
                (percentiles.statistic(statistic), percentiles.named(word)),
                (us, us),
                "{word}"
            );
            assert_eq!(statistic.samples_min(), samples_min, "{word}");
        }
        assert_eq!((Statistic::parse("p42"), percentiles.named("p42")), (None, None));
    }
}
