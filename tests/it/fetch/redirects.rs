//! Redirects and retries, as rows tell of them.
//!
//! Invariant: each test holds on every engine.

use std::sync::atomic::{AtomicUsize, Ordering};

use ringfetch::Fetch;
use ringfetch::fetch::policy::StatusPolicy;

use crate::engines::engines;
use crate::runs::{error_of, on_every_engine, rows_of, run};
use crate::server::{Act, Server, ok, redirect};

fn status(status: u16) -> Vec<u8> {
    format!("HTTP/1.1 {status} Some\r\nContent-Length: 4\r\n\r\nbody").into()
}

#[test]
fn every_redirect_is_followed_by_a_relative_and_by_an_absolute_location() {
    for code in [301, 302, 303, 307, 308] {
        for location in ["../b", "/b", "//host.test/b", "http://host.test/b", "b?x#y", "?x"] {
            let server = Server::start(move |request| match request.target.as_str() {
                "/a/a" => vec![Act::Send(redirect(code, location))],
                _ => vec![Act::Send(ok("here"))],
            });
            let fetch =
                Fetch::new().urls(["http://first.test/a/a"]).resolve(server.for_every_host());
            let target = match location {
                "../b" | "/b" => "http://first.test/b",
                "b?x#y" => "http://first.test/a/b?x",
                "?x" => "http://first.test/a/a?x",
                _ => "http://host.test/b",
            };
            on_every_engine(&fetch, |row| {
                assert_eq!((error_of(row), row.status), (None, Some(200)), "{row:?}");
                assert_eq!(row.redirects, [target], "{code} {location}");
                assert_eq!((row.attempts, row.body_bytes), (2, 4), "{row:?}");
            });
        }
    }
}

#[test]
fn redirects_are_bounded() {
    let server = Server::start(|request| {
        let n: u32 = request.target[1..].parse().unwrap();
        vec![Act::Send(redirect(302, &format!("/{}", n + 1)))]
    });
    let fetch = Fetch::new().urls([server.url("/0")]).redirects(3);
    on_every_engine(&fetch, |row| {
        assert_eq!(error_of(row).as_deref(), Some("redirect.too_many"));
        assert_eq!((row.status, row.attempts, row.redirects.len()), (Some(302), 4, 4));
        let detail = &row.error.as_ref().unwrap().detail;
        assert!(detail.contains(&server.url("/4")) && detail.contains("--redirects"), "{detail}");
    });
    let fetch = Fetch::new().urls([server.url("/0")]).redirects(0);
    on_every_engine(&fetch, |row| {
        assert_eq!((error_of(row), row.status, row.attempts), (None, Some(302), 1));
    });
}

#[test]
fn a_loop_is_named_with_the_url_that_it_leads_back_to() {
    let server = Server::start(|request| {
        let next = if request.target == "/1" { "/2" } else { "/1" };
        vec![Act::Send(redirect(301, next))]
    });
    on_every_engine(&Fetch::new().urls([server.url("/1")]), |row| {
        assert_eq!(error_of(row).as_deref(), Some("redirect.loop"));
        assert_eq!((row.status, row.attempts, row.redirects.len()), (Some(301), 2, 2));
        let detail = &row.error.as_ref().unwrap().detail;
        assert!(detail.contains(&server.url("/1")), "{detail}");
    });
}

#[test]
fn a_redirect_to_nowhere_is_the_answer_or_says_what_is_wrong() {
    for (location, error, code) in [
        ("", None, 302),
        ("Location: https://a.test/\r\n", Some("redirect.unsupported"), 302),
        ("Location: ftp://a.test/\r\n", Some("redirect.unsupported"), 307),
        ("Location: http://\r\n", Some("redirect.invalid"), 308),
        ("Location: http://[::1/\r\n", Some("redirect.invalid"), 301),
    ] {
        let answer = format!("HTTP/1.1 {code} Go\r\n{location}Content-Length: 0\r\n\r\n");
        let server = Server::answering(answer.into());
        on_every_engine(&Fetch::new().urls([server.url("/")]), |row| {
            assert_eq!(error_of(row).as_deref(), error, "{location}");
            assert_eq!((row.status, row.attempts), (Some(code), 1), "{location}");
        });
    }
}

