//! A bench of targets that fail, hang, refuse or serve only some: every request is in its place.
//!
//! Invariant: whatever a target does, the run ends and its ledger closes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use ringfetch::runtime::cores;
use socket2::{Domain, Socket, Type};

use crate::benches::{Benched, bench, benched};
use crate::binary::{Ran, run_with};
use crate::engines::engines;
use crate::places::Dir;
use crate::server::{Act, Server, ok};

/// A server that sends `answer`, and then does `after`.
fn server_of(answer: impl Into<Vec<u8>>, after: Act) -> Server {
    let answer = answer.into();
    Server::start(move |_| vec![Act::Send(answer.clone()), after.clone()])
}

/// Checks on every engine that all requests to `url` fail as `failure`, and that this is told.
fn check_failing(url: &str, failure: &str) {
    for engine in engines() {
        let benched = benched(&format!("--engine {engine} -n 20 -c 4 {url}"));
        let what = format!("{engine}: {failure}: {benched:?}");
        assert_eq!(benched.ledger(), [20, 0, 0, 20, 0], "{what}");
        assert_eq!(benched.failures(), format!("{{\"{failure}\":20}}"), "{what}");
        assert_eq!(benched.code, Some(1), "{what}");
        // On a crowded machine it is the generator's fault, too.
        assert_ne!(benched.verdict(), "valid", "{what}");
        assert_eq!((&benched.report["rate_per_s"], benched.count("/bytes_read")), (&0.0.into(), 0));
        assert_eq!(benched.report["errors"]["share"], 1.0, "{what}");
        let ran = bench(&format!("--engine {engine} -n 20 -c 4 {url}"));
        assert!(ran.stdout.contains(&format!("20 {failure}\n")), "{what}: {}", ran.stdout);
        assert!(ran.stdout.contains("\nRequests/sec: 0.00\n"), "{what}: {}", ran.stdout);
    }
}

#[test]
fn a_port_that_nobody_listens_on_is_connect_refused() {
    // Bound but not listening: the kernel refuses connections, and gives the port to nobody.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    check_failing(&format!("http://{addr}/"), "connect.refused");
    let benched = benched(&format!("-n 20 -c 4 http://{addr}/"));
    assert_eq!((benched.count("/connections_detail/opened"), benched.code), (0, Some(1)));
    assert!(benched.report["notes"][0].as_str().unwrap().contains("0 of 4 could be opened"));
}

// A closed connection or a malformed head that wedges a connection: gcannon PR#18.
#[test]
fn what_breaks_off_before_or_within_its_head_fails_there() {
    let close = Server::start(|_| vec![Act::Close]);
    check_failing(&close.url("/"), "head.closed");
    let reset = Server::start(|_| vec![Act::Reset]);
    check_failing(&reset.url("/"), "head.reset");
    let half = server_of("HTTP/1.1 200 OK\r\nContent-Le", Act::Close);
    check_failing(&half.url("/"), "head.closed");
}

#[test]
fn a_head_that_is_none_or_has_no_end_is_refused() {
    check_failing(&server_of("no HTTP at all\r\n\r\n", Act::Hold).url("/"), "head.invalid");
    check_failing(&server_of("\0\u{1}\u{2}\r\n", Act::Close).url("/"), "head.invalid");
    let start = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
    let huge = format!("{start}X: {}\r\n\r\n", "x".repeat(64 * 1024));
    check_failing(&server_of(huge, Act::Hold).url("/"), "head.too_large");
    let endless = Act::Flood(b"X-Filler: and so on\r\n".to_vec());
    check_failing(&server_of(start, endless).url("/"), "head.too_large");
}

#[test]
fn fields_are_counted_up_to_256() {
    let head = |fields: usize| {
        let rest: String = (1..fields).map(|n| format!("X-{n}: {n}\r\n")).collect();
        format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{rest}\r\n")
    };
    check_failing(&server_of(head(257), Act::Hold).url("/"), "head.too_large");
    let server = Server::answering(head(256).into());
    for engine in engines() {
        let benched = benched(&format!("--engine {engine} -n 20 -c 4 {}", server.url("/")));
        assert_eq!((benched.ledger(), benched.code), ([20, 0, 20, 0, 0], Some(0)), "{benched:?}");
    }
}

#[test]
fn a_body_that_is_cut_or_malformed_fails_there() {
    let sized = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort";
    check_failing(&server_of(sized, Act::Close).url("/"), "body.closed");
    check_failing(&server_of(sized, Act::Reset).url("/"), "body.reset");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let cut = format!("{chunked}5\r\nhello\r\n");
    check_failing(&server_of(cut, Act::Close).url("/"), "body.closed");
    let garbage = format!("{chunked}5\r\nhello\r\nzz\r\n");
    check_failing(&server_of(garbage, Act::Hold).url("/"), "body.invalid");
}

