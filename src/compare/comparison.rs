//! A comparison: the figures of every contestant, its ratios to the baseline, and what they allow
//! to say. It is the JSON report of `compare`, field by field.
//!
//! Does not know how the slices came about, nor how the comparison is shown. Names end in their
//! units; times are microseconds.
//!
//! Invariant: the twin of the baseline is no engine of the report; it is there to show what two
//! contestants that are the same differ by.

use std::collections::{BTreeMap, BTreeSet};

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::base::limits::{
    COMPARE_CONNECTIONS_WEIGHED_MIN, COMPARE_RATE_KEPT_MIN, COMPARE_VALUE_SHOWN,
};
use crate::compare::bootstrap::Estimate;
use crate::compare::notes::notes;
use crate::compare::ratio::{Measure, Ratio, RatioVerdict};
use crate::compare::slice::Slice;
use crate::os::machine::Machine;

/// What one contestant brings: the same number of slices as every other one, in the same order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContestantRecord {
    /// What it is called.
    pub label: String,
    /// What came of its turns, as many in each round.
    pub slices: Vec<Slice>,
    /// A slice that was not timed and in which system calls were to be counted.
    pub counted: Option<Slice>,
    /// Connections that it keeps; 0 where its work opens and closes them.
    pub connections: usize,
    /// How many CPUs it uses.
    pub cores: usize,
    /// Memory that was resident before its connections were open, in bytes.
    pub rss_before_bytes: u64,
}

/// What a comparison is of. Two comparisons can be compared where this is the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The machine.
    pub machine: Machine,
    /// What is done, in one line.
    pub workload: String,
    /// The same with every option.
    pub options: Value,
    /// The CPUs of the contestants.
    pub cpus: Vec<usize>,
    /// The CPUs of the test server; none where it is not the built-in one.
    #[serde(rename = "origin_cpus")]
    pub server_cpus: Option<Vec<usize>>,
    /// Whether the two share a core; none where that is not known.
    pub share_core: Option<bool>,
}

/// What a comparison is made of. It can be kept, and compared with another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurements {
    /// What it is of.
    pub subject: Subject,
    /// Whether requests were due by a schedule.
    pub is_open_loop: bool,
    /// Requests a second that were asked for; none where nothing limits them.
    pub wanted_per_s: Option<f64>,
    /// How long each contestant was measured in a round, in seconds.
    pub slice_s: f64,
    /// In how many turns it was.
    pub turns_per_slice: usize,
    /// The contestants, the baseline first.
    #[serde(rename = "entries")]
    pub contestants: Vec<ContestantRecord>,
    /// A second contestant that is the same as the baseline.
    pub twin: ContestantRecord,
    /// Whether the comparison was stopped before its end.
    pub interrupted: bool,
    /// What else a reader should know.
    pub notes: Vec<String>,
}

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
    /// What a second contestant like the baseline differed by.
    pub same_to_baseline: Ratios,
    /// What factor an interval must lie beyond to be a difference, by measure.
    pub noise: BTreeMap<&'static str, f64>,
    /// The machine.
    pub machine: Machine,
    /// The CPUs of the contestants.
    pub cpus: Vec<usize>,
    /// The CPUs of the test server; null where another one is asked.
    #[serde(rename = "origin_cpus")]
    pub server_cpus: Option<Vec<usize>>,
    /// In how many turns each slice was worked.
    pub turns_per_slice: usize,
    /// Whether the comparison was stopped before its end.
    pub interrupted: bool,
}

/// Contestants by their labels, in order; a JSON object.
#[derive(Clone, Debug, PartialEq)]
pub struct FiguresByLabel(pub Vec<(String, Figures)>);

