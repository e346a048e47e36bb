//! `compare`: one workload on several engines in turns, each in a process of its own.
//!
//! Knows no terminals. The parent only schedules and reads; the contestants do the work.
//!
//! Invariant: at any time at most one contestant runs; the others rest.
//!
//! ```text
//! contender   what can be compared            workload    what each of them does
//! comparing   the rounds                      child       one contestant, as the parent sees it
//! ground      where it takes place
//! protocol    what both say to each other     contestant  the same, as its own process sees it
//! ```

mod bench_slices;
mod child;
mod comparing;
pub mod contender;
pub mod contestant;
mod fetch_slices;
pub mod ground;
#[cfg(feature = "peers")]
mod peer_slices;
mod protocol;
mod slowed;
pub mod workload;

pub use comparing::{Compare, CompareError, Turn};
