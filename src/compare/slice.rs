//! What one contestant did in one slice of time, as it tells whoever compares it.
//!
//! Knows neither processes nor engines. Everything is a sum or a time of that slice alone.
//!
//! Invariant: a slice whose numbers cannot be used says so by having none, never by a zero.

use serde::{Deserialize, Serialize};

use crate::os::counts::{RingCounts, Switches, Syscalls};

/// What one contestant did in one slice. Counts without another word are of the measured window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// Length of the window in seconds.
    pub window_s: f64,
    /// Requests that were answered within the window, whatever the status.
    pub completed: u64,
    /// Requests that failed or were answered with a status of 400 or above.
    pub errors: u64,
    /// CPU seconds of the process in its program.
    pub user_s: f64,
    /// CPU seconds of the process in the kernel.
    pub sys_s: f64,
    /// What half of the response times do not exceed, in microseconds.
    pub p50_us: Option<f64>,
    /// What 99 % of them do not exceed.
    pub p99_us: Option<f64>,
    /// What 99.9 % of them do not exceed.
    pub p99_9_us: Option<f64>,
    /// The most memory that the process has had resident so far, in bytes.
    pub max_rss_bytes: u64,
    /// Requests of the whole slice, its lead-in and its end included: what the counts below are of.
    pub handled: u64,
    /// Context switches of the process: because it waited, and because others were to run.
    pub switches: Switches,
    /// What went through the rings, where there are any.
    pub ring: Option<RingCounts>,
    /// System calls, where they were counted.
    pub syscalls: Option<Syscalls>,
    /// Why system calls that should have been counted were not.
    pub uncounted: Option<String>,
    /// Share of its time that the origin's CPUs were busy at this rate; none where whoever measures
    /// does not know the origin.
    #[serde(rename = "origin_busy_share")]
    pub server_busy_share: Option<f64>,
    /// What else a reader of its numbers should know.
    pub notes: Vec<String>,
}

impl Slice {
    /// CPU time of a request in microseconds; none where none was answered.
    #[must_use]
    pub fn cpu_us(&self) -> Option<f64> {
        self.per_completed((self.user_s + self.sys_s) * 1e6)
    }

    /// CPU time of a request in the program, in microseconds.
    #[must_use]
    pub fn user_us(&self) -> Option<f64> {
        self.per_completed(self.user_s * 1e6)
    }

    /// CPU time of a request in the kernel, in microseconds.
    #[must_use]
    pub fn sys_us(&self) -> Option<f64> {
        self.per_completed(self.sys_s * 1e6)
    }

    /// Requests answered a second; none where no time passed.
    #[must_use]
    pub fn rate_per_s(&self) -> Option<f64> {
        (self.window_s > 0.0).then(|| self.completed as f64 / self.window_s)
    }

    /// `count` of the whole slice for each request of it; none where there was none.
    #[must_use]
    pub fn per_handled(&self, count: u64) -> Option<f64> {
        (self.handled > 0).then(|| count as f64 / self.handled as f64)
    }

    fn per_completed(&self, amount: f64) -> Option<f64> {
        (self.completed > 0).then(|| amount / self.completed as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_request_tells_is_none() {
        let nothing = Slice::default();
        assert_eq!(
            (nothing.cpu_us(), nothing.rate_per_s(), nothing.per_handled(3)),
            (None, None, None)
        );
        let slice = Slice {
            window_s: 2.0,
            completed: 1000,
            user_s: 0.25,
            sys_s: 0.75,
            handled: 2000,
            ..Slice::default()
        };
        assert_eq!(
            (slice.cpu_us(), slice.user_us(), slice.sys_us()),
            (Some(1000.0), Some(250.0), Some(750.0))
        );
        assert_eq!((slice.rate_per_s(), slice.per_handled(500)), (Some(500.0), Some(0.25)));
    }
}
