//! The tables of a comparison, cell by cell, for every form of the report.
//!
//! Invariant: what is not known is a dash, and every ratio comes with its interval.

use crate::base::units;
use crate::compare::bootstrap::Estimate;
use crate::compare::comparison::Comparison;
use crate::compare::figures::{Figures, Ratios};
use crate::compare::matrix::Matrix;
use crate::compare::ratio::{Measure, Ratio};
use crate::compare::saved::Since;
use crate::report::table::Table;

// LIMIT: kinds of system calls that are listed for each contestant, the most frequent first.
const KINDS_SHOWN_MAX: usize = 8;

/// The figures of each contestant.
pub(super) fn figures(comparison: &Comparison) -> Table {
    let mut table = Table::new([
        "engine",
        "requests/s",
        "CPU",
        "user",
        "system",
        "p50",
        "p99",
        "p99.9",
        "busy",
        "origin",
    ]);
    for (label, figures) in &comparison.engines.0 {
        let us = |estimate: &Option<Estimate>| known(estimate, units::duration_us);
        let busy = |share: Option<f64>| share.map_or_else(dash, units::share);
        table.row(vec![
            label.clone(),
            known(&figures.rate_per_s, |rate| units::rate(rate).trim_end_matches("/s").to_owned()),
            us(&figures.cpu_us_per_request),
            us(&figures.user_us_per_request),
            us(&figures.sys_us_per_request),
            us(&figures.p50_us),
            us(&figures.p99_us),
            us(&figures.p99_9_us),
            busy(figures.busy_share),
            busy(figures.server_busy_share),
        ]);
    }
    table
}

/// Every contestant beside the baseline, and the baseline's twin.
pub(super) fn ratios(comparison: &Comparison) -> Table {
    let latency = latency_of(comparison);
    let baseline = format!("/ {}", comparison.baseline);
    let mut table = Table::new([&baseline, "rate", "CPU", latency.word(), "verdict"]);
    let cells = |label: &str, ratios: &Ratios, verdict: String| {
        let ratio = |measure| {
            let ratio = ratios.measure(measure);
            ratio.map_or_else(dash, |ratio| interval(measure, &ratio.estimate))
        };
        vec![label.to_owned(), ratio(Measure::Rate), ratio(Measure::Cpu), ratio(latency), verdict]
    };
    for (label, figures) in &comparison.engines.0 {
        if let Some(ratios) = &figures.ratio_to_baseline {
            let verdict = figures.verdict.map_or_else(dash, |verdict| verdict.to_string());
            table.row(cells(label, ratios, verdict));
        }
    }
    let twin = format!("{} again", comparison.baseline);
    table.row(cells(&twin, &comparison.same_to_baseline, "the noise".to_owned()));
    table
}

/// What each contestant asked of the kernel, for each request, and its memory.
pub(super) fn costs(comparison: &Comparison) -> Table {
    let mut table = Table::new([
        "a request",
        "syscalls",
        "sqes",
        "cqes",
        "waited",
        "preempted",
        "memory",
        "a connection",
    ]);
    for (label, figures) in &comparison.engines.0 {
        table.row(vec![
            label.clone(),
            number(figures.syscalls_per_request),
            number(figures.sqes_per_request),
            number(figures.cqes_per_request),
            number(figures.voluntary_switches_per_request),
            number(figures.involuntary_switches_per_request),
            units::bytes(figures.max_rss_bytes),
            figures.rss_bytes_per_connection.map_or_else(dash, units::bytes),
        ]);
    }
    table
}

/// The system calls of each contestant by kind, the most frequent first; empty where none were
/// counted.
pub(super) fn kinds(comparison: &Comparison) -> Vec<(String, Vec<String>)> {
    let line = |(label, figures): &(String, Figures)| {
        let mut kinds: Vec<(&String, f64)> =
            figures.syscalls_by_kind.iter().map(|(kind, count)| (kind, *count)).collect();
        kinds.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let shown = kinds.iter().filter(|(_, count)| *count >= 0.005).take(KINDS_SHOWN_MAX);
        let items: Vec<String> =
            shown.map(|(kind, count)| format!("{kind} {}", number(Some(*count)))).collect();
        (!items.is_empty()).then(|| (label.clone(), items))
    };
    comparison.engines.0.iter().filter_map(line).collect()
}

/// What has changed since a run that was saved.
pub(super) fn since(comparison: &Comparison, since: &Since) -> Table {
    let (latency, by) = (latency_of(comparison), comparison.verdict_by);
    let is = format!("{} is", by.word());
    let mut table = Table::new(["now / then", "rate", "CPU", latency.word(), &is]);
    for (label, change) in &since.engines.0 {
        let ratio = |measure: Measure| {
            let ratio = change.ratio_to_saved.get(measure.word());
            ratio.map_or_else(dash, |ratio| interval(measure, ratio))
        };
        let verdict = change.verdicts.get(by.word());
        table.row(vec![
            label.clone(),
            ratio(Measure::Rate),
            ratio(Measure::Cpu),
            ratio(latency),
            verdict.map_or_else(dash, ToString::to_string),
        ]);
    }
    table
}

