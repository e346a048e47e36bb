//! When each request of an open loop starts, whether or not those before it were answered.
//!
//! Invariant: instants never go back. An instant depends on the profile, the law, the core and how
//! many came before it, never on when it was asked for; so no schedule drifts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::instant::Instant;

/// Highest rate of starts that can be asked for: one a nanosecond, as fine as instants are.
pub const RATE_PER_S_MAX: f64 = 1e9;
/// Most stages of one profile.
pub const PROFILE_STAGES_MAX: usize = 1000;
/// Longest profile that ends: its nanoseconds are exact in an f64.
pub const PROFILE_SPAN_MAX: Duration = Duration::from_secs(100 * 86_400);

const NS_PER_S: f64 = 1e9;

const _: () = assert!(
    PROFILE_SPAN_MAX.as_nanos() < 1 << f64::MANTISSA_DIGITS,
    "instants of a profile are exact to the nanosecond"
);

/// A part of a profile, over which the rate changes linearly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateStage {
    /// How long it lasts.
    pub span: Duration,
    /// Requests a second at its start.
    pub from_per_s: f64,
    /// Requests a second at its end.
    pub to_per_s: f64,
}

/// Requests a second over time, of all cores together, piecewise linear.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Never empty; each begins where the one before it ends, in time and in requests.
    segments: Vec<Segment>,
    span: Option<Duration>,
}

/// Why a profile is refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ProfileError {
    /// A rate is negative, not a number, or above [`RATE_PER_S_MAX`].
    Rate(f64),
    /// No rate is above zero.
    Silent,
    /// There is no stage, or there are more than [`PROFILE_STAGES_MAX`].
    Count(usize),
    /// A stage takes no time.
    Empty {
        /// Which one, from 1.
        stage: usize,
    },
    /// All stages together are longer than [`PROFILE_SPAN_MAX`].
    TooLong(Duration),
}

/// How starts are spread around the profile's rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// Independent of each other, as requests of many users are: a Poisson process of the profile's
    /// rate. The same seed gives the same instants.
    Poisson {
        /// Where the random numbers start.
        seed: u64,
    },
    /// As evenly as the rate allows.
    Even,
}

impl Law {
    /// The law of one of several rounds, each of which draws its instants anew.
    #[must_use]
    pub const fn of_round(self, round: u64) -> Self {
        match self {
            Self::Poisson { seed } => Self::Poisson { seed: seed.wrapping_add(round) },
            Self::Even => Self::Even,
        }
    }
}

/// One core's share of the starts.
#[derive(Clone, Debug)]
pub struct Arrivals {
    profile: Arc<Profile>,
    steps: Steps,
    start: Instant,
    segment_idx: usize,
    next_at: Instant,
}

/// How many requests of all cores the profile expects before one core's next start.
#[derive(Clone, Debug)]
enum Steps {
    /// A sum of random steps.
    Poisson { rng: fastrand::Rng, count: f64, sum: f64 },
    /// A whole number, so that nothing is ever rounded.
    Even { count: u64, sum: u64 },
}

/// One linear piece of a profile; the last one of a profile without an end has no end either.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Segment {
    start_ns: f64,
    span_ns: f64,
    from_per_s: f64,
    to_per_s: f64,
    /// Requests expected before it.
    before: f64,
    /// Requests expected in it.
    within: f64,
}

impl Profile {
    /// The same rate for ever.
    ///
    /// # Errors
    ///
    /// `per_s` is not above zero, or above [`RATE_PER_S_MAX`].
    pub fn constant(per_s: f64) -> Result<Self, ProfileError> {
        check_rate(per_s)?;
        if per_s == 0.0 {
            return Err(ProfileError::Silent);
        }
        let segment = Segment {
            start_ns: 0.0,
            span_ns: f64::INFINITY,
            from_per_s: per_s,
            to_per_s: per_s,
            before: 0.0,
            within: f64::INFINITY,
        };
        Ok(Self { segments: vec![segment], span: None })
    }

