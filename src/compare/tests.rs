//! Tests of comparisons as a whole, on slices whose truth is known.
//!
//! Slices are drawn by lot around what a contestant is like.
//!
//! Invariant: the same seeds give the same slices.

use serde_json::{Value, json};

use super::comparison::Comparison;
use super::matrix::{Cell, Matrix};
use super::measurements::{ContestantRecord, Measurements};
use super::ratio::{Measure, Ratio, RatioVerdict};
use super::saved::Saved;
use super::slice::Slice;
use super::subject::Subject;
use crate::os::counts::{RingCounts, Switches, Syscalls};
use crate::os::machine::Machine;

/// What a contestant is like: CPU time of a request in us, and how far it scatters.
#[derive(Clone, Copy)]
struct Nature {
    cpu_us: f64,
    scatter: f64,
}

/// Slices of one second on one CPU. The machine drifts over the rounds, for everybody alike.
fn slices(nature: Nature, rounds: usize, random: &mut fastrand::Rng) -> Vec<Slice> {
    let slice = |round: usize| {
        let drift = 1.0 + 0.2 * (round as f64 / rounds as f64);
        // The sum of twelve even numbers is nearly normal.
        let normal = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
        let us = nature.cpu_us * drift * (1.0 + nature.scatter * normal);
        let completed = (1e6 / us).round();
        Slice {
            window_s: 1.0,
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count of requests"
            )]
            completed: completed as u64,
            user_s: completed * us * 0.3 / 1e6,
            sys_s: completed * us * 0.7 / 1e6,
            p50_us: Some(us * 60.0),
            p99_us: Some(us * 90.0),
            p99_9_us: None,
            handled: 200_000,
            max_rss_bytes: 20_000_000,
            switches: Switches { voluntary: 2000, involuntary: 100 },
            ring: Some(RingCounts { sqes: 400_000, cqes: 400_000 }),
            server_busy_share: Some(0.5),
            ..Slice::default()
        }
    };
    (0..rounds).map(slice).collect()
}

fn record(
    label: &str,
    nature: Nature,
    rounds: usize,
    random: &mut fastrand::Rng,
) -> ContestantRecord {
    let kinds = [("recvfrom".to_owned(), 200_000)].into();
    ContestantRecord {
        label: label.to_owned(),
        slices: slices(nature, rounds, random),
        counted: Some(Slice {
            handled: 100_000,
            syscalls: Some(Syscalls { total: 210_000, kinds }),
            ..Slice::default()
        }),
        connections: 640,
        cores: 1,
        rss_before_bytes: 7_200_000,
    }
}

fn subject() -> Subject {
    Subject {
        machine: Machine { kernel: "6.18".to_owned(), cpus: 2, ..Machine::default() },
        workload: "closed loop".to_owned(),
        options: json!({"connections": 64}),
        cpus: vec![1],
        server_cpus: Some(vec![0]),
        share_core: Some(false),
    }
}

/// A comparison of a baseline with what is slower by the factors given.
fn measurements(slower: &[(&str, f64)], rounds: usize, scatter: f64, seed: u64) -> Measurements {
    let mut random = fastrand::Rng::with_seed(seed);
    let nature = |factor| Nature { cpu_us: 5.0 * factor, scatter };
    let mut contestants = vec![record("uring", nature(1.0), rounds, &mut random)];
    for (label, factor) in slower {
        contestants.push(record(label, nature(*factor), rounds, &mut random));
    }
    Measurements {
        subject: subject(),
        is_open_loop: false,
        wanted_per_s: None,
        slice_s: 1.0,
        turns_per_slice: 1,
        contestants,
        twin: record("uring (twin)", nature(1.0), rounds, &mut random),
        interrupted: false,
        notes: vec!["epoll: something".to_owned()],
    }
}

fn verdict(comparison: &Comparison, label: &str) -> Option<RatioVerdict> {
    let found = comparison.engines.0.iter().find(|(name, _)| name == label);
    found.expect("it took part").1.verdict
}

/// How many of 50 runs say `expected` of the CPU time of a contestant that is slower by `factor`.
fn told(factor: f64, scatter: f64, rounds: usize, expected: RatioVerdict) -> usize {
    let is_told = |seed: &u64| {
        let measurements = measurements(&[("other", factor)], rounds, scatter, *seed);
        let baseline = &measurements.contestants[0].slices;
        let ratio = |slices| Ratio::of(Measure::Cpu, slices, baseline).unwrap();
        let noise = ratio(&measurements.twin.slices).noise();
        let ratio = ratio(&measurements.contestants[1].slices);
        Measure::Cpu.verdict(&ratio.estimate, noise) == expected
    };
    (0..50).filter(is_told).count()
}

