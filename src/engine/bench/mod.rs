//! The work of `bench`: requests that are due go out, and what came of each is recorded.
//!
//! Knows neither what the numbers mean nor how they are told. A run keeps its connections over any
//! number of trials; each trial gives one record for each core.
//!
//! Invariant: a request is in exactly one place of its trial's ledger, and the ledger closes.
//!
//! ```text
//! settings   what a run and a trial are told      recorder   what one core notes of a trial
//! call       one request, or a pipeline of them   pacer      wakes lanes when requests are due
//! trial      one core's state within a trial      run        threads, trials and events
//! work       the seam to the lane loop
//! ```

mod call;
mod pacer;
#[cfg(test)]
mod panics;
mod recorder;
mod run;
mod settings;
#[cfg(test)]
mod tests;
mod trial;
mod work;

pub use run::{Bench, CoreEnd, Event, Opened, Trials};
pub use settings::{BenchSettings, Loop, Trial};
