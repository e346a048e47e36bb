//! The notes of a comparison: what its verdicts go by, and what limits what its figures say. One
//! sentence each, and a hint where something helps.

use crate::base::units;
use crate::compare::figures::{Figures, FiguresByLabel, Ratios};
use crate::compare::measurements::{ContestantRecord, Measurements};
use crate::compare::ratio::{Measure, NOISE_MIN};
use crate::compare::subject::Subject;

/// From which share of their time on the CPUs of a server are its limit.
const SERVER_BUSY_SHARE: f64 = 0.93;
/// Below which share of their time the CPUs of a contestant in a closed loop mostly wait.
const CONTESTANT_BUSY_SHARE: f64 = 0.9;
// LIMIT: notes of single slices that are repeated.
const SLICE_NOTES_MAX: usize = 10;

/// What limited the rate of a closed loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    /// The contestant's own CPUs.
    Contestant,
    /// The server's CPUs.
    Server,
    /// Something else: the contestant mostly waited.
    Unknown,
}

/// The notes of a comparison.
pub(super) fn notes(
    measurements: &Measurements,
    engines: &FiguresByLabel,
    same: &Ratios,
    verdict_by: Measure,
) -> Vec<String> {
    let mut notes = vec![verdict_note(verdict_by, same, &measurements.contestants[0].label)];
    notes.extend(measurements.notes.iter().cloned());
    notes.extend(slice_notes(measurements));
    notes
        .extend(measurements.contestants.iter().chain([&measurements.twin]).filter_map(error_note));
    match (measurements.is_open_loop, measurements.wanted_per_s) {
        (true, _) => notes.extend(late_notes(measurements, engines)),
        (false, None) => notes.extend(limit_notes(engines)),
        // The rate was limited on purpose.
        (false, Some(_)) => {}
    }
    notes.extend(engine_notes(engines));
    notes.extend(protocol_notes(engines));
    notes.push(counting_note(measurements));
    notes.extend(place_notes(&measurements.subject));
    notes.push(measurements.subject.machine.line());
    notes.push(measurements.subject.machine.mitigations_line());
    notes
}

/// What the verdicts go by, and what it takes to call something a difference.
fn verdict_note(verdict_by: Measure, same: &Ratios, baseline: &str) -> String {
    let why = match verdict_by {
        Measure::Cpu => {
            "verdicts go by CPU time a request: in a closed loop its inverse estimates what a core \
             can do, also where the origin sets the rate"
        }
        Measure::P50 => {
            "verdicts go by the median of the response time at an equal rate, since so few \
             requests know no 99th percentile"
        }
        Measure::Rate | Measure::P99 => {
            "verdicts go by the 99th percentile of the response time at an equal rate"
        }
    };
    match same.measure(verdict_by) {
        Some(ratio) => {
            let reach = (ratio.reach() - 1.0) * 100.0;
            let least = match ratio.noise() > ratio.reach() {
                true => format!(" and beyond {} %", NOISE_MIN * 100.0),
                false => String::new(),
            };
            format!(
                "{why}; a second {baseline} like the first was up to {reach:.1} % off, and only an \
                 interval that lies beyond that{least} is called a difference"
            )
        }
        None => format!("{why}; too few rounds to tell a difference from noise, hint: --rounds 10"),
    }
}

/// The notes that contestants have on their slices, once each.
fn slice_notes(measurements: &Measurements) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for record in &measurements.contestants {
        for note in record.slices.iter().flat_map(|slice| &slice.notes) {
            let note = format!("{}: {note}", record.label);
            if !notes.contains(&note) && notes.len() < SLICE_NOTES_MAX {
                notes.push(note);
            }
        }
    }
    notes
}

fn error_note(record: &ContestantRecord) -> Option<String> {
    let errors: u64 = record.slices.iter().map(|slice| slice.errors).sum();
    let silent = record.slices.iter().filter(|slice| slice.completed == 0).count();
    let label = &record.label;
    if silent > record.slices.len() / 2 {
        return Some(format!("{label}: nothing was answered in most turns"));
    }
    (errors > 0).then(|| {
        format!("{label}: {errors} requests failed or had a status that counts as an error")
    })
}

/// The contestants that do not keep up with an open loop.
fn late_notes(measurements: &Measurements, engines: &FiguresByLabel) -> Vec<String> {
    let Some(wanted) = measurements.latency_rate_per_s() else { return Vec::new() };
    let late = engines.0.iter().filter(|(_, f)| !measurements.keeps_up(f.rate_per_s.as_ref()));
    late.map(|(label, figures)| {
        let rate = figures.rate_per_s.map_or(0.0, |rate| rate.median);
        format!(
            "{label} did {} of the {} that were asked for, so its latency is that of a queue and \
             is not judged, hint: a lower --rate",
            units::rate(rate),
            units::rate(wanted)
        )
    })
    .collect()
}