#[test]
fn the_same_is_hardly_ever_called_a_difference() {
    for (scatter, rounds) in [(0.01, 10), (0.05, 10), (0.02, 20)] {
        let told = told(1.0, scatter, rounds, RatioVerdict::NotShown);
        assert!(told >= 49, "{told} of 50 with a scatter of {scatter} in {rounds} rounds");
    }
}

#[test]
fn many_rounds_do_not_make_a_difference_of_what_one_process_differs_by() {
    let comparison = Comparison::new(&measurements(&[("other", 1.005)], 200, 0.0, 1));
    assert_eq!(comparison.noise["cpu"], 1.01);
    let says_so = |note: &String| note.contains("lies beyond that and beyond 1 % is called");
    assert!(comparison.notes.iter().any(says_so), "{:?}", comparison.notes);
    let told = told(1.005, 0.005, 200, RatioVerdict::NotShown);
    assert!(told >= 49, "{told} of 50");
}

#[test]
fn what_is_slower_by_five_percent_is_found_where_the_machine_is_quiet_enough() {
    for (factor, scatter, rounds, expected) in [
        (1.05, 0.01, 10, RatioVerdict::Slower),
        (0.95, 0.01, 10, RatioVerdict::Faster),
        (1.05, 0.02, 40, RatioVerdict::Slower),
    ] {
        let told = told(factor, scatter, rounds, expected);
        assert!(told >= 47, "{told} of 50: {factor} with a scatter of {scatter}");
    }
}

#[test]
fn what_is_lost_in_the_noise_is_not_shown() {
    let noisy = told(1.02, 0.05, 10, RatioVerdict::NotShown);
    assert!(noisy >= 49, "{noisy} of 50");
}

#[test]
fn figures_are_medians_over_the_rounds_and_counts_are_for_each_request() {
    let comparison = Comparison::new(&measurements(&[("tokio", 1.3)], 10, 0.0, 1));
    assert_eq!((comparison.rounds, comparison.baseline.as_str()), (10, "uring"));
    let (_, uring) = &comparison.engines.0[0];
    let (_, tokio) = &comparison.engines.0[1];
    let cpu = uring.cpu_us_per_request.unwrap();
    assert!((cpu.median - 5.45).abs() < 1e-9, "{cpu:?}");
    let (user, sys) = (uring.user_us_per_request.unwrap(), uring.sys_us_per_request.unwrap());
    assert!((user.median + sys.median - cpu.median).abs() < 1e-9);
    assert_eq!((uring.syscalls_per_request, uring.syscalls_by_kind["recvfrom"]), (Some(2.1), 2.0));
    assert_eq!((uring.sqes_per_request, uring.cqes_per_request), (Some(2.0), Some(2.0)));
    assert_eq!(uring.voluntary_switches_per_request, Some(0.01));
    assert_eq!(uring.involuntary_switches_per_request, Some(0.0005));
    assert_eq!((uring.max_rss_bytes, uring.rss_bytes_per_connection), (20_000_000, Some(20_000)));
    assert_eq!((uring.server_busy_share, uring.errors), (Some(0.5), 0));
    assert!((uring.busy_share.unwrap() - 1.0).abs() < 0.01);
    assert_eq!((uring.ratio_to_baseline, uring.verdict), (None, None));
    let ratio = tokio.ratio_to_baseline.unwrap().cpu.unwrap();
    assert!((ratio.estimate.median - 1.3).abs() < 1e-4, "{ratio:?}");
    assert_eq!(tokio.verdict, Some(RatioVerdict::Slower));
    assert_eq!(tokio.verdicts["rate"], RatioVerdict::Slower);
    assert!(!comparison.has_failed());
}

#[test]
fn an_open_loop_is_judged_by_its_latency() {
    let mut measurements = measurements(&[("tokio", 1.3)], 10, 0.01, 1);
    measurements.is_open_loop = true;
    for slice in &mut measurements.contestants[1].slices {
        slice.p99_us = slice.p99_us.map(|us| us / 1.6);
    }
    let comparison = Comparison::new(&measurements);
    assert_eq!(comparison.verdict_by, Measure::P99);
    assert_eq!(verdict(&comparison, "tokio"), Some(RatioVerdict::Faster));
    assert!(comparison.notes[0].contains("equal rate"), "{:?}", comparison.notes);
    for slice in measurements.contestants.iter_mut().flat_map(|record| &mut record.slices) {
        slice.p99_us = None;
    }
    assert_eq!(Comparison::new(&measurements).verdict_by, Measure::P50);
}

