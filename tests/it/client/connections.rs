//! How connections are used: again where they can be, never where they cannot, never too many.
//!
//! What the server counted is what is believed.
//!
//! Invariant: each test holds on every engine.

use std::collections::HashSet;
use std::sync::Barrier;
use std::time::Duration;

use ringfetch::Fetch;
use ringfetch::runtime::cores;

use crate::engines::engines;
use crate::runs::{error_of, rows_of, run};
use crate::server::{Act, Request, Server, ok, redirect, with_type};

/// A fetch of `paths` of `server`, one after the other on one core.
fn one_by_one(server: &Server, paths: &[&str]) -> Fetch {
    Fetch::new()
        .urls(paths.iter().map(|path| server.url(path)))
        .connections(1)
        .retries(0)
        .cpus([cores::available()[0]])
}

/// Checks that after the `first` acts for `/first` a second request has a connection of its own,
/// and gives the error of the first one's row.
fn second_is_on_a_fresh_connection(first: &[Act]) -> Option<String> {
    let mut errors = HashSet::new();
    for engine in engines() {
        let acts = first.to_vec();
        let server = Server::start(move |request| match request.target.as_str() {
            "/first" => acts.clone(),
            _ => vec![Act::Send(ok("second"))],
        });
        let mut fetch = one_by_one(&server, &["/first", "/second"]).engine(engine);
        // Only what hangs is to time out, not what a busy machine is slow at.
        if first.iter().any(|act| matches!(act, Act::Hold)) {
            fetch = fetch.timeout(Duration::from_millis(200));
        }
        let rows = rows_of(fetch);
        assert_eq!((rows[1].status, rows[1].body_bytes), (Some(200), 6), "{engine}: {rows:?}");
        assert_eq!(rows[1].attempts, 1, "{engine}: {rows:?}");
        assert_eq!(server.connections(), 2, "{engine}: {rows:?}");
        errors.insert(error_of(&rows[0]));
    }
    assert_eq!(errors.len(), 1, "the engines agree: {errors:?}");
    errors.into_iter().next().flatten()
}