    /// One stage after the other; it ends with the last.
    ///
    /// # Errors
    ///
    /// There is no stage or too many, one has no span or an impossible rate, all rates are zero, or
    /// the whole is longer than [`PROFILE_SPAN_MAX`].
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use ringfetch::bench::arrivals::{Profile, RateStage};
    ///
    /// let span = Duration::from_secs(10);
    /// let ramp = RateStage { span, from_per_s: 0.0, to_per_s: 1000.0 };
    /// let profile = Profile::stages(&[ramp]).unwrap();
    /// assert_eq!(profile.expected_between(Duration::ZERO, span / 2), 1250.0);
    /// ```
    pub fn stages(stages: &[RateStage]) -> Result<Self, ProfileError> {
        if stages.is_empty() || stages.len() > PROFILE_STAGES_MAX {
            return Err(ProfileError::Count(stages.len()));
        }
        let (mut whole, mut before) = (Duration::ZERO, 0.0);
        let mut segments = Vec::with_capacity(stages.len());
        for (idx, stage) in stages.iter().enumerate() {
            check_rate(stage.from_per_s)?;
            check_rate(stage.to_per_s)?;
            if stage.span.is_zero() {
                return Err(ProfileError::Empty { stage: idx + 1 });
            }
            let start_ns = whole.as_nanos() as f64;
            whole = whole.saturating_add(stage.span);
            if whole > PROFILE_SPAN_MAX {
                return Err(ProfileError::TooLong(whole));
            }
            let span_ns = stage.span.as_nanos() as f64;
            let (from_per_s, to_per_s) = (stage.from_per_s, stage.to_per_s);
            let within = (from_per_s + to_per_s) / 2.0 * span_ns / NS_PER_S;
            segments.push(Segment { start_ns, span_ns, from_per_s, to_per_s, before, within });
            before += within;
        }
        if before == 0.0 {
            return Err(ProfileError::Silent);
        }
        Ok(Self { segments, span: Some(whole) })
    }

    /// How long it lasts; none where it has no end.
    #[must_use]
    pub const fn span(&self) -> Option<Duration> {
        self.span
    }

    /// Requests expected in `[from, to)`, both since the start: the integral of the rate. Zero
    /// where `to` is not later than `from`.
    #[must_use]
    pub fn expected_between(&self, from: Duration, to: Duration) -> f64 {
        (self.expected_before(to) - self.expected_before(from)).max(0.0)
    }

    fn expected_before(&self, end: Duration) -> f64 {
        let end_ns = end.as_nanos() as f64;
        let begun = self.segments.partition_point(|segment| segment.start_ns < end_ns);
        // The instant zero is in no segment, and nothing is expected before it.
        let Some(segment) = begun.checked_sub(1).map(|idx| &self.segments[idx]) else { return 0.0 };
        segment.before + segment.expected_until((end_ns - segment.start_ns).min(segment.span_ns))
    }
}

impl Arrivals {
    /// The share of core `idx` out of `count`, from `start` on.
    ///
    /// Cores share the starts without speaking to each other: even ones take turns, core 0 first
    /// and at once; Poisson streams of a `count`-th of the rate each, independent of each other,
    /// are together one of the whole rate (Kingman, Poisson Processes, 1993, section 2.2).
    ///
    /// # Panics
    ///
    /// Where `idx` is not below `count`.
    #[must_use]
    pub fn new(profile: Arc<Profile>, law: Law, idx: usize, count: usize, start: Instant) -> Self {
        assert!(idx < count, "a core has its place among the cores");
        let mut steps = match law {
            Law::Poisson { seed } => Steps::Poisson {
                rng: fastrand::Rng::with_seed(scatter(scatter(seed).wrapping_add(idx as u64))),
                count: count as f64,
                sum: 0.0,
            },
            Law::Even => Steps::Even { count: count as u64, sum: idx as u64 },
        };
        if matches!(law, Law::Poisson { .. }) {
            steps.advance();
        }
        let mut arrivals = Self { profile, steps, start, segment_idx: 0, next_at: start };
        arrivals.find_next();
        arrivals
    }

    /// When the next one is due: [`Instant::NEVER`] once the profile has ended.
    #[must_use]
    pub const fn next_at(&self) -> Instant {
        self.next_at
    }

    /// Goes on to the one after [`Arrivals::next_at`].
    pub fn advance(&mut self) {
        if self.next_at != Instant::NEVER {
            self.steps.advance();
            self.find_next();
        }
    }

