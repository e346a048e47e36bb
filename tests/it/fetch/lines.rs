//! Every line of the input is exactly one row, whatever the line is and however its fetch ended.
//!
//! Invariant: each test holds on every engine.

use std::collections::BTreeMap;

use ringfetch::Fetch;
use ringfetch::runtime::cores;

use crate::engines::engines;
use crate::places::Dir;
use crate::runs::{error_of, on_every_engine, run};
use crate::server::{Act, Request, Server, ok, redirect};

/// Lines of the long list.
const LINES: usize = 20_000;

/// Line `n` of the long list, and what must come of it.
fn line(n: usize) -> (String, &'static str) {
    let host = format!("host{}.test", n % 97);
    match n % 20 {
        0 => (format!("nonsense {n}"), "url.invalid"),
        1 => (format!("https://{host}/{n}"), "url.unsupported"),
        2 => (format!("http://{host}/garbage/{n}"), "head.invalid"),
        3 => (format!("http://{host}/close/{n}"), "head.closed"),
        4 => (format!("http://{host}/hop/{n}"), "200"),
        5 => (format!("http://{host}/reset/{n}"), "head.reset"),
        6 => (format!("http://{host}/loop/{n}"), "redirect.loop"),
        7 if n % 1000 == 7 => (format!("http://{host}/{}", "x".repeat(70_000)), "url.too_large"),
        7 => (format!("http://{host}/once/{n}"), "200"),
        _ => (format!("http://{host}/page/{n}"), "200"),
    }
}

fn script(request: &Request) -> Vec<Act> {
    let (kind, n) = request.target[1..].split_once('/').unwrap();
    let n: usize = n.parse().unwrap();
    let send = |bytes| vec![Act::Send(bytes)];
    match kind {
        "garbage" => send(b"garbage\r\n\r\n".to_vec()),
        "close" => vec![Act::Close],
        "reset" => vec![Act::Reset],
        "hop" => send(redirect(302, &format!("http://host{}.test/page/{n}", (n + 1) % 97))),
        "loop" => send(redirect(302, &format!("/loop/{n}"))),
        // Promises to stay open, and does not.
        "once" => [send(ok("page")), vec![Act::Close]].concat(),
        _ => send(ok("page")),
    }
}

#[test]
fn every_line_of_a_long_mixed_list_is_exactly_one_row() {
    let dir = Dir::new("mixed");
    let mut text = String::new();
    for n in 0..LINES {
        // What is skipped has no ordinal.
        if n % 50 == 0 {
            text += "\n  # a comment\n\t\r\n";
        }
        text += &line(n).0;
        text += if n % 2 == 0 { "\n" } else { "\r\n" };
    }
    let list = dir.file("list", text.as_bytes());
    for engine in engines() {
        let server = Server::start(script);
        let fetch = Fetch::new()
            .file(&list)
            .engine(engine)
            .connections(64)
            .resolve(server.for_every_host())
            .cpus(cores::available().into_iter().take(2).collect::<Vec<_>>())
            .retries(0);
        let (rows, summary) = run(fetch);
        assert_eq!(rows.len(), LINES, "{engine}");
        for (n, row) in rows.iter().enumerate() {
            assert_eq!(row.n, n as u64, "{engine}");
            let (text, wanted) = line(n);
            let shown = text.len().min(256);
            assert_eq!(row.url, if wanted == "url.too_large" { &text[..shown] } else { &text });
            let status = || row.status.map(|status| status.to_string());
            assert_eq!(error_of(row).or_else(status).as_deref(), Some(wanted), "{engine}: {row:?}");
        }
        let wanted = (0..LINES).fold(BTreeMap::<_, u64>::new(), |mut counts, n| {
            *counts.entry(line(n).1).or_default() += 1;
            counts
        });
        let counted: BTreeMap<_, _> =
            summary.failures.0.iter().map(|(what, n)| (what.as_str(), *n)).collect();
        let ok = wanted["200"];
        assert_eq!((summary.ok, summary.rows, summary.input.lines), (ok, 20_000, 20_000));
        assert!(wanted.iter().filter(|w| *w.0 != "200").eq(counted.iter()), "{counted:?}");
        assert_eq!(summary.input.not_started, 0);
    }
}

#[test]
fn ordinals_count_over_the_whole_input_and_skip_what_is_no_line() {
    let server = Server::answering(ok("page"));
    let dir = Dir::new("ordinals");
    let first =
        dir.file("first", b"\xEF\xBB\xBF# comment\n\nnonsense-2\n   \n#http://x/\nnonsense-3");
    let second = dir.file("second", b"#\nnonsense-4\r\n\r\n");
    let fetch = Fetch::new().urls([server.url("/0"), "nonsense-1".into()]).file(first).file(second);
    for engine in engines() {
        let (rows, summary) = run(fetch.clone().engine(engine));
        let found: Vec<_> = rows.iter().map(|row| (row.n, row.url.as_str())).collect();
        let url = server.url("/0");
        let wanted = [&url, "nonsense-1", "nonsense-2", "nonsense-3", "nonsense-4"];
        assert_eq!(found, (0..).zip(wanted).collect::<Vec<_>>());
        assert_eq!((summary.input.lines, summary.input.refused), (5, 4), "{engine}");
    }
}

#[test]
fn an_input_without_a_line_is_a_run_without_a_row() {
    let dir = Dir::new("empty");
    for text in ["", "\n\n", "# nothing\n"] {
        for engine in engines() {
            let list = dir.file("list", text.as_bytes());
            let (rows, summary) = run(Fetch::new().file(list).engine(engine));
            assert_eq!((rows.len(), summary.rows, summary.input.lines), (0, 0, 0));
        }
    }
}

#[test]
fn the_longest_line_is_a_url_and_one_byte_more_is_not() {
    let server = Server::answering(ok("page"));
    let dir = Dir::new("long");
    for (bytes, error) in [(64 * 1024, None), (64 * 1024 + 1, Some("url.too_large"))] {
        let start = server.url("/");
        let url = format!("{start}{}", "x".repeat(bytes - start.len()));
        let list = dir.file("list", url.as_bytes());
        on_every_engine(&Fetch::new().file(list), |row| {
            assert_eq!(error_of(row).as_deref(), error);
            assert_eq!(row.status, error.is_none().then_some(200));
            let shown = if error.is_none() { bytes } else { 256 };
            assert_eq!(row.url, url[..shown]);
        });
    }
}

#[test]
fn a_url_that_occurs_often_is_fetched_as_often() {
    let server = Server::answering(ok("page"));
    for engine in engines() {
        let (rows, _) = run(Fetch::new().urls(vec![server.url("/"); 50]).engine(engine));
        assert!(rows.iter().all(|row| row.status == Some(200)));
        assert_eq!(rows.len(), 50);
    }
    assert_eq!(server.requests().len(), 50 * engines().count());
}
