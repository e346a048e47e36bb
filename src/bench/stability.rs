//! Whether a run was the same from its first third to its last, or its figures drifted.
//!
//! Invariant: a drift exceeds both the figure's own noise and a share of the figure. So neither
//! noise nor a tiny difference in a very quiet run is called a drift.

use std::f64::consts::FRAC_PI_2;
use std::fmt;

use crate::base::units;
use crate::stats::arithmetic::median;

/// Fewest figures in each third of a run for its stability to be judged.
const FIGURES_MIN: usize = 5;
/// Most batches that each third's figures are put into: 30 in all, beyond which longer ones make a
/// better test (Schmeiser, Batch Size Effects in the Analysis of Simulation Output, 1982).
const BATCHES_MAX: usize = 10;
/// Fewest requests in a batch, on average: with fewer its rate is mostly chance.
const BATCH_REQUESTS_MIN: u64 = 10;
/// Standard errors that a difference must exceed to be a drift.
const ERRORS_MIN: f64 = 4.0;
/// What share of the rate a difference must exceed to be a drift.
const RATE_DRIFT_SHARE_MIN: f64 = 0.1;
/// What share of p99 a difference must exceed to be a drift.
const P99_DRIFT_SHARE_MIN: f64 = 0.5;

const _: () = assert!(
    FIGURES_MIN >= 3 && FIGURES_MIN <= BATCHES_MAX,
    "from fewer figures no error can be told"
);

/// The name of the figure "responses a second".
pub const RATE: &str = "rate";
/// The name of the figure "99th percentile of the response times".
pub const P99: &str = "p99";

/// Whether a run was steady, as far as its figures tell.
///
/// [`Display`](fmt::Display) gives a clause for a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Stability {
    /// The judgement.
    pub steadiness: Steadiness,
    /// The figures of which there were enough samples: [`RATE`], [`P99`].
    pub judged: Vec<&'static str>,
}

/// Whether a run was steady.
#[derive(Clone, Debug, PartialEq)]
pub enum Steadiness {
    /// No figure that could be judged drifted.
    Steady,
    /// The run was too short, or had too few requests.
    NotJudged,
    /// A figure drifted, and the run was told to change its rate: nothing follows from it.
    ToldToChange,
    /// A figure drifted; the first of [`RATE`] and [`P99`] that did.
    Drifting {
        /// Its name.
        figure: &'static str,
        /// What it was, in responses a second or microseconds.
        from: f64,
        /// What it became.
        to: f64,
        /// Between which thirds of the run.
        between: &'static str,
    },
}

/// The figures of one stretch of a run; all are of the same length but perhaps the last.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sample {
    pub(super) span_ns: u64,
    pub(super) completed: u64,
    /// None where too few responses tell it.
    pub(super) p99_us: Option<f64>,
}

impl Sample {
    /// This one and the `next` as one; p99 is the mean of both.
    pub(super) fn merged(self, next: Self) -> Self {
        let span_ns = self.span_ns + next.span_ns;
        let weighted = |sample: Self, p99_us: f64| p99_us * sample.span_ns as f64;
        let p99_us = match (self.p99_us, next.p99_us) {
            (Some(mine), Some(theirs)) => {
                Some((weighted(self, mine) + weighted(next, theirs)) / span_ns as f64)
            }
            (mine, theirs) => mine.or(theirs),
        };
        Self { span_ns, completed: self.completed + next.completed, p99_us }
    }
}

/// Judges a run by its `steps`; p99 by its `seconds` where a step has too few responses to tell it.
///
/// Each third of the run is cut into batches, and a third's figure is the median of its batches:
/// one bad step, or one bad batch, does not move it. See [`Noise`] for what a difference must
/// exceed.
pub(super) fn judge(steps: &[Sample], seconds: &[Sample]) -> Stability {
    let (steps, seconds) = (without_short_ends(steps), without_short_ends(seconds));
    let p99 = batches(steps, p99_of).or_else(|| batches(seconds, p99_of));
    let figures = [(RATE, rates(steps), RATE_DRIFT_SHARE_MIN), (P99, p99, P99_DRIFT_SHARE_MIN)];
    let mut stability = Stability { steadiness: Steadiness::NotJudged, judged: Vec::new() };
    for (figure, batches, share_min) in figures {
        let Some(batches) = batches else { continue };
        stability.judged.push(figure);
        if matches!(stability.steadiness, Steadiness::Drifting { .. }) {
            continue;
        }
        stability.steadiness = match drift(&batches, share_min) {
            Some((from, to, between)) => Steadiness::Drifting { figure, from, to, between },
            None => Steadiness::Steady,
        };
    }
    stability
}

