//! Raw system calls, and what /proc and /sys tell: limits, usage, counters, other processes.
//!
//! Knows neither runtimes nor sockets of an engine. `unsafe` stands here and in `runtime` alone.

pub mod counts;
pub mod machine;
