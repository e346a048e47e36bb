//! The progress line of a trial.

use std::time::Duration;

use crate::base::units;
use crate::report::progress::{Pace, Shown};

/// How far a trial has come at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// Time since the first request was due.
    pub elapsed: Duration,
    /// How long the trial takes, where time ends it.
    pub span: Option<Duration>,
    /// How many requests there are, where one of them ends it.
    pub requests: Option<u64>,
    /// Requests that ended, those that failed among them.
    pub ended: u64,
    /// Those that failed.
    pub failed: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Bytes of bodies received.
    pub body_bytes: u64,
}

impl Shown for Sight {
    fn elapsed(&self) -> Duration {
        self.elapsed
    }

    fn ended(&self) -> u64 {
        self.ended
    }

    fn bytes(&self) -> u64 {
        self.body_bytes
    }

    fn line(&self, pace: &Pace) -> String {
        let elapsed = units::seconds(self.elapsed.as_secs_f64());
        let far = match (self.span, self.requests) {
            (Some(span), _) => format!("{elapsed} of {}", units::seconds(span.as_secs_f64())),
            (None, Some(requests)) => {
                format!("{} of {} requests", units::count(self.ended), units::count(requests))
            }
            (None, None) => elapsed,
        };
        let [rate, bytes_rate] = pace.parts();
        let (in_flight, failed) = (units::count(self.in_flight), units::count(self.failed));
        format!("{far}  {rate}  {bytes_rate}  {in_flight} in flight  {failed} failed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_it_is_and_how_fast() {
        let now = Sight {
            elapsed: Duration::from_millis(500),
            ended: 100_000,
            failed: 3,
            in_flight: 64,
            body_bytes: 5 << 20,
            ..Sight::default()
        };
        let check = |sight: Sight, expected: &str| {
            let mut pace = Pace::default();
            pace.observe(&sight);
            assert_eq!(sight.line(&pace), expected);
        };
        let span = Some(Duration::from_secs(10));
        check(
            Sight { span, ..now },
            "500 ms of 10.0 s  200,000/s  10.0 MiB/s  64 in flight  3 failed",
        );
        check(
            Sight { requests: Some(1_000_000), ..now },
            "100,000 of 1,000,000 requests  200,000/s  10.0 MiB/s  64 in flight  3 failed",
        );
        check(now, "500 ms  200,000/s  10.0 MiB/s  64 in flight  3 failed");
    }
}
