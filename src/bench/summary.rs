//! The numbers of one trial of a benchmark, added up once, as its JSON report holds them.
//!
//! Names end in their units; percentiles are in microseconds.
//!
//! Invariant: every ledger closes and every histogram holds as many times as the ledgers say, or
//! there is no summary.

use std::time::Duration;

use serde::Serialize;

use crate::base::cpu_time::CpuTime;
use crate::base::limits::CONFIDENCE;
use crate::bench::ledger::Ledger;
use crate::bench::record::Record;
use crate::bench::series::Point;
use crate::bench::stability::Stability;
use crate::bench::verdict::{CoreLoad, Evidence, Mode, Verdict};
use crate::stats::arithmetic::{ratio, us};
use crate::stats::counts::NamedCounts;
use crate::stats::latency::Latency;
use crate::stats::percentiles::Percentiles;
use crate::stats::survival::Survival;

/// One core of a trial, and its record.
#[derive(Clone, Debug)]
pub struct BenchCore {
    /// The CPU that the core was meant for, as the kernel numbers it.
    pub cpu: usize,
    /// Whether its thread was bound to it.
    pub pinned: bool,
    /// What it noted.
    pub record: Record,
}

/// Everything that the summary of a trial is made of.
#[derive(Clone, Debug)]
pub struct BenchInput {
    /// The engine that really ran.
    pub engine: &'static str,
    /// The cores, in the order of their CPUs.
    pub cores: Vec<BenchCore>,
    /// Closed or open loop.
    pub mode: Mode,
    /// Connections in all.
    pub connections: usize,
    /// Requests that one connection has in flight at most.
    pub pipeline: usize,
    /// Open loop: requests a second that were asked for, on average over the window.
    pub wanted_per_s: Option<f64>,
    /// Length of the measured window.
    pub window: Duration,
    /// CPU time of the whole process within the window.
    pub cpu_time: CpuTime,
    /// Peak resident memory in bytes.
    pub max_rss_bytes: u64,
    /// The stretches of the window, in order.
    pub points: Vec<Point>,
    /// Whether the trial was steady.
    pub stability: Stability,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// What else a reader of the report should know.
    pub notes: Vec<String>,
}

/// The numbers of one trial; the JSON report of `bench`, field by field.
///
/// The fields up to `verdict` are a contract with users' scripts, in names and order.
#[derive(Clone, Debug, Serialize)]
pub struct BenchSummary {
    /// The engine that really ran.
    pub engine: &'static str,
    /// The CPUs of the cores.
    pub cores: Vec<usize>,
    /// Connections in all.
    pub connections: usize,
    /// Closed or open loop.
    pub mode: Mode,
    /// Length of the measured window in seconds.
    pub duration_s: f64,
    /// Requests that were completed within the window, a second. Those of the warm-up that were
    /// still in flight when it began count too. Null where the window has no length.
    pub rate_per_s: Option<f64>,
    /// Bytes received for the completed requests: heads, framing and bodies.
    pub bytes_read: u64,
    /// The requests that were scheduled in the window, by how they ended.
    pub ledger: Requests,
    /// Completed requests by status.
    pub status: NamedCounts,
    /// Times of the requests that were scheduled in the window.
    pub latency_us: TrialTimes,
    /// What the trial took of the machine.
    pub cost: TrialCost,
    /// Whether the trial measured the target.
    pub verdict: Verdict,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// Requests that one connection has in flight at most.
    pub pipeline: usize,
    /// Open loop: requests a second that were asked for; null in a closed loop.
    pub wanted_per_s: Option<f64>,
    /// Bytes received for each second of the window; null where it has no length.
    pub bytes_per_s: Option<f64>,
    /// Requests that were completed within the window, whichever phase they belong to: what the
    /// rate is made of.
    pub answered_in_window: u64,
    /// How well the percentiles of the response time are known, at 95 %.
    pub confidence_us: Confidence,
    /// Requests that the response time holds as at least their age.
    pub censored: Censored,
    /// Requests that failed or were answered with a status of 400 or above.
    pub errors: Errors,
    /// The requests that were scheduled in the warm-up, by how they ended.
    pub warmup: Warmup,
    /// How the connections were used.
    pub connections_detail: ConnectionsDetail,
    /// Whether the numbers can be true together.
    pub littles_law: LittlesLaw,
    /// Whether each core's thread was bound to its CPU.
    pub pinned_per_core: Vec<bool>,
    /// The stretches of the window, in order.
    pub series: Vec<Point>,
    /// What else a reader should know.
    pub notes: Vec<String>,
}

