//! The options of a run, resolved: no default is left to fill in.
//!
//! Invariant: settings do not change while a run lasts.

use std::time::Duration;

use crate::fetch::ordinals::Ordinals;
use crate::fetch::policy::Policy;
use crate::fetch::response::Keep;
use crate::fetch::scheduler::Politeness;
use crate::http::http1::RequestTemplate;
use crate::net::dns::Override;
use crate::runtime::launch::Launch;

/// The options of a run, resolved.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cores and their engine.
    pub launch: Launch,
    /// Connections in all, at least one for each core.
    pub connections: usize,
    /// What holds for one host.
    pub politeness: Politeness,
    /// Starts a second over all cores, where they are limited.
    pub starts_per_s: Option<f64>,
    /// The request, but for its target.
    pub request: RequestTemplate,
    /// Retries, redirects and what a status means.
    pub policy: Policy,
    /// Time for one whole fetch.
    pub timeout: Duration,
    /// Time for one connect, name lookup included.
    pub connect_timeout: Duration,
    /// Largest body, in bytes, transfer codings removed.
    pub body_bytes_max: u64,
    /// Which bodies are kept.
    pub keep: Keep,
    /// Fixed answers to name lookups.
    pub overrides: Vec<Override>,
    /// Lines that have their row already and are passed over.
    pub done: Ordinals,
}