// Failures that inflate the rate: oha#645.
#[test]
fn failures_are_neither_in_the_rate_nor_in_the_times_of_what_completed() {
    let server = Server::start(|request| match request.turn % 2 {
        0 => vec![Act::Send(ok("x"))],
        _ => vec![Act::Close],
    });
    for engine in engines() {
        let benched = benched(&format!("--engine {engine} -n 200 -c 4 {}", server.url("/")));
        let [_, _, completed, failed, _] = benched.ledger();
        // The last request of a connection may be one that it still answers.
        assert!((96..=104).contains(&failed) && completed + failed == 200, "{benched:?}");
        assert_eq!(benched.code, Some(1), "{benched:?}");
        let report = &benched.report;
        let rate = report["rate_per_s"].as_f64().unwrap();
        let counted = rate * report["duration_s"].as_f64().unwrap();
        assert!((counted - completed as f64).abs() < 1e-6, "{report}");
        assert_eq!(benched.count("/latency_us/response/n"), completed, "{report}");
        assert_eq!(benched.count("/latency_us/failed/n"), failed, "{report}");
        assert_eq!(benched.count("/errors/count"), failed, "{report}");
        assert_eq!(report["errors"]["share"], failed as f64 / 200.0, "{report}");
        // Each failure took its connection with it, and the last ones were not replaced.
        assert!(benched.count("/connections_detail/reopened") >= failed - 4, "{report}");
    }
}

#[test]
fn statuses_of_400_and_above_are_errors_and_no_failures() {
    let server = Server::start(|request| match request.turn % 2 {
        0 => vec![Act::Send(ok("x"))],
        _ => vec![Act::Send(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".to_vec())],
    });
    let benched = benched(&format!("-n 100 -c 1 {}", server.url("/")));
    assert_eq!((benched.ledger(), benched.code), ([100, 0, 100, 0, 0], Some(0)), "{benched:?}");
    assert_eq!((benched.count("/status/503"), benched.count("/errors/count")), (50, 50));
}

// "0 requests, 0 timeouts" of a server that hangs: wrk#297.
#[test]
fn requests_that_hang_are_told_as_in_flight_and_as_at_least_their_age() {
    let server = Server::start(|_| vec![Act::Hold]);
    for engine in engines() {
        let benched = benched(&format!("--engine {engine} -c 16 -d 300ms {}", server.url("/")));
        let report = &benched.report;
        assert_eq!(benched.ledger(), [16, 0, 0, 0, 16], "{report}");
        assert_eq!((benched.code, benched.verdict()), (Some(1), "target-missed"), "{report}");
        let counts = ["response", "service", "first_byte", "failed"];
        let counts = counts.map(|name| benched.count(&format!("/latency_us/{name}/n")));
        assert_eq!(counts, [16, 0, 0, 0], "{report}");
        assert_eq!(benched.count("/censored/in_flight"), 16, "{report}");
        assert!(report["verdict"]["why"].as_str().unwrap().contains("16 in flight"), "{report}");
        assert_eq!((&report["rate_per_s"], &report["errors"]["share"]), (&0.0.into(), &().into()));
    }
    let told = bench(&format!("-c 16 -d 200ms {}", server.url("/"))).stdout;
    assert!(told.contains("censored     16 in flight at the end, 0 never sent"), "{told}");
    assert!(told.contains("+ failed 0 + in flight 16"), "{told}");
}

// The kernel takes some megabytes of each, and waits for a reader for the rest.
#[test]
fn a_body_that_nobody_reads_is_in_flight_and_was_not_skipped() {
    let dir = Dir::new("bench-unread-body");
    let body = dir.file("body", &[b'x'; 16 << 20]);
    for engine in engines() {
        let listener = listener_with(16);
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let run = |args: &str| {
            let benched =
                benched(&format!("--engine {engine} -c 2 {args} -b @{} {url}", body.display()));
            let in_flight = benched.report["littles_law"]["in_flight_mean"].as_f64().unwrap();
            assert!(in_flight > 1.5, "{args}: {benched:?}");
            benched
        };
        let stopped = run("-d 300ms");
        assert_eq!(stopped.ledger(), [2, 0, 0, 0, 2], "{stopped:?}");
        let late = run("-n 2 --timeout 200ms");
        assert_eq!(late.failures(), "{\"send.timeout\":2}", "{late:?}");
    }
}

#[test]
fn requests_that_take_longer_than_the_timeout_are_failures_of_the_head() {
    let hanging = Server::start(|request| match request.target.as_str() {
        "/body" => vec![Act::Send(b"HTTP/1.1 200 OK\r\n\r\nhalf".to_vec()), Act::Hold],
        _ => vec![Act::Hold],
    });
    for (path, failure) in [("/", "head.timeout"), ("/body", "body.timeout")] {
        for engine in engines() {
            let args = format!("--engine {engine} --timeout 100ms -c 4 -n 8 {}", hanging.url(path));
            let benched = benched(&args);
            assert_eq!(benched.ledger(), [8, 0, 0, 8, 0], "{benched:?}");
            assert_eq!(benched.failures(), format!("{{\"{failure}\":8}}"), "{benched:?}");
            let counts = ["response", "service", "failed"];
            let counts = counts.map(|name| benched.count(&format!("/latency_us/{name}/n")));
            assert_eq!((counts, benched.code), ([0, 0, 8], Some(1)), "{benched:?}");
            assert_eq!(benched.report["rate_per_s"], 0.0, "{benched:?}");
        }
    }
}

#[test]
fn a_server_that_drips_meets_the_deadline_all_the_same() {
    let server = Server::start(|_| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
        vec![Act::Send(head.to_vec()), Act::Drip(b'x')]
    });
    for engine in engines() {
        let args = format!("--engine {engine} --timeout 100ms -c 2 -n 4 {}", server.url("/"));
        let benched = benched(&args);
        assert_eq!(benched.failures(), "{\"body.timeout\":4}", "{benched:?}");
    }
}

/// A listener that has room for `backlog` connections that nobody accepts.
fn listener_with(backlog: i32) -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(backlog).unwrap();
    socket.into()
}