/// A ledger in numbers; see [`Ledger`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// Requests whose intended start lay in the window.
    pub scheduled: u64,
    /// Of those, the ones that the kernel was never handed.
    pub skipped: u64,
    /// The others: handed to the kernel, or failed before that for want of a connection.
    pub sent: u64,
    /// Of those, the ones whose response was read to its last byte.
    pub completed: u64,
    /// The ones that were neither completed nor failed when the window ended.
    pub in_flight_at_stop: u64,
    /// The ones that failed, by `stage.kind`.
    pub failed: NamedCounts,
}

/// The times of a trial; see [`Record`] for what each runs from and to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrialTimes {
    /// From the intended start to the last byte, of the completed; and the ages of the censored,
    /// which are not let below the shortest service time.
    pub response: Percentiles,
    /// From the hand-over to the last byte, of the completed.
    pub service: Percentiles,
    /// From the intended start to the hand-over.
    pub send_lag: Percentiles,
    /// Opening connections.
    pub connect: Percentiles,
    /// From the hand-over to the first byte.
    pub first_byte: Percentiles,
    /// From the intended start to the failure, of the failed.
    pub failed: Percentiles,
    /// Open loop: send lag of the arrivals that found a free connection.
    pub pacing: Percentiles,
}

/// What a trial took of the machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrialCost {
    /// CPU seconds in the program, all its threads, within the window.
    pub user_s: f64,
    /// CPU seconds in the kernel on the program's behalf, within the window.
    pub sys_s: f64,
    /// Microseconds of both for each completed request; null where none completed.
    pub cpu_us_per_request: Option<f64>,
    /// Peak resident memory in bytes.
    pub max_rss_bytes: u64,
    /// Share of the window in which each core's thread ran; null where there is no window.
    pub busy_per_core: Vec<Option<f64>>,
    /// Share of the window in which each core's thread could run and did not.
    pub run_queue_share_per_core: Vec<Option<f64>>,
    /// Share of the window in which each core's thread spun before starts, which is part of how
    /// busy it was; null where there is no window.
    pub spun_share_per_core: Vec<Option<f64>>,
}

/// Confidence intervals at 95 % of the response time's percentiles, in microseconds; null where the
/// samples do not tell. They suppose independent samples; see [`Survival::quantile_interval_ns`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Confidence {
    /// Of the median.
    pub p50: Option<(f64, f64)>,
    /// Of the 99th percentile.
    pub p99: Option<(f64, f64)>,
    /// Of the 99.9th percentile.
    #[serde(rename = "p99.9")]
    pub p99_9: Option<(f64, f64)>,
}

/// Requests whose response time is not known but at least their age when the window ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Censored {
    /// Those that the kernel was handed.
    pub in_flight: u64,
    /// Those that it was not.
    pub skipped: u64,
}

/// Requests that failed or were answered with a status of 400 or above.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Errors {
    /// How many.
    pub count: u64,
    /// Their part of all that completed or failed, 0 to 1; null where none did.
    pub share: Option<f64>,
}

/// The requests of the warm-up, by how they ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Warmup {
    /// Requests that the kernel was handed.
    pub sent: u64,
    /// Of those, the completed.
    pub completed: u64,
    /// The failed.
    pub failed: u64,
    /// The ones that were in flight when the measured window ended.
    pub in_flight: u64,
}

/// How the connections of all cores were used; see
/// [`TrialConnections`](crate::bench::record::TrialConnections).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ConnectionsDetail {
    /// Connections that were asked for.
    pub wanted: u64,
    /// Connections that were opened before the trial or at its start.
    pub opened: u64,
    /// Connections that were opened later.
    pub reopened: u64,
    /// Of those opened, the ones that never answered a request.
    pub unserved: u64,
    /// Pauses because the kernel was out of descriptors, buffers or ports.
    pub exhausted_pauses: u64,
    /// Open loop: arrivals that found no free connection.
    pub waited: u64,
}

