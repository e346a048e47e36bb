//! One line on the terminal that says how far a run has come.
//!
//! The caller says ten times a second what there is to show. Where stderr is no terminal, nothing
//! is drawn.
//!
//! Invariant: it only reads numbers, so a run with it does what a run without it does.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::base::units;
use crate::input::source::SourceSize;

/// Over how long the progress line's rate is averaged.
const PROGRESS_RATE_SPAN: Duration = Duration::from_secs(3);

/// What a run shows at one moment.
pub trait Shown {
    /// Time since the start of the run.
    fn elapsed(&self) -> Duration;

    /// What ended so far: rows, requests.
    fn ended(&self) -> u64;

    /// Bytes received so far.
    fn bytes(&self) -> u64;

    /// The line, where what ended and what was received came at `pace`.
    fn line(&self, pace: &Pace) -> String;
}

/// How far a fetch has come at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FetchSnapshot {
    /// Time since the start of the run.
    pub elapsed: Duration,
    /// Rows that were made.
    pub rows: u64,
    /// Those with an error.
    pub failed: u64,
    /// Fetches that were begun and are not over.
    pub in_flight: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Input lines that were read, skipped ones not counted.
    pub lines: u64,
    /// How much of the input was read, where its size is known.
    pub read: Option<SourceSize>,
}

/// The progress line; it vanishes when it is dropped or finished.
#[derive(Debug)]
pub struct ProgressLine {
    bar: ProgressBar,
    pace: Pace,
}

impl ProgressLine {
    /// A line on stderr, or one that draws nothing where stderr is no terminal.
    #[must_use]
    pub fn stderr() -> Self {
        Self::on(ProgressDrawTarget::stderr())
    }

    /// A line that draws nothing.
    #[must_use]
    pub fn hidden() -> Self {
        Self::on(ProgressDrawTarget::hidden())
    }

    /// Draws what `shown` shows. Where its elapsed time is before that of the last, another run has
    /// begun.
    pub fn show(&mut self, shown: &impl Shown) {
        self.pace.observe(shown);
        if !self.bar.is_hidden() {
            self.bar.set_message(shown.line(&self.pace));
        }
    }

    /// Draws `text` instead.
    pub fn say(&self, text: String) {
        if !self.bar.is_hidden() {
            self.bar.set_message(text);
        }
    }

    /// Takes the line away while `write` writes to the terminal, and draws it again below.
    pub fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Takes the line away for good.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }

    /// Whether nothing is drawn, so that no snapshot need be taken.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.bar.is_hidden()
    }

    fn on(target: ProgressDrawTarget) -> Self {
        let style = ProgressStyle::with_template("{wide_msg}").expect("the template is valid");
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        Self { bar, pace: Pace::default() }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Rates, averaged with weights that fall off over some seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    elapsed: Duration,
    ended: u64,
    bytes: u64,
    ended_per_s: f64,
    bytes_per_s: f64,
}

impl Pace {
    /// Updates the rates by what `now` shows.
    pub fn observe(&mut self, now: &impl Shown) {
        let (elapsed, ended, bytes) = (now.elapsed(), now.ended(), now.bytes());
        if elapsed < self.elapsed {
            *self = Self::default();
        }
        let span_s = (elapsed - self.elapsed).as_secs_f64();
        if span_s <= 0.0 {
            return;
        }
        let ended_per_s = ended.saturating_sub(self.ended) as f64 / span_s;
        let bytes_per_s = bytes.saturating_sub(self.bytes) as f64 / span_s;
        // The first span is all there is; an average with the zero before it would be too low.
        let first = self.elapsed.is_zero();
        let weight =
            if first { 1.0 } else { 1.0 - (-span_s / PROGRESS_RATE_SPAN.as_secs_f64()).exp() };
        *self = Self {
            elapsed,
            ended,
            bytes,
            ended_per_s: self.ended_per_s + (ended_per_s - self.ended_per_s) * weight,
            bytes_per_s: self.bytes_per_s + (bytes_per_s - self.bytes_per_s) * weight,
        };
    }

    /// What ended, and what was received, a second, as text.
    pub(super) fn parts(&self) -> [String; 2] {
        [units::rate(self.ended_per_s), units::bytes_rate(self.bytes_per_s)]
    }

    /// Time to the end in seconds, where something ends and `in_all` is not yet reached.
    fn seconds_left(&self, in_all: u64) -> Option<f64> {
        let left = in_all.saturating_sub(self.ended);
        (left > 0 && self.ended_per_s > 0.0).then(|| left as f64 / self.ended_per_s)
    }
}