    /// Turns the place among the requests into an instant.
    fn find_next(&mut self) {
        let sum = self.steps.sum();
        let segments = &self.profile.segments;
        // Skips segments that end before this request, and those in which none is expected: a
        // start at the very end of a ramp to zero belongs to the next segment.
        while segments.get(self.segment_idx).is_some_and(|s| sum - s.before >= s.within) {
            self.segment_idx += 1;
        }
        let offset_ns = segments.get(self.segment_idx).map_or(f64::INFINITY, |segment| {
            let within = (sum - segment.before).max(0.0);
            segment.start_ns + segment.ns_until(within).min(segment.span_ns)
        });
        let offset = Duration::from_nanos(rounded_ns(offset_ns));
        self.next_at = match self.profile.span {
            // An offset that was rounded up to the end is not before it.
            Some(span) if offset >= span => Instant::NEVER,
            _ => self.start + offset,
        };
    }
}

impl Steps {
    fn advance(&mut self) {
        match self {
            Self::Even { count, sum } => *sum = sum.saturating_add(*count),
            // Exponential by inversion; the argument is above -1, so that no step is infinite.
            Self::Poisson { rng, count, sum } => *sum -= *count * (-rng.f64()).ln_1p(),
        }
    }

    fn sum(&self) -> f64 {
        match self {
            Self::Even { sum, .. } => *sum as f64,
            Self::Poisson { sum, .. } => *sum,
        }
    }
}

impl Segment {
    /// Requests expected in its first `ns`, which are not more than its span.
    fn expected_until(&self, ns: f64) -> f64 {
        let then_per_s = self.from_per_s + self.slope_per_ns() * ns;
        (self.from_per_s + then_per_s) / 2.0 * ns / NS_PER_S
    }

    /// After how long `expected` requests of its own are expected: the inverse of
    /// [`Segment::expected_until`], for less than all of them.
    ///
    /// The root is taken in the form that adds (Press et al., Numerical Recipes, section 5.6), and
    /// from the end at which the rate is lower. From the other end, requests near the end of a ramp
    /// down to zero would be 100 ns off, since the root of a small difference is not small.
    fn ns_until(&self, expected: f64) -> f64 {
        let slope = self.slope_per_ns();
        if slope == 0.0 {
            return expected * NS_PER_S / self.from_per_s;
        }
        let ns_from_low = |low_per_s: f64, expected: f64| {
            if expected <= 0.0 {
                return 0.0;
            }
            let root = (low_per_s * low_per_s + 2.0 * slope.abs() * expected * NS_PER_S).sqrt();
            2.0 * expected * NS_PER_S / (low_per_s + root)
        };
        if slope > 0.0 {
            ns_from_low(self.from_per_s, expected)
        } else {
            (self.span_ns - ns_from_low(self.to_per_s, self.within - expected)).max(0.0)
        }
    }

    /// By how many requests a second the rate grows in a nanosecond.
    fn slope_per_ns(&self) -> f64 {
        (self.to_per_s - self.from_per_s) / self.span_ns
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(per_s) => write!(
                f,
                "a rate must be a number of starts a second from 0 to {RATE_PER_S_MAX:e}: {per_s}, \
                 hint: --rate 100"
            ),
            Self::Silent => f.write_str("a rate must be above zero somewhere: 0, hint: --rate 100"),
            Self::Count(count) => write!(
                f,
                "there must be from 1 to {PROFILE_STAGES_MAX} stages: {count}, \
                 hint: --stages 10s:0-50k,30s:50k"
            ),
            Self::Empty { stage } => write!(
                f,
                "a stage must be longer than zero: number {stage}, hint: --stages 10s:0-50k,30s:50k"
            ),
            Self::TooLong(span) => write!(
                f,
                "all stages together must not be longer than {} days: {} s, \
                 hint: --stages 10s:0-50k,30s:50k",
                PROFILE_SPAN_MAX.as_secs() / 86_400,
                span.as_secs()
            ),
        }
    }
}

impl std::error::Error for ProfileError {}

fn check_rate(per_s: f64) -> Result<(), ProfileError> {
    // NaN is in no range.
    if (0.0..=RATE_PER_S_MAX).contains(&per_s) { Ok(()) } else { Err(ProfileError::Rate(per_s)) }
}

#[expect(clippy::cast_possible_truncation, reason = "it saturates, which means never")]
const fn rounded_ns(ns: f64) -> u64 {
    ns.round() as u64
}

/// Spreads seeds that lie close together over all of u64 (the finaliser of splitmix64; Steele, Lea,
/// Flood, Fast Splittable Pseudorandom Number Generators, 2014): fastrand's own state is a counter,
/// and cores with neighbouring seeds would walk through the same numbers.
const fn scatter(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
