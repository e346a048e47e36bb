//! The run over time: what all cores did in each stretch of it, for a series and a log.
//!
//! Cores report the stretches of time that they measured, in any order among each other.
//!
//! Invariant: everything that was added is in exactly one step, one second and one point, and
//! memory does not grow with the length of the run.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use super::stability::{Sample, Stability, judge};
use crate::base::limits::SERIES_STEP;
use crate::stats::arithmetic::us;
use crate::stats::latency::Latency;

/// Stretch of time that one point of a series covers, and one line of an interval log.
const SECOND: Duration = Duration::from_secs(1);
/// Most steps that a series keeps: an hour; then neighbours become one and each is twice as long.
const STEPS_MAX: usize = 36_000;
/// Most points that a series keeps: two hours; then neighbours become one, as with the steps.
const POINTS_MAX: usize = 7_200;
/// Steps that wait for a core that is behind. A core may be late by as much without its times being
/// filed too late.
const STEPS_OPEN_MAX: usize = 32;
/// Seconds that wait to be taken; with more, the last ones become one.
const SECONDS_WAITING_MAX: usize = 8;

const STEP_NS: u64 = ns_of(SERIES_STEP);
const SECOND_NS: u64 = ns_of(SECOND);

const _: () = assert!(
    SECOND.as_millis().is_multiple_of(SERIES_STEP.as_millis()),
    "a second ends where a step ends"
);
const _: () = assert!(
    STEPS_MAX.is_multiple_of(2) && POINTS_MAX.is_multiple_of(2),
    "all that are kept have a neighbour to be merged with"
);

/// What one core saw in one stretch of time. Sent by a core every 100 ms or so; its stretches
/// follow each other without a gap.
#[derive(Clone, Debug, Default)]
pub struct Interval {
    /// Where it begins, in nanoseconds since measuring began.
    pub from_ns: u64,
    /// Where it ends, likewise.
    pub to_ns: u64,
    /// Requests that got their response.
    pub completed: u64,
    /// Requests that did not.
    pub failed: u64,
    /// Bytes received.
    pub bytes: u64,
    /// The response times of what ended.
    pub response: Latency,
}

/// One stretch of a time series: a second, or a power of two of seconds in a run of hours.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Point {
    /// Where it begins, in seconds since measuring began.
    pub t_s: f64,
    /// How long it is, in seconds.
    pub span_s: f64,
    /// Requests that got their response.
    pub completed: u64,
    /// The same, a second.
    pub rate_per_s: f64,
    /// Requests that did not.
    pub failed: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Median response time in microseconds; null where too few tell it.
    pub p50_us: Option<f64>,
    /// 99th percentile in microseconds; null where too few tell it.
    pub p99_us: Option<f64>,
    /// The longest in microseconds; null where there was none.
    pub max_us: Option<f64>,
}

/// The response times of one second of the run, of all cores.
#[derive(Clone, Debug)]
pub struct Second {
    /// Where it begins, in nanoseconds since measuring began.
    pub from_ns: u64,
    /// Where it ends, likewise: the last second may be shorter, and one that had to wait for long
    /// is longer.
    pub to_ns: u64,
    /// The times.
    pub response: Latency,
}

/// The run over time, as far as all cores have come.
///
/// Times are filed by the end of their interval, counts in proportion to what the interval has of
/// each step, so that cores which report a little late or early do not look like a changing rate.
#[derive(Clone, Debug)]
pub struct Series {
    /// How far each core has come.
    reached_ns: Vec<u64>,
    /// Steps that some core may still add to, without a gap; the first begins at `closed_ns`.
    open: VecDeque<Gathered>,
    closed_ns: u64,
    /// Cleared histograms whose memory is used again.
    spare: Vec<Latency>,
    /// The second and the point that closed steps go into.
    second: Gathered,
    point: Gathered,
    waiting: VecDeque<Second>,
    steps: Vec<Sample>,
    step_ns: u64,
    points: Vec<Point>,
    point_ns: u64,
    late: u64,
    ended: bool,
}

