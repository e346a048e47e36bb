//! Times by their distribution, and counts: nothing here knows fetch or bench.

pub mod arithmetic;
pub mod counts;
mod interval;
pub mod latency;
pub mod percentiles;
pub mod survival;
