//! What a summary adds up, its JSON, and the contradictions that it refuses.
//!
//! Invariant: the JSON that scripts depend on stands here in full.

use super::*;
use crate::bench::summary::sample::{closed, open};
use crate::bench::verdict::Judgement;

#[test]
fn the_numbers_of_all_cores_add_up() {
    let summary = BenchSummary::new(closed());
    assert_eq!((summary.cores.as_slice(), summary.rate_per_s), (&[1, 3][..], Some(40.0)));
    assert_eq!((summary.bytes_read, summary.bytes_per_s), (8000, Some(4000.0)));
    assert_eq!(summary.errors, Errors { count: 4, share: Some(4.0 / 82.0) });
    assert_eq!(summary.warmup, Warmup { sent: 6, completed: 6, failed: 0, in_flight: 0 });
    assert_eq!(summary.cost.cpu_us_per_request, Some(25_000.0));
    assert_eq!(summary.cost.busy_per_core, [Some(0.5), Some(0.5)]);
    assert_eq!(summary.cost.run_queue_share_per_core, [Some(0.01), Some(0.01)]);
    let LittlesLaw { in_flight_mean, in_flight_max, residue, idle_share } = summary.littles_law;
    assert_eq!((in_flight_mean, in_flight_max, idle_share), (Some(1.5), 4, Some(0.625)));
    // 40 a second, each a millisecond long, keep 0.04 in flight; the rest hung or failed.
    assert!((residue.unwrap() - (1.0 - 0.04 / 1.5)).abs() < 1e-9, "{residue:?}");
    assert_eq!(summary.verdict.is, Judgement::Valid);
}

#[test]
fn a_closed_loop_adds_service_to_the_censored_and_corrects_nothing() {
    let summary = BenchSummary::new(closed());
    let TrialTimes { response, service, .. } = &summary.latency_us;
    assert_eq!((response.n, service.n), (82, 80));
    assert_eq!((response.percentiles[0], service.percentiles[0]), (Some(1000.0), Some(1000.0)));
    assert_eq!((response.max, service.max), (Some(5000.0), Some(1000.0)));
    assert_eq!(summary.censored, Censored { in_flight: 2, skipped: 0 });
    assert_eq!(summary.confidence_us.p50, Some((1000.0, 1000.0)));
    assert_eq!(summary.confidence_us.p99, None);
}

#[test]
fn a_request_that_was_only_just_sent_is_not_the_fastest() {
    let mut input = closed();
    let record = &mut input.cores[0].record;
    record.measured.scheduled += 1;
    record.measured.sent += 1;
    record.measured.in_flight_at_stop += 1;
    record.censored.record_ns(3);
    assert_eq!(BenchSummary::new(input).latency_us.response.min, Some(1000.0));
}

#[test]
fn an_open_loop_holds_what_was_skipped_against_the_response() {
    let summary = BenchSummary::new(open());
    assert_eq!((summary.latency_us.response.n, summary.latency_us.service.n), (84, 80));
    assert_eq!(summary.censored, Censored { in_flight: 2, skipped: 2 });
    assert_eq!((summary.littles_law.idle_share, summary.connections_detail.waited), (None, 2));
    assert_eq!(summary.verdict.is, Judgement::Valid, "{:?}", summary.verdict);
}

