//! How a bench ends early, or does not start: interrupts, pipes that close, impossible options.
//!
//! Invariant: standard output holds whole reports or nothing.

use crate::benches::{Benched, bench, bench_with, benched, check_ledger};
use crate::binary::{Ran, Running, ringfetch};
use crate::engines::engines;
use crate::places::Dir;
use crate::served::Served;
use crate::server::{Act, Server, ok};

/// Checks that `ran` could not run: exit code 2, nothing on standard output, one error with a hint
/// that says `what`.
fn check_impossible(ran: &Ran, what: &str) {
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{what}: {ran:?}");
    assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains("hint:"), "{what}: {ran:?}");
    assert!(ran.stderr.contains(what), "{what}: {}", ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
}

#[test]
fn what_cannot_run_exits_2_and_says_what_would() {
    let url = "http://127.0.0.1:9/";
    for (args, what) in [
        ("", "no URL to ask for"),
        ("https://a.test/", "https"),
        ("ftp://a.test/", "ftp"),
        ("nonsense", "nonsense"),
        ("-n 0", "no requests"),
        ("-n many", "no number: many"),
        ("-R 0", "rate"),
        ("-R fast", "no rate: fast"),
        ("-c 0", "connections must"),
        ("-p 0", "a pipeline must"),
        ("-d 0", "a time must"),
        ("-d soon", "no time: soon"),
        ("--timeout 0", "a time must"),
        ("--connect-timeout 0", "a time must"),
        ("-t 0", "no CPU"),
        ("--cores 9999", "9999"),
        ("--stages 1s:5 -d 1s", "stages give the length"),
        ("--stages 1s:5 --warmup 1s", "stages give the length"),
        ("--stages 1s:5 -R 5", "stages give the rate"),
        ("--stages 1s:0", "rate"),
        ("--stages 5", "no stage: 5"),
        ("-p 2 --no-keepalive", "a pipeline needs"),
        ("--assert p99<10", "no objective: p99<10"),
        ("--assert speed>1", "speed is no figure"),
        ("--assert p99", "no objective: p99"),
        ("--find-max errors<2", "no objective: errors<2"),
        ("--find-max p99<1s -n 5", "--find-max with -d"),
        ("-b @/nonexistent/body", "/nonexistent/body"),
        ("-i /nonexistent/list", "/nonexistent/list"),
        ("--hdr /nonexistent/log", "/nonexistent/log"),
        ("--summary-json /nonexistent/sum", "/nonexistent/sum"),
        ("-H nonsense", "no header field: nonsense"),
        ("-X GET/", "method"),
        ("--resolve a:80", "no fixed address: a:80"),
        ("--engine steam", "no engine: steam"),
    ] {
        let url = if args.contains("://") || ["", "nonsense"].contains(&args) { "" } else { url };
        check_impossible(&bench(&format!("{args} {url}")), what);
    }
}

#[test]
fn options_of_the_wrong_kind_are_refused_by_their_names() {
    for args in ["-o yaml http://a.test/", "--arrivals often http://a.test/", "--no-such-option"] {
        let ran = bench(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args}: {ran:?}");
    }
}

#[test]
fn a_header_cannot_smuggle_a_second_one() {
    for header in ["X: a\r\nY: b", "X: a\nY: b", "X\r\nY: b", "Content-Length: 5"] {
        let ran = bench_with(&["-n", "1", "-H", header, "http://127.0.0.1:9/"]);
        check_impossible(&ran, header.split([':', '\r']).next().unwrap());
    }
}

