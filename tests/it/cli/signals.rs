//! Interrupts: what is in flight has a few seconds, what was done is told, the second one ends all.
//!
//! Invariant: every line on standard output is a whole row.

use std::io::{BufRead, BufReader, Read, Write};

use crate::binary::{Running, parsed, ringfetch, summary_in};
use crate::engines::engines;
use crate::places::Dir;
use crate::server::{Act, Server, ok};

/// A server that answers all but `/hang`.
fn hanging() -> Server {
    Server::start(|request| match request.target.as_str() {
        "/hang" => vec![Act::Hold],
        "/half" => vec![Act::Send(b"HTTP/1.1 200 OK\r\n\r\nhalf".to_vec()), Act::Hold],
        _ => vec![Act::Send(ok("page"))],
    })
}

#[test]
fn an_interrupt_ends_what_hangs_and_flushes_what_was_done() {
    let server = hanging();
    let dir = Dir::new("interrupt");
    // The grace is seconds long: the engines have it side by side.
    let runs = engines().map(|engine| {
        let file = dir.path().join(engine.word());
        let mut command =
            ringfetch(["fetch", "-i", "-", "--engine", engine.word(), "--summary-json"]);
        command.arg(&file);
        let mut running = Running::start(command);
        let mut stdin = running.stdin();
        for path in ["/1", "/hang", "/2", "/half", "/3"] {
            writeln!(stdin, "{}", server.url(path)).unwrap();
        }
        // The list stays open: a reader that waits for more must not hold up the end.
        (running, stdin, file)
    });
    let runs: Vec<_> = runs.collect();
    (0..5 * runs.len()).for_each(|_| drop(server.wait_for_request()));
    for (running, ..) in &runs {
        running.signal("INT");
    }
    for (running, stdin, file) in runs {
        let ran = running.end();
        drop(stdin);
        assert_eq!(ran.code, Some(130), "{ran:?}");
        let mut rows = ran.rows();
        rows.sort_by_key(|row| row["n"].as_u64());
        assert_eq!(rows.len(), 5, "{ran:?}");
        let word = |n: usize, key: &str| rows[n]["error"][key].as_str().map(str::to_owned);
        for n in [0, 2, 4] {
            assert_eq!((&rows[n]["status"], word(n, "kind")), (&200.into(), None));
        }
        assert_eq!((word(1, "stage"), word(1, "kind")), (Some("head".into()), interrupted()));
        assert_eq!((word(3, "stage"), word(3, "kind")), (Some("body".into()), interrupted()));
        assert_eq!((&rows[3]["status"], &rows[3]["body_bytes"]), (&200.into(), &4.into()));
        let summary = summary_in(&file);
        assert_eq!(summary["interrupted"], true);
        assert_eq!((&summary["rows"], &summary["ok"]), (&5.into(), &3.into()), "{summary}");
    }
}

fn interrupted() -> Option<String> {
    Some("interrupted".into())
}

#[test]
fn lines_that_were_not_begun_have_no_row_and_are_counted() {
    let server = hanging();
    let dir = Dir::new("not-begun");
    let list = dir.file("list", format!("{}\n", server.url("/hang")).repeat(1000).as_bytes());
    let runs = engines().map(|engine| {
        let file = dir.path().join(engine.word());
        let mut command = ringfetch(["fetch", "-q", "--engine", engine.word(), "--summary-json"]);
        command.arg(&file).arg("-i").arg(&list);
        (Running::start(command), file)
    });
    let runs: Vec<_> = runs.collect();
    // Eight of one host at a time.
    (0..8 * runs.len()).for_each(|_| drop(server.wait_for_request()));
    for (running, _) in &runs {
        running.signal("TERM");
    }
    for (running, file) in runs {
        let ran = running.end();
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(130), ""));
        assert_eq!(ran.rows().len(), 8, "{ran:?}");
        let summary = summary_in(&file);
        assert_eq!(summary["failures"]["head.interrupted"], 8, "{summary}");
        let lines = summary["input"]["lines"].as_u64().unwrap();
        assert_eq!(summary["input"]["not_started"], lines - 8, "{summary}");
    }
}

#[test]
fn a_second_interrupt_ends_the_process_at_once() {
    let server = hanging();
    for engine in engines() {
        let mut running =
            Running::start(ringfetch(["fetch", "-i", "-", "--engine", engine.word()]));
        let mut stdin = running.stdin();
        writeln!(stdin, "{}", server.url("/1")).unwrap();
        writeln!(stdin, "{}", server.url("/hang")).unwrap();
        let mut stdout = BufReader::new(running.stdout());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        parsed(&line);
        // Both requests have arrived, the first has its row: what is left hangs.
        (0..2).for_each(|_| drop(server.wait_for_request()));
        running.signal("INT");
        running.signal("INT");
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "{engine}: the row that hangs is not waited for");
        assert_eq!(running.end().code, Some(130), "{engine}");
        drop(stdin);
    }
}

#[test]
fn an_interrupt_while_the_input_is_silent_ends_the_run() {
    for engine in engines() {
        let mut running =
            Running::start(ringfetch(["fetch", "-i", "-", "--engine", engine.word()]));
        let mut stdin = running.stdin();
        writeln!(stdin, "nonsense").unwrap();
        let mut stdout = BufReader::new(running.stdout());
        let mut line = String::new();
        // The row comes although the list is not over.
        stdout.read_line(&mut line).unwrap();
        parsed(&line);
        running.signal("INT");
        assert_eq!(running.end().code, Some(130), "{engine}");
        drop(stdin);
    }
}
