//! The ledger of a bench against a server that counts as well.
//!
//! Invariant: the server's number of requests and the ledger's are the same, on every engine.

use crate::benches::{Benched, benched, number};
use crate::engines::engines;
use crate::served::Served;
use crate::server::{Act, Server, ok};

/// Bytes of the whole answer to `/bytes/10`: head and body.
const ANSWER_BYTES: u64 = 89;
/// Those of the same answer where the connection ends with it.
const LAST_ANSWER_BYTES: u64 = ANSWER_BYTES + "Connection: close\r\n".len() as u64;

/// Runs a bench of `/bytes/10` with `args` against a server of its own on every engine, and hands
/// its outcome and the server's number of requests to `check`.
fn on_every_engine(args: &str, check: impl Fn(&Benched, u64)) {
    for engine in engines() {
        let server = Served::start();
        let benched = benched(&format!("--engine {engine} {args} {}", server.url("/bytes/10")));
        assert_eq!(benched.report["engine"], engine.word(), "{benched:?}");
        let sent = benched.count("/warmup/sent") + benched.count("/ledger/sent");
        check(&benched, server.count_once_at(sent));
    }
}

/// Checks that a bench with `args` completes exactly `requests`, and that the server has seen them.
fn check_exact(args: &str, requests: u64) {
    let is_last = args.contains("--no-keepalive");
    let answer_bytes = if is_last { LAST_ANSWER_BYTES } else { ANSWER_BYTES };
    on_every_engine(args, |benched, seen| {
        assert_eq!(benched.ledger(), [requests, 0, requests, 0, 0], "{args}: {benched:?}");
        assert_eq!((seen, benched.code), (requests, Some(0)), "{args}: {benched:?}");
        assert_eq!(benched.count("/bytes_read"), requests * answer_bytes, "{args}");
        assert_eq!(benched.report["status"]["200"], requests, "{args}");
    });
}

// The server's log had more requests than the tool: wrk#140, wrk#280.
#[test]
fn the_server_has_seen_exactly_the_requests_that_were_asked_for() {
    check_exact("-n 100003 -c 64", 100_003);
    check_exact("-n 1 -c 64", 1);
    check_exact("-n 63 -c 64", 63);
    check_exact("-n 64 -c 64 -t 1", 64);
    check_exact("-n 1 -c 1", 1);
}

#[test]
fn a_pipeline_sends_no_request_too_many() {
    check_exact("-n 10007 -c 8 -p 16", 10_007);
    check_exact("-n 5 -c 8 -p 16", 5);
}

#[test]
fn an_open_loop_ends_with_its_last_numbered_request() {
    check_exact("-n 1003 -c 64 -R 20k", 1003);
    check_exact("-n 503 -c 64 -R 20k --arrivals even", 503);
    check_exact("-n 500 -c 4 -p 16 -R 20k", 500);
}

// The second core has nothing to do for a tenth of a second before it learns that all is done.
#[test]
fn a_core_that_waits_while_others_send_the_last_requests_ends_with_them() {
    check_exact("-n 3 -c 2 -R 20 --arrivals even", 3);
    check_exact("-n 7 -c 2 -R 20 --arrivals even", 7);
}

#[test]
fn a_connection_for_each_request_loses_none() {
    check_exact("-n 503 -c 8 --no-keepalive", 503);
}

// Requests in flight at the deadline counted as errors: oha#387, oha#777. A reset of the counters
// after the warm-up that races with the requests under way: gcannon PR#18.
#[test]
fn a_run_that_time_ends_counts_what_was_in_flight_and_calls_it_no_failure() {
    for args in ["-d 300ms", "-d 300ms --warmup 100ms", "-d 300ms --warmup 100ms -c 500"] {
        on_every_engine(args, |benched, seen| {
            let [_, skipped, completed, failed, in_flight] = benched.ledger();
            assert_eq!((failed, benched.code), (0, Some(0)), "{args}: {benched:?}");
            // What was due in the very moment of the end may not have reached the kernel.
            let unanswered = skipped + in_flight;
            assert!(completed > 0 && unanswered <= benched.count("/connections"), "{benched:?}");
            let sent = benched.count("/warmup/sent") + benched.count("/ledger/sent");
            assert_eq!(seen, sent, "{args}: {benched:?}");
            assert_eq!(benched.count("/bytes_read"), completed * ANSWER_BYTES, "{args}");
            let has_warmed_up = benched.count("/warmup/sent") > 0;
            assert_eq!(has_warmed_up, args.contains("warmup"), "{args}: {benched:?}");
        });
    }
}

#[test]
fn an_open_loop_with_a_warm_up_counts_every_request_once() {
    on_every_engine("-d 300ms --warmup 100ms -R 5k", |benched, seen| {
        let sent = benched.count("/warmup/sent") + benched.count("/ledger/sent");
        assert_eq!(seen, sent, "{benched:?}");
        assert_eq!((benched.failures().as_str(), benched.code), ("{}", Some(0)), "{benched:?}");
    });
}

#[test]
fn exact_numbers_come_after_the_warm_up() {
    on_every_engine("-n 1003 --warmup 100ms", |benched, seen| {
        assert_eq!(benched.ledger(), [1003, 0, 1003, 0, 0], "{benched:?}");
        assert_eq!(seen, 1003 + benched.count("/warmup/sent"), "{benched:?}");
    });
}

#[test]
fn a_number_that_time_cuts_short_is_told_as_it_came() {
    let server = Server::start(|_| vec![Act::Linger, Act::Send(ok("x"))]);
    for engine in engines() {
        let args = format!("--engine {engine} -n 1M -c 4 -d 100ms {}", server.url("/"));
        let benched = benched(&args);
        let [scheduled, _, completed, failed, _] = benched.ledger();
        assert!(completed > 0 && scheduled < 1_000_000, "{benched:?}");
        assert_eq!((failed, benched.code), (0, Some(0)), "{benched:?}");
    }
}

// hey counts only the first million (hey#166), and rates per worker were taken for the whole
// (hey#140): the numbers here are smaller than either bound, so cores and totals are compared.
#[test]
fn numbers_are_those_of_all_cores_and_connections_together() {
    for threads in ["1", "2"] {
        on_every_engine(&format!("-R 1k -d 500ms --arrivals even -t {threads}"), |benched, _| {
            assert_eq!(benched.count("/ledger/scheduled"), 500, "{benched:?}");
            let cores = benched.report["cores"].as_array().unwrap().len();
            assert!(cores <= threads.parse().unwrap(), "{benched:?}");
            assert_eq!(number(&benched.report, "/connections"), 64);
        });
    }
}
