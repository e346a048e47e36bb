//! What one contestant did in one slice of time. Everything is a sum or a time of that slice alone.
//!
//! Invariant: a number that is not known is none, never zero.

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
    /// Median of the response times, in microseconds.
    pub p50_us: Option<f64>,
    /// Their 99th percentile, in microseconds.
    pub p99_us: Option<f64>,
    /// Their 99.9th percentile, in microseconds.
    pub p99_9_us: Option<f64>,
    /// The most memory that the process has had resident so far, in bytes.
    pub max_rss_bytes: u64,
    /// Requests of the whole slice, its lead-in and its end included; the counts below are of them.
    pub handled: u64,
    /// Context switches of the process.
    pub switches: Switches,
    /// Operations of its rings, where there are any.
    pub ring: Option<RingCounts>,
    /// System calls, where they were counted.
    pub syscalls: Option<Syscalls>,
    /// Why system calls that should have been counted were not.
    pub uncounted: Option<String>,
    /// Share of their time that the CPUs of the test server were busy at this rate; none where
    /// another server is asked.
    #[serde(rename = "origin_busy_share")]
    pub server_busy_share: Option<f64>,
    /// Notes for a reader of its numbers.
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

    /// A count of the whole slice, for each of its requests; none where there was no request.
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
