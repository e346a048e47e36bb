//! Slices of a load by ringfetch itself: trials of one bench, whose connections stay open.
//!
//! Knows the bench and its summary; what a slice is good for is the comparison's business.
//!
//! Invariant: the engine that runs is the one that was asked for, or there is no slice.

use crate::command::bench::BenchOptions;
use crate::command::benching::{BenchError, Benching, Unwatched};
use crate::command::compare::contestant::Slices;
use crate::command::compare::protocol::Order;
use crate::command::compare::slowed::slow_down;
use crate::engine::Stop;
use crate::engine::bench::Trial;
use crate::io::launch::Engine;
use crate::machines::compare::slice::Slice;
use crate::machines::stats::bench::BenchSummary;
use crate::words::limits::COMPARE_DRAIN;

/// A bench that is run slice by slice.
pub(super) struct BenchSlices {
    benching: Benching,
    trial: Trial,
    connections: usize,
}

impl BenchSlices {
    /// Opens the connections of `options` on `engine` and `cpus`.
    pub(super) fn start(
        options: BenchOptions,
        engine: Engine,
        cpus: Vec<usize>,
        label: &str,
    ) -> Result<Self, String> {
        if let Some(reason) = engine.refusal() {
            return Err(format!("the kernel refuses the engine: {reason}"));
        }
        let options = BenchOptions { engine, cpus: Some(cpus), ..options };
        let text = |error: BenchError| error.to_string();
        let trial = options.trial().map_err(text)?;
        let kept = options.keep_alive;
        slow_down(label);
        let benching = options.start(Stop::default()).map_err(text)?;
        let connections = if kept { benching.connections() } else { 0 };
        Ok(Self { benching, trial, connections })
    }
}

impl Slices for BenchSlices {
    fn connections(&self) -> usize {
        self.connections
    }

    fn notes(&self) -> &[String] {
        self.benching.notes()
    }

    fn run(&mut self, order: &Order) -> Result<Slice, String> {
        let trial = Trial {
            warmup: order.lead_in,
            window: Some(order.window),
            requests: None,
            drain: COMPARE_DRAIN,
            ..self.trial.clone()
        };
        let summary = self.benching.run(&trial, &mut Unwatched).map_err(|e| e.to_string())?;
        Ok(slice_of(&summary))
    }
}

/// What `summary` says of its slice.
fn slice_of(summary: &BenchSummary) -> Slice {
    let response = &summary.latency_us.response;
    let (warmup, ledger) = (&summary.warmup, &summary.ledger);
    Slice {
        window_s: summary.duration_s,
        // Answers within the window, which is also what its CPU time was spent on.
        completed: summary.answered_in_window,
        errors: summary.errors.count,
        user_s: summary.cost.user_s,
        sys_s: summary.cost.sys_s,
        p50_us: response.named("p50"),
        p99_us: response.named("p99"),
        p99_9_us: response.named("p99.9"),
        handled: warmup.sent + ledger.sent,
        interrupted: summary.interrupted,
        ..Slice::default()
    }
}
