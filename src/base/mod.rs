//! Values that everything else speaks: blocks of bytes, times, failures, targets, units.
//!
//! Invariant: nothing here uses another folder of the crate.

pub mod buf;
pub mod cpu_time;
pub mod failure;
pub mod instant;
pub mod limits;
pub mod route;
pub mod target;
pub mod units;
