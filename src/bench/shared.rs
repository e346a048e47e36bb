//! What all cores of a run of trials share.

use std::collections::HashSet;

use crate::base::target::Target;
use crate::bench::settings::BenchSettings;
use crate::client::stop::{Gauge, Stop};

/// What all cores of a run share. Nothing of it is written to for a request, but for the counter
/// that numbered requests are claimed from, many at once.
pub(super) struct Shared {
    pub(super) settings: BenchSettings,
    pub(super) stop: Stop,
    pub(super) gauges: Vec<Gauge>,
    /// The first target of each origin.
    pub(super) origins: Vec<usize>,
}

impl Shared {
    /// Connections that are to be open before a trial, where a core has `lanes`.
    pub(super) fn connections_wanted(&self, lanes: usize) -> usize {
        if self.settings.request.closes() { 0 } else { lanes * self.origins.len() }
    }
}

/// The first target of each route, by index.
pub(super) fn first_by_route(targets: &[Target]) -> Vec<usize> {
    let mut seen = HashSet::new();
    (0..targets.len()).filter(|idx| seen.insert(targets[*idx].route())).collect()
}
