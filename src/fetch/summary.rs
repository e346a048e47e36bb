//! The numbers of one run, added up once, as the summary file holds them.
//!
//! Serde turns it into JSON, and `report` into text. Names end in their units; times of phases are
//! microseconds.
//!
//! Invariant: the totals add up (`lines = rows + not_started`, `rows = ok + failed`, and all rows
//! are those of the cores and of the reader), or there is no summary.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::base::cpu_time::CpuTime;
use crate::base::failure::Stage;
use crate::fetch::tally::{Phase, Tally};
use crate::stats::arithmetic::{ratio, us};
use crate::stats::counts::NamedCounts;
use crate::stats::latency::Latency;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// Every line has its row.
    Complete,
    /// It was stopped before that.
    Interrupted,
    /// Nobody read its rows any more. That is no error: the reader may have seen enough.
    OutputClosed,
}

/// What one core brings to the summary when it has ended.
#[derive(Clone, Debug)]
pub struct CoreInput {
    /// The CPU that the core was meant for, as the kernel numbers it.
    pub cpu: usize,
    /// Whether its thread was bound to it.
    pub pinned: bool,
    /// What it counted.
    pub tally: Tally,
    /// CPU time of its thread, where the kernel tells it.
    pub cpu_time: Option<CpuTime>,
}

/// Everything that a summary is made of.
#[derive(Clone, Debug)]
pub struct SummaryInput {
    /// The engine that really ran.
    pub engine: &'static str,
    /// The cores, in the order in which they are to be shown.
    pub cores: Vec<CoreInput>,
    /// What the reader counted: rows of lines that reached no core, and lines that got no row.
    pub reader: Tally,
    /// Wall-clock time from the start of the cores to the end of the last one.
    pub elapsed: Duration,
    /// Input lines that were read, skipped ones not counted.
    pub lines: u64,
    /// CPU time of the whole process.
    pub cpu_time: CpuTime,
    /// Peak resident memory of the process in bytes.
    pub max_rss_bytes: u64,
    /// How the run ended.
    pub end: RunEnd,
    /// What a reader of the numbers must also know, one sentence each.
    pub notes: Vec<String>,
}

/// The numbers of one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The engine that really ran.
    pub engine: &'static str,
    /// Whether the run was stopped before its end.
    pub interrupted: bool,
    /// Wall-clock time in seconds.
    pub elapsed_s: f64,
    /// The lines that were read.
    pub input: InputSummary,
    /// Rows that were made.
    pub rows: u64,
    /// Rows without an error.
    pub ok: u64,
    /// Rows with an error.
    pub failed: u64,
    /// Rows a second of wall-clock time, failed ones included; null where no time passed.
    pub rows_per_s: Option<f64>,
    /// Rows without an error a second; null where no time passed.
    pub ok_per_s: Option<f64>,
    /// Fetches in flight at a time, on average: their total times together over the wall-clock time
    /// (Little's law); null where no time passed.
    pub in_flight_mean: Option<f64>,
    /// Errors by `stage.kind`.
    pub failures: NamedCounts,
    /// Rows that have a response, by its status.
    pub status: NamedCounts,
    /// What was received.
    pub bytes: ReceivedBytes,
    /// How connections were used.
    pub connections: ConnectionSummary,
    /// Failures that were tried again.
    pub retries: u64,
    /// Redirects that rows show.
    pub redirects: u64,
    /// The times of each phase, in microseconds.
    pub latency_us: Latencies,
    /// The CPU time and memory that the run took.
    pub cost: CostSummary,
    /// What each core did.
    pub cores: Vec<CoreSummary>,
    /// What a reader of the numbers must also know.
    pub notes: Vec<String>,
}

/// The lines that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct InputSummary {
    /// Lines that were read, skipped ones not counted.
    pub lines: u64,
    /// Lines that became a row without any fetch: those that are no URL which can be fetched, and
    /// those over the bound.
    pub refused: u64,
    /// Lines that the end of the run left without a row.
    pub not_started: u64,
}

/// What was received, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReceivedBytes {
    /// Responses that rows show: heads, framing and bodies.
    pub wire: u64,
    /// Their bodies with transfer codings removed.
    pub body: u64,
    /// Responses that no row shows: those before a redirect or a retry.
    pub discarded: u64,
}

