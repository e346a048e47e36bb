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
}
