//! Floor 1: machines that turn bytes and times into decisions.
//!
//! No sockets, no clocks, no files, no `async`: what a machine needs is an argument, so that each
//! one can be tested whole.
//!
//! Invariant: this floor uses nothing of the crate but itself and `words`.

pub mod compare;
