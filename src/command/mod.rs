//! Floor 6: the jobs that ringfetch does, each as a library would offer it.
//!
//! Knows neither the command line nor terminals.
//!
//! Invariant: what the command line can do, a program can do with the same few calls.

pub mod compare;
pub mod origin_process;