impl FetchSnapshot {
    /// How many rows there will be: the lines read so far, projected on the whole input.
    ///
    /// The bytes read are not enough: the reader is ahead of the cores by all that is queued.
    fn rows_in_all(&self) -> Option<u64> {
        let SourceSize { read, total } = self.read?;
        if read == 0 {
            return None;
        }
        let lines = u128::from(self.lines) * u128::from(total.max(read)) / u128::from(read);
        u64::try_from(lines).ok()
    }
}

impl Shown for FetchSnapshot {
    fn elapsed(&self) -> Duration {
        self.elapsed
    }

    fn ended(&self) -> u64 {
        self.rows
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn line(&self, pace: &Pace) -> String {
        let [rate, bytes_rate] = pace.parts();
        let mut parts = vec![
            format!("{} rows", units::count(self.rows)),
            rate,
            bytes_rate,
            format!("{} in flight", units::count(self.in_flight)),
            format!("{} failed", units::count(self.failed)),
        ];
        if let Some(in_all) = self.rows_in_all() {
            parts.push(units::percent(self.rows.min(in_all), in_all));
            if let Some(left) = pace.seconds_left(in_all) {
                parts.push(format!("{} left", units::seconds(left)));
            }
        }
        parts.join("  ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::lines::REPORT_COLUMNS;

    fn snapshot() -> FetchSnapshot {
        FetchSnapshot {
            elapsed: Duration::from_secs(10),
            rows: 20_000,
            failed: 3,
            in_flight: 64,
            bytes: 10 * 1024 * 1024,
            lines: 30_000,
            read: Some(SourceSize { read: 500, total: 1000 }),
        }
    }

    /// Checks the line that `snapshot` gives when it is the first one.
    fn check(snapshot: &FetchSnapshot, expected: &str) {
        let mut pace = Pace::default();
        pace.observe(snapshot);
        let line = snapshot.line(&pace);
        assert_eq!(line, expected);
        assert!(line.len() <= REPORT_COLUMNS);
    }

    #[test]
    fn the_line_says_how_far_it_is() {
        check(
            &snapshot(),
            "20,000 rows  2,000/s  1.00 MiB/s  64 in flight  3 failed  33.3 %  20.0 s left",
        );
        check(
            &FetchSnapshot { read: None, ..snapshot() },
            "20,000 rows  2,000/s  1.00 MiB/s  64 in flight  3 failed",
        );
    }

    #[test]
    fn the_end_is_known_when_the_whole_input_was_read() {
        let read = Some(SourceSize { read: 1000, total: 1000 });
        check(
            &FetchSnapshot { lines: 20_000, read, in_flight: 0, ..snapshot() },
            "20,000 rows  2,000/s  1.00 MiB/s  0 in flight  3 failed  100.0 %",
        );
    }

    #[test]
    fn the_beginning_promises_nothing() {
        check(&FetchSnapshot::default(), "0 rows  0.00/s  0 B/s  0 in flight  0 failed");
        let read = Some(SourceSize { read: 0, total: 9 });
        check(
            &FetchSnapshot { read, ..FetchSnapshot::default() },
            "0 rows  0.00/s  0 B/s  0 in flight  0 failed",
        );
    }

    #[test]
    fn the_rate_follows_but_does_not_jump() {
        let mut pace = Pace::default();
        pace.observe(&snapshot());
        assert_eq!(pace.ended_per_s, 2000.0);
        let stalled = FetchSnapshot { elapsed: Duration::from_millis(10_100), ..snapshot() };
        pace.observe(&stalled);
        assert!(pace.ended_per_s > 1900.0 && pace.ended_per_s < 2000.0, "{}", pace.ended_per_s);
        let long_after = FetchSnapshot { elapsed: Duration::from_secs(100), ..snapshot() };
        pace.observe(&long_after);
        assert!(pace.ended_per_s < 0.1, "{}", pace.ended_per_s);
        pace.observe(&long_after);
        assert!(pace.ended_per_s.is_finite());
    }

    #[test]
    fn another_run_has_a_rate_of_its_own() {
        let mut pace = Pace::default();
        pace.observe(&snapshot());
        pace.observe(&FetchSnapshot { elapsed: Duration::from_secs(1), rows: 50, ..snapshot() });
        assert_eq!(pace.ended_per_s, 50.0);
    }

    #[test]
    fn a_hidden_line_takes_everything_and_draws_nothing() {
        let mut line = ProgressLine::hidden();
        line.show(&snapshot());
        assert!(line.is_hidden());
        assert_eq!(line.suspend(|| 7), 7);
        line.finish();
    }
}
