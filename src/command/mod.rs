//! Floor 6: the jobs that ringfetch does, each as a library would offer it.
//!
//! Knows neither the command line nor terminals.
//!
//! Invariant: what the command line can do, a program can do with the same few calls.

pub mod fetch;
pub mod fetching;
pub mod serve;

use crate::io::launch::Engine;

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