#[test]
fn the_json_has_the_fields_of_the_contract() {
    let comparison = Comparison::new(&measurements(&[("tokio", 1.3)], 10, 0.01, 1));
    let json: Value = serde_json::to_value(&comparison).unwrap();
    assert_eq!((&json["rounds"], &json["slice_s"]), (&json!(10), &json!(1.0)));
    assert_eq!(json["baseline"], "uring");
    let tokio = &json["engines"]["tokio"];
    for estimate in [
        &tokio["rate_per_s"],
        &tokio["cpu_us_per_request"],
        &tokio["p99_us"],
        &tokio["ratio_to_baseline"]["rate"],
        &tokio["ratio_to_baseline"]["cpu"],
    ] {
        for field in ["median", "low", "high"] {
            assert!(estimate[field].is_f64(), "{field} of {estimate}");
        }
    }
    assert!(tokio["syscalls_per_request"].is_f64() && tokio["max_rss_bytes"].is_u64());
    assert_eq!(tokio["verdict"], "slower");
    assert!(json["notes"].as_array().unwrap().iter().all(Value::is_string));
    assert!(json["engines"].get("uring (twin)").is_none());
}

#[test]
fn what_is_written_says_origin_evidence_and_entries() {
    let measurements = measurements(&[], 6, 0.01, 1);
    let report = serde_json::to_value(Comparison::new(&measurements)).unwrap();
    assert_eq!(report["origin_cpus"], json!([0]));
    assert_eq!(report["engines"]["uring"]["origin_busy_share"], 0.5);
    let saved = serde_json::to_value(Saved { version: "1.0".to_owned(), measurements }).unwrap();
    let evidence = &saved["evidence"];
    assert_eq!(evidence["subject"]["origin_cpus"], json!([0]));
    assert_eq!(evidence["entries"][0]["slices"][0]["origin_busy_share"], 0.5);
}

#[test]
fn notes_say_what_limited_a_rate() {
    let has = |measurements: &Measurements, text: &str| {
        Comparison::new(measurements).notes.iter().any(|note| note.contains(text))
    };
    let mut measurements = measurements(&[("epoll", 1.1)], 6, 0.01, 1);
    assert!(has(&measurements, "epoll: something") && has(&measurements, "recvfrom a request"));
    assert!(!has(&measurements, "were the limit") && !has(&measurements, "not used up"));
    for slice in measurements.contestants.iter_mut().flat_map(|record| &mut record.slices) {
        slice.server_busy_share = Some(0.98);
    }
    assert!(has(&measurements, "the origin's CPUs were the limit for uring, epoll"));
    for slice in measurements.contestants.iter_mut().flat_map(|record| &mut record.slices) {
        (slice.server_busy_share, slice.completed) = (None, slice.completed / 2);
        (slice.user_s, slice.sys_s) = (slice.user_s / 2.0, slice.sys_s / 2.0);
    }
    assert!(has(&measurements, "the CPUs of uring, epoll were not used up"));
    measurements.subject.server_cpus = Some(vec![1]);
    assert!(has(&measurements, "share a CPU"));
    measurements.subject.server_cpus = None;
    assert!(has(&measurements, "where the origin runs is not known"));
    measurements.contestants[0].counted.as_mut().unwrap().uncounted =
        Some("no permission".to_owned());
    assert!(has(&measurements, "not counted: no permission"));
}

#[test]
fn a_contestant_that_answers_nothing_or_fails_is_told() {
    let mut measurements = measurements(&[("tokio", 1.0)], 6, 0.01, 1);
    measurements.contestants[1].slices[0].errors = 3;
    let comparison = Comparison::new(&measurements);
    assert!(comparison.has_failed());
    assert!(comparison.notes.iter().any(|note| note.contains("tokio: 3 requests failed")));
    measurements.contestants[1].slices.iter_mut().for_each(|slice| *slice = Slice::default());
    measurements.twin.slices.iter_mut().for_each(|slice| slice.errors = 2);
    let comparison = Comparison::new(&measurements);
    assert!(comparison.has_failed());
    assert_eq!(verdict(&comparison, "tokio"), None);
    let has = |text: &str| comparison.notes.iter().any(|note| note.contains(text));
    assert!(has("tokio: nothing was answered") && has("uring (twin): 12 requests failed"));
}

#[test]
fn who_does_not_keep_up_with_an_open_loop_is_not_judged() {
    let mut measurements = measurements(&[("tokio", 1.3)], 10, 0.01, 1);
    measurements.is_open_loop = true;
    let rate = |measurements: &Measurements, idx: usize| {
        let slices = measurements.contestants[idx].slices.iter();
        slices.map(|slice| slice.completed as f64).fold(f64::INFINITY, f64::min)
    };
    measurements.wanted_per_s = Some(rate(&measurements, 0));
    let comparison = Comparison::new(&measurements);
    assert_eq!(verdict(&comparison, "tokio"), None);
    assert_eq!(comparison.engines.0[1].1.verdicts["p99"], RatioVerdict::Slower);
    assert!(
        comparison.notes.iter().any(|note| note.contains("tokio did") && note.contains("hint"))
    );
    measurements.wanted_per_s = Some(rate(&measurements, 1));
    assert_eq!(verdict(&Comparison::new(&measurements), "tokio"), Some(RatioVerdict::Slower));
}