/// What limited the rates of a closed loop, where it was not the contestants.
fn limit_notes(engines: &FiguresByLabel) -> Vec<String> {
    let labels = |limit: Limit| -> Vec<&str> {
        let found = engines.0.iter().filter(|(_, figures)| limit_of(figures) == limit);
        found.map(|(label, _)| label.as_str()).collect()
    };
    let mut notes = Vec::new();
    let (by_server, by_unknown) = (labels(Limit::Server), labels(Limit::Unknown));
    if !by_server.is_empty() {
        notes.push(format!(
            "the origin's CPUs were the limit for {}: these rates are the origin's, and only CPU \
             time tells the engines apart, hint: more --origin-cores, or a faster origin",
            by_server.join(", ")
        ));
    }
    if !by_unknown.is_empty() {
        notes.push(format!(
            "the CPUs of {} were not used up: the origin, the number of connections or other \
             processes set the rate, which is then no capacity, hint: a larger -c",
            by_unknown.join(", ")
        ));
    }
    notes
}

fn limit_of(figures: &Figures) -> Limit {
    let is_busy = figures.busy_share.is_some_and(|share| share >= CONTESTANT_BUSY_SHARE);
    match (is_busy, figures.server_busy_share) {
        (_, Some(server)) if server >= SERVER_BUSY_SHARE => Limit::Server,
        (false, _) => Limit::Unknown,
        (true, _) => Limit::Contestant,
    }
}

/// What engines pay that is no property of what they stand for.
fn engine_notes(engines: &FiguresByLabel) -> Vec<String> {
    let named = |word: &str| {
        let is_named = |label: &str| label.split('#').next() == Some(word);
        engines.0.iter().find(|(label, _)| is_named(label)).map(|(_, figures)| figures)
    };
    let reads = |figures: &Figures| {
        let count = figures.syscalls_by_kind.get("recvfrom")?;
        Some(format!("{count:.2} recvfrom a request"))
    };
    let counted = |figures: Option<&Figures>| {
        figures.and_then(reads).map_or(String::new(), |count| format!(" ({count})"))
    };
    let mut notes = Vec::new();
    if let Some(epoll) = named("epoll") {
        notes.push(format!(
            "epoll: monoio's epoll driver does not clear readiness after a short read, so it pays \
             about one more recv for each small answer, which is no cost of epoll{}; the tokio \
             engine{} is epoll without it",
            counted(Some(epoll)),
            counted(named("tokio")),
        ));
    }
    if named("uring:sqpoll").is_some() {
        notes.push(
            "uring:sqpoll: the kernel's polling thread runs on whatever CPU it likes, the origin's \
             among them; its CPU time is part of the contestant's"
                .to_owned(),
        );
    }
    notes
}

/// What hyper's protocol layer costs instead of ringfetch's own, on the same engine.
fn protocol_notes(engines: &FiguresByLabel) -> Vec<String> {
    let with_cost = |(label, figures): &(String, Figures)| {
        let cost = figures.hyper_adds_us.as_ref()?;
        Some(format!(
            "hyper's protocol layer instead of ringfetch's on {label}: {:+.2} us ({:+.2} to \
             {:+.2}) of CPU a request",
            cost.median, cost.low, cost.high
        ))
    };
    engines.0.iter().filter_map(with_cost).collect()
}

/// How system calls were counted, or why they were not.
fn counting_note(measurements: &Measurements) -> String {
    let counted = measurements.contestants.iter().filter_map(|record| record.counted.as_ref());
    let mut reasons = counted.clone().filter_map(|slice| slice.uncounted.as_deref());
    if let Some(reason) = reasons.next() {
        return format!(
            "system calls were not counted: {reason}; the ring's entries are the kernel's own \
             counters, hint: run as root, or with CAP_PERFMON and a readable tracefs"
        );
    }
    match counted.count() {
        0 => "system calls were not counted: the run was stopped before".to_owned(),
        _ => "system calls were counted by the kernel's tracepoints in one more slice, which is \
              not timed since counting slows it"
            .to_owned(),
    }
}

/// The CPUs that were used, and whether they share a core.
fn place_notes(subject: &Subject) -> Vec<String> {
    let list = |cpus: &[usize]| {
        let cpus: Vec<String> = cpus.iter().map(ToString::to_string).collect();
        format!("CPU {}", cpus.join(","))
    };
    let own = list(&subject.cpus);
    let Some(server_cpus) = &subject.server_cpus else {
        return vec![format!(
            "contestants on {own}; where the origin runs is not known: if it shares CPUs with \
             them, its load is in these figures"
        )];
    };
    if server_cpus.iter().any(|cpu| subject.cpus.contains(cpu)) {
        return vec![format!(
            "contestants on {own} and the origin on {} share a CPU: the rate is that of both \
             together, hint: a machine with more CPUs",
            list(server_cpus)
        )];
    }
    let shared = match subject.share_core {
        Some(false) if subject.machine.is_virtual => {
            ", which share no core as far as the hypervisor tells"
        }
        Some(false) => ", which share no core",
        Some(true) => ", which share a core: each slows the other down",
        None => "; whether they share a core is not known",
    };
    vec![format!("contestants on {own}, the origin on {}{shared}", list(server_cpus))]
}
