//! What a core's thread and the process used of the CPUs within a window.

use std::time::Duration;

use crate::base::cpu_time::CpuTime;
use crate::base::instant::Instant;
use crate::os::system;

/// What a core's thread and the process had used at one time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    at: Instant,
    used: Used,
}

/// What was used within a window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    pub(super) thread: CpuTime,
    pub(super) process: CpuTime,
    pub(super) run_queue_wait: Duration,
}

impl Usage {
    /// What was used up to now, which is `at`.
    pub(super) fn now(at: Instant) -> Self {
        Self {
            at,
            used: Used {
                thread: system::thread_cpu_time(),
                process: system::process_cpu_time(),
                run_queue_wait: system::thread_run_queue_wait(),
            },
        }
    }

    /// What was used from `self` to `later`, scaled to a window of `window_ns`: the two looks are a
    /// few milliseconds off its ends.
    pub(super) fn until(self, later: Self, window_ns: u64) -> Used {
        let looked_ns = later.at.ns_since(self.at);
        if looked_ns == 0 {
            return Used::default();
        }
        let scale = window_ns as f64 / looked_ns as f64;
        let (from, to) = (self.used, later.used);
        let waited = to.run_queue_wait.saturating_sub(from.run_queue_wait);
        Used {
            thread: to.thread.since(from.thread).scaled(scale),
            process: to.process.since(from.process).scaled(scale),
            run_queue_wait: waited.mul_f64(scale),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_looks_saw_is_scaled_to_the_window_between_them() {
        let thread = |ms| CpuTime { user: Duration::from_millis(ms), system: Duration::ZERO };
        let look = |at_ms: u64, used_ms| Usage {
            at: Instant::from_ns(at_ms * 1_000_000),
            used: Used { thread: thread(used_ms), ..Used::default() },
        };
        // 60 ms within 105 ms are 57 within 100.
        let used = look(0, 10).until(look(105, 70), 100_000_000);
        assert_eq!(used.thread.user.as_millis(), 57);
        assert_eq!(look(5, 1).until(look(5, 2), 100).thread.user, Duration::ZERO);
    }
}