/// The sums of one stretch of time.
#[derive(Clone, Debug, Default)]
struct Gathered {
    from_ns: u64,
    span_ns: u64,
    completed: u64,
    failed: u64,
    bytes: u64,
    response: Latency,
}

impl Series {
    /// A series of what `cores` cores report.
    ///
    /// # Panics
    ///
    /// Where there is no core.
    #[must_use]
    pub fn new(cores: usize) -> Self {
        assert!(cores > 0, "a series is of one core at least");
        Self {
            reached_ns: vec![0; cores],
            open: VecDeque::new(),
            closed_ns: 0,
            spare: Vec::new(),
            second: Gathered::default(),
            point: Gathered::default(),
            waiting: VecDeque::new(),
            steps: Vec::new(),
            step_ns: STEP_NS,
            points: Vec::new(),
            point_ns: SECOND_NS,
            late: 0,
            ended: false,
        }
    }

    /// Files what core number `core` saw. A core that is behind the first by more than
    /// the steps that may be open has what came too late filed into the oldest of them.
    ///
    /// # Panics
    ///
    /// Where there is no such core, the interval ends before it begins, or the series has ended.
    pub fn add(&mut self, core: usize, interval: &Interval) {
        assert!(!self.ended, "nothing comes after the end");
        assert!(interval.from_ns <= interval.to_ns, "an interval does not end before it begins");
        self.reached_ns[core] = self.reached_ns[core].max(interval.to_ns);
        self.late += u64::from(interval.from_ns < self.closed_ns);
        let last = interval.to_ns.saturating_sub(1) / STEP_NS;
        // LIMIT: an interval too far ahead closes steps that a slower core has not passed yet.
        while last - (self.closed_ns / STEP_NS).min(last) >= STEPS_OPEN_MAX as u64 {
            self.close_step(STEP_NS);
        }
        self.file(interval);
        let passed_ns = self.reached_ns.iter().copied().min().unwrap_or(0);
        while self.closed_ns + STEP_NS <= passed_ns {
            self.close_step(STEP_NS);
        }
    }

    /// Closes everything: no more comes. The run ended at `at_ns`, or where the last interval did
    /// if that is later.
    pub fn end(&mut self, at_ns: u64) {
        let end_ns = self.reached_ns.iter().copied().fold(at_ns, u64::max);
        while self.closed_ns < end_ns {
            self.close_step((end_ns - self.closed_ns).min(STEP_NS));
        }
        self.close_second();
        self.close_point();
        self.ended = true;
    }

    /// The next whole second that all cores have passed, in order, each once.
    ///
    /// Where nobody takes them, only a few wait, and the last of them grows.
    pub fn take_second(&mut self) -> Option<Second> {
        self.waiting.pop_front()
    }

    /// The series so far, one point a second. After two hours neighbours become one: its counts are
    /// exact, its quantiles the larger of both (those of all its times lie between the two).
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Whether the run was the same from its first third to its last.
    #[must_use]
    pub fn stability(&self) -> Stability {
        let seconds: Vec<_> = self.points.iter().map(Point::sample).collect();
        judge(&self.steps, &seconds)
    }

    /// How many intervals came too late, at least in part, to be filed where they belong.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }

    fn file(&mut self, interval: &Interval) {
        let step_idx = |ns: u64| usize::try_from(ns.saturating_sub(self.closed_ns) / STEP_NS);
        let last = step_idx(interval.to_ns.saturating_sub(1)).expect("few steps are open");
        let first = step_idx(interval.from_ns).expect("few steps are open").min(last);
        while self.open.len() <= last {
            let response = self.spare.pop().unwrap_or_default();
            self.open.push_back(Gathered { response, ..Gathered::default() });
        }
        let mut done = [0; 3];
        for idx in first..=last {
            let end_ns = self.closed_ns + (idx as u64 + 1) * STEP_NS;
            let due = [interval.completed, interval.failed, interval.bytes]
                .map(|count| if idx == last { count } else { interval.share(count, end_ns) });
            let step = &mut self.open[idx];
            step.completed += due[0] - done[0];
            step.failed += due[1] - done[1];
            step.bytes += due[2] - done[2];
            done = due;
        }
        self.open[last].response.add(&interval.response);
    }

