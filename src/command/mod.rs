//! Floor 6: the jobs that ringfetch does, each as a library would offer it.
//!
//! Knows neither the command line nor terminals.
//!
//! Invariant: what the command line can do, a program can do with the same few calls.

pub mod bench;
pub mod benching;
pub mod compare;
pub mod fetch;
pub mod fetching;
pub mod origin_process;
pub mod search;
pub mod serve;

use std::io;

use crate::base::limits::{DESCRIPTORS_KEPT, DESCRIPTORS_PER_CORE};
use crate::os::system;
use crate::runtime::launch::Engine;

/// `engine` where the kernel allows it, else epoll and a note that says why.
fn allowed(engine: Engine, notes: &mut Vec<String>) -> Engine {
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
fn affordable_connections(
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