#[test]
fn an_interrupt_ends_a_run_with_its_whole_report() {
    for load in ["-d 1h", "-d 1h -R 500", "-n 1G", "-d 1h --warmup 1h", "-d 1h -p 4"] {
        for engine in engines() {
            // One of the connections hangs: what is in flight must not hold up the end.
            let server = Server::start(|request| match request.connection {
                0 => vec![Act::Hold],
                _ => vec![Act::Send(ok("x"))],
            });
            let args = format!("bench -o json --engine {engine} -c 4 {load} {}", server.url("/"));
            let running = Running::start(ringfetch(args.split(' ')));
            (0..20).for_each(|_| drop(server.wait_for_request()));
            // On a busy machine the core of the connection that hangs may begin long after others.
            while server.requests().iter().all(|request| request.connection != 0) {
                server.wait_for_request();
            }
            running.signal("INT");
            let benched = Benched::of(running.end());
            assert_eq!(benched.code, Some(130), "{load}: {benched:?}");
            assert_eq!(benched.report["interrupted"], true, "{load}: {benched:?}");
            assert_eq!(benched.failures(), "{}", "{load}: {benched:?}");
            assert_eq!(benched.count("/warmup/failed"), 0, "{load}: {benched:?}");
            let in_flight = ["/ledger/in_flight_at_stop", "/warmup/in_flight"];
            let in_flight: u64 = in_flight.iter().map(|path| benched.count(path)).sum();
            assert!(in_flight >= 1, "{load}: {benched:?}");
        }
    }
}

#[test]
fn an_interrupted_run_is_said_to_be_in_text_as_well() {
    let server = Server::answering(ok("x"));
    let args = format!("bench -d 1h -c 2 {}", server.url("/"));
    let running = Running::start(ringfetch(args.split(' ')));
    server.wait_for_request();
    running.signal("TERM");
    let ran = running.end();
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert!(ran.stdout.contains("interrupted\n"), "{ran:?}");
    assert!(ran.stdout.contains("\nRequests/sec: "), "{ran:?}");
}

#[test]
fn an_interrupt_while_connections_are_being_opened_ends_the_run() {
    for engine in engines() {
        // An address for documentation (RFC 5737): where there is no route at all, connecting fails
        // by itself, and there is nothing to interrupt but the run.
        let args = format!("bench -o json --engine {engine} -c 4 -d 1h http://192.0.2.1/");
        let running = Running::start(ringfetch(args.split(' ')));
        while !running.catches_interrupts() {
            std::thread::yield_now();
        }
        running.signal("INT");
        let benched = Benched::of(running.end());
        assert_eq!((benched.code, &benched.report["interrupted"]), (Some(130), &true.into()));
    }
}

#[test]
fn a_pipe_that_closes_early_ends_the_run_quietly_with_0() {
    let server = Server::answering(ok("x"));
    for output in ["text", "json", "csv"] {
        let args = format!("bench -n 500 -c 4 -o {output} {}", server.url("/"));
        let mut running = Running::start(ringfetch(args.split(' ')));
        drop(running.stdout());
        let ran = running.end();
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{output}");
    }
}

#[test]
fn an_output_without_room_exits_2() {
    let server = Server::answering(ok("x"));
    for option in ["--summary-json /dev/full", "--hdr /dev/full"] {
        let ran = bench(&format!("-n 50 -c 2 {option} {}", server.url("/")));
        assert_eq!(ran.code, Some(2), "{option}: {ran:?}");
        assert_eq!(ran.stderr.matches("No space left").count(), 1, "{option}: {}", ran.stderr);
    }
}

// Memory that grows with requests: oha#475, k6#763, vegeta#132. A bound that shows only after a
// million requests (hey#166) takes too long here: this would see ten bytes for each request.
#[test]
fn memory_does_not_grow_with_the_number_of_requests() {
    let server = Served::start();
    let url = server.url("/bytes/10");
    for engine in engines() {
        let memory = |requests: &str| {
            let benched = benched(&format!("--engine {engine} -n {requests} {url}"));
            assert_eq!(benched.code, Some(0), "{benched:?}");
            benched.count("/cost/max_rss_bytes")
        };
        let [few, many] = ["20k", "200k"].map(memory);
        assert!(many <= few + few * 3 / 10 + (2 << 20), "{engine}: {few} {many}");
    }
}

#[test]
fn the_summary_of_an_interrupted_run_is_written() {
    let server = Server::answering(ok("x"));
    let dir = Dir::new("bench-interrupt");
    let file = dir.path().join("summary");
    let args = format!("bench -q -d 1h --summary-json {} {}", file.display(), server.url("/"));
    let running = Running::start(ringfetch(args.split(' ')));
    server.wait_for_request();
    running.signal("INT");
    assert_eq!(running.end().code, Some(130));
    let summary = crate::binary::summary_in(&file);
    check_ledger(&summary);
    assert_eq!(summary["interrupted"], true);
}
