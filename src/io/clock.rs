//! The monotonic clock, and the wall clock for names of things.
//!
//! Does not know what the times are for. Everything above floor 2 gets its time from here or as an
//! argument.
//!
//! Invariant: all instants of one process count from one origin, the kernel's own.

use std::time::Duration;

use crate::words::instant::Instant;

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
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    assert!(result == 0, "the monotonic clock can be read");
    #[expect(clippy::cast_sign_loss, reason = "time since the start of the machine is positive")]
    Instant::from_ns(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
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
