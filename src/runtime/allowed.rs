//! What the machine allows a run: its engine, and how many connections.

use std::io;

use crate::base::limits::DESCRIPTORS_KEPT;
use crate::os::system;
use crate::runtime::launch::Engine;

/// Descriptors kept back for each core: its ring or epoll, its wake-up, a timer.
const DESCRIPTORS_PER_CORE: usize = 8;

/// `engine` where the kernel allows it, else epoll and a note that says why.
pub(crate) fn allowed(engine: Engine, notes: &mut Vec<String>) -> Engine {
    let (engine, refusal) = engine.or_fallback();
    if let Some(reason) = refusal {
        notes.push(format!(
            "the kernel refuses io_uring, so epoll serves: {reason}, hint: see \
             /proc/sys/kernel/io_uring_disabled and the container's seccomp profile"
        ));
    }
    engine
}

/// As many of `connections` as the limit of open descriptors allows, and a note where that is less.
pub(crate) fn affordable_connections(
    connections: usize,
    cores: usize,
    notes: &mut Vec<String>,
) -> io::Result<usize> {
    let limit = system::raise_descriptor_limit()?;
    let kept = DESCRIPTORS_KEPT + DESCRIPTORS_PER_CORE * cores;
    let affordable = limit.saturating_sub(kept).max(1);
    if connections > affordable {
        notes.push(format!(
            "connections lowered from {connections} to {affordable}: the limit of open \
             descriptors is {limit}, hint: ulimit -Hn"
        ));
    }
    Ok(connections.min(affordable))
}