/// Answers every request that comes on `stream`, which has no body.
fn serve(mut stream: TcpStream) {
    let (mut held, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        held.extend_from_slice(&piece[..count]);
        while let Some(end) = held.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            held.drain(..end + 4);
            if stream.write_all(&ok("x")).is_err() {
                return;
            }
        }
    }
}

// 1000 connections asked for and 10 served, and nothing says so: wrk#357, wrk2#134.
#[test]
fn connections_that_are_never_served_are_told() {
    for (engine, output) in engines().flat_map(|engine| [(engine, "json"), (engine, "text")]) {
        let listener = listener_with(128);
        let addr = listener.local_addr().unwrap();
        let serving = std::thread::spawn(move || {
            let served = listener.incoming().take(10).map(|stream| {
                let stream = stream.unwrap();
                std::thread::spawn(move || serve(stream))
            });
            let served: Vec<_> = served.collect();
            served.into_iter().for_each(|thread| thread.join().unwrap());
            // The others wait for as long as the listener is there.
            drop(listener);
        });
        let args = format!("--engine {engine} -c 50 -d 300ms -o {output} http://{addr}/");
        let ran = bench(&args);
        serving.join().unwrap();
        if output == "text" {
            let line = "50 wanted, 50 opened, 0 reopened, 40 never answered";
            assert!(ran.stdout.contains(line), "{engine}: {}", ran.stdout);
            continue;
        }
        let benched = Benched::of(ran);
        let counts = ["wanted", "opened", "reopened", "unserved"];
        let counts = counts.map(|name| benched.count(&format!("/connections_detail/{name}")));
        assert_eq!(counts, [50, 50, 0, 40], "{benched:?}");
        let [_, _, completed, failed, in_flight] = benched.ledger();
        assert!(completed > 0 && failed == 0 && in_flight >= 40, "{benched:?}");
    }
}

#[test]
fn connections_that_cannot_be_opened_in_time_are_told() {
    for engine in engines() {
        // Nobody accepts, and the kernel drops what it has no room for.
        let listener = listener_with(4);
        let addr = listener.local_addr().unwrap();
        let args = format!("--engine {engine} -c 20 -d 300ms --connect-timeout 100ms");
        let benched = benched(&format!("{args} http://{addr}/"));
        let detail = |name: &str| benched.count(&format!("/connections_detail/{name}"));
        assert!(detail("opened") < 20 && detail("wanted") == 20, "{benched:?}");
        assert!(benched.count("/ledger/failed/connect.timeout") > 0, "{benched:?}");
        assert_eq!(benched.code, Some(1), "{benched:?}");
        let note = benched.report["notes"][0].as_str().unwrap();
        let told = format!("connections: {} of 20 could be opened", detail("opened"));
        assert!(note.starts_with(&told) && note.contains("connect.timeout"), "{note}");
        assert!(benched.stderr.contains(&format!("warning: {told}")), "{}", benched.stderr);
        drop(listener);
    }
}

/// Runs a bench with `args` on one CPU under a hard limit of `limit` descriptors.
fn bench_under(limit: usize, args: &str) -> Ran {
    let script = format!("ulimit -n {limit} && exec \"$@\"");
    let mut command = Command::new("bash");
    command.args(["-c", &script, "bash", env!("CARGO_BIN_EXE_ringfetch"), "bench", "-o", "json"]);
    command.args(["--cores", &cores::available()[0].to_string()]);
    command.args(args.split_whitespace());
    run_with(b"", command)
}

#[test]
fn connections_beyond_the_limit_of_descriptors_are_lowered_and_told() {
    let server = Server::answering(ok("x"));
    for engine in engines() {
        let args = format!("--engine {engine} -c 500 -n 1000 {}", server.url("/"));
        let benched = Benched::of(bench_under(80, &args));
        assert_eq!((benched.ledger(), benched.code), ([1000, 0, 1000, 0, 0], Some(0)));
        let lowered = benched.count("/connections");
        assert!(lowered < 80, "{benched:?}");
        let told = format!("connections lowered from 500 to {lowered}");
        assert!(benched.report["notes"].to_string().contains(&told), "{benched:?}");
        assert!(benched.stderr.contains(&format!("warning: {told}")), "{}", benched.stderr);
        assert!(benched.stderr.contains("hint: ulimit -Hn"), "{}", benched.stderr);
    }
}
