//! The binary as scripts see it: exit codes, what goes to which stream, inputs and outputs.
//!
//! Invariant: standard output carries data alone, whatever happens.

use std::io::Write;

use serde_json::Value;

use crate::binary::{Ran, fetch, fetch_from, parsed, ringfetch, run_with, summary_in};
use crate::engines::engines;
use crate::places::Dir;
use crate::server::{Act, Server, ok, with_type};

/// Checks that `ran` could not run: exit code 2, nothing on standard output, an error with a hint
/// that mentions `what`, told once.
fn check_impossible(ran: &Ran, what: &str) {
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
    assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains("hint:"), "{ran:?}");
    assert_eq!(ran.stderr.matches(what).count(), 1, "{what}: {}", ran.stderr);
}

fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path}: {value}"))
}

/// Checks that the totals of `summary` add up.
fn check_totals(summary: &Value) {
    let total = |path: &str| number(summary, path);
    let sum = |path: &str| -> u64 {
        let counts = summary.pointer(path).and_then(Value::as_object).unwrap();
        counts.values().map(|n| n.as_u64().unwrap()).sum()
    };
    assert_eq!(total("/input/lines"), total("/rows") + total("/input/not_started"), "{summary}");
    assert_eq!(total("/rows"), total("/ok") + total("/failed"), "{summary}");
    assert_eq!(sum("/failures"), total("/failed"), "{summary}");
    assert!(sum("/status") >= total("/ok"), "{summary}");
    let cores = summary["cores"].as_array().unwrap();
    let of_cores: u64 = cores.iter().map(|core| core["rows"].as_u64().unwrap()).sum();
    assert_eq!(of_cores, total("/rows"), "{summary}");
}