/// The figures of one contestant, over its rounds; null for what is not known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Requests answered a second.
    pub rate_per_s: Option<Estimate>,
    /// CPU time of a request, in the program and in the kernel.
    pub cpu_us_per_request: Option<Estimate>,
    /// 99th percentile of the response time, of each slice by itself.
    pub p99_us: Option<Estimate>,
    /// System calls for each request, in a slice that was not timed.
    pub syscalls_per_request: Option<f64>,
    /// The most memory that its process had resident.
    pub max_rss_bytes: u64,
    /// Its measures divided by the baseline's, round by round; null for the baseline itself.
    pub ratio_to_baseline: Option<Ratios>,
    /// What `verdict_by` of the comparison says; null for the baseline itself, and where too few
    /// rounds tell.
    pub verdict: Option<RatioVerdict>,
    /// What each measure says.
    pub verdicts: BTreeMap<&'static str, RatioVerdict>,
    /// The part of the CPU time that is spent in the program.
    pub user_us_per_request: Option<Estimate>,
    /// The part that is spent in the kernel.
    pub sys_us_per_request: Option<Estimate>,
    /// Median of the response time, of each slice by itself.
    pub p50_us: Option<Estimate>,
    /// 99.9th percentile of the response time, of each slice by itself.
    #[serde(rename = "p99.9_us")]
    pub p99_9_us: Option<Estimate>,
    /// System calls for each request by name, the most frequent ones that clients make.
    pub syscalls_by_kind: BTreeMap<String, f64>,
    /// Operations that were handed to its rings, for each request; null where it has none.
    pub sqes_per_request: Option<f64>,
    /// Operations that its rings completed, for each request; null where it has none.
    pub cqes_per_request: Option<f64>,
    /// Context switches for each request, because its threads had to wait.
    pub voluntary_switches_per_request: Option<f64>,
    /// Context switches for each request, because other threads were to run.
    pub involuntary_switches_per_request: Option<f64>,
    /// Connections that it keeps; 0 where its work opens and closes them.
    pub connections: usize,
    /// Memory at most, less what was there before the engine and its connections, for each of them;
    /// null where they are so few that the engine would be most of it.
    pub rss_bytes_per_connection: Option<u64>,
    /// Share of their time that its CPUs were busy with it.
    pub busy_share: Option<f64>,
    /// Share of its time that the origin was busy meanwhile; null where that is not known.
    #[serde(rename = "origin_busy_share")]
    pub server_busy_share: Option<f64>,
    /// Requests that failed or were answered with a status of 400 or above, over all rounds.
    pub errors: u64,
    /// How much more CPU time a request takes on the same engine with hyper's protocol layer, round
    /// by round; null where that was not compared.
    pub hyper_adds_us: Option<Estimate>,
}

/// Ratios of every measure; null where too few rounds have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Ratios {
    /// Of the rate.
    pub rate: Option<Ratio>,
    /// Of the CPU time.
    pub cpu: Option<Ratio>,
    /// Of the median response time.
    pub p50: Option<Ratio>,
    /// Of the 99th percentile.
    pub p99: Option<Ratio>,
}

impl Subject {
    /// Why comparisons of this and of `other` cannot be compared: empty where they can.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut differences = self.machine.differences(&other.machine);
        if (&self.cpus, &self.server_cpus) != (&other.cpus, &other.server_cpus) {
            differences.push(format!(
                "CPUs: {:?} and the origin's {:?}, not {:?} and {:?}",
                self.cpus, self.server_cpus, other.cpus, other.server_cpus
            ));
        }
        if self.workload != other.workload {
            differences.push(format!("workload: {}, not {}", self.workload, other.workload));
        } else if self.options != other.options {
            let options = differing_options(&self.options, &other.options);
            differences.extend(options.iter().map(|option| format!("option {option}")));
        }
        differences
    }
}

/// Options by their names: the members of `options`, and in place of one that is an object its own
/// members, behind its name and a dot.
fn by_name(options: &Value) -> BTreeMap<String, &Value> {
    let mut found = BTreeMap::new();
    for (name, value) in options.as_object().into_iter().flatten() {
        match value {
            Value::Object(members) => {
                found.extend(members.iter().map(|(member, v)| (format!("{name}.{member}"), v)));
            }
            _ => {
                found.insert(name.clone(), value);
            }
        }
    }
    found
}

/// The options that are not the same in `one` and `other`, with their values.
fn differing_options(one: &Value, other: &Value) -> Vec<String> {
    let (own, others) = (by_name(one), by_name(other));
    let names: BTreeSet<&String> = own.keys().chain(others.keys()).collect();
    let value = |of: Option<&&Value>| {
        let text = of.map_or("none".to_owned(), ToString::to_string);
        text.chars().take(COMPARE_VALUE_SHOWN).collect::<String>()
    };
    let differing = names.into_iter().filter(|name| own.get(*name) != others.get(*name));
    differing
        .map(|name| format!("{name} {}, not {}", value(own.get(name)), value(others.get(name))))
        .collect()
}