/// `samples` without the first and the last where they are shorter than half of the others.
fn without_short_ends(samples: &[Sample]) -> &[Sample] {
    let whole_ns = samples.iter().map(|sample| sample.span_ns).max().unwrap_or(0);
    let is_short = |sample: &Sample| sample.span_ns < whole_ns / 2;
    let samples = match samples {
        [first, rest @ ..] if is_short(first) => rest,
        all => all,
    };
    match samples {
        [rest @ .., last] if is_short(last) => rest,
        all => all,
    }
}

/// The figure of each batch, as many in each third; none where there are too few samples, or where
/// one batch does not tell it.
///
/// What neighbouring samples have in common (a pause, a burst) is inside a batch, so that batches
/// depend less on each other than samples do (Schmeiser 1982; see [`BATCHES_MAX`]).
fn batches(samples: &[Sample], figure: fn(&[Sample]) -> Option<f64>) -> Option<Vec<f64>> {
    let per_third = samples.len() / 3;
    if per_third < FIGURES_MIN {
        return None;
    }
    let count = 3 * per_third.min(BATCHES_MAX);
    let bound = |idx: usize| samples.len() * idx / count;
    (0..count).map(|idx| figure(&samples[bound(idx)..bound(idx + 1)])).collect()
}

/// The rates of the batches; none where so few requests are in one that their number is chance.
fn rates(samples: &[Sample]) -> Option<Vec<f64>> {
    let rates = batches(samples, |batch| {
        let completed: u64 = batch.iter().map(|sample| sample.completed).sum();
        let span_ns: u64 = batch.iter().map(|sample| sample.span_ns).sum();
        Some(completed as f64 * 1e9 / span_ns as f64)
    })?;
    let completed: u64 = samples.iter().map(|sample| sample.completed).sum();
    (completed >= BATCH_REQUESTS_MIN * rates.len() as u64).then_some(rates)
}

/// The median p99 of a batch; none where most of its samples do not tell it.
fn p99_of(batch: &[Sample]) -> Option<f64> {
    let mut known: Vec<_> = batch.iter().filter_map(|sample| sample.p99_us).collect();
    (2 * known.len() > batch.len()).then(|| median(&mut known))
}

/// The first pair of thirds that differ, the first and the last before the others.
fn drift(batches: &[f64], share_min: f64) -> Option<(f64, f64, &'static str)> {
    let per_third = batches.len() / 3;
    let mut thirds = [0.0; 3];
    for (third, figures) in thirds.iter_mut().zip(batches.chunks(per_third)) {
        *third = median(&mut figures.to_vec());
    }
    let error = Noise::of(batches, &thirds).error(per_third);
    let pairs = [
        (0, 2, "the first and the last third"),
        (0, 1, "the first and the middle third"),
        (1, 2, "the middle and the last third"),
    ];
    let mut pairs = pairs.into_iter().map(|(a, b, between)| (thirds[a], thirds[b], between));
    pairs.find(|(from, to, _)| {
        let difference = (to - from).abs();
        // The errors of two thirds that do not depend on each other.
        difference > ERRORS_MIN * error * 2_f64.sqrt() && difference > share_min * from.min(*to)
    })
}

/// How much batches differ from each other without any drift.
///
/// All of it is robust: a few batches may be outliers. What batches still have in common with their
/// neighbours is taken for a process of order one, in which `n` values tell as much as
/// `n (1 - r) / (1 + r)` independent ones (Zwiers and von Storch, Taking Serial Correlation into
/// Account in Tests of the Mean, 1995).
#[derive(Clone, Copy, Debug)]
struct Noise {
    deviation: f64,
    correlation: f64,
}

impl Noise {
    /// Around the median of each third; or around a straight line through the run, where that
    /// leaves less than half: otherwise a figure that creeps would count its own slope as noise.
    fn of(batches: &[f64], thirds: &[f64; 3]) -> Self {
        let per_third = batches.len() / 3;
        let around_thirds = batches.iter().enumerate().map(|(i, y)| y - thirds[i / per_third]);
        let slope = slope(batches);
        let levels: Vec<f64> =
            batches.iter().enumerate().map(|(i, y)| y - slope * i as f64).collect();
        // A copy: the residuals must keep their order, by which they are correlated.
        let level = median(&mut levels.clone());
        let around_line = levels.iter().map(|y| y - level);
        let jumped = Self::around_zero(around_thirds.collect(), 3);
        let crept = Self::around_zero(around_line.collect(), 2);
        if crept.error(per_third) < jumped.error(per_third) / 2.0 { crept } else { jumped }
    }