#[test]
fn the_body_of_a_redirect_leaves_the_connection_fit_for_the_next_request() {
    for engine in engines() {
        let server = Server::start(|request| match request.target.as_str() {
            "/" => vec![Act::Send(
                b"HTTP/1.1 302 Go\r\nLocation: /b\r\nContent-Length: 5\r\n\r\nmoved".to_vec(),
            )],
            _ => vec![Act::Send(ok("here"))],
        });
        let (rows, summary) = run(Fetch::new().urls([server.url("/")]).engine(engine));
        assert_eq!((rows[0].status, rows[0].body_bytes), (Some(200), 4));
        assert_eq!(server.connections(), 1);
        assert!(summary.bytes.discarded > 5, "{engine}: {:?}", summary.bytes);
        assert_eq!(summary.redirects, 1);
    }
}

#[test]
fn a_passing_failure_is_tried_again_and_every_try_is_counted() {
    for end in [Act::Close, Act::Reset, Act::Send(status(503))] {
        for engine in engines() {
            let (end, tries) = (end.clone(), AtomicUsize::new(0));
            let server = Server::start(move |_| match tries.fetch_add(1, Ordering::Relaxed) {
                0 | 1 => vec![end.clone()],
                _ => vec![Act::Send(ok("at last"))],
            });
            let fetch = Fetch::new().urls([server.url("/")]).retries(2);
            let (rows, summary) = run(fetch.engine(engine));
            assert_eq!((error_of(&rows[0]), rows[0].status), (None, Some(200)), "{engine}");
            assert_eq!((rows[0].attempts, summary.retries), (3, 2), "{engine}");
            assert_eq!(server.requests().len(), 3, "{engine}");
        }
    }
}

#[test]
fn the_last_failure_stands_when_all_tries_have_failed() {
    let server = Server::start(|_| vec![Act::Close]);
    let fetch = Fetch::new().urls([server.url("/")]).retries(2);
    on_every_engine(&fetch, |row| {
        assert_eq!(error_of(row).as_deref(), Some("head.closed"));
        assert_eq!((row.attempts, row.status), (3, None));
    });
    let server = Server::answering(status(503));
    let fetch = Fetch::new().urls([server.url("/")]).retries(1);
    on_every_engine(&fetch, |row| {
        assert_eq!((error_of(row), row.status, row.attempts), (None, Some(503), 2));
    });
}

#[test]
fn what_cannot_pass_is_not_tried_again() {
    for (answer, error) in [("garbage\r\n\r\n".into(), Some("head.invalid")), (status(404), None)] {
        let server = Server::answering(answer);
        let fetch = Fetch::new().urls([server.url("/")]).retries(5);
        on_every_engine(&fetch, |row| {
            assert_eq!((error_of(row).as_deref(), row.attempts), (error, 1));
        });
    }
}

#[test]
fn a_status_of_400_and_above_fails_only_where_that_is_asked_for() {
    for (code, is_failed) in [(200, false), (399, false), (400, true), (404, true), (599, true)] {
        let server = Server::answering(status(code));
        let urls = [server.url("/")];
        on_every_engine(&Fetch::new().urls(&urls), |row| {
            assert_eq!((error_of(row), row.status), (None, Some(code)));
        });
        let fetch = Fetch::new().urls(&urls).status(StatusPolicy::Fail);
        on_every_engine(&fetch, |row| {
            let wanted = is_failed.then(|| "head.status".to_owned());
            assert_eq!((error_of(row), row.status), (wanted, Some(code)));
            assert_eq!(row.body_bytes, 4, "the body was read all the same");
        });
    }
}

#[test]
fn retries_and_redirects_of_many_lines_do_not_mix_them_up() {
    let server = Server::start(|request| {
        let (kind, n) = request.target[1..].split_once('/').unwrap();
        let answer = match kind {
            "hop" => redirect(302, &format!("http://other.test/end/{n}")),
            _ => with_length(n.parse().unwrap()),
        };
        vec![Act::Send(answer)]
    });
    for engine in engines() {
        let kind = |n| if n % 2 == 0 { "hop" } else { "end" };
        let urls = (0..400).map(|n| format!("http://host{}.test/{}/{n}", n % 7, kind(n)));
        let fetch = Fetch::new().urls(urls).engine(engine).resolve(server.for_every_host());
        for row in rows_of(fetch) {
            let n = row.url.rsplit('/').next().unwrap();
            assert_eq!((row.n.to_string(), row.body_bytes), (n.to_owned(), row.n), "{row:?}");
        }
    }
}

fn with_length(bytes: usize) -> Vec<u8> {
    ok(&"x".repeat(bytes))
}