/// How connections were used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ConnectionSummary {
    /// Connections that were opened.
    pub opened: u64,
    /// Exchanges on a connection that had served one before.
    pub reused: u64,
    /// Exchanges begun again because the reused connection was already closed.
    pub stale_retries: u64,
    /// Pauses because the kernel was out of descriptors, buffers or ports.
    pub exhausted_pauses: u64,
}

/// The CPU time and memory that the run took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CostSummary {
    /// CPU seconds in the program, all its threads.
    pub user_s: f64,
    /// CPU seconds in the kernel on the program's behalf.
    pub system_s: f64,
    /// Microseconds of both for each row; null where there are no rows.
    pub cpu_us_per_row: Option<f64>,
    /// Peak resident memory in bytes.
    pub max_rss_bytes: u64,
}

/// What one core did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CoreSummary {
    /// The CPU that it was meant for.
    pub cpu: usize,
    /// Whether its thread was bound to it.
    pub pinned: bool,
    /// Rows that it made.
    pub rows: u64,
    /// Those without an error.
    pub ok: u64,
    /// Those with an error.
    pub failed: u64,
    /// Bytes received for them.
    pub bytes: u64,
    /// Its part of all the cores' rows, 0 to 1; null where there are none.
    pub share: Option<f64>,
    /// CPU seconds of its thread; null where the kernel does not tell.
    pub cpu_s: Option<f64>,
    /// CPU seconds for each second of wall-clock time, 0 to 1; null where it is not known.
    pub busy: Option<f64>,
}

/// The times of one phase in microseconds; null for what the samples do not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PhaseTimes {
    /// Times recorded.
    pub n: u64,
    /// Their mean.
    pub mean: Option<f64>,
    /// The shortest.
    pub min: Option<f64>,
    /// What half of them do not exceed; from 20 samples on.
    pub p50: Option<f64>,
    /// What 90 % do not exceed; from 100 samples on.
    pub p90: Option<f64>,
    /// What 99 % do not exceed; from 1,000 samples on.
    pub p99: Option<f64>,
    /// What 99.9 % do not exceed; from 10,000 samples on.
    #[serde(rename = "p99.9")]
    pub p99_9: Option<f64>,
    /// The longest.
    pub max: Option<f64>,
    /// Times over an hour; percentiles count them as one hour.
    #[serde(skip_serializing_if = "is_zero")]
    pub clipped: u64,
}

/// The times of every phase, in the order of [`Phase::ALL`]; a JSON object by their words.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Latencies(pub [PhaseTimes; Phase::ALL.len()]);

impl Latencies {
    /// The times of one phase.
    #[must_use]
    pub const fn phase(&self, phase: Phase) -> &PhaseTimes {
        &self.0[phase as usize]
    }
}

impl Summary {
    /// Adds up what the threads of one run counted.
    ///
    /// # Panics
    ///
    /// Where the numbers contradict each other: a line was lost or counted twice, which is a bug.
    #[must_use]
    pub fn new(input: SummaryInput) -> Self {
        let mut all = input.reader.clone();
        for core in &input.cores {
            core.tally.assert_consistent();
            all.add(&core.tally);
        }
        assert_totals(&input, &all);
        let total = all.latency(Phase::Total);
        let total_s = total.mean_ns().unwrap_or(0.0) * total.count() as f64 / 1e9;
        let core_rows = all.rows() - input.reader.rows();
        let cores = input.cores.iter().map(|core| core_of(core, core_rows, input.elapsed));
        Self {
            engine: input.engine,
            interrupted: input.end == RunEnd::Interrupted,
            elapsed_s: input.elapsed.as_secs_f64(),
            input: InputSummary {
                lines: input.lines,
                refused: refused_lines(&all),
                not_started: all.not_started,
            },
            rows: all.rows(),
            ok: all.ok(),
            failed: all.failed(),
            rows_per_s: ratio(all.rows() as f64, input.elapsed.as_secs_f64()),
            ok_per_s: ratio(all.ok() as f64, input.elapsed.as_secs_f64()),
            in_flight_mean: ratio(total_s, input.elapsed.as_secs_f64()),
            failures: failures_of(&all),
            status: NamedCounts(all.statuses().iter().map(|(s, n)| (s.to_string(), n)).collect()),
            bytes: ReceivedBytes {
                wire: all.wire_bytes(),
                body: all.body_bytes(),
                discarded: all.discarded_bytes,
            },
            connections: ConnectionSummary {
                opened: all.connections_opened,
                reused: all.connections_reused,
                stale_retries: all.stale_retries,
                exhausted_pauses: all.exhausted_pauses,
            },
            retries: all.retries,
            redirects: all.redirects_followed(),
            latency_us: Latencies(Phase::ALL.map(|phase| PhaseTimes::of(all.latency(phase)))),
            cost: cost_of(&input, all.rows()),
            cores: cores.collect(),
            notes: input.notes,
        }
    }
}

