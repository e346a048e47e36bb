//! A comparison: the figures of every contestant, its ratios to the baseline, and what they show.
//! It is the JSON report of `compare`, field by field.
//!
//! Invariant: the baseline's twin is not among the engines of the report. It is measured to show
//! how far apart two contestants are that are the same.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::compare::bootstrap::Estimate;
use crate::compare::figures::{Figures, FiguresByLabel, Ratios};
use crate::compare::measurements::{ContestantRecord, Measurements};
use crate::compare::notes::notes;
use crate::compare::ratio::Measure;
use crate::compare::slice::Slice;
use crate::os::machine::Machine;

/// Connections of a contestant below which their memory is not told: what an engine takes for
/// itself would be most of it.
const CONNECTIONS_WEIGHED_MIN: usize = 256;

/// A comparison of contestants; its JSON.
///
/// The fields up to `notes` are a contract with users' scripts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Rounds that were completed.
    pub rounds: usize,
    /// How long each slice was measured, in seconds.
    pub slice_s: f64,
    /// The label of the contestant that the others are compared to.
    pub baseline: String,
    /// Every contestant by its label, the baseline first.
    pub engines: FiguresByLabel,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// What was done, in one line.
    pub workload: String,
    /// What the verdicts go by.
    pub verdict_by: Measure,
    /// The ratios of the baseline's twin: what two contestants differ by that are the same.
    pub same_to_baseline: Ratios,
    /// By measure, the factor that an interval must lie beyond to be a difference.
    pub noise: BTreeMap<&'static str, f64>,
    /// The machine.
    pub machine: Machine,
    /// The CPUs of the contestants.
    pub cpus: Vec<usize>,
    /// The CPUs of the test server; null where another one is asked.
    #[serde(rename = "origin_cpus")]
    pub server_cpus: Option<Vec<usize>>,
    /// How many turns each slice was spread over.
    pub turns_per_slice: usize,
    /// Whether the comparison was stopped before its end.
    pub interrupted: bool,
}

impl Comparison {
    /// Compares the contestants of `measurements`.
    ///
    /// # Panics
    ///
    /// Where there is no contestant, or they have different numbers of slices, which is a bug.
    #[must_use]
    pub fn new(measurements: &Measurements) -> Self {
        let baseline = measurements.baseline();
        let turns = baseline.slices.len();
        for record in measurements.contestants.iter().chain([&measurements.twin]) {
            assert_eq!(record.slices.len(), turns, "{} had every turn", record.label);
        }
        let same = measurements.twin_ratios();
        let subject = &measurements.subject;
        let verdict_by = match (measurements.is_open_loop, same.p99) {
            (false, _) => Measure::Cpu,
            (true, Some(_)) => Measure::P99,
            // So few requests that no slice knows its 99th percentile.
            (true, None) => Measure::P50,
        };
        let judge = Judge { measurements, same: &same, verdict_by };
        let figures = |r: &ContestantRecord| (r.label.clone(), judge.figures(r));
        let engines = FiguresByLabel(measurements.contestants.iter().map(figures).collect());
        let notes = notes(measurements, &engines, &same, verdict_by);
        Self {
            rounds: turns / measurements.turns_per_slice.max(1),
            slice_s: measurements.slice_s,
            baseline: baseline.label.clone(),
            engines,
            notes,
            workload: subject.workload.clone(),
            verdict_by,
            noise: same.noise(),
            same_to_baseline: same,
            machine: subject.machine.clone(),
            cpus: subject.cpus.clone(),
            server_cpus: subject.server_cpus.clone(),
            turns_per_slice: measurements.turns_per_slice,
            interrupted: measurements.interrupted,
        }
    }

    /// Whether any contestant had errors, or answered nothing.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        let mut figures = self.engines.0.iter().map(|(_, figures)| figures);
        figures
            .any(|figures| figures.errors > 0 || figures.rate_per_s.is_none_or(|r| r.median <= 0.0))
    }
}

/// What the figures of every contestant are made with.
struct Judge<'a> {
    measurements: &'a Measurements,
    /// The ratios of the baseline's twin.
    same: &'a Ratios,
    verdict_by: Measure,
}

