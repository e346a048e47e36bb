//! Slices of a load by ringfetch itself: trials of one bench, whose connections stay open.
//!
//! Invariant: the engine that runs is the one that was asked for, or there is no slice.

use crate::bench::options::Bench;
use crate::bench::run::{BenchError, RunningBench, Unwatched};
use crate::bench::summary::BenchSummary;
use crate::bench::{Loop, Trial};
use crate::client::Stop;
use crate::compare::protocol::{DRAIN, Means, SliceOrder};
use crate::compare::slice::Slice;
use crate::compare::slices::{Slices, check_engine};
use crate::runtime::launch::Engine;
use crate::stats::percentiles::Statistic;

/// A bench that is run slice by slice.
pub(super) struct BenchSlices {
    /// None once it could not go on.
    running: Option<RunningBench>,
    /// What each slice is made of.
    trial: Trial,
}

impl BenchSlices {
    /// Opens the connections of `options` on `engine` and `cpus`.
    pub(super) fn start(
        options: Bench,
        engine: Engine,
        cpus: Vec<usize>,
    ) -> Result<(Self, Means), String> {
        check_engine(engine)?;
        let options = options.engine(engine).cpus(cpus);
        let (trial, keeps) = (options.trial().map_err(text)?, options.keep_alive);
        let running = options.start(Stop::default()).map_err(text)?;
        let connections = if keeps { running.connections() } else { 0 };
        let (cores, notes) = (running.cpus().len(), running.notes().to_vec());
        let means = Means { connections, cores, notes };
        Ok((Self { running: Some(running), trial }, means))
    }

    /// Runs `trial`; the error says why the bench cannot go on.
    fn run_trial(&mut self, trial: &Trial) -> Result<BenchSummary, String> {
        let running = self.running.as_mut().ok_or("the bench has ended")?;
        let summary = running.run(trial, &mut Unwatched);
        if summary.as_ref().is_ok_and(|summary| !summary.interrupted) {
            return summary.map_err(text);
        }
        // A core that could not go on says why when it is joined, and stops the others.
        let joined = self.running.take().map_or(Ok(()), RunningBench::join);
        joined.and(summary.map(drop)).map_err(text)?;
        Err("the bench was stopped".to_owned())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands on")]
fn text(error: BenchError) -> String {
    error.to_string()
}

impl Slices for BenchSlices {
    fn run(&mut self, order: &SliceOrder) -> Result<Slice, String> {
        let pace = match self.trial.pace.clone() {
            Loop::Closed => Loop::Closed,
            Loop::Open(profile, law) => Loop::Open(profile, law.of_round(order.round)),
        };
        let trial = Trial {
            pace,
            warmup: order.lead_in,
            window: Some(order.window),
            requests: None,
            drain: DRAIN,
        };
        Ok(slice_of(self.run_trial(&trial)?))
    }
}

/// The slice that `summary` describes.
fn slice_of(summary: BenchSummary) -> Slice {
    let response = &summary.latency_us.response;
    // A percentile of which only a lower bound is known cannot be compared.
    let known = |word: &str| {
        let is_known =
            Statistic::parse(word).is_some_and(|statistic| !response.is_at_least(statistic));
        response.named(word).filter(|_| is_known)
    };
    let (warmup, ledger) = (&summary.warmup, &summary.ledger);
    Slice {
        window_s: summary.duration_s,
        // Answers within the window, which is also what its CPU time was spent on.
        completed: summary.answered_in_window,
        errors: summary.errors.count,
        user_s: summary.cost.user_s,
        sys_s: summary.cost.sys_s,
        p50_us: known("p50"),
        p99_us: known("p99"),
        p99_9_us: known("p99.9"),
        handled: warmup.sent + ledger.sent,
        notes: summary.notes,
        ..Slice::default()
    }
}