/// Little's law: the mean number in flight is the rate times the mean time. All three are measured:
/// the first by adding up the time that every request was in flight. So the law checks the others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LittlesLaw {
    /// Requests in flight on average over the window; null where it has no length.
    pub in_flight_mean: Option<f64>,
    /// Requests that all connections together can have in flight.
    pub in_flight_max: u64,
    /// By what part of the number in flight rate times mean service time falls short of it; null
    /// where nothing was in flight or nothing was answered. What fails or is still in flight at the
    /// end makes it positive; what began before the window makes it smaller.
    pub residue: Option<f64>,
    /// Closed loop: what part of the connections had nothing in flight, on average; null in an open
    /// loop.
    pub idle_share: Option<f64>,
}

impl BenchSummary {
    /// Adds up what the cores of one trial noted.
    ///
    /// # Panics
    ///
    /// Where the numbers contradict each other: a request was lost or counted twice, which is a
    /// bug.
    #[must_use]
    pub fn new(input: BenchInput) -> Self {
        let mut all = Record::default();
        for core in &input.cores {
            core.record.warmup.assert_closed();
            core.record.measured.assert_closed();
            all.add(&core.record);
        }
        assert_agreement(&input, &all);
        // In a closed loop a response time is the service time: nothing is corrected.
        let completed = match input.mode {
            Mode::Open => &all.response,
            Mode::Closed => &all.service,
        };
        let window_s = input.window.as_secs_f64();
        let ledger = &all.measured;
        Self {
            engine: input.engine,
            cores: input.cores.iter().map(|core| core.cpu).collect(),
            connections: input.connections,
            mode: input.mode,
            duration_s: window_s,
            rate_per_s: ratio(all.answered_in_window as f64, window_s),
            bytes_read: ledger.wire_bytes,
            ledger: Requests::of(ledger),
            status: NamedCounts(ledger.statuses.iter().map(|(s, n)| (s.to_string(), n)).collect()),
            latency_us: TrialTimes::of(&all, completed),
            cost: cost_of(&input, ledger.completed),
            verdict: verdict_of(&input, &all),
            interrupted: input.interrupted,
            pipeline: input.pipeline,
            wanted_per_s: input.wanted_per_s,
            bytes_per_s: ratio(ledger.wire_bytes as f64, window_s),
            answered_in_window: all.answered_in_window,
            confidence_us: Confidence::of(completed, &all.censored),
            censored: Censored { in_flight: ledger.in_flight_at_stop, skipped: ledger.skipped },
            errors: Errors::of(ledger),
            warmup: Warmup::of(&all.warmup),
            connections_detail: ConnectionsDetail::of(&all),
            littles_law: littles_law_of(&input, &all),
            pinned_per_core: input.cores.iter().map(|core| core.pinned).collect(),
            series: input.points,
            notes: input.notes,
        }
    }
}

impl Requests {
    fn of(ledger: &Ledger) -> Self {
        let named = |(stage, kind, count)| (format!("{stage}.{kind}"), count);
        Self {
            scheduled: ledger.scheduled,
            skipped: ledger.skipped,
            sent: ledger.sent,
            completed: ledger.completed,
            in_flight_at_stop: ledger.in_flight_at_stop,
            failed: NamedCounts(ledger.failures.iter().map(named).collect()),
        }
    }
}

impl TrialTimes {
    fn of(all: &Record, completed: &Latency) -> Self {
        Self {
            response: Percentiles::of_censored(completed, &all.censored),
            service: Percentiles::of(&all.service),
            send_lag: Percentiles::of(&all.send_lag),
            connect: Percentiles::of(&all.connect),
            first_byte: Percentiles::of(&all.first_byte),
            failed: Percentiles::of(&all.failed),
            pacing: Percentiles::of(&all.pacing),
        }
    }
}

impl Confidence {
    fn of(completed: &Latency, censored: &Latency) -> Self {
        let survival = Survival::of(completed, censored);
        let interval = |quantile: f64| {
            let interval = survival.quantile_interval_ns(quantile, CONFIDENCE);
            interval.map(|(low_ns, high_ns)| (us(low_ns), us(high_ns)))
        };
        Self { p50: interval(0.5), p99: interval(0.99), p99_9: interval(0.999) }
    }
}

impl Errors {
    fn of(ledger: &Ledger) -> Self {
        let count = ledger.errors();
        Self { count, share: ratio(count as f64, (ledger.completed + ledger.failed()) as f64) }
    }
}