impl Comparison {
    /// Compares what `measurements` has.
    ///
    /// # Panics
    ///
    /// Where there is no contestant, or they have different numbers of slices, which is a bug.
    #[must_use]
    pub fn new(measurements: &Measurements) -> Self {
        let baseline = measurements.contestants.first().expect("a comparison has a baseline");
        let turns = baseline.slices.len();
        for record in measurements.contestants.iter().chain([&measurements.twin]) {
            assert_eq!(record.slices.len(), turns, "{} had every turn", record.label);
        }
        let same = same_ratios(measurements);
        let subject = &measurements.subject;
        let verdict_by = match (measurements.is_open_loop, same.p99) {
            (false, _) => Measure::Cpu,
            (true, Some(_)) => Measure::P99,
            // So few requests that no slice knows its 99th percentile.
            (true, None) => Measure::P50,
        };
        let contest =
            Contest { baseline, same: &same, verdict_by, wanted: measurements.wanted_latency() };
        let mut engines: Vec<(String, Figures)> = measurements
            .contestants
            .iter()
            .map(|e| (e.label.clone(), contest.figures(e)))
            .collect();
        for (label, figures) in &mut engines {
            figures.hyper_adds_us = hyper_adds_us(measurements, label);
        }
        let engines = FiguresByLabel(engines);
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

impl Ratios {
    fn of(contestant: &[Slice], baseline: &[Slice]) -> Self {
        let of = |measure| Ratio::of(measure, contestant, baseline);
        Self {
            rate: of(Measure::Rate),
            cpu: of(Measure::Cpu),
            p50: of(Measure::P50),
            p99: of(Measure::P99),
        }
    }

    /// What an interval of each measure must lie beyond, where both sides of these are the same.
    fn noise(&self) -> BTreeMap<&'static str, f64> {
        let of = |measure: Measure| Some((measure.word(), self.measure(measure)?.noise()));
        Measure::ALL.into_iter().filter_map(of).collect()
    }

    /// The ratio of one measure.
    #[must_use]
    pub const fn measure(&self, measure: Measure) -> Option<&Ratio> {
        match measure {
            Measure::Rate => self.rate.as_ref(),
            Measure::Cpu => self.cpu.as_ref(),
            Measure::P50 => self.p50.as_ref(),
            Measure::P99 => self.p99.as_ref(),
        }
    }
}

/// What the figures of every contestant are made with.
struct Contest<'a> {
    baseline: &'a ContestantRecord,
    same: &'a Ratios,
    verdict_by: Measure,
    /// Open loop: the rate at which latency is compared.
    wanted: Option<f64>,
}

impl Measurements {
    /// Open loop: the rate at which latency is compared.
    pub(super) fn wanted_latency(&self) -> Option<f64> {
        self.wanted_per_s.filter(|_| self.is_open_loop)
    }
}

/// Whether `rate` is what was asked for, as far as that was: behind it, latency is that of a queue.
pub(super) fn keeps_up(wanted: Option<f64>, rate: Option<&Estimate>) -> bool {
    let kept = |wanted: f64| rate.is_some_and(|r| r.high >= COMPARE_RATE_KEPT_MIN * wanted);
    wanted.is_none_or(kept)
}

impl Contest<'_> {
    fn keeps_up(&self, rate: Option<&Estimate>) -> bool {
        keeps_up(self.wanted, rate)
    }

    /// The figures of `record`.
    fn figures(&self, record: &ContestantRecord) -> Figures {
        let is_baseline = record.label == self.baseline.label;
        let ratios = (!is_baseline).then(|| Ratios::of(&record.slices, &self.baseline.slices));
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
        let is_weighed = record.connections >= COMPARE_CONNECTIONS_WEIGHED_MIN;
        Figures {
            rate_per_s: rate,
            cpu_us_per_request: over(&|slice| Measure::Cpu.of(slice)),
            p99_us: over(&|slice| slice.p99_us),
            syscalls_per_request: syscalls
                .and_then(|(slice, syscalls)| slice.per_handled(syscalls.total)),
            max_rss_bytes,
            ratio_to_baseline: ratios,
            verdict: verdict.filter(|_| self.keeps_up(rate.as_ref())),
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
            hyper_adds_us: None,
        }
    }
}

/// What a second contestant like the baseline differs by.
#[must_use]
pub fn same_ratios(measurements: &Measurements) -> Ratios {
    let baseline = measurements.contestants.first().expect("a comparison has a baseline");
    Ratios::of(&measurements.twin.slices, &baseline.slices)
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

impl Serialize for FiguresByLabel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (label, figures) in &self.0 {
            map.serialize_entry(label, figures)?;
        }
        map.end()
    }
}
