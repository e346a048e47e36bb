//! The recorder and the trial without sockets: what is noted where, and what is due when.
//!
//! Invariant: whatever the order of events, a ledger closes.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::base::failure::{Failure, Kind, Stage};
use crate::base::instant::Instant;
use crate::base::target::Target;
use crate::bench::arrivals::{Law, Profile};
use crate::bench::call::{BenchCall, Prepared};
use crate::bench::recorder::{BenchAnswer, Recorder, Start};
use crate::bench::settings::{Loop, Trial};
use crate::bench::trial::{RunningTrial, TrialOrder};
use crate::bench::verdict::Mode;
use crate::client::answer::Arrival;
use crate::http::http1::{Method, RequestSpec, RequestTemplate};
use crate::stats::latency::Latency;

const MEASURE_AT: Instant = Instant::from_ns(1_000);
const END_AT: Instant = Instant::from_ns(2_000);
const RESET: Failure = Failure::new(Stage::Head, Kind::Reset, "");

fn at(ns: u64) -> Instant {
    Instant::from_ns(ns)
}

fn recorder(mode: Mode) -> Recorder {
    let mut recorder = Recorder::new();
    recorder.begin(mode, MEASURE_AT, END_AT);
    recorder
}

fn start(due: u64, sent_at: Option<u64>) -> Start {
    Start { due: at(due), sent_at: sent_at.map(at) }
}

/// An answer of 10 bytes that came all at once.
fn arrival(sent_at: u64, ended_at: u64) -> Arrival {
    let (sent_at, ended_at) = (at(sent_at), at(ended_at));
    Arrival { sent_at, first_byte_at: ended_at, ended_at, wire_bytes: 10 }
}

fn answer(recorder: &mut Recorder, due: u64, sent_at: u64, ended_at: u64) {
    recorder.handle_taken(at(due), at(sent_at), false);
    let answer = BenchAnswer { status: 200, body_bytes: 3 };
    recorder.handle_answer(start(due, Some(sent_at)), answer, arrival(sent_at, ended_at));
}

#[test]
fn a_request_belongs_to_the_phase_in_which_it_was_due_whenever_it_ends() {
    let mut recorder = recorder(Mode::Closed);
    answer(&mut recorder, 900, 900, 950);
    answer(&mut recorder, 999, 999, 1_500);
    answer(&mut recorder, 1_000, 1_000, 1_200);
    let record = recorder.finish();
    record.warmup.assert_closed();
    record.measured.assert_closed();
    assert_eq!((record.warmup.completed, record.measured.completed), (2, 1));
    assert_eq!(record.answered_in_window, 2);
    assert_eq!(record.service.count(), 1);
    assert_eq!(record.service.max_ns(), Some(200));
    // 500 of the second, which began before the window, and 200 of the third.
    assert_eq!(record.in_flight_ns, 700);
}

#[test]
fn a_late_start_counts_from_when_it_was_due() {
    let mut recorder = recorder(Mode::Open);
    answer(&mut recorder, 1_100, 1_400, 1_450);
    let record = recorder.finish();
    assert_eq!(record.response.max_ns(), Some(350));
    assert_eq!(record.service.max_ns(), Some(50));
    assert_eq!(record.send_lag.max_ns(), Some(300));
    assert_eq!(record.pacing.max_ns(), Some(300));
}

#[test]
fn what_hangs_until_the_end_is_counted_with_its_age() {
    let mut recorder = recorder(Mode::Open);
    for due in [1_100, 1_200, 1_300] {
        recorder.handle_taken(at(due), at(due), true);
    }
    // One was answered after the end, one was interrupted by it, one was never sent.
    let answer = BenchAnswer { status: 200, body_bytes: 0 };
    recorder.handle_answer(start(1_100, Some(1_150)), answer, arrival(1_150, 2_000));
    recorder.handle_failure(start(1_200, Some(1_250)), RESET, at(2_001));
    recorder.handle_failure(start(1_300, None), RESET, at(2_001));
    let record = recorder.finish();
    record.measured.assert_closed();
    let ledger = &record.measured;
    assert_eq!((ledger.scheduled, ledger.sent, ledger.skipped), (3, 2, 1));
    assert_eq!((ledger.in_flight_at_stop, ledger.failed(), ledger.completed), (2, 0, 0));
    assert_eq!((record.response.count(), record.censored.count()), (0, 3));
    assert_eq!((record.censored.min_ns(), record.censored.max_ns()), (Some(700), Some(900)));
    assert_eq!(record.send_lag.count(), 2);
    assert_eq!((record.service.count(), ledger.wire_bytes, record.waited), (0, 0, 3));
}

#[test]
fn a_failure_enters_neither_the_rate_nor_the_times_of_success() {
    let mut recorder = recorder(Mode::Closed);
    recorder.handle_taken(at(1_000), at(1_000), false);
    recorder.handle_failure(start(1_000, Some(1_000)), RESET, at(1_900));
    let interval = recorder.take_interval(at(1_950), Latency::prepared());
    assert_eq!((interval.completed, interval.failed, interval.response.count()), (0, 1, 0));
    let record = recorder.finish();
    record.measured.assert_closed();
    assert_eq!((record.service.count(), record.response.count()), (0, 0));
    assert_eq!(record.failed.max_ns(), Some(900));
}

