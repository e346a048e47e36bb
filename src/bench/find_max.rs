//! `bench --find-max`: the highest rate at which objectives hold, found by trials on the same
//! connections.
//!
//! Invariant: every trial is in the path. Its connections stay open for the next one, but for those
//! whose requests had not ended half a second after it.

use std::sync::Arc;
use std::time::Duration;

use crate::bench::arrivals::{Law, Profile};
use crate::bench::found::{LimitedBy, RateStep, Search};
use crate::bench::run::{BenchError, RunningBench, TrialWatcher};
use crate::bench::search::RateSearch;
use crate::bench::slo::Objectives;
use crate::bench::summary::BenchSummary;
use crate::bench::{Loop, Trial};

/// First rate that a search tries where none is given.
pub(crate) const SEARCH_RATE_FIRST: f64 = 1000.0;
/// How long a search measures each rate where nothing says it.
pub(crate) const SEARCH_WINDOW_DEFAULT: Duration = Duration::from_secs(3);
/// How long it sends each rate before it measures.
pub(crate) const SEARCH_WARMUP_DEFAULT: Duration = Duration::from_millis(500);
/// How long requests of one rate may go on before the next, so that their connections stay open.
const SEARCH_DRAIN: Duration = Duration::from_millis(500);

/// What is searched for, and how long each rate is tried.
#[derive(Clone, Debug)]
pub struct SearchOptions {
    /// What must hold.
    pub objectives: Objectives,
    /// The first rate to try, in requests a second. It is raised where one window of it would not
    /// give the samples that the objectives need.
    pub first_per_s: f64,
    /// How the arrivals are spread.
    pub law: Law,
    /// How long each rate is sent before it is measured.
    pub warmup: Duration,
    /// How long each rate is measured.
    pub window: Duration,
}

/// Searches for the highest rate that holds. Returns the search and the trial that counts: the one
/// at the rate that was found, or the last one where no rate held.
///
/// A rate holds where every objective does and the verdict is `valid`. Where the load was not
/// really put on, its times are those of another load; and a rate at which times grow from third to
/// third cannot be held for long.
///
/// # Errors
///
/// See [`BenchError`].
pub fn search(
    bench: &mut RunningBench,
    options: &SearchOptions,
    watcher: &mut impl TrialWatcher,
) -> Result<(Search, BenchSummary), BenchError> {
    if let Some(term) = options.objectives.unsearchable() {
        return Err(BenchError::Option(format!(
            "a search needs bounds from above on times, errors or failures: {term}, hint: \
             --find-max 'p99<5ms,errors<0.1%'"
        )));
    }
    // A fifth more, since a Poisson schedule may have fewer requests than expected.
    let lowest = 1.2 * options.objectives.samples_min() as f64 / options.window.as_secs_f64();
    let mut rates = RateSearch::new(options.first_per_s, lowest);
    let (mut path, mut trials) = (Vec::<RateStep>::new(), Vec::new());
    let mut limited_by = LimitedBy::Steps;
    while let Some(rate) = rates.next_rate() {
        let summary = bench.run(&trial(options, rate)?, watcher)?;
        if summary.interrupted {
            limited_by = LimitedBy::Interrupt;
            trials.push(summary);
            break;
        }
        let step = RateStep::new(rate, &summary, options.objectives.check(&summary));
        if step.holds {
            rates.handle_held(rate);
        } else {
            rates.handle_failed(rate);
            limited_by = step.limit();
        }
        path.push(step);
        trials.push(summary);
    }
    let (objectives, found_per_s) = (options.objectives.to_string(), rates.held());
    // The first trials are those of the path, in its order.
    let found_idx =
        path.iter().position(|step| step.holds && found_per_s == Some(step.wanted_per_s));
    let counting = found_idx.map_or(trials.last(), |idx| trials.get(idx)).cloned();
    let counting = counting.expect("a search tries at least one rate");
    let search = Search { objectives, found_per_s, limited_by, path, trials };
    Ok((search, counting))
}

fn trial(options: &SearchOptions, rate: f64) -> Result<Trial, BenchError> {
    let profile = Profile::constant(rate).map_err(|e| BenchError::Option(e.to_string()))?;
    Ok(Trial {
        pace: Loop::Open(Arc::new(profile), options.law),
        warmup: options.warmup,
        window: Some(options.window),
        requests: None,
        drain: SEARCH_DRAIN,
    })
}
