//! The monotonic clock, and the wall clock for names of things.
//!
//! Does not know what the times are for. Everything above floor 2 gets its time from here or as an
//! argument.
//!
//! Invariant: all instants of one process count from one origin.

use std::sync::LazyLock;
use std::time::Duration;

use crate::words::instant::Instant;

/// The process's origin of time, one second back so that no real instant is zero.
static ORIGIN: LazyLock<std::time::Instant> = LazyLock::new(read);

/// The time now on the monotonic clock.
#[must_use]
pub fn now() -> Instant {
    let origin = *ORIGIN;
    let ns = read().saturating_duration_since(origin) + Duration::from_secs(1);
    Instant::default() + ns
}

/// Blocks this thread for `span`: for threads that are no core.
#[expect(clippy::disallowed_methods, reason = "the one pause that everything else goes through")]
pub fn pause(span: Duration) {
    std::thread::sleep(span);
}

#[expect(clippy::disallowed_methods, reason = "the one reading of the monotonic clock")]
fn read() -> std::time::Instant {
    std::time::Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_run_backwards() {
        let first = now();
        let second = now();
        assert!(second >= first && first.as_ns() >= 1_000_000_000);
    }
}