impl Judge<'_> {
    /// The figures of `record`.
    fn figures(&self, record: &ContestantRecord) -> Figures {
        let baseline = self.measurements.baseline();
        let is_baseline = record.label == baseline.label;
        let ratios = (!is_baseline).then(|| Ratios::of(&record.slices, &baseline.slices));
        let slices = &record.slices;
        let over = |of: &dyn Fn(&Slice) -> Option<f64>| {
            Estimate::of(&slices.iter().filter_map(of).collect::<Vec<f64>>())
        };
        let middle = |of: &dyn Fn(&Slice) -> Option<f64>| over(of).map(|e| e.median);
        let verdicts = ratios.iter().flat_map(|ratios| {
            Measure::ALL.into_iter().filter_map(|measure| {
                let (ratio, same) = (ratios.measure(measure)?, self.same.measure(measure)?);
                Some((measure.word(), measure.verdict(&ratio.estimate, same.noise())))
            })
        });
        let verdicts: BTreeMap<_, _> = verdicts.collect();
        let counted = record.counted.as_ref();
        let syscalls = counted.and_then(|slice| Some((slice, slice.syscalls.as_ref()?)));
        let by_kind = syscalls.iter().flat_map(|(slice, syscalls)| {
            let kinds = syscalls.kinds.iter();
            kinds.filter_map(|(kind, count)| Some((kind.clone(), slice.per_handled(*count)?)))
        });
        let max_rss_bytes = slices.iter().map(|slice| slice.max_rss_bytes).max().unwrap_or(0);
        let grown = max_rss_bytes.saturating_sub(record.rss_before_bytes);
        let busy = |slice: &Slice| {
            let wall_s = slice.window_s * record.cores as f64;
            (wall_s > 0.0).then(|| (slice.user_s + slice.sys_s) / wall_s)
        };
        let rate = over(&|slice| Measure::Rate.of(slice));
        let verdict = verdicts.get(self.verdict_by.word()).copied();
        let is_weighed = record.connections >= CONNECTIONS_WEIGHED_MIN;
        Figures {
            rate_per_s: rate,
            cpu_us_per_request: over(&|slice| Measure::Cpu.of(slice)),
            p99_us: over(&|slice| slice.p99_us),
            syscalls_per_request: syscalls
                .and_then(|(slice, syscalls)| slice.per_handled(syscalls.total)),
            max_rss_bytes,
            ratio_to_baseline: ratios,
            verdict: verdict.filter(|_| self.measurements.keeps_up(rate.as_ref())),
            user_us_per_request: over(&Slice::user_us),
            sys_us_per_request: over(&Slice::sys_us),
            p50_us: over(&|slice| slice.p50_us),
            p99_9_us: over(&|slice| slice.p99_9_us),
            syscalls_by_kind: by_kind.collect(),
            sqes_per_request: middle(&|slice| slice.per_handled(slice.ring?.sqes)),
            cqes_per_request: middle(&|slice| slice.per_handled(slice.ring?.cqes)),
            voluntary_switches_per_request: middle(&|s| s.per_handled(s.switches.voluntary)),
            involuntary_switches_per_request: middle(&|s| s.per_handled(s.switches.involuntary)),
            connections: record.connections,
            rss_bytes_per_connection: is_weighed.then(|| grown / record.connections as u64),
            busy_share: middle(&busy),
            server_busy_share: middle(&|slice| slice.server_busy_share),
            errors: slices.iter().map(|slice| slice.errors).sum(),
            verdicts,
            hyper_adds_us: hyper_adds_us(self.measurements, &record.label),
        }
    }
}

/// What hyper adds to the CPU time of contestant `label`, where both were compared.
fn hyper_adds_us(measurements: &Measurements, label: &str) -> Option<Estimate> {
    let record =
        |wanted: &str| measurements.contestants.iter().find(|record| record.label == wanted);
    let (own, other) = (record(label)?, record(&format!("{label}+hyper"))?);
    let rounds = own.slices.iter().zip(&other.slices);
    let added: Vec<f64> = rounds.filter_map(|(o, h)| Some(h.cpu_us()? - o.cpu_us()?)).collect();
    Estimate::of(&added)
}