    /// Closes the oldest step, which turned out to be `span_ns` long.
    fn close_step(&mut self, span_ns: u64) {
        let mut step = self.open.pop_front().unwrap_or_default();
        step.span_ns = span_ns;
        self.closed_ns += span_ns;
        self.keep(step.sample());
        self.second.add(&step);
        if step.response.distribution().is_some() {
            step.response.clear();
            self.spare.push(step.response);
        }
        if self.second.span_ns >= SECOND_NS {
            self.close_second();
        }
    }

    fn keep(&mut self, sample: Sample) {
        match self.steps.last_mut() {
            Some(last) if last.span_ns + sample.span_ns <= self.step_ns => {
                *last = last.merged(sample);
            }
            _ => self.steps.push(sample),
        }
        let is_whole = self.steps.last().is_some_and(|last| last.span_ns >= self.step_ns);
        if self.steps.len() >= STEPS_MAX && is_whole {
            self.steps = self.steps.chunks(2).map(|pair| pair[0].merged(pair[1])).collect();
            self.step_ns *= 2;
        }
    }

    fn close_second(&mut self) {
        if self.second.span_ns == 0 {
            return;
        }
        let next = Gathered { from_ns: self.closed_ns, ..Gathered::default() };
        let second = std::mem::replace(&mut self.second, next);
        self.point.add(&second);
        let to_ns = second.from_ns + second.span_ns;
        let is_full = self.waiting.len() >= SECONDS_WAITING_MAX;
        match self.waiting.back_mut() {
            Some(last) if is_full => {
                last.response.add(&second.response);
                last.to_ns = to_ns;
            }
            _ => {
                let Gathered { from_ns, response, .. } = second;
                self.waiting.push_back(Second { from_ns, to_ns, response });
            }
        }
        if self.point.span_ns >= self.point_ns {
            self.close_point();
        }
    }

    fn close_point(&mut self) {
        if self.point.span_ns == 0 {
            return;
        }
        self.points.push(self.point.point());
        let mut response = std::mem::take(&mut self.point.response);
        response.clear();
        self.point = Gathered { from_ns: self.closed_ns, response, ..Gathered::default() };
        if self.points.len() >= POINTS_MAX {
            self.points = self.points.chunks(2).map(|pair| pair[0].merged(&pair[1])).collect();
            self.point_ns *= 2;
        }
    }
}

impl Interval {
    /// How many of `count` had come at `at_ns`, if they came evenly.
    fn share(&self, count: u64, at_ns: u64) -> u64 {
        let span_ns = u128::from(self.to_ns - self.from_ns).max(1);
        let passed_ns = u128::from(at_ns.clamp(self.from_ns, self.to_ns) - self.from_ns);
        u64::try_from(u128::from(count) * passed_ns / span_ns).expect("a share is not the larger")
    }
}

impl Gathered {
    /// Adds the stretch right after it.
    fn add(&mut self, next: &Self) {
        self.span_ns += next.span_ns;
        self.completed += next.completed;
        self.failed += next.failed;
        self.bytes += next.bytes;
        self.response.add(&next.response);
    }

    fn sample(&self) -> Sample {
        let p99_us = self.response.known_quantile_ns(0.99).map(us);
        Sample { span_ns: self.span_ns, completed: self.completed, p99_us }
    }

    fn point(&self) -> Point {
        let span_s = self.span_ns as f64 / 1e9;
        Point {
            t_s: self.from_ns as f64 / 1e9,
            span_s,
            completed: self.completed,
            rate_per_s: self.completed as f64 / span_s,
            failed: self.failed,
            bytes: self.bytes,
            p50_us: self.response.known_quantile_ns(0.5).map(us),
            p99_us: self.response.known_quantile_ns(0.99).map(us),
            max_us: self.response.max_ns().map(us),
        }
    }
}