impl PhaseTimes {
    /// The times that `latency` holds, as far as it knows them.
    #[must_use]
    pub fn of(latency: &Latency) -> Self {
        let quantile = |quantile: f64| latency.known_quantile_ns(quantile).map(us);
        Self {
            n: latency.count(),
            mean: latency.mean_ns().map(|ns| ns.round() / 1000.0),
            min: latency.min_ns().map(us),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p99_9: quantile(0.999),
            max: latency.max_ns().map(us),
            clipped: latency.clipped(),
        }
    }
}

impl Serialize for Latencies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Phase::ALL.map(|phase| (phase.word(), self.phase(phase))))
    }
}

/// Rows of lines that were never fetched: only those fail at the stage of the URL.
fn refused_lines(all: &Tally) -> u64 {
    all.failures().iter().filter(|(stage, ..)| *stage == Stage::Url).map(|(.., n)| n).sum()
}

fn assert_totals(input: &SummaryInput, all: &Tally) {
    input.reader.assert_consistent();
    all.assert_consistent();
    let (lines, rows, not_started) = (input.lines, all.rows(), all.not_started);
    assert_eq!(lines, rows + not_started, "every line read is a row or counted as not started");
    assert!(
        input.end != RunEnd::Complete || not_started == 0,
        "a complete run has a row for every line: {not_started} are missing"
    );
    assert_eq!(all.moved_in, all.moved_out, "a job that leaves a core for another arrives there");
}

fn failures_of(all: &Tally) -> NamedCounts {
    let named = |(stage, kind, count)| (format!("{stage}.{kind}"), count);
    NamedCounts(all.failures().iter().map(named).collect())
}

fn cost_of(input: &SummaryInput, rows: u64) -> CostSummary {
    let cpu_us = input.cpu_time.total().as_secs_f64() * 1e6;
    CostSummary {
        user_s: input.cpu_time.user.as_secs_f64(),
        system_s: input.cpu_time.system.as_secs_f64(),
        cpu_us_per_row: ratio(cpu_us, rows as f64),
        max_rss_bytes: input.max_rss_bytes,
    }
}