#[test]
fn the_exit_code_says_whether_all_went_well() {
    let server = Server::start(|request| match request.target.as_str() {
        "/404" => vec![Act::Send(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".to_vec())],
        _ => vec![Act::Send(ok("page"))],
    });
    let (good, bad) = (server.url("/"), server.url("/404"));
    for (args, code) in [
        (good.clone(), 0),
        (format!("{good} {bad}"), 0),
        (format!("--fail {good} {bad}"), 1),
        (format!("{good} nonsense"), 1),
        ("nonsense".to_owned(), 1),
        ("-i /dev/null".to_owned(), 0),
    ] {
        for engine in engines() {
            let ran = fetch(&format!("--engine {engine} {args}"));
            assert_eq!(ran.code, Some(code), "{args}: {ran:?}");
            let wanted = args.split(' ').filter(|arg| !arg.starts_with(['-', '/'])).count();
            assert_eq!(ran.rows().len(), wanted, "{args}: {ran:?}");
        }
    }
}

#[test]
fn rows_go_to_standard_output_and_everything_else_to_standard_error() {
    let server = Server::answering(with_type("text/html", b"<title>t</title>one two"));
    let ran = fetch(&format!("-vvv {}", server.url("/")));
    let rows = ran.rows();
    assert_eq!((ran.code, rows.len()), (Some(0), 1), "{ran:?}");
    let row = &rows[0];
    assert_eq!((&row["n"], &row["status"]), (&0.into(), &200.into()));
    assert_eq!((row["url"].as_str(), &row["error"]), (Some(&*server.url("/")), &Value::Null));
    assert_eq!((row["http"].as_str(), row["ip"].as_str()), (Some("1.1"), Some("127.0.0.1")));
    assert_eq!((row["page"]["title"].as_str(), &row["page"]["words"]), (Some("t"), &2.into()));
    assert!(row["time_us"]["total"].as_u64() > Some(0), "{row}");
    assert!(ran.stderr.contains("rows         1"), "{}", ran.stderr);
}

#[test]
fn quiet_is_silent_but_for_errors() {
    let server = Server::answering(ok("page"));
    let ran = fetch(&format!("-q {} nonsense", server.url("/")));
    assert_eq!((ran.code, ran.stderr.as_str(), ran.rows().len()), (Some(1), "", 2));
    assert!(fetch("-q -i /nonexistent").stderr.starts_with("error: "));
}

#[test]
fn what_cannot_run_exits_2_and_says_what_would() {
    for (args, what) in [
        ("", "nothing to fetch"),
        ("-i /nonexistent/list", "/nonexistent/list"),
        ("-i /", "is a directory"),
        ("-o /nonexistent/rows http://a.test/", "/nonexistent/rows"),
        ("--summary-json /nonexistent/sum -i /dev/null", "/nonexistent/sum"),
        ("-c 0 http://a.test/", "connections must"),
        ("--timeout 0 http://a.test/", "a timeout must"),
        ("--timeout soon http://a.test/", "no time: soon"),
        ("--max-body lots http://a.test/", "no size: lots"),
        ("--cores 9999 http://a.test/", "9999"),
        ("--rate 0 http://a.test/", "the rate"),
        ("--select x=[[ http://a.test/", "x=[["),
        ("-H nonsense http://a.test/", "no header field: nonsense"),
        ("--resolve a:80 http://a.test/", "no fixed address: a:80"),
        ("--engine steam http://a.test/", "no engine: steam"),
        ("--log ringfetch=loud http://a.test/", "no log filter"),
        ("-i - -i -", "only once"),
    ] {
        check_impossible(&fetch(args), what);
    }
}

#[test]
fn a_run_that_cannot_start_leaves_an_older_output_as_it_was() {
    let dir = Dir::new("older");
    let older = dir.file("rows", b"older");
    for args in ["-i /nonexistent/list", "-c 0 http://a.test/", "--select x=[[ http://a.test/"] {
        let ran = fetch(&format!("-o {} {args}", older.display()));
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert_eq!(std::fs::read(&older).unwrap(), b"older", "{args}");
    }
}

#[test]
fn lists_come_from_a_pipe_plain_or_compressed() {
    let server = Server::answering(ok("page"));
    let text: String = (0..500).map(|n| server.url(&format!("/{n}\n"))).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
    for input in [text.as_bytes(), &gzip, &zstd] {
        let ran = fetch_from(input, "-i -");
        let mut ordinals: Vec<_> = ran.rows().iter().map(|row| number(row, "/n")).collect();
        ordinals.sort_unstable();
        assert_eq!((ran.code, ordinals), (Some(0), (0..500).collect()), "{}", ran.stderr);
    }
}

#[test]
fn several_lists_and_urls_are_one_input() {
    let server = Server::answering(ok("page"));
    let dir = Dir::new("several");
    let one = dir.file("one", format!("{}\n", server.url("/1")).as_bytes());
    let rows = dir.path().join("rows");
    let args = ["-i", one.to_str().unwrap(), "-i", "-", "-o", rows.to_str().unwrap()];
    let args = format!("{} {}", args.join(" "), server.url("/0"));
    let ran = fetch_from(server.url("/2").as_bytes(), &args);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
    let text = std::fs::read_to_string(rows).unwrap();
    let mut found: Vec<_> = text
        .lines()
        .map(|line| (number(&parsed(line), "/n"), parsed(line)["url"].as_str().unwrap().into()))
        .collect();
    found.sort();
    assert_eq!(found, [0, 1, 2].map(|n| (n, server.url(&format!("/{n}")))));
}

#[test]
fn a_list_that_breaks_off_gives_its_rows_and_exits_2() {
    let server = Server::answering(ok("page"));
    let text: String = (0..5000).map(|n| server.url(&format!("/{n}/{}\n", n * n))).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let mut gzip = gzip.finish().unwrap();
    gzip.truncate(gzip.len() / 2);
    let dir = Dir::new("cut");
    let summary = dir.path().join("summary");
    let ran = fetch_from(&gzip, &format!("-q -i - --summary-json {}", summary.display()));
    let rows = ran.rows();
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(rows.len() > 100 && rows.len() < 5000, "{}", rows.len());
    assert!(rows.iter().all(|row| row["status"] == 200));
    assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains("hint:"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("standard input").count(), 1, "{}", ran.stderr);
    let summary = summary_in(&summary);
    check_totals(&summary);
    assert_eq!(number(&summary, "/rows"), rows.len() as u64);
}

#[test]
fn the_summary_is_one_object_whose_totals_add_up() {
    let server = Server::start(|request| match request.target.as_str() {
        "/close" => vec![Act::Close],
        _ => vec![Act::Send(ok("page"))],
    });
    let dir = Dir::new("summary");
    let file = dir.path().join("summary");
    let urls = [server.url("/a"), server.url("/b"), server.url("/close"), "nonsense".into()];
    for engine in engines() {
        let args = format!("--engine {engine} --retries 1 {}", urls.join(" "));
        let ran = fetch(&format!("--summary-json {} {args}", file.display()));
        assert_eq!((ran.code, ran.rows().len()), (Some(1), 4), "{ran:?}");
        let mut of_stdout = fetch(&format!("--summary-json - {args}")).rows();
        assert_eq!(of_stdout.len(), 5, "the summary is the line behind the rows");
        for summary in [of_stdout.remove(4), summary_in(&file)] {
            check_totals(&summary);
            assert_eq!(summary["engine"], engine.word());
            assert_eq!(summary["interrupted"], false);
            let numbers = ["/rows", "/ok", "/failed", "/retries", "/input/lines", "/input/refused"];
            assert_eq!(numbers.map(|path| number(&summary, path)), [4, 2, 2, 1, 4, 1]);
            assert_eq!(number(&summary, "/failures/head.closed"), 1);
            assert_eq!(number(&summary, "/status/200"), 2);
        }
    }
}

#[test]
fn a_pipe_that_closes_early_ends_the_run_quietly_with_0() {
    use std::io::{BufRead, BufReader};
    let server = Server::answering(ok("page"));
    for engine in engines() {
        let mut running = crate::binary::Running::start(ringfetch([
            "fetch",
            "-i",
            "-",
            "--engine",
            engine.word(),
        ]));
        // An endless list: only the closed pipe can end this run.
        let (mut stdin, url) = (running.stdin(), server.url("/\n").repeat(100));
        let writing = std::thread::spawn(move || while stdin.write_all(url.as_bytes()).is_ok() {});
        let mut stdout = BufReader::new(running.stdout());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        parsed(&line);
        drop(stdout);
        let ran = running.end();
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{engine}");
        writing.join().unwrap();
    }
}

#[test]
fn a_resumed_output_has_each_row_once_and_keeps_those_it_had() {
    let server = Server::answering(ok("page"));
    let dir = Dir::new("resume");
    let text: String = (0..100).map(|n| server.url(&format!("/{n}\n"))).collect();
    let list = dir.file("list", text.as_bytes());
    let output = dir.path().join("rows");
    let args = format!("-o {} -i {}", output.display(), list.display());
    assert_eq!(fetch(&args).code, Some(0));
    // Cut within a row, as a run that was killed leaves it.
    let mut before = std::fs::read_to_string(&output).unwrap();
    before.truncate(before.len() / 2);
    before.truncate(before.rfind('\n').unwrap() + 10);
    std::fs::write(&output, &before).unwrap();
    let kept = &before[..=before.rfind('\n').unwrap()];
    let ran = fetch(&format!("{args} --resume"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let after = std::fs::read_to_string(&output).unwrap();
    assert!(after.starts_with(kept), "whole rows stay as they are");
    let mut ordinals: Vec<_> = after.lines().map(|line| number(&parsed(line), "/n")).collect();
    ordinals.sort_unstable();
    assert_eq!(ordinals, (0..100).collect::<Vec<_>>());
    assert_eq!(server.requests().len(), 200 - kept.lines().count());
    let foreign = dir.file("foreign", b"not a row\n");
    let ran = fetch(&format!("-o {} -i {} --resume", foreign.display(), list.display()));
    check_impossible(&ran, "not the rows of one fetch");
    assert_eq!(std::fs::read(&foreign).unwrap(), b"not a row\n");
}

#[test]
fn an_output_without_room_exits_2() {
    let ran = fetch("-o /dev/full nonsense");
    assert_eq!(ran.code, Some(2));
    assert_eq!(ran.stderr.matches("No space left").count(), 1, "{}", ran.stderr);
}

#[test]
fn the_options_of_the_request_reach_the_server() {
    let server = Server::answering(ok("page"));
    let mut command = ringfetch(["fetch", "-H", "X-One: 1", "-H", "Accept: x/y", "-A", "me/1"]);
    command.args([server.url("/path?query#fragment")]);
    assert_eq!(run_with(b"", command).code, Some(0));
    let request = server.requests().remove(0);
    assert_eq!(request.target, "/path?query");
    assert_eq!(request.host, server.addr().to_string());
    for field in ["X-One: 1", "Accept: x/y", "User-Agent: me/1"] {
        let count = request.head.lines().filter(|line| line.eq_ignore_ascii_case(field)).count();
        assert_eq!(count, 1, "{field}: {}", request.head);
    }
}

#[test]
fn help_is_one_screen_and_the_long_help_is_longer() {
    for args in [&["-h"][..], &["fetch", "-h"]] {
        let ran = run_with(b"", ringfetch(args));
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        assert!(ran.stdout.lines().count() <= 50, "{}", ran.stdout);
        assert!(ran.stdout.lines().all(|line| line.chars().count() <= 100), "{}", ran.stdout);
    }
    let (short, long) = ("-h", "--help");
    let lines = |flag| run_with(b"", ringfetch(["fetch", flag])).stdout.lines().count();
    assert!(lines(long) > lines(short));
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = run_with(b"", ringfetch(["completions", shell]));
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{shell}");
        assert!(ran.stdout.contains("ringfetch") && ran.stdout.contains("max-body"), "{shell}");
    }
}
