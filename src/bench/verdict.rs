//! Whether a trial measured the target, or something else. Whether it was steady is judged by
//! `stability`.
//!
//! Invariant: a verdict other than valid names the numbers that led to it and what would help.

use std::time::Duration;

use serde::Serialize;

use crate::base::units;
use crate::bench::ledger::Ledger;
use crate::bench::record::Record;
use crate::bench::stability::{Stability, Steadiness};
use crate::stats::latency::Latency;

/// A core of the generator limits the run when its thread has its CPU for this share of the window
/// or more.
const GENERATOR_BUSY_SHARE: f64 = 0.95;
/// What else runs on a thread's CPU does not matter while the thread waits for less than this share
/// of the window.
pub(crate) const GENERATOR_RUN_QUEUE_SHARE: f64 = 0.05;
/// A thread that waits for its CPU for this share of the window makes its times longer, however
/// idle it is otherwise.
const GENERATOR_CROWDED_SHARE: f64 = 0.10;
/// Lateness that the generator may have of its own, at p99: wrk2's timers are this coarse, and its
/// users took them for the server (wrk2#78).
const PACING_P99_MAX: Duration = Duration::from_millis(1);
/// Fewest arrivals for which that lateness is judged: with fewer, p99 is the maximum.
const PACING_SAMPLES_MIN: u64 = 100;
/// Share of the wanted rate that must be completed: Lancet (USENIX ATC 2019) takes 0.9 to 1.1.
const RATE_SHARE_MIN: f64 = 0.9;
/// How many standard deviations of a Poisson count an open loop may schedule too few by chance.
const ARRIVALS_DEVIATIONS_MAX: f64 = 4.0;
/// A missed rate is put down to a lack of connections where this share of the arrivals found none
/// free.
const WAITED_SHARE_NOTABLE: f64 = 0.01;
/// A missed rate is put down to the end of the window where this share of the requests was still in
/// flight.
const IN_FLIGHT_SHARE_NOTABLE: f64 = 0.05;

const _: () = assert!(
    GENERATOR_BUSY_SHARE + GENERATOR_RUN_QUEUE_SHARE <= 1.0,
    "a thread that waits no longer than allowed can still be found busy"
);

/// What decides when the next request starts (Schroeder et al., "Open Versus Closed", NSDI 2006).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The end of the one before on the same connection.
    Closed,
    /// A schedule that does not wait for the target.
    Open,
}

impl Mode {
    /// The word that reports use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
        }
    }
}

/// What a trial measured. Where several apply, it is the first of those after [`Self::Valid`]: each
/// makes the later ones moot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// It measured the target.
    Valid,
    /// It measured the generator.
    GeneratorBound,
    /// The load that was asked for was not put on.
    TargetMissed,
    /// Its figures drifted.
    Unstable,
}

impl Judgement {
    /// The word that reports use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::GeneratorBound => "generator-bound",
            Self::TargetMissed => "target-missed",
            Self::Unstable => "unstable",
        }
    }
}

/// The judgement on a trial, with its reasons; the JSON report's `verdict`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The judgement.
    pub is: Judgement,
    /// The numbers that led to it.
    pub why: String,
    /// What would help; empty where nothing needs to.
    pub hint: String,
}

/// The figures that a verdict is based on.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// Open or closed loop.
    pub mode: Mode,
    /// Open loop: requests a second that were asked for.
    pub wanted_per_s: Option<f64>,
    /// Length of the window in seconds.
    pub window_s: f64,
    /// Everything that all cores noted.
    pub all: &'a Record,
    /// The load of each core.
    pub cores: &'a [CoreLoad],
    /// Whether the trial was steady.
    pub stability: &'a Stability,
}

/// How busy one core of the generator was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoreLoad {
    /// The CPU, as the kernel numbers it.
    pub cpu: usize,
    /// Share of the window in which its thread ran, without what it spun.
    pub busy_share: f64,
    /// Share of the window in which its thread could run and did not.
    pub run_queue_share: f64,
}