fn core_of(core: &CoreInput, core_rows: u64, elapsed: Duration) -> CoreSummary {
    let cpu_s = core.cpu_time.map(|time| time.total().as_secs_f64());
    CoreSummary {
        cpu: core.cpu,
        pinned: core.pinned,
        rows: core.tally.rows(),
        ok: core.tally.ok(),
        failed: core.tally.failed(),
        bytes: core.tally.wire_bytes() + core.tally.discarded_bytes,
        share: ratio(core.tally.rows() as f64, core_rows as f64),
        cpu_s,
        busy: cpu_s.and_then(|cpu_s| ratio(cpu_s, elapsed.as_secs_f64())),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields on by reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::failure::{Failure, Kind, Stage};
    use crate::fetch::job::{Fetched, Response, Times};

    fn fetched(status: u16, failure: Option<Failure>) -> Fetched {
        let response = Response {
            status,
            minor_version: 1,
            content_type: None,
            wire_bytes: 150,
            body_bytes: 100,
            body: None,
        };
        Fetched {
            n: 0,
            line: "http://a/".into(),
            failure,
            response: Some(response),
            attempts: 1,
            redirects: Vec::new(),
            ip: None,
            times: Times { queue_ns: 1_000, total_ns: 2_500, ..Times::default() },
        }
    }

    fn core(cpu: usize, rows: u64) -> CoreInput {
        let mut tally = Tally::default();
        tally.connections_opened = 1;
        (0..rows).for_each(|_| tally.record(&fetched(200, None)));
        let time = CpuTime { user: Duration::from_secs(1), system: Duration::from_millis(500) };
        CoreInput { cpu, pinned: true, tally, cpu_time: Some(time) }
    }

    /// 30 and 10 rows of two cores, one line that is no URL.
    fn input() -> SummaryInput {
        let mut reader = Tally::default();
        let no_url = Failure::new(Stage::Url, Kind::Invalid, "no URL");
        reader.record(&Fetched::refused(0, "nonsense", no_url));
        SummaryInput {
            engine: "uring",
            cores: vec![core(0, 30), core(2, 10)],
            reader,
            elapsed: Duration::from_secs(2),
            lines: 41,
            cpu_time: CpuTime { user: Duration::from_secs(3), system: Duration::from_millis(1100) },
            max_rss_bytes: 4096,
            end: RunEnd::Complete,
            notes: Vec::new(),
        }
    }

    #[test]
    fn the_numbers_of_all_threads_add_up() {
        let summary = Summary::new(input());
        assert_eq!((summary.rows, summary.ok, summary.failed), (41, 40, 1));
        assert_eq!((summary.rows_per_s, summary.ok_per_s), (Some(20.5), Some(20.0)));
        assert_eq!(summary.failures.0, [("url.invalid".to_owned(), 1)]);
        assert_eq!(summary.status.0, [("200".to_owned(), 40)]);
        assert_eq!(summary.connections.opened, 2);
        assert_eq!(summary.cores.iter().map(|core| core.rows).sum::<u64>(), 40);
        assert_eq!(summary.cores[0].share, Some(0.75));
        assert_eq!(summary.cores[0].busy, Some(0.75));
        assert_eq!(summary.cost.cpu_us_per_row.map(f64::round), Some(100_000.0));
        let total = summary.latency_us.phase(Phase::Total);
        assert_eq!((total.n, total.p50, total.p90), (40, Some(2.5), None));
        assert_eq!(summary.in_flight_mean, Some(40.0 * 2.5e-6 / 2.0));
    }

    #[test]
    fn the_fields_are_a_contract() {
        let json = serde_json::to_value(Summary::new(input())).unwrap();
        assert_eq!(json["failures"]["url.invalid"], 1);
        assert_eq!(json["status"]["200"], 40);
        assert_eq!(json["input"]["lines"], 41);
        assert_eq!(json["input"]["refused"], 1);
        assert_eq!(json["interrupted"], false);
        let total = serde_json::to_string(&json["latency_us"]["total"]).unwrap();
        let expected = concat!(
            r#"{"max":2.5,"mean":2.5,"min":2.5,"n":40,"p50":2.5,"p90":null,"p99":null,"#,
            r#""p99.9":null}"#,
        );
        assert_eq!(total, expected);
        assert_eq!(json["latency_us"]["tls"]["n"], 0);
        assert!(json["latency_us"]["tls"]["mean"].is_null());
    }

    #[test]
    fn a_run_of_nothing_divides_by_nothing() {
        let empty = SummaryInput {
            cores: vec![CoreInput { cpu_time: None, ..core(0, 0) }],
            reader: Tally::default(),
            elapsed: Duration::ZERO,
            lines: 0,
            ..input()
        };
        let summary = Summary::new(empty);
        assert_eq!((summary.rows_per_s, summary.cost.cpu_us_per_row), (None, None));
        let core = summary.cores[0];
        assert_eq!((core.share, core.cpu_s, core.busy), (None, None, None));
    }

    #[test]
    fn an_interrupted_run_counts_what_it_did_not_start() {
        let mut input = SummaryInput { lines: 50, end: RunEnd::Interrupted, ..input() };
        input.reader.not_started = 4;
        input.cores[0].tally.not_started = 5;
        let summary = Summary::new(input);
        assert!(summary.interrupted);
        assert_eq!(summary.input, InputSummary { lines: 50, refused: 1, not_started: 9 });
    }

    #[test]
    #[should_panic(expected = "every line read is a row")]
    fn a_lost_line_is_a_bug() {
        drop(Summary::new(SummaryInput { lines: 42, ..input() }));
    }

    #[test]
    #[should_panic(expected = "a complete run has a row for every line")]
    fn a_complete_run_leaves_no_line_out() {
        let mut input = SummaryInput { lines: 42, ..input() };
        input.reader.not_started = 1;
        drop(Summary::new(input));
    }

    #[test]
    #[should_panic(expected = "arrives there")]
    fn a_job_lost_between_cores_is_a_bug() {
        let mut input = input();
        input.cores[0].tally.moved_out = 1;
        drop(Summary::new(input));
    }
}