    /// That of residuals around `fitted_count` figures that were fitted to the same batches.
    fn around_zero(mut residuals: Vec<f64>, fitted_count: usize) -> Self {
        let len = residuals.len() as f64;
        let fitted = (len / (len - fitted_count as f64)).sqrt();
        let deviation = deviation(&residuals) * fitted;
        // Otherwise one outlier would decide the correlation alone.
        residuals.iter_mut().for_each(|r| *r = r.clamp(-3.0 * deviation, 3.0 * deviation));
        let squares: f64 = residuals.iter().map(|r| r * r).sum();
        let products: f64 = residuals.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let correlation = if squares > 0.0 { (products / squares).clamp(0.0, 0.9) } else { 0.0 };
        Self { deviation, correlation }
    }

    /// The standard error of the median of `count` batches, a third of all: that of a mean, times
    /// the root of pi/2 for a normal distribution.
    ///
    /// From few batches the deviation itself is not well known. It is then widened as Student's
    /// distribution is wider than the normal one, with 0.82 of the degrees of freedom that a mean
    /// of squares would have (the efficiency of [`deviation`]).
    fn error(self, count: usize) -> f64 {
        let count = count as f64;
        let freedom = 0.82 * 3.0 * (count - 1.0);
        let unsure = freedom / (freedom - 2.0);
        let telling = count * (1.0 - self.correlation) / (1.0 + self.correlation);
        self.deviation * (FRAC_PI_2 / telling * unsure).sqrt()
    }
}

/// The standard deviation, even where nearly half of the values are outliers: Q_n, the lower
/// quartile of all differences, with its correction for few values (Croux and Rousseeuw,
/// Time-Efficient Algorithms for Two Highly Robust Estimators of Scale, 1992). The better known
/// median absolute deviation calls too many quiet runs of 15 steps unsteady.
fn deviation(values: &[f64]) -> f64 {
    let later = |i: usize| values[i + 1..].iter();
    let differences =
        values.iter().enumerate().flat_map(|(i, a)| later(i).map(move |b| (a - b).abs()));
    let mut differences: Vec<_> = differences.collect();
    differences.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2 + 1;
    let few = if values.len().is_multiple_of(2) { 3.8 } else { 1.4 };
    let len = values.len() as f64;
    2.2219 * len / (len + few) * differences[half * (half - 1) / 2 - 1]
}

/// The median of all slopes between two values (Sen, Estimates of the Regression Coefficient Based
/// on Kendall's Tau, 1968).
fn slope(values: &[f64]) -> f64 {
    let later = |i: usize| values.iter().enumerate().skip(i + 1);
    let mut slopes: Vec<f64> = values
        .iter()
        .enumerate()
        .flat_map(|(i, y)| later(i).map(move |(j, later)| (later - y) / (j - i) as f64))
        .collect();
    median(&mut slopes)
}

