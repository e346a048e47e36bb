//! What the kernel counts of a process: context switches, entries of rings, system calls.
//!
//! Plain numbers; `system`, `meter` and `tracepoints` read them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Context switches (getrusage(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switches {
    /// The thread had nothing to do.
    pub voluntary: u64,
    /// Another thread was to run.
    pub involuntary: u64,
}

/// What went through the rings of a process (io_uring_setup(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingCounts {
    /// Submission queue entries: operations that were asked for.
    pub sqes: u64,
    /// Completion queue entries: operations that ended.
    pub cqes: u64,
}

/// System calls of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Syscalls {
    /// All of them.
    pub total: u64,
    /// Those of the kinds that clients make, by name.
    pub kinds: BTreeMap<String, u64>,
}