#[test]
fn what_contestants_say_of_their_slices_is_told_once() {
    let mut measurements = measurements(&[], 6, 0.01, 1);
    let said = vec!["CPU 1: not pinned".to_owned()];
    measurements.contestants[0].slices.iter_mut().for_each(|slice| slice.notes.clone_from(&said));
    let notes = Comparison::new(&measurements).notes;
    assert_eq!(notes.iter().filter(|note| note.contains("uring: CPU 1: not pinned")).count(), 1);
}

#[test]
fn what_hyper_adds_is_told_beside_the_engine_that_it_runs_on() {
    let comparison = Comparison::new(&measurements(&[("uring+hyper", 1.6)], 10, 0.0, 1));
    let (_, uring) = &comparison.engines.0[0];
    let added = uring.hyper_adds_us.unwrap();
    assert!((added.median - 0.6 * 5.45).abs() < 0.01, "{added:?}");
    assert!(comparison.engines.0[1].1.hyper_adds_us.is_none());
    let note = comparison.notes.iter().find(|note| note.contains("hyper's protocol layer"));
    assert!(note.unwrap().contains("+3.27 us"), "{note:?}");
}

#[test]
fn a_sweep_names_the_best_and_those_that_were_not_told_apart_from_it() {
    let cell = |factors: &[(&str, f64)]| Cell::new(64, 1024, &measurements(factors, 10, 0.001, 1));
    let winners = |factors: &[(&str, f64)]| cell(factors).winners.join(" ");
    assert_eq!(winners(&[("epoll", 1.2), ("tokio", 1.1)]), "uring");
    assert_eq!(winners(&[("epoll", 1.2), ("tokio", 1.0)]), "uring tokio");
    assert_eq!(winners(&[("epoll", 0.8), ("tokio", 1.0)]), "epoll");
    // Both beat the baseline, and one of them the other.
    assert_eq!(winners(&[("epoll", 0.8), ("tokio", 0.7)]), "tokio");
    let few = Cell::new(64, 64, &measurements(&[("epoll", 1.2)], 5, 0.001, 1));
    assert!(few.winners.is_empty(), "{:?}", few.winners);
    let matrix = Matrix { matrix: vec![cell(&[]), Cell { body_bytes: 64, ..cell(&[]) }] };
    assert_eq!((matrix.connections(), matrix.body_sizes()), (vec![64], vec![1024, 64]));
    assert!(matrix.cell(64, 64).is_some() && matrix.cell(1, 64).is_none());
}

#[test]
fn a_run_that_was_kept_is_read_again_and_compared() {
    let saved = |factor, seed| Saved {
        version: "1.0".to_owned(),
        measurements: measurements(&[("tokio", factor)], 10, 0.005, seed),
    };
    let (earlier, now) = (saved(1.0, 1), saved(1.2, 2));
    let json = serde_json::to_string(&earlier).unwrap();
    // The last digit of a number may be lost.
    let earlier: Saved = serde_json::from_str(&json).unwrap();
    assert_eq!((&earlier.version, &earlier.measurements.subject), (&"1.0".to_owned(), &subject()));
    let since = now.since(&earlier);
    let changes: Vec<_> =
        since.engines.0.iter().map(|(l, c)| (l.as_str(), c.verdicts["cpu"])).collect();
    assert_eq!(changes, [("uring", RatioVerdict::NotShown), ("tokio", RatioVerdict::Slower)]);
    let ratio = since.engines.0[1].1.ratio_to_saved["cpu"];
    assert!((ratio.median - 1.2).abs() < 0.05, "{ratio:?}");
}

#[test]
fn runs_of_something_else_are_not_comparable_and_why_is_said() {
    assert!(subject().differences(&subject()).is_empty());
    let others = [
        (Subject { cpus: vec![0], ..subject() }, "CPUs"),
        (Subject { workload: "open loop".to_owned(), ..subject() }, "workload: closed loop, not"),
        (
            Subject {
                options: json!({"connections": 65, "bench": {"timeout": {"secs": 9}}}),
                ..subject()
            },
            r#"option bench.timeout none, not {"secs":9}"#,
        ),
        (Subject { machine: Machine::default(), ..subject() }, "kernel"),
    ];
    for (other, why) in others {
        let differences = subject().differences(&other);
        assert!(differences[0].contains(why), "{differences:?}");
    }
}
