//! One line that says how far a trial has come.
//!
//! Knows neither cores nor clocks: whoever has both says what they show.
//!
//! Invariant: the line is made of numbers that were read, and nothing is written for its sake.

use std::time::Duration;

use crate::report::units;

/// What a trial shows at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// Time since the first request was due.
    pub elapsed: Duration,
    /// Requests that ended, those that failed among them.
    pub ended: u64,
    /// Those that failed.
    pub failed: u64,
    /// Requests under way.
    pub in_flight: u64,
}

/// What `now` shows, `before` being what was shown last; `span` is how long the trial takes, and
/// `requests` how many there are, where one of them ends it.
#[must_use]
pub fn line(now: Sight, before: Sight, span: Option<Duration>, requests: Option<u64>) -> String {
    let passed_s = now.elapsed.saturating_sub(before.elapsed).as_secs_f64();
    let ended = now.ended.saturating_sub(before.ended);
    let rate = if passed_s > 0.0 { ended as f64 / passed_s } else { 0.0 };
    let elapsed = units::seconds(now.elapsed.as_secs_f64());
    let far = match (span, requests) {
        (Some(span), _) => format!("{elapsed} of {}", units::seconds(span.as_secs_f64())),
        (None, Some(requests)) => {
            format!("{} of {} requests", units::count(now.ended), units::count(requests))
        }
        (None, None) => elapsed,
    };
    let (in_flight, failed) = (units::count(now.in_flight), units::count(now.failed));
    format!("{far}  {}  {in_flight} in flight  {failed} failed", units::rate(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_it_is_and_how_fast() {
        let before =
            Sight { elapsed: Duration::from_millis(900), ended: 80_000, ..Sight::default() };
        let now =
            Sight { elapsed: Duration::from_secs(1), ended: 100_000, failed: 3, in_flight: 64 };
        let ten = Some(Duration::from_secs(10));
        let expected = "1.00 s of 10.0 s  200,000/s  64 in flight  3 failed";
        assert_eq!(line(now, before, ten, None), expected);
        let expected = "100,000 of 1,000,000 requests  200,000/s  64 in flight  3 failed";
        assert_eq!(line(now, before, None, Some(1_000_000)), expected);
        assert_eq!(line(now, now, None, None), "1.00 s  0.00/s  64 in flight  3 failed");
    }
}
