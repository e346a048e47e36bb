//! The monotonic clock, a thread's CPU clock for tests, and the wall clock for names and headers.
//!
//! Everything else gets its time from here or as an argument.
//!
//! Invariant: all instants of one process count from one origin, the kernel's own.

use std::time::Duration;

use crate::base::instant::Instant;

/// The time now on the monotonic clock (CLOCK_MONOTONIC of clock_gettime(2)).
///
/// # Panics
///
/// Never: every Linux has the clock.
#[must_use]
#[inline]
pub fn now() -> Instant {
    // Straight from the vDSO: it is read twice for each request, and the standard library's
    // arithmetic on either side of it would take as long as the reading.
    Instant::from_ns(read_ns(libc::CLOCK_MONOTONIC))
}

/// CPU time of the calling thread up to this very moment (CLOCK_THREAD_CPUTIME_ID).
///
/// # Panics
///
/// Never: every Linux has the clock.
#[cfg(feature = "slowed")]
#[must_use]
pub fn thread_cpu_now() -> Duration {
    Duration::from_nanos(read_ns(libc::CLOCK_THREAD_CPUTIME_ID))
}

#[inline]
fn read_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert!(result == 0, "clock {clock} can be read");
    #[expect(clippy::cast_sign_loss, reason = "no clock that is read here starts below zero")]
    let ns = time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64;
    ns
}

/// The time of day, for names and headers: it may jump.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one reading of the wall clock")]
pub fn wall() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

/// Blocks this thread for `span`: for threads that are no core.
#[expect(clippy::disallowed_methods, reason = "the one pause that everything else goes through")]
pub fn pause(span: Duration) {
    std::thread::sleep(span);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_run_backwards() {
        let first = now();
        let second = now();
        assert!(second >= first && first > Instant::default());
    }
}