impl fmt::Display for Stability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.steadiness {
            Steadiness::NotJudged => f.write_str("too short to tell whether it was steady"),
            Steadiness::ToldToChange => f.write_str("the rate was told to change"),
            Steadiness::Steady if self.judged.len() == 1 => {
                write!(f, "{} was steady, the rest is too little to tell", self.judged[0])
            }
            Steadiness::Steady => write!(f, "{} were steady", self.judged.join(" and ")),
            Steadiness::Drifting { figure, from, to, between } => {
                let verb = if to < from { "fell" } else { "rose" };
                let text = if *figure == RATE { units::rate } else { units::duration_us };
                let (from, to) = (text(*from), text(*to));
                write!(f, "{figure} {verb} from {from} to {to} between {between}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number of a normal distribution around zero with deviation 1 (Box and Muller 1958).
    fn normal(rng: &mut fastrand::Rng) -> f64 {
        (-2.0 * (-rng.f64()).ln_1p()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos()
    }

    /// A Poisson number, by counting exponential gaps.
    fn poisson(rng: &mut fastrand::Rng, mean: f64) -> f64 {
        let gaps = std::iter::repeat_with(|| -(-rng.f64()).ln_1p());
        gaps.scan(0.0, |sum, gap| Some(*sum + gap).inspect(|s| *sum = *s))
            .take_while(|sum| *sum < mean)
            .count() as f64
    }

    /// Steps of 100 ms, each with what `figures` says of its place in the run (0 to 1): responses a
    /// second and p99 in microseconds.
    fn run(len: usize, mut figures: impl FnMut(f64) -> (f64, f64)) -> Vec<Sample> {
        (0..len)
            .map(|idx| {
                let (rate_per_s, p99_us) = figures(idx as f64 / len as f64);
                sample(rate_per_s / 10.0, Some(p99_us))
            })
            .collect()
    }

    #[expect(clippy::cast_possible_truncation, reason = "a test's rates are small")]
    fn sample(completed: f64, p99_us: Option<f64>) -> Sample {
        Sample { span_ns: 100_000_000, completed: completed.round() as u64, p99_us }
    }

    fn drifting(steps: &[Sample]) -> Option<&'static str> {
        match judge(steps, &[]).steadiness {
            Steadiness::Drifting { figure, .. } => Some(figure),
            Steadiness::Steady => None,
            other => panic!("not judged: {other:?}"),
        }
    }

    /// How many of 200 runs, by seed, drift.
    fn drifting_count(mut steps: impl FnMut(&mut fastrand::Rng) -> Vec<Sample>) -> usize {
        let seeds = (0..200).map(fastrand::Rng::with_seed);
        seeds.filter_map(|mut rng| drifting(&steps(&mut rng))).count()
    }

    #[test]
    fn a_steady_run_is_steady_however_noisy() {
        for (len, rate_noise, p99_noise) in
            [(15, 0.05, 0.1), (100, 0.02, 0.1), (100, 0.1, 0.3), (100, 0.3, 0.6), (1000, 0.3, 0.6)]
        {
            let count = drifting_count(|rng| {
                run(len, |_| {
                    let rate_per_s = 50_000.0 * (1.0 + rate_noise * normal(rng)).max(0.0);
                    (rate_per_s, 900.0 * (p99_noise * normal(rng)).exp())
                })
            });
            assert_eq!(count, 0, "{len} steps, noise {rate_noise} and {p99_noise}");
        }
    }

    #[test]
    fn the_chance_of_a_poisson_schedule_is_no_drift() {
        for (len, per_step) in [(100, 4.5), (100, 10.0), (100, 100.0), (600, 2.0), (30, 16.0)] {
            let count = drifting_count(|rng| {
                (0..len).map(|_| sample(poisson(rng, per_step), None)).collect()
            });
            assert_eq!(count, 0, "{len} steps of {per_step}");
        }
    }

    #[test]
    fn a_drift_of_20_percent_is_found_whether_it_creeps_or_jumps() {
        let creeps = |at: f64| 1.0 - 0.2 * at;
        let jumps = |at: f64| if at < 0.5 { 1.0 } else { 0.8 };
        for shape in [creeps as fn(f64) -> f64, jumps, |at| 1.0 / (1.0 - 0.2 * at)] {
            let count = drifting_count(|rng| {
                run(100, |at| (50_000.0 * shape(at) * (1.0 + 0.02 * normal(rng)), 900.0))
            });
            assert_eq!(count, 200);
        }
        // In time noise shrinks, and what it hid is seen.
        let count = drifting_count(|rng| {
            run(3000, |at| (50_000.0 * creeps(at) * (1.0 + 0.2 * normal(rng)), 900.0))
        });
        assert_eq!(count, 200);
    }

    #[test]
    fn a_rate_that_comes_back_was_not_steady() {
        let steps = run(90, |at| (if (0.33..0.67).contains(&at) { 500.0 } else { 1000.0 }, 1.0));
        let stability = judge(&steps, &[]);
        let wanted = "rate fell from 1,000/s to 500/s between the first and the middle third";
        assert_eq!(stability.to_string(), wanted);
    }

    #[test]
    fn a_few_outliers_are_no_drift() {
        for len in [15, 100, 1000] {
            for at in 0..len {
                let mut rng = fastrand::Rng::with_seed(at as u64);
                let mut steps = run(len, |_| {
                    (50_000.0 * (1.0 + 0.02 * normal(&mut rng)), 900.0 + 50.0 * normal(&mut rng))
                });
                steps[at] = sample(0.0, Some(500_000.0));
                assert_eq!(drifting(&steps), None, "step {at} of {len}");
            }
        }
    }

    #[test]
    fn steps_that_depend_on_each_other_are_no_drift() {
        // What a step is off by fades over two steps, or over ten, so that a run of 100 has some
        // five values that say anything. Of 2,000 seeds 3 and 57 drift.
        for (kept, bound) in [(0.5_f64, 2), (0.9, 12)] {
            let count = drifting_count(|rng| {
                let mut off = normal(rng);
                run(100, |_| {
                    off = kept * off + (1.0 - kept * kept).sqrt() * normal(rng);
                    (50_000.0 * (1.0 + 0.15 * off).max(0.0), 900.0 * (0.2 * off).exp())
                })
            });
            assert!(count <= bound, "{count} of 200 where {kept} is kept");
        }
        // A pause every second: what garbage collectors do.
        let steps = run(100, |at| (if (at * 100.0).round() % 10.0 < 3.0 { 2e4 } else { 5e4 }, 9.0));
        assert_eq!(drifting(&steps), None);
    }

    #[test]
    fn a_p99_that_triples_is_found_and_one_that_grows_a_little_is_let_pass() {
        let p99 = |factor: f64| {
            drifting_count(|rng| {
                run(100, |at| {
                    let level = if at < 0.6 { 900.0 } else { 900.0 * factor };
                    (50_000.0, level * (0.2 * normal(rng)).exp())
                })
            })
        };
        assert_eq!((p99(3.0), p99(1.0 / 3.0), p99(1.1)), (200, 200, 0));
    }

    #[test]
    fn p99_is_judged_by_seconds_where_steps_have_too_few_responses() {
        let steps: Vec<_> = (0..300).map(|_| sample(200.0, None)).collect();
        let second = |idx| Sample {
            span_ns: 1_000_000_000,
            completed: 2000,
            p99_us: Some(if idx < 15 { 900.0 } else { 3600.0 }),
        };
        let seconds: Vec<_> = (0..30).map(second).collect();
        let stability = judge(&steps, &seconds);
        assert_eq!(stability.judged, [RATE, P99]);
        let wanted = "p99 rose from 900 us to 3.60 ms between the first and the last third";
        assert_eq!(stability.to_string(), wanted);
        assert!(matches!(stability.steadiness, Steadiness::Drifting { figure: P99, .. }));
        let stability = judge(&steps, &seconds[..14]);
        assert_eq!(
            (stability.judged.as_slice(), &stability.steadiness),
            (&[RATE][..], &Steadiness::Steady)
        );
        assert_eq!(stability.to_string(), "rate was steady, the rest is too little to tell");
    }

    #[test]
    fn what_is_too_short_or_too_slow_is_not_judged() {
        let not_judged = |steps: &[Sample]| judge(steps, &[]).steadiness == Steadiness::NotJudged;
        assert!(not_judged(&[]));
        assert!(not_judged(&run(14, |_| (50_000.0, 900.0))));
        assert!(!not_judged(&run(15, |_| (50_000.0, 900.0))));
        // 299 requests in 30 batches.
        assert!(not_judged(&(0..299).map(|_| sample(1.0, None)).collect::<Vec<_>>()));
        assert!(!not_judged(&(0..300).map(|_| sample(1.0, None)).collect::<Vec<_>>()));
        // A short last step is no step.
        let mut steps = run(15, |_| (50_000.0, 900.0));
        steps[14].span_ns /= 3;
        assert!(not_judged(&steps));
    }

    #[test]
    fn the_shortest_run_that_is_judged_is_rarely_wrong() {
        // Of 2,000 seeds 10 are, half a per cent; with 30 steps none.
        let noisy = |rng: &mut fastrand::Rng| {
            run(15, |_| (50_000.0 * (1.0 + 0.05 * normal(rng)), 900.0 * (0.2 * normal(rng)).exp()))
        };
        assert!(drifting_count(noisy) <= 4);
    }

    #[test]
    fn a_deviation_is_that_of_a_normal_distribution_and_ignores_what_lies_far_off() {
        for len in [15, 30] {
            let mean = (0..500).map(|seed| {
                let mut rng = fastrand::Rng::with_seed(seed);
                let mut values: Vec<_> = (0..len).map(|_| 7.0 * normal(&mut rng)).collect();
                let clean = deviation(&values);
                values[0] = 1e9;
                assert!(deviation(&values) < 2.0 * clean);
                clean / 500.0
            });
            let mean: f64 = mean.sum();
            assert!((mean - 7.0).abs() < 0.3, "{mean} of {len}");
        }
    }

    #[test]
    fn a_steady_run_is_told_in_words() {
        let stability = judge(&run(15, |_| (50_000.0, 900.0)), &[]);
        assert_eq!(stability.to_string(), "rate and p99 were steady");
        let stability = judge(&[], &[]);
        assert_eq!(stability.to_string(), "too short to tell whether it was steady");
        let steps = run(30, |at| (if at < 0.5 { 100_000.0 } else { 60_000.0 }, 900.0));
        let wanted = "rate fell from 100,000/s to 60,000/s between the first and the last third";
        assert_eq!(judge(&steps, &[]).to_string(), wanted);
    }
}