/// A reason against a trial, and what would help.
struct Finding {
    why: String,
    hint: &'static str,
}

impl Verdict {
    /// Judges the trial that `evidence` is of.
    #[must_use]
    pub fn of(evidence: &Evidence<'_>) -> Self {
        let pacing = (evidence.mode == Mode::Open).then_some(&evidence.all.pacing);
        let findings: Vec<Finding> = [
            busy(evidence.mode, evidence.cores),
            crowded(evidence.cores),
            pacing.and_then(late),
            exhausted(evidence.all.connections.exhausted_pauses),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !findings.is_empty() {
            return Self::against(Judgement::GeneratorBound, &findings);
        }
        if let Some(missed) = nothing_done(evidence).or_else(|| rate_missed(evidence)) {
            return Self::against(Judgement::TargetMissed, &[missed]);
        }
        if let Steadiness::Drifting { .. } = evidence.stability.steadiness {
            let hint = "a warm-up or a longer run: --warmup, -d";
            let why = evidence.stability.to_string();
            return Self::against(Judgement::Unstable, &[Finding { why, hint }]);
        }
        Self { is: Judgement::Valid, why: in_favour(evidence), hint: String::new() }
    }

    fn against(is: Judgement, findings: &[Finding]) -> Self {
        let whys: Vec<&str> = findings.iter().map(|finding| finding.why.as_str()).collect();
        let mut hints: Vec<&str> = findings.iter().map(|finding| finding.hint).collect();
        hints.dedup();
        Self { is, why: whys.join("; "), hint: hints.join("; ") }
    }
}

/// Cores whose threads ran all the time.
fn busy(mode: Mode, cores: &[CoreLoad]) -> Option<Finding> {
    let is_busy = |core: &&CoreLoad| core.busy_share >= GENERATOR_BUSY_SHARE;
    let count = cores.iter().filter(is_busy).count();
    let busiest = busiest(cores).filter(|core| is_busy(core))?;
    let of_all = if cores.len() > 1 {
        format!(
            " ({count} of {} were at {} or more)",
            cores.len(),
            units::share(GENERATOR_BUSY_SHARE)
        )
    } else {
        String::new()
    };
    // In a closed loop the next request waits for the generator itself, so the rate is its own.
    let meaning = match mode {
        Mode::Closed => "the rate is the limit of the generator, not of the target",
        Mode::Open => "times may be those of the generator",
    };
    let (cpu, share) = (busiest.cpu, units::share(busiest.busy_share));
    let why = format!("core {cpu} was busy for {share} of the window{of_all}: {meaning}");
    Some(Finding { why, hint: "more cores: --cores 0-3 or -t" })
}

/// Cores whose threads ran whenever their CPU was free, but shared it; or that waited for it so
/// much that the times show it, busy or not.
fn crowded(cores: &[CoreLoad]) -> Option<Finding> {
    let is_crowded = |core: &&CoreLoad| {
        let is_full = core.busy_share + core.run_queue_share >= GENERATOR_BUSY_SHARE;
        let bound = if is_full { GENERATOR_RUN_QUEUE_SHARE } else { GENERATOR_CROWDED_SHARE };
        core.busy_share < GENERATOR_BUSY_SHARE && core.run_queue_share >= bound
    };
    let by_wait = |a: &&CoreLoad, b: &&CoreLoad| a.run_queue_share.total_cmp(&b.run_queue_share);
    let CoreLoad { cpu, busy_share, run_queue_share } =
        *cores.iter().filter(is_crowded).max_by(by_wait)?;
    let why = format!(
        "core {cpu} was busy for {} of the window and for {} more something else had its CPU",
        units::share(busy_share),
        units::share(run_queue_share),
    );
    Some(Finding { why, hint: "cores that nothing else runs on, the target included: --cores" })
}

/// Requests that started late although a connection was free.
fn late(pacing: &Latency) -> Option<Finding> {
    if pacing.count() < PACING_SAMPLES_MIN {
        return None;
    }
    // An estimate of p99 will do where it is not known exactly: a maximum would condemn a run for
    // one hiccup.
    let p99_ns = pacing.quantile_ns(0.99)?;
    if u128::from(p99_ns) <= PACING_P99_MAX.as_nanos() {
        return None;
    }
    let why = format!(
        "1 % of {} requests that found a free connection started {} late or more",
        pacing.count(),
        units::duration_ns(p99_ns),
    );
    Some(Finding { why, hint: "a lower rate: -R, or more cores: --cores 0-3 or -t" })
}

fn exhausted(pauses: u64) -> Option<Finding> {
    let hint = "the host's ports: net.ipv4.ip_local_port_range, its descriptors: ulimit -n, or \
                keep connections alive";
    let why = format!("{pauses} pauses for want of ports, descriptors or buffers");
    (pauses > 0).then_some(Finding { why, hint })
}

fn nothing_done(evidence: &Evidence<'_>) -> Option<Finding> {
    let ledger = &evidence.all.measured;
    if ledger.completed > 0 {
        return None;
    }
    let why = format!(
        "nothing completed in {:.2} s: {} sent, {}, {} in flight at the end",
        evidence.window_s,
        ledger.sent,
        failed(ledger),
        ledger.in_flight_at_stop,
    );
    let hint = if ledger.failed() > 0 {
        "look at the failures and at the target"
    } else {
        "a longer run: -d, or a shorter --timeout"
    };
    Some(Finding { why, hint })
}

/// An open loop that completed too little of what was wanted.
fn rate_missed(evidence: &Evidence<'_>) -> Option<Finding> {
    let wanted_per_s = evidence.wanted_per_s.filter(|_| evidence.mode == Mode::Open)?;
    let (all, ledger) = (evidence.all, &evidence.all.measured);
    // A slow target always has requests under way. What is in flight at the end counts as done as
    // far as there was as much on average; only what has piled up is missing.
    let window_ns = evidence.window_s * 1e9;
    let in_flight_mean = if window_ns > 0.0 { all.in_flight_ns as f64 / window_ns } else { 0.0 };
    let under_way = in_flight_mean.min(ledger.in_flight_at_stop as f64);
    let wanted = wanted_per_s * evidence.window_s;
    let completed = (ledger.completed as f64 + under_way).max(all.answered_in_window as f64);
    let scheduled = ledger.scheduled as f64;
    // Poisson arrivals scatter: of 50 wanted, 40 may be drawn. That is no fault of the target, so
    // it is enough to complete what was scheduled, unless chance does not explain so few.
    let is_chance = scheduled >= wanted - ARRIVALS_DEVIATIONS_MAX * wanted.sqrt();
    let is_missed = completed < RATE_SHARE_MIN * wanted
        && !(is_chance && completed >= RATE_SHARE_MIN * scheduled);
    if !is_missed {
        return None;
    }
    let (cause, hint) = if is_chance {
        cause_of_miss(evidence.all)
    } else {
        let cause = format!("only {} of {wanted:.0} were scheduled", ledger.scheduled);
        (cause, "a lower rate: -R, or more cores: --cores 0-3 or -t")
    };
    let why = format!(
        "{:.1} of {wanted_per_s:.1} a second were completed ({}): {cause}",
        completed / evidence.window_s,
        units::share(completed / wanted),
    );
    Some(Finding { why, hint })
}

/// What most likely kept an open loop from its rate, and what would help.
fn cause_of_miss(all: &Record) -> (String, &'static str) {
    let ledger = &all.measured;
    let share = |part: u64| part as f64 / (ledger.scheduled as f64).max(1.0);
    if share(ledger.failed()) >= 1.0 - RATE_SHARE_MIN {
        return (failed(ledger), "look at the failures, or a lower rate: -R");
    }
    if share(all.waited) >= WAITED_SHARE_NOTABLE {
        let cause = format!(
            "connections were the limit, {} of the arrivals found none free",
            units::share(share(all.waited))
        );
        return (cause, "more connections: -c, or a lower rate: -R");
    }
    if share(ledger.in_flight_at_stop) >= IN_FLIGHT_SHARE_NOTABLE {
        let in_flight = units::share(share(ledger.in_flight_at_stop));
        let cause = format!("{in_flight} were still in flight when the window ended");
        return (cause, "a longer run: -d");
    }
    let cause = format!("{} were scheduled, {} sent", ledger.scheduled, ledger.sent);
    (cause, "a lower rate: -R")
}

fn in_favour(evidence: &Evidence<'_>) -> String {
    let mut why = match busiest(evidence.cores) {
        Some(core) => format!("the busiest core was at {}", units::share(core.busy_share)),
        None => "no core was measured".to_owned(),
    };
    let wanted = evidence.wanted_per_s.filter(|_| evidence.mode == Mode::Open);
    if let Some(wanted_per_s) = wanted {
        let answered = evidence.all.answered_in_window;
        let share = answered as f64 / (wanted_per_s * evidence.window_s);
        why.push_str(&format!(", {} of the wanted rate was completed", units::share(share)));
    }
    if evidence.stability.steadiness == Steadiness::NotJudged {
        why.push_str(", and it was too short to tell whether it was steady");
    }
    let (ledger, errors) = (&evidence.all.measured, evidence.all.measured.errors());
    if errors > ledger.failed() {
        let refused = (errors - ledger.failed()) as f64 / ledger.completed as f64;
        why.push_str(&format!(
            "; but {} of the answers were errors (400 or above)",
            units::share(refused)
        ));
    }
    why
}

fn busiest(cores: &[CoreLoad]) -> Option<&CoreLoad> {
    cores.iter().max_by(|a, b| a.busy_share.total_cmp(&b.busy_share))
}

/// How many failed and with what: `12 failed, 9 of them with connect.refused`.
fn failed(ledger: &Ledger) -> String {
    let all = ledger.failed();
    match ledger.failures.iter().max_by_key(|(.., count)| *count) {
        Some((stage, kind, count)) if count == all => format!("{all} failed with {stage}.{kind}"),
        Some((stage, kind, count)) => {
            format!("{all} failed, {count} of them with {stage}.{kind}")
        }
        None => "0 failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::failure::{Failure, Kind, Stage};
    use crate::bench::record::TrialConnections;
    use crate::bench::stability::RATE;

    static STEADY: Stability = Stability { steadiness: Steadiness::Steady, judged: Vec::new() };

    fn core(cpu: usize, busy_share: f64, run_queue_share: f64) -> CoreLoad {
        CoreLoad { cpu, busy_share, run_queue_share }
    }

    fn record(completed: u64) -> Record {
        let mut record = Record::default();
        record.measured.scheduled = completed;
        record.measured.sent = completed;
        record.measured.completed = completed;
        record.answered_in_window = completed;
        record
    }

    /// An open loop that wanted 1000 in a second.
    fn open<'a>(all: &'a Record, cores: &'a [CoreLoad]) -> Evidence<'a> {
        Evidence {
            mode: Mode::Open,
            wanted_per_s: Some(1000.0),
            window_s: 1.0,
            all,
            cores,
            stability: &STEADY,
        }
    }

    fn closed<'a>(all: &'a Record, cores: &'a [CoreLoad]) -> Evidence<'a> {
        Evidence { mode: Mode::Closed, wanted_per_s: None, ..open(all, cores) }
    }

    /// Checks what is judged of `evidence`: the word, and parts of the reason and of the hint.
    fn check(evidence: &Evidence<'_>, is: &str, why: &str, hint: &str) {
        let verdict = Verdict::of(evidence);
        assert_eq!(verdict.is.word(), is, "{verdict:?}");
        assert_eq!(serde_json::to_value(verdict.is).unwrap(), is);
        assert!(verdict.why.contains(why), "{why} in {verdict:?}");
        assert!(verdict.hint.contains(hint), "{hint} in {verdict:?}");
        assert_eq!(verdict.hint.is_empty(), is == "valid", "{verdict:?}");
    }

    #[test]
    fn a_trial_with_room_on_every_side_is_valid() {
        let cores = [core(0, 0.4, 0.01), core(1, 0.94, 0.005)];
        let all = record(950);
        check(&closed(&all, &cores), "valid", "the busiest core was at 94.0 %", "");
        check(&open(&all, &cores), "valid", "95.0 % of the wanted rate was completed", "");
        check(&closed(&all, &[]), "valid", "no core was measured", "");
    }

    #[test]
    fn a_busy_core_is_the_limit() {
        let all = record(1000);
        let one = [core(3, 0.97, 0.0)];
        let why =
            "core 3 was busy for 97.0 % of the window: the rate is the limit of the generator";
        check(&closed(&all, &one), "generator-bound", why, "--cores 0-3 or -t");
        let many = [core(0, 0.99, 0.0), core(1, 0.5, 0.0), core(2, 0.95, 0.0)];
        let why = "core 0 was busy for 99.0 % of the window (2 of 3 were at 95.0 % or more)";
        check(&open(&all, &many), "generator-bound", why, "more cores");
    }

    #[test]
    fn a_core_that_waits_for_its_cpu_is_the_limit_when_both_add_up_or_it_waits_long() {
        let all = record(1000);
        let why = "core 1 was busy for 60.0 % of the window and for 38.0 % more something else";
        check(&closed(&all, &[core(1, 0.6, 0.38)]), "generator-bound", why, "nothing else runs on");
        let why = "core 1 was busy for 30.0 % of the window and for 10.0 % more something else";
        check(&closed(&all, &[core(1, 0.3, 0.10)]), "generator-bound", why, "nothing else runs on");
        check(&closed(&all, &[core(1, 0.3, 0.09)]), "valid", "", "");
        check(&closed(&all, &[core(1, 0.92, 0.04)]), "valid", "", "");
    }

    #[test]
    fn what_a_slow_target_has_under_way_is_no_debt_and_what_piles_up_is() {
        let mut all = record(800);
        all.measured.scheduled = 1000;
        all.measured.sent = 1000;
        all.measured.in_flight_at_stop = 200;
        // A second in which 200 were in flight all along, and one in which they became 200.
        all.in_flight_ns = 200_000_000_000;
        check(&open(&all, &[]), "valid", "80.0 %", "");
        all.in_flight_ns = 50_000_000_000;
        check(&open(&all, &[]), "target-missed", "in flight", "-d");
        // The answers to the warm-up's requests make up for those that are still to come.
        all.answered_in_window = 1000;
        check(&open(&all, &[]), "valid", "100.0 %", "");
    }

    #[test]
    fn lateness_of_its_own_is_the_generators() {
        let mut all = record(1000);
        (0..98).for_each(|_| all.pacing.record_ns(20_000));
        all.pacing.record_ns(3_000_000);
        check(&open(&all, &[]), "valid", "", "");
        all.pacing.record_ns(3_000_000);
        let why = "1 % of 100 requests that found a free connection started 3.00 ms late or more";
        check(&open(&all, &[]), "generator-bound", why, "-R");
        check(&closed(&all, &[]), "valid", "", "");
        // A single hiccup among a hundred is not p99.
        all.pacing = Latency::default();
        (0..99).for_each(|_| all.pacing.record_ns(20_000));
        all.pacing.record_ns(3_000_000);
        check(&open(&all, &[]), "valid", "", "");
    }

    #[test]
    fn a_host_without_ports_is_the_generators_limit() {
        let mut all = record(0);
        all.connections = TrialConnections { exhausted_pauses: 7, ..Default::default() };
        let cores = [core(0, 0.96, 0.0)];
        check(&closed(&all, &cores), "generator-bound", "; 7 pauses", "; the host's ports");
    }

    #[test]
    fn a_target_that_answers_nothing_was_missed() {
        let mut all = record(0);
        check(&closed(&all, &[]), "target-missed", "nothing completed in 1.00 s: 0 sent", "-d");
        all.measured.sent = 5;
        (0..4).for_each(|_| {
            all.measured.failures.count(Failure::new(Stage::Connect, Kind::Refused, ""));
        });
        let why = "5 sent, 4 failed with connect.refused, 0 in flight";
        check(&open(&all, &[]), "target-missed", why, "failures");
        all.measured.failures.count(Failure::new(Stage::Head, Kind::Timeout, ""));
        check(&open(&all, &[]), "target-missed", "4 of them with connect.refused", "failures");
    }

    #[test]
    fn a_rate_that_was_not_reached_is_missed_and_says_what_stood_in_the_way() {
        let missed = |waited: u64, in_flight: u64, failed: u64| {
            let mut all = record(899 - failed);
            all.measured.scheduled = 1000;
            all.measured.in_flight_at_stop = in_flight;
            all.waited = waited;
            (0..failed).for_each(|_| {
                all.measured.failures.count(Failure::new(Stage::Head, Kind::Timeout, ""));
            });
            all
        };
        let why = "899.0 of 1000.0 a second were completed (89.9 %): 1000 were scheduled";
        check(&open(&missed(9, 49, 0), &[]), "target-missed", why, "a lower rate: -R");
        let why = "connections were the limit, 20.0 % of the arrivals found none free";
        check(&open(&missed(200, 101, 0), &[]), "target-missed", why, "-c");
        let why = "10.1 % were still in flight when the window ended";
        check(&open(&missed(0, 101, 0), &[]), "target-missed", why, "a longer run: -d");
        let why = "100 failed with head.timeout";
        check(&open(&missed(200, 1, 100), &[]), "target-missed", why, "failures");
        let why =
            "500.0 of 1000.0 a second were completed (50.0 %): only 500 of 1000 were scheduled";
        check(&open(&record(500), &[]), "target-missed", why, "more cores");
        check(&open(&record(900), &[]), "valid", "90.0 %", "");
        check(&closed(&missed(0, 0, 0), &[]), "valid", "", "");
    }

    #[test]
    fn chance_in_the_arrivals_is_not_held_against_the_target() {
        let wanted_50 = |completed| (record(completed), Some(50.0));
        for (completed, is) in [(40, "valid"), (22, "valid"), (20, "target-missed")] {
            let (all, wanted_per_s) = wanted_50(completed);
            let verdict = Verdict::of(&Evidence { wanted_per_s, ..open(&all, &[]) });
            assert_eq!(verdict.is.word(), is, "{completed}: {verdict:?}");
        }
    }

    #[test]
    fn the_first_reason_is_the_one_given() {
        let all = record(10);
        let between = "the first and the last third";
        let steadiness = Steadiness::Drifting { figure: RATE, from: 3000.0, to: 2000.0, between };
        let unsteady = &Stability { steadiness, judged: vec![RATE] };
        let bound = [core(0, 1.0, 0.0)];
        let evidence = Evidence { stability: unsteady, ..open(&all, &bound) };
        check(&evidence, "generator-bound", "", "");
        let evidence = Evidence { cores: &[], ..evidence };
        check(&evidence, "target-missed", "", "");
        let evidence = Evidence { stability: unsteady, ..closed(&all, &[]) };
        check(&evidence, "unstable", "rate fell from 3,000/s to 2,000/s between", "--warmup");
        let unknown = &Stability { steadiness: Steadiness::NotJudged, judged: Vec::new() };
        let evidence = Evidence { stability: unknown, ..evidence };
        check(&evidence, "valid", ", and it was too short to tell whether it was steady", "");
    }
}
