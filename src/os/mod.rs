//! Raw system calls, and what /proc and /sys tell: limits, usage, counters, other processes.
//!
//! Knows neither runtimes nor sockets of an engine. `unsafe` stands here and in `runtime` alone.

pub mod counts;
pub mod host;
pub mod machine;
pub mod meter;
pub mod process;
pub mod system;

mod tracepoints;