impl Warmup {
    fn of(ledger: &Ledger) -> Self {
        Self {
            sent: ledger.sent,
            completed: ledger.completed,
            failed: ledger.failed(),
            in_flight: ledger.in_flight_at_stop,
        }
    }
}

impl ConnectionsDetail {
    fn of(all: &Record) -> Self {
        let counts = all.connections;
        Self {
            wanted: counts.wanted,
            opened: counts.opened,
            reopened: counts.reopened,
            unserved: counts.unserved,
            exhausted_pauses: counts.exhausted_pauses,
            waited: all.waited,
        }
    }
}

fn assert_agreement(input: &BenchInput, all: &Record) {
    let ledger = &all.measured;
    let censored = ledger.in_flight_at_stop + ledger.skipped;
    assert_eq!(all.service.count(), ledger.completed, "a completed request has one service time");
    let responses = match input.mode {
        Mode::Open => ledger.completed,
        Mode::Closed => 0,
    };
    assert_eq!(all.response.count(), responses, "an open loop alone times responses apart");
    assert_eq!(all.censored.count(), censored, "a censored request has one age");
    let answered = ledger.completed + all.warmup.completed;
    assert!(all.answered_in_window <= answered, "what was answered completed");
    assert!(all.failed.count() <= ledger.failed(), "a failed request has one time at most");
    assert!(all.first_byte.count() <= ledger.sent, "only what was sent has a first byte");
    assert!(all.send_lag.count() <= ledger.scheduled, "only what was scheduled can be late");
    let arrivals = all.pacing.count() + all.waited;
    assert!(arrivals <= ledger.scheduled, "an arrival finds a free connection, or finds none");
    assert!(ledger.body_bytes <= ledger.wire_bytes, "a body is part of what was received");
    let opened = all.connections.opened + all.connections.reopened;
    assert!(all.connections.unserved <= opened, "what answers or does not was opened first");
}

fn cost_of(input: &BenchInput, completed: u64) -> TrialCost {
    let cpu_us = input.cpu_time.total().as_secs_f64() * 1e6;
    let records = || input.cores.iter().map(|core| &core.record);
    TrialCost {
        user_s: input.cpu_time.user.as_secs_f64(),
        sys_s: input.cpu_time.system.as_secs_f64(),
        cpu_us_per_request: ratio(cpu_us, completed as f64),
        max_rss_bytes: input.max_rss_bytes,
        busy_per_core: records().map(Record::busy_share).collect(),
        run_queue_share_per_core: records().map(Record::run_queue_share).collect(),
        spun_share_per_core: records().map(Record::spun_share).collect(),
    }
}

fn verdict_of(input: &BenchInput, all: &Record) -> Verdict {
    let load = |core: &BenchCore| {
        let record = &core.record;
        Some(CoreLoad {
            cpu: core.cpu,
            // A core spins only when it has nothing to do; one that is behind never does.
            busy_share: (record.busy_share()? - record.spun_share()?).max(0.0),
            run_queue_share: record.run_queue_share()?,
        })
    };
    let cores: Vec<CoreLoad> = input.cores.iter().filter_map(load).collect();
    Verdict::of(&Evidence {
        mode: input.mode,
        wanted_per_s: input.wanted_per_s,
        window_s: input.window.as_secs_f64(),
        all,
        cores: &cores,
        stability: &input.stability,
    })
}

fn littles_law_of(input: &BenchInput, all: &Record) -> LittlesLaw {
    let in_flight_max = input.connections as u64 * input.pipeline as u64;
    let window_ns = input.window.as_nanos() as f64;
    let in_flight_mean = ratio(all.in_flight_ns as f64, window_ns);
    let rate_per_ns = ratio(all.answered_in_window as f64, window_ns);
    let by_law = rate_per_ns.zip(all.service.mean_ns()).map(|(rate, mean_ns)| rate * mean_ns);
    let residue = in_flight_mean
        .zip(by_law)
        .and_then(|(mean, by_law)| ratio(by_law, mean))
        .map(|share| 1.0 - share);
    let idle_share = in_flight_mean
        .filter(|_| input.mode == Mode::Closed)
        .and_then(|mean| ratio(mean, in_flight_max as f64))
        .map(|share| 1.0 - share);
    LittlesLaw { in_flight_mean, in_flight_max, residue, idle_share }
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