#[test]
fn what_was_handed_over_in_part_is_in_flight_and_what_is_behind_it_is_skipped() {
    let request = RequestTemplate::new(&RequestSpec::new(&Method::Get)).unwrap();
    let target = Target::parse("http://127.0.0.1/").unwrap();
    let prepared = Rc::new(Prepared::new(target, &request, 3));
    let request_bytes = prepared.rendered.requests(1).filled().len();
    for (bytes, begun) in [(0, 0), (1, 1), (request_bytes, 1), (request_bytes + 1, 2)] {
        let more = vec![at(1_100), at(1_200)];
        let call = BenchCall::ask(Rc::clone(&prepared), at(1_000), more, Instant::NEVER);
        let sent = prepared.rendered.begun_by(bytes);
        let mut recorder = recorder(Mode::Closed);
        for start in call.unanswered(sent, at(1_500)) {
            recorder.handle_taken(start.due, at(1_500), false);
            recorder.handle_failure(start, Failure { kind: Kind::Interrupted, ..RESET }, END_AT);
        }
        let record = recorder.finish();
        record.measured.assert_closed();
        let measured = &record.measured;
        assert_eq!((measured.in_flight_at_stop, measured.skipped), (begun, 3 - begun), "{bytes}");
        assert_eq!(record.in_flight_ns, u128::from(begun) * 500, "{bytes}");
    }
}

fn trial(pace: Loop, requests: Option<u64>) -> Trial {
    let window = requests.is_none().then(|| Duration::from_nanos(1_000));
    Trial { pace, warmup: Duration::ZERO, window, requests, drain: Duration::ZERO }
}

/// Takes whatever is due at `now`, up to `depth` at a time; how many requests that were.
fn take_all(
    running: &mut RunningTrial,
    recorder: &mut Recorder,
    now: Instant,
    depth: usize,
) -> u64 {
    let mut count = 0;
    let mut more = Vec::new();
    while running.take_due(now, depth, recorder, &mut more).is_some() {
        count += 1 + more.drain(..).count() as u64;
        if count > 10_000 {
            break;
        }
    }
    count
}

#[test]
fn numbered_requests_are_handed_out_once_over_all_cores() {
    for depth in [1, 16] {
        let order = Arc::new(TrialOrder::new(trial(Loop::Closed, Some(1_003)), MEASURE_AT));
        let mut recorders: Vec<Recorder> = (0..3).map(|_| Recorder::new()).collect();
        for recorder in &mut recorders {
            recorder.begin(Mode::Closed, MEASURE_AT, Instant::NEVER);
        }
        let cores = (0..3).map(|idx| RunningTrial::new(Arc::clone(&order), idx, 3));
        let counts: Vec<u64> = cores
            .zip(&mut recorders)
            .map(|(mut core, recorder)| take_all(&mut core, recorder, at(1_500), depth))
            .collect();
        assert_eq!(counts.iter().sum::<u64>(), 1_003, "{counts:?}");
    }
}

#[test]
fn nothing_is_due_before_the_start_nor_after_the_end() {
    let order = Arc::new(TrialOrder::new(trial(Loop::Closed, None), MEASURE_AT));
    let mut recorder = recorder(Mode::Closed);
    let mut running = RunningTrial::new(order, 0, 1);
    assert_eq!(running.next_due(), MEASURE_AT);
    assert_eq!(running.take_due(at(999), 1, &mut recorder, &mut Vec::new()), None);
    assert_eq!(running.take_due(at(1_000), 1, &mut recorder, &mut Vec::new()), Some(at(1_000)));
    assert!(running.has_due() && !running.is_over(at(1_999), 0));
    assert_eq!(running.take_due(END_AT, 1, &mut recorder, &mut Vec::new()), None);
    assert!(!running.has_due() && running.is_over(END_AT, 1));
}

#[test]
fn arrivals_that_no_connection_was_free_for_are_skipped_with_their_age() {
    // One each 10 ns: 100 in the window.
    let profile = Arc::new(Profile::constant(1e8).unwrap());
    let order = Arc::new(TrialOrder::new(trial(Loop::Open(profile, Law::Even), None), MEASURE_AT));
    let mut recorder = recorder(Mode::Open);
    let mut running = RunningTrial::new(order, 0, 1);
    assert_eq!(take_all(&mut running, &mut recorder, at(1_095), 1), 10);
    for due in (1_000..1_100).step_by(10) {
        recorder.handle_failure(start(due, Some(due)), RESET, at(1_096));
    }
    assert_eq!(running.next_due(), at(1_100));
    running.end(&mut recorder);
    assert!(running.skip_untaken(&mut recorder));
    let record = recorder.finish();
    record.measured.assert_closed();
    let ledger = &record.measured;
    assert_eq!((ledger.scheduled, ledger.skipped, ledger.failed()), (100, 90, 10));
    assert_eq!(record.censored.count(), 90);
    assert_eq!(record.censored.max_ns(), Some(900));
}
