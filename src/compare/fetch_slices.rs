//! Slices of a list by ringfetch itself: runs of `fetch`, each until its time is over.
//!
//! A run opens its own connections and starts its own threads, as every fetch does. It reads some
//! thousand lines ahead, and that CPU time is its own.
//!
//! Invariant: every slice begins at the beginning of the list, so that all of them see the same
//! lines.

use std::sync::Arc;

use crate::client::Stop;
use crate::compare::protocol::{Means, SliceOrder};
use crate::compare::slice::Slice;
use crate::compare::slices::{Slices, check_engine};
use crate::fetch::options::Fetch;
use crate::fetch::output::Callback;
use crate::fetch::summary::Summary;
use crate::fetch::tally::Phase;
use crate::input::Repeated;
use crate::runtime::clock;
use crate::runtime::launch::Engine;

/// A fetch that is run slice by slice.
pub(super) struct FetchSlices {
    fetch: Fetch,
}

impl FetchSlices {
    /// Gets ready to fetch as `options` say, on `engine` and `cpus`.
    pub(super) fn start(
        options: Fetch,
        engine: Engine,
        cpus: Vec<usize>,
    ) -> Result<(Self, Means), String> {
        check_engine(engine)?;
        let cores = cpus.len().min(options.connections);
        let fetch = Fetch { engine, cpus: Some(cpus), ..options };
        fetch.check().map_err(|error| error.to_string())?;
        Ok((Self { fetch }, Means { connections: 0, cores, notes: Vec::new() }))
    }
}

impl Slices for FetchSlices {
    fn run(&mut self, order: &SliceOrder) -> Result<Slice, String> {
        let (urls, files) = (self.fetch.urls.clone(), self.fetch.files.clone());
        let stop = Stop::default();
        let is_over = {
            let stop = stop.clone();
            move || stop.is_requested()
        };
        let list = Repeated::open(urls, files, is_over)
            .map_err(|error| format!("cannot read the list: {error}"))?;
        let forget = Arc::new(drop);
        let sink = || Callback(Arc::clone(&forget));
        let fetching = self.fetch.clone().start_from(list, sink, stop.clone());
        let fetching = fetching.map_err(|error| error.to_string())?;
        clock::pause(order.window);
        // What was read ahead is not begun any more; what is in flight ends by itself.
        stop.request();
        let summary = fetching.join().map_err(|error| error.to_string())?;
        Ok(slice_of(summary))
    }
}

/// The slice that `summary` describes.
fn slice_of(summary: Summary) -> Slice {
    let total = summary.latency_us.phase(Phase::Total);
    // The end of the slice cut these short: they are no failures of the contestant.
    let cut_short = summary.failures.0.iter().filter(|(name, _)| name.ends_with(".interrupted"));
    let cut_short: u64 = cut_short.map(|(_, count)| count).sum();
    Slice {
        window_s: summary.elapsed_s,
        completed: summary.ok,
        errors: summary.failed - cut_short,
        user_s: summary.cost.user_s,
        sys_s: summary.cost.system_s,
        p50_us: total.p50,
        p99_us: total.p99,
        p99_9_us: total.p99_9,
        handled: summary.rows,
        notes: summary.notes,
        ..Slice::default()
    }
}
