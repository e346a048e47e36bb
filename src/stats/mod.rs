//! Distributions of times, and counts. Nothing here knows fetch or bench.

pub mod arithmetic;
pub mod counts;
mod interval;
pub mod latency;
pub mod percentiles;
pub mod survival;
