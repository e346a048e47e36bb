//! The options of a run of trials and of each trial, resolved.
//!
//! Invariant: settings do not change while a run lasts, a trial not while it lasts.

use std::sync::Arc;
use std::time::Duration;

use crate::base::target::Target;
use crate::bench::arrivals::{Law, Profile};
use crate::http::http1::RequestTemplate;
use crate::net::dns::Override;
use crate::runtime::launch::Launch;

/// What a run is told.
#[derive(Clone, Debug)]
pub struct BenchSettings {
    /// The cores and their engine.
    pub launch: Launch,
    /// Connections in all, at least one for each core; so many to each origin where there are
    /// several.
    pub connections: usize,
    /// What is asked for, in turn; at least one.
    pub targets: Vec<Target>,
    /// The request, but for its target.
    pub request: RequestTemplate,
    /// Requests that one connection has under way at a time, at least one.
    pub pipeline: usize,
    /// Time for one call, from the moment that a lane takes it: a connect where there must be one,
    /// and a whole pipeline.
    pub timeout: Duration,
    /// Time for one connect, name lookup included.
    pub connect_timeout: Duration,
    /// How long before a request is due its core spins instead of sleeping; zero is not at all.
    pub spin: Duration,
    /// Fixed answers to name lookups.
    pub overrides: Vec<Override>,
}

/// What makes requests due.
#[derive(Clone, Debug)]
pub enum Loop {
    /// The end of the one before, on each connection.
    Closed,
    /// A schedule that no answer can delay.
    Open(Arc<Profile>, Law),
}

/// One trial.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What makes requests due.
    pub pace: Loop,
    /// How long requests are sent before any is measured.
    pub warmup: Duration,
    /// How long requests are measured; none where their number ends the trial.
    pub window: Option<Duration>,
    /// How many requests are measured; none where the time alone ends the trial.
    pub requests: Option<u64>,
    /// How long requests that are in flight at the end may go on, so that their connections stay
    /// open; they count as in flight at the stop all the same.
    pub drain: Duration,
}