#[test]
fn the_fields_are_a_contract() {
    let json = serde_json::to_string(&BenchSummary::new(closed())).unwrap();
    let start = concat!(
        r#"{"engine":"uring","cores":[1,3],"connections":4,"mode":"closed","duration_s":2.0,"#,
        r#""rate_per_s":40.0,"bytes_read":8000,"ledger":{"scheduled":84,"skipped":0,"sent":84,"#,
        r#""completed":80,"in_flight_at_stop":2,"failed":{"head.timeout":2}},"#,
        r#""status":{"200":78,"500":2},"latency_us":{"response":{"n":82,"mean":1097.561,"#,
        r#""min":1000.0,"p50":"#,
    );
    assert!(json.starts_with(start), "{json}");
    let end = concat!(
        r#""cost":{"user_s":0.4,"sys_s":1.6,"cpu_us_per_request":25000.0,"#,
        r#""max_rss_bytes":4096,"busy_per_core":[0.5,0.5],"#,
        r#""run_queue_share_per_core":[0.01,0.01],"spun_share_per_core":[0.0,0.0]},"#,
        r#""verdict":{"is":"valid","#,
        r#""why":"the busiest core was at 50.0 %; but 2.5 % of the answers were errors "#,
        r#"(400 or above)","hint":""},"interrupted":false,"#,
        r#""pipeline":1,"wanted_per_s":null,"bytes_per_s":4000.0,"answered_in_window":80,"#,
        r#""confidence_us":{"p50":[1000.0,1000.0],"p99":null,"p99.9":null},"#,
        r#""censored":{"in_flight":2,"skipped":0},"#,
        r#""errors":{"count":4,"share":0.04878048780487805},"#,
        r#""warmup":{"sent":6,"completed":6,"failed":0,"in_flight":0},"#,
        r#""connections_detail":{"wanted":4,"opened":4,"reopened":0,"unserved":0,"#,
        r#""exhausted_pauses":0,"waited":0},"#,
        r#""littles_law":{"in_flight_mean":1.5,"in_flight_max":4,"#,
        r#""residue":0.9733333333333334,"idle_share":0.625},"#,
        r#""pinned_per_core":[true,true],"series":[{"t_s":0.0,"span_s":0.0,"#,
        r#""completed":0,"rate_per_s":0.0,"failed":0,"bytes":0,"#,
        r#""p50_us":null,"p99_us":null,"max_us":null}],"#,
        r#""notes":["a note"]}"#,
    );
    assert!(json.ends_with(end), "{json}");
    for kind in ["response", "service", "send_lag", "connect", "first_byte", "failed"] {
        assert!(json.contains(&format!("\"{kind}\":{{\"n\":")), "{kind}");
    }
    for mode in [Mode::Closed, Mode::Open] {
        assert_eq!(serde_json::to_value(mode).unwrap(), mode.word());
    }
}

#[test]
fn a_core_that_spins_is_not_taken_for_one_that_has_too_much_to_do() {
    let mut input = open();
    let record = &mut input.cores[1].record;
    (record.cpu_user_ns, record.spun_ns) = (1_200_000_000, 1_900_000_000);
    let summary = BenchSummary::new(input.clone());
    assert_eq!(summary.cost.busy_per_core, [Some(0.5), Some(1.0)]);
    assert_eq!(summary.cost.spun_share_per_core, [Some(0.0), Some(0.95)]);
    assert_eq!(summary.verdict.is, Judgement::Valid, "{:?}", summary.verdict);
    // A core that is always behind never spins.
    input.cores[1].record.spun_ns = 0;
    assert_eq!(BenchSummary::new(input).verdict.is, Judgement::GeneratorBound);
}

#[test]
fn a_trial_of_nothing_divides_by_nothing() {
    let input = BenchInput {
        cores: Vec::new(),
        connections: 0,
        window: Duration::ZERO,
        cpu_time: CpuTime::default(),
        ..closed()
    };
    let summary = BenchSummary::new(input);
    assert_eq!((summary.rate_per_s, summary.bytes_per_s), (None, None));
    assert_eq!((summary.cost.cpu_us_per_request, summary.errors.share), (None, None));
    assert_eq!((summary.littles_law.in_flight_mean, summary.littles_law.residue), (None, None));
    assert_eq!(summary.verdict.is, Judgement::TargetMissed);
}

/// A summary of two cores, the first of which `spoil` has touched.
fn spoiled(mut input: BenchInput, spoil: fn(&mut Record)) -> BenchSummary {
    spoil(&mut input.cores[0].record);
    BenchSummary::new(input)
}

#[test]
#[should_panic(expected = "sent = completed + failed + in_flight_at_stop: 42 = 40 + 1 + 0")]
fn a_core_whose_ledger_is_open_is_a_bug() {
    drop(spoiled(closed(), |record| record.measured.in_flight_at_stop = 0));
}

#[test]
#[should_panic(expected = "scheduled = sent + skipped: 4 = 3 + 0")]
fn a_warmup_whose_ledger_is_open_is_a_bug() {
    drop(spoiled(closed(), |record| record.warmup.scheduled = 4));
}

#[test]
#[should_panic(expected = "a completed request has one service time")]
fn a_completed_request_without_a_time_is_a_bug() {
    drop(spoiled(closed(), |record| record.service = Latency::default()));
}

#[test]
#[should_panic(expected = "an open loop alone times responses apart")]
fn a_closed_loop_that_records_responses_twice_is_a_bug() {
    drop(spoiled(closed(), |record| record.response.record_ns(1)));
}

#[test]
#[should_panic(expected = "an open loop alone times responses apart")]
fn an_open_loop_that_forgets_a_response_is_a_bug() {
    drop(spoiled(open(), |record| record.response = Latency::default()));
}

#[test]
#[should_panic(expected = "a censored request has one age")]
fn a_censored_request_without_an_age_is_a_bug() {
    drop(spoiled(open(), |record| record.censored = Latency::default()));
}