#[test]
fn one_connection_serves_many_requests_in_turn() {
    for engine in engines() {
        let server = Server::answering(ok("hello"));
        let paths: Vec<String> = (0..300).map(|n| format!("/{n}")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let (rows, summary) = run(one_by_one(&server, &paths).engine(engine));
        assert!(rows.iter().all(|row| row.status == Some(200)), "{engine}");
        assert_eq!((server.connections(), server.requests().len()), (1, 300), "{engine}");
        assert_eq!((summary.connections.opened, summary.connections.reused), (1, 299));
    }
}

#[test]
fn a_stale_reused_connection_is_retried_once_on_a_fresh_one() {
    // The first answer promises to keep the connection; the second request finds it closed or
    // reset.
    for end in [Act::Close, Act::Reset] {
        for engine in engines() {
            let end = end.clone();
            let server = Server::start(move |request| match request.turn {
                0 => vec![Act::Send(ok("hello"))],
                _ => vec![end.clone()],
            });
            let (rows, summary) = run(one_by_one(&server, &["/1", "/2", "/3"]).engine(engine));
            for row in &rows {
                assert_eq!((error_of(row), row.attempts), (None, 1), "{engine}: {row:?}");
            }
            assert_eq!((summary.failed, summary.retries), (0, 0), "{engine}");
            assert_eq!(summary.connections.stale_retries, 2, "{engine}");
            assert_eq!((server.connections(), server.requests().len()), (3, 5), "{engine}");
        }
    }
}

#[test]
fn a_fresh_connection_that_is_closed_too_is_a_failure() {
    for engine in engines() {
        let server = Server::start(|request| match (request.connection, request.turn) {
            (0, 0) => vec![Act::Send(ok("hello"))],
            _ => vec![Act::Close],
        });
        let (rows, summary) = run(one_by_one(&server, &["/1", "/2"]).engine(engine));
        assert_eq!(error_of(&rows[1]).as_deref(), Some("head.closed"), "{engine}");
        assert_eq!((rows[1].attempts, rows[1].status), (1, None), "{engine}");
        assert_eq!(summary.connections.stale_retries, 1, "{engine}");
        assert_eq!((server.connections(), server.requests().len()), (2, 3), "{engine}");
    }
}

#[test]
fn a_reused_connection_that_fails_after_its_first_byte_is_not_retried() {
    for engine in engines() {
        let server = Server::start(|request| match request.turn {
            0 => vec![Act::Send(ok("hello"))],
            _ => vec![Act::Send(b"HTTP/1.1 200".to_vec()), Act::Close],
        });
        let rows = rows_of(one_by_one(&server, &["/1", "/2"]).engine(engine));
        assert_eq!(error_of(&rows[1]).as_deref(), Some("head.closed"), "{engine}");
        assert_eq!((server.connections(), server.requests().len()), (1, 2), "{engine}");
    }
}

#[test]
fn a_connection_is_not_used_again_after_left_over_bytes() {
    let html = |body: &[u8]| with_type("text/html", body);
    // A whole response behind the first one: taken for the second one's, it would be a lie.
    for answer in [ok("first"), html(b"first"), html(&[b'x'; 100_000]), html(&[b'x'; 600_000])] {
        let split = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
        let (head, body) = answer.split_at(split);
        let extra = ok("not asked for");
        let (last, others) = body.split_last().unwrap();
        for acts in [
            vec![Act::Send([&answer[..], &extra].concat())],
            vec![Act::Send(head.to_vec()), Act::Linger, Act::Send([body, &extra].concat())],
            vec![
                Act::Send([head, others].concat()),
                Act::Linger,
                Act::Send([&[*last][..], &extra].concat()),
            ],
        ] {
            assert_eq!(second_is_on_a_fresh_connection(&acts), None);
        }
    }
}

#[test]
fn a_connection_is_not_used_again_after_a_timeout() {
    let error = second_is_on_a_fresh_connection(&[Act::Hold]);
    assert_eq!(error.as_deref(), Some("head.timeout"));
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello";
    let error = second_is_on_a_fresh_connection(&[Act::Send(head.to_vec()), Act::Hold]);
    assert_eq!(error.as_deref(), Some("body.timeout"));
}

#[test]
fn a_connection_is_not_used_again_after_an_error_or_a_refusal() {
    for (answer, error) in [
        ("garbage\r\n\r\n", Some("head.invalid")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", Some("body.invalid")),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", None),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", None),
    ] {
        let found = second_is_on_a_fresh_connection(&[Act::Send(answer.into())]);
        assert_eq!(found.as_deref(), error, "{answer}");
    }
}

/// The CPUs for a run on two cores, or on one where there is no other.
fn two_cores() -> Vec<usize> {
    cores::available().into_iter().take(2).collect()
}

/// Answers a request for `/hop/N` by a redirect to another host, and every other at leisure.
fn hop_or_linger(request: &Request) -> Vec<Act> {
    let answer = match request.target.strip_prefix("/hop/") {
        Some(n) => {
            let host = n.parse::<usize>().unwrap() * 7 % 5;
            redirect(302, &format!("http://host{host}.test/page/{n}"))
        }
        None => ok("page"),
    };
    vec![Act::Linger, Act::Send(answer)]
}

#[test]
fn the_cap_of_a_host_holds_also_where_redirects_lead_from_core_to_core() {
    for engine in engines() {
        let server = Server::start(hop_or_linger);
        let url = |n: usize| match n % 3 {
            0 => format!("http://host{}.test/page/{n}", n % 5),
            _ => format!("http://host{}.test/hop/{n}", n % 5),
        };
        let fetch = Fetch::new()
            .urls((0..600).map(url))
            .engine(engine)
            .connections(64)
            .per_host(3)
            .resolve(server.for_every_host())
            .cpus(two_cores())
            .retries(0);
        let (rows, summary) = run(fetch);
        assert_eq!((rows.len(), summary.ok), (600, 600), "{engine}");
        assert_eq!(server.in_flight_max(), 3, "{engine}: the cap is reached and never exceeded");
        assert_eq!(server.requests().len(), 1000, "{engine}");
    }
}

#[test]
fn without_a_cap_one_host_has_all_connections() {
    for engine in engines() {
        // Nobody is answered before all are there.
        let all_are_here = Barrier::new(12);
        let server = Server::start(move |_| {
            all_are_here.wait();
            vec![Act::Send(ok("page"))]
        });
        let fetch = Fetch::new().cpus(two_cores());
        let urls = (0..12).map(|n| server.url(&format!("/{n}")));
        let rows = rows_of(fetch.urls(urls).engine(engine).connections(12).per_host(0));
        assert_eq!(rows.iter().filter(|row| row.status == Some(200)).count(), 12, "{engine}");
    }
}

/// A fetch of 12 lines of two hosts, whose starts are `delay` apart.
fn spaced(server: &Server, delay: Duration) -> Fetch {
    let urls = (0..12).map(|n| format!("http://host{}.test/{n}", n % 2));
    Fetch::new().urls(urls).resolve(server.for_every_host()).delay(delay)
}

#[test]
fn the_starts_on_one_host_keep_their_distance() {
    for engine in engines() {
        let server = Server::answering(ok("page"));
        // Each host has one start, and no second one for as long as any test may take.
        let fetch = spaced(&server, Duration::from_secs(3600)).engine(engine);
        let mut rows = fetch.rows().unwrap();
        assert_eq!(rows.by_ref().take(2).filter(|row| row.status == Some(200)).count(), 2);
        drop(rows);
        (0..2).for_each(|_| _ = server.wait_for_close());
        let hosts: HashSet<_> = server.requests().into_iter().map(|request| request.host).collect();
        assert_eq!((server.requests().len(), hosts.len()), (2, 2), "{engine}");
        // A delay that passes holds no line back for good.
        let fetch = spaced(&server, Duration::from_millis(5)).engine(engine);
        assert_eq!(rows_of(fetch).len(), 12, "{engine}");
    }
}
