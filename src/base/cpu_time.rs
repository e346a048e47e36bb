//! CPU time, split as the kernel splits it.

use std::time::Duration;

/// CPU time that a thread or a process has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// Time in the program.
    pub user: Duration,
    /// Time in the kernel on the program's behalf.
    pub system: Duration,
}

impl CpuTime {
    /// Both together.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.user.saturating_add(self.system)
    }

    /// What was used since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }

    /// This time times `factor`, which is not negative.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self { user: self.user.mul_f64(factor), system: self.system.mul_f64(factor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_since_is_never_negative() {
        let used = |user_ms, system_ms| CpuTime {
            user: Duration::from_millis(user_ms),
            system: Duration::from_millis(system_ms),
        };
        assert_eq!(used(5, 7).since(used(2, 9)), used(3, 0));
        assert_eq!(used(4, 6).scaled(0.5), used(2, 3));
        assert_eq!(used(4, 6).total(), Duration::from_millis(10));
    }
}