/// The best contestants at every place of the matrix.
pub(super) fn winners(matrix: &Matrix) -> Table {
    let sizes = matrix.body_sizes();
    let head = ["connections".to_owned()].into_iter();
    let mut table = Table::new(head.chain(sizes.iter().map(|size| units::bytes(*size))));
    for connections in matrix.connections() {
        let cell = |size: &u64| {
            let winners = matrix.cell(connections, *size).map(|cell| cell.winners.join(" = "));
            winners.filter(|winners| !winners.is_empty()).unwrap_or_else(dash)
        };
        let cells = [units::count(connections as u64)].into_iter();
        table.row(cells.chain(sizes.iter().map(cell)).collect());
    }
    table
}

/// The CPU ratio of the baseline's twin at every place of the matrix: the noise.
pub(super) fn noise(matrix: &Matrix) -> Table {
    places(matrix, "CPU of the baseline again", |comparison| comparison.same_to_baseline.cpu)
}

/// The CPU ratio of contestant `label` at every place of the matrix.
pub(super) fn sweep(matrix: &Matrix, label: &str) -> Table {
    places(matrix, &format!("CPU of {label}"), |comparison| {
        let mut engines = comparison.engines.0.iter();
        let (_, figures) = engines.find(|(name, _)| name == label)?;
        figures.ratio_to_baseline.as_ref()?.cpu
    })
}

/// One ratio at every place of the matrix.
fn places(matrix: &Matrix, title: &str, ratio: impl Fn(&Comparison) -> Option<Ratio>) -> Table {
    let sizes = matrix.body_sizes();
    let head = [title.to_owned()].into_iter();
    let mut table = Table::new(head.chain(sizes.iter().map(|size| units::bytes(*size))));
    for connections in matrix.connections() {
        let cell = |size: &u64| {
            let ratio = matrix.cell(connections, *size).and_then(|cell| ratio(&cell.comparison));
            ratio.map_or_else(dash, |ratio| interval(Measure::Cpu, &ratio.estimate))
        };
        let cells = [units::count(connections as u64)].into_iter();
        table.row(cells.chain(sizes.iter().map(cell)).collect());
    }
    table
}

/// The notes of a sweep, each once; one that is not of every place names its places.
pub(super) fn notes(matrix: &Matrix) -> Vec<String> {
    let mut notes: Vec<(String, Vec<String>)> = Vec::new();
    for cell in &matrix.matrix {
        // The first is on the noise, which has a table of its own.
        for note in cell.comparison.notes.iter().skip(1) {
            let place = format!("{} x {}", cell.connections, units::bytes(cell.body_bytes));
            match notes.iter_mut().find(|(known, _)| known == note) {
                Some((_, places)) => places.push(place),
                None => notes.push((note.clone(), vec![place])),
            }
        }
    }
    let told = |(note, places): (String, Vec<String>)| match places.len() {
        count if count == matrix.matrix.len() => note,
        _ => format!("at {}: {note}", places.join(", ")),
    };
    notes.into_iter().map(told).collect()
}

/// Which percentile is shown: the one that the verdicts go by, if they go by one.
fn latency_of(comparison: &Comparison) -> Measure {
    if comparison.verdict_by == Measure::P50 { Measure::P50 } else { Measure::P99 }
}

/// How many rounds there were, and how long, in one line.
pub(super) fn rounds(comparison: &Comparison) -> String {
    let interrupted = if comparison.interrupted { ", interrupted" } else { "" };
    let turns = match comparison.turns_per_slice {
        1 => "turn by turn".to_owned(),
        count => {
            let turn_s = comparison.slice_s / count as f64;
            format!("in turns of {}", units::seconds(turn_s))
        }
    };
    format!(
        "{} of {} for each engine, {turns}{interrupted}",
        comparison.rounds,
        units::seconds(comparison.slice_s)
    )
}

fn dash() -> String {
    "-".to_owned()
}

fn known(estimate: &Option<Estimate>, shown: impl Fn(f64) -> String) -> String {
    estimate.map_or_else(dash, |estimate| shown(estimate.median))
}

/// A ratio with its interval, to as many digits as its measure is worth.
fn interval(measure: Measure, estimate: &Estimate) -> String {
    let Estimate { median, low, high } = estimate;
    let digits = if measure == Measure::Cpu { 3 } else { 2 };
    format!("{median:.digits$} ({low:.digits$}-{high:.digits$})")
}

/// A number of things for each request.
fn number(count: Option<f64>) -> String {
    match count {
        None => dash(),
        Some(count) if count > 0.0 && count < 0.005 => "<0.01".to_owned(),
        Some(count) => format!("{count:.2}"),
    }
}