impl Point {
    /// This one and the `next` as one.
    fn merged(&self, next: &Self) -> Self {
        let span_s = self.span_s + next.span_s;
        let completed = self.completed + next.completed;
        Self {
            t_s: self.t_s,
            span_s,
            completed,
            rate_per_s: completed as f64 / span_s,
            failed: self.failed + next.failed,
            bytes: self.bytes + next.bytes,
            p50_us: larger(self.p50_us, next.p50_us),
            p99_us: larger(self.p99_us, next.p99_us),
            max_us: larger(self.max_us, next.max_us),
        }
    }

    fn sample(&self) -> Sample {
        let span_ns = ns_of(Duration::from_secs_f64(self.span_s));
        Sample { span_ns, completed: self.completed, p99_us: self.p99_us }
    }
}

fn larger(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.into_iter().chain(b).reduce(f64::max)
}

#[expect(clippy::cast_possible_truncation, reason = "a series is not 584 years long")]
const fn ns_of(span: Duration) -> u64 {
    span.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(from_ms: u64, to_ms: u64, times_us: &[u64]) -> Interval {
        let mut response = Latency::default();
        times_us.iter().for_each(|us| response.record_ns(us * 1000));
        Interval {
            from_ns: from_ms * 1_000_000,
            to_ns: to_ms * 1_000_000,
            completed: times_us.len() as u64,
            failed: 1,
            bytes: 10 * times_us.len() as u64,
            response,
        }
    }

    /// All seconds that can be taken: where each begins and ends in milliseconds, and its times.
    fn seconds(series: &mut Series) -> Vec<(u64, u64, u64)> {
        std::iter::from_fn(|| series.take_second())
            .map(|s| (s.from_ns / 1_000_000, s.to_ns / 1_000_000, s.response.count()))
            .collect()
    }

    #[test]
    fn a_second_is_given_once_when_all_cores_have_passed_it() {
        let mut series = Series::new(2);
        for step in 0..25 {
            series.add(0, &interval(step * 100, step * 100 + 100, &[5, 6]));
        }
        assert_eq!(seconds(&mut series), []);
        for step in 0..10 {
            assert!(series.take_second().is_none());
            series.add(1, &interval(step * 100, step * 100 + 100, &[7]));
        }
        assert_eq!(seconds(&mut series), [(0, 1000, 30)]);
        series.end(2_550_000_000);
        assert_eq!(seconds(&mut series), [(1000, 2000, 20), (2000, 2550, 10)]);
        let spans: Vec<_> = series.points().iter().map(|p| (p.t_s, p.span_s)).collect();
        assert_eq!(spans, [(0.0, 1.0), (1.0, 1.0), (2.0, 0.55)]);
        let first = &series.points()[0];
        assert_eq!((first.completed, first.rate_per_s, first.failed), (30, 30.0, 20));
        assert_eq!((first.bytes, first.max_us), (300, Some(7.0)));
        assert_eq!((first.p50_us.map(f64::round), first.p99_us), (Some(6.0), None));
        assert_eq!(series.late(), 0);
    }

    #[test]
    fn counts_are_spread_over_an_interval_and_its_times_stand_at_its_end() {
        let mut series = Series::new(1);
        series.add(0, &interval(0, 950, &[1; 95]));
        series.add(0, &interval(950, 1050, &[2; 10]));
        series.add(0, &interval(1050, 2000, &[3; 95]));
        series.end(0);
        let counts: Vec<_> = series.points().iter().map(|point| point.completed).collect();
        assert_eq!(counts, [100, 100]);
        assert_eq!(series.steps.iter().map(|step| step.completed).collect::<Vec<_>>(), [10; 20]);
        assert_eq!(seconds(&mut series), [(0, 1000, 95), (1000, 2000, 105)]);
    }

    #[test]
    fn nothing_is_lost_whatever_the_cores_do() {
        for seed in 0..12 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut series = Series::new(3);
            let (mut at_ms, mut count, mut completed) = ([0; 3], 0, 0);
            for _ in 0..400 {
                let core = rng.usize(0..3);
                let span_ms = if rng.u8(0..50) == 0 { rng.u64(0..9000) } else { rng.u64(0..130) };
                let times = vec![9; rng.usize(0..20)];
                let (from_ms, to_ms) = (at_ms[core], at_ms[core] + span_ms);
                series.add(core, &interval(from_ms, to_ms, &times));
                at_ms[core] = to_ms;
                count += 1;
                completed += times.len() as u64;
                assert!(series.open.len() <= STEPS_OPEN_MAX);
                assert!(series.spare.len() <= STEPS_OPEN_MAX);
            }
            series.end(1_000_000);
            let sum = |of: fn(&Point) -> u64| series.points().iter().map(of).sum::<u64>();
            assert_eq!((sum(|p| p.completed), sum(|p| p.failed)), (completed, count));
            assert_eq!(sum(|p| p.bytes), 10 * completed);
            let end_ms = *at_ms.iter().max().unwrap();
            let taken = seconds(&mut series);
            assert_eq!(taken.iter().map(|(.., times)| times).sum::<u64>(), completed);
            assert!(taken.windows(2).all(|pair| pair[0].1 == pair[1].0));
            assert_eq!((taken[0].0, taken.last().unwrap().1), (0, end_ms));
        }
    }

    #[test]
    fn a_core_far_behind_holds_nobody_up_and_is_counted_as_late() {
        let mut series = Series::new(2);
        for step in 0..60 {
            series.add(0, &interval(step * 100, step * 100 + 100, &[1]));
        }
        // The last 32 of 60 steps wait for core 1.
        assert_eq!(seconds(&mut series), [(0, 1000, 10), (1000, 2000, 10)]);
        series.add(1, &interval(0, 100, &[1; 7]));
        assert_eq!((series.late(), series.open[0].completed), (1, 8));
        series.end(0);
        let counts: Vec<_> = series.points().iter().map(|point| point.completed).collect();
        assert_eq!(counts, [10, 10, 17, 10, 10, 10]);
    }

    #[test]
    fn seconds_that_nobody_takes_become_one_and_steps_reuse_their_memory() {
        let mut series = Series::new(1);
        for step in 0..300 {
            series.add(0, &interval(step * 100, step * 100 + 100, &[1]));
            assert!(series.spare.len() <= 1);
        }
        let taken = seconds(&mut series);
        assert_eq!(taken.len(), SECONDS_WAITING_MAX);
        assert_eq!(taken[0], (0, 1000, 10));
        assert_eq!(taken[7], (7000, 30_000, 230));
    }

    #[test]
    fn a_long_run_keeps_a_bounded_number_of_figures_and_all_counts() {
        let mut series = Series::new(1);
        let seconds_in_all = 2 * POINTS_MAX as u64 + 3;
        for second in 0..seconds_in_all {
            let mut interval = interval(second * 1000, second * 1000 + 1000, &[]);
            interval.completed = 50;
            series.add(0, &interval);
            assert!(series.points.len() < POINTS_MAX);
            assert!(series.steps.len() <= STEPS_MAX);
        }
        series.end(0);
        let points = series.points();
        assert!(points.iter().all(|point| (point.rate_per_s - 50.0).abs() < 1e-9));
        assert!(points.windows(2).all(|pair| pair[0].t_s + pair[0].span_s == pair[1].t_s));
        assert_eq!(points.iter().map(|p| p.completed).sum::<u64>(), 50 * seconds_in_all);
        assert_eq!(series.steps.iter().map(|s| s.completed).sum::<u64>(), 50 * seconds_in_all);
        assert_eq!((points[0].span_s, points.last().unwrap().span_s), (4.0, 3.0));
        assert_eq!(series.steps[0].span_ns, 8 * STEP_NS);
    }

    #[test]
    fn a_point_has_the_names_that_a_script_reads() {
        let mut series = Series::new(1);
        series.add(0, &interval(0, 1000, &[1; 20]));
        series.end(0);
        assert_eq!(
            serde_json::to_string(series.points()).unwrap(),
            "[{\"t_s\":0.0,\"span_s\":1.0,\"completed\":20,\"rate_per_s\":20.0,\"failed\":1,\
             \"bytes\":200,\"p50_us\":1.0,\"p99_us\":null,\"max_us\":1.0}]"
        );
    }
}
