//! What the kernel refuses: descriptors, and io_uring itself.
//!
//! Invariant: what runs short slows a run down, and fails no line of it.

use std::process::Command;

use ringfetch::runtime::cores;
use ringfetch::runtime::launch::Engine;
use serde_json::Value;

use crate::binary::{Ran, run_with, summary_in};
use crate::engines::engines;
use crate::places::Dir;
use crate::server::{Act, Server, ok};

/// Runs `ringfetch fetch` on one CPU under a hard limit of `limit` descriptors, of which `held` are
/// taken by whoever starts it; `input` are its lines, `args` its arguments.
///
/// Each core takes two or three descriptors for itself: on a machine of many, they alone would be
/// more than these limits.
fn fetch_under(limit: usize, held: usize, input: &str, args: &[&str]) -> (Ran, Value) {
    let dir = Dir::new(&format!("limit-{limit}-{held}-{}", args.join("")));
    let file = dir.path().join("summary");
    let holding: String =
        (10..10 + held).map(|descriptor| format!("exec {descriptor}</dev/null; ")).collect();
    // bash, since sh takes descriptors of one digit alone.
    let script = format!("set -e; ulimit -n {limit}; {holding}exec \"$@\"");
    let mut command = Command::new("bash");
    command.args(["-c", &script, "bash", env!("CARGO_BIN_EXE_ringfetch"), "fetch", "-i", "-"]);
    command.args(args).args(["--cores", &cores::available()[0].to_string()]);
    command.arg("--summary-json").arg(&file);
    let ran = run_with(input.as_bytes(), command);
    assert!(file.exists(), "{ran:?}");
    let summary = summary_in(&file);
    (ran, summary)
}

/// `lines` lines, each for one of `hosts` hosts.
fn lines(lines: usize, hosts: usize) -> String {
    (0..lines).map(|n| format!("http://host{}.test/{n}\n", n % hosts)).collect()
}

#[test]
fn connections_are_lowered_to_what_the_limit_allows_with_a_warning() {
    let server = Server::start(|_| vec![Act::Linger, Act::Send(ok("page"))]);
    let rule = server.resolve_every_host();
    // 32 descriptors are kept for files, and 8 for each core.
    for engine in engines() {
        let args = ["-c", "500", "--per-host", "0", "--resolve", &rule, "--engine", engine.word()];
        let (ran, summary) = fetch_under(80, 0, &lines(500, 1), &args);
        assert_eq!((ran.code, ran.rows().len()), (Some(0), 500), "{}", ran.stderr);
        assert!(ran.stderr.contains("warning: connections lowered from 500 to 40"), "{ran:?}");
        assert!(ran.stderr.contains("hint: ulimit -Hn"), "{}", ran.stderr);
        assert_eq!(summary["connections"]["exhausted_pauses"], 0, "{summary}");
        assert!(server.in_flight_max() <= 40, "{}", server.in_flight_max());
    }
}

#[test]
fn idle_connections_make_room_for_others_within_the_limit() {
    // Each host has one idle connection after its first line. All of them together are more than
    // the limit allows, and none may be open beside a full number of busy ones.
    let server = Server::start(|_| vec![Act::Linger, Act::Send(ok("page"))]);
    let rule = server.resolve_every_host();
    for engine in engines() {
        let args = ["-c", "100", "--resolve", &rule, "--engine", engine.word()];
        let (ran, summary) = fetch_under(164, 0, &lines(3000, 300), &args);
        assert_eq!((ran.code, ran.rows().len()), (Some(0), 3000), "{}", ran.stderr);
        // A ring closes descriptors with the next batch of operations, so that many lanes that
        // change hosts in one batch may be short for a moment.
        if engine != Engine::Uring {
            assert_eq!(summary["connections"]["exhausted_pauses"], 0, "{engine}: {summary}");
        }
    }
}

#[test]
fn no_descriptor_left_means_waiting_and_no_failure() {
    let server = Server::start(|_| vec![Act::Linger, Act::Send(ok("page"))]);
    let rule = server.resolve_every_host();
    for engine in engines() {
        let args = ["-c", "36", "--per-host", "0", "--resolve", &rule, "--engine", engine.word()];
        let (ran, summary) = fetch_under(100, 78, &lines(200, 40), &args);
        assert_eq!((ran.code, ran.rows().len()), (Some(0), 200), "{}", ran.stderr);
        let rows = ran.rows();
        assert!(rows.iter().all(|row| row["status"] == 200 && row["attempts"] == 1));
        assert_eq!(summary["engine"], engine.word());
        let pauses = summary["connections"]["exhausted_pauses"].as_u64().unwrap();
        assert!(pauses > 0, "{engine}: it was short of descriptors: {summary}");
    }
}

#[test]
fn no_descriptor_left_for_a_lookup_does_not_mean_that_there_is_no_such_name() {
    // Long enough for the name to be looked up while all descriptors are taken.
    let server = Server::start(|_| [vec![Act::Linger; 50], vec![Act::Send(ok("page"))]].concat());
    let named = server.url("/").replace("127.0.0.1", "localhost") + "\n";
    let input = (server.url("/") + "\n").repeat(20) + &named.repeat(20);
    for engine in engines() {
        let args = ["-c", "36", "--per-host", "0", "--engine", engine.word()];
        let (ran, summary) = fetch_under(100, 78, &input, &args);
        assert_eq!((ran.code, ran.rows().len()), (Some(0), 40), "{engine}: {}", ran.stderr);
        assert_eq!(summary["engine"], engine.word());
        let pauses = summary["connections"]["exhausted_pauses"].as_u64().unwrap();
        assert!(pauses > 0, "{engine}: it was short of descriptors: {summary}");
    }
}

/// Whether `name` can be run here. On CI it must be: nothing is left out there.
fn can_run(name: &str) -> bool {
    let is_there = Command::new(name).arg("-V").output().is_ok_and(|out| out.status.success());
    assert!(is_there || std::env::var_os("CI").is_none(), "CI has {name}");
    is_there
}

#[test]
#[expect(clippy::print_stdout, reason = "what is left out is said")]
fn where_io_uring_is_refused_epoll_serves_and_a_warning_says_why() {
    if !can_run("strace") {
        println!("left out: strace, which refuses io_uring for this test, is not installed");
        return;
    }
    let server = Server::answering(ok("page"));
    let dir = Dir::new("refused");
    let file = dir.path().join("summary");
    for (errno, text) in [("EPERM", "Operation not permitted"), ("ENOSYS", "not implemented")] {
        let inject = format!("--inject=io_uring_setup:error={errno}");
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "--trace=io_uring_setup", &inject]);
        command.args([
            env!("CARGO_BIN_EXE_ringfetch"),
            "fetch",
            &server.url("/"),
            "--summary-json",
        ]);
        command.arg(&file);
        let ran = run_with(b"", command);
        assert_eq!((ran.code, ran.rows().len()), (Some(0), 1), "{ran:?}");
        assert!(ran.stderr.contains("warning: the kernel refuses io_uring"), "{}", ran.stderr);
        assert!(ran.stderr.contains(text) && ran.stderr.contains("hint:"), "{}", ran.stderr);
        assert_eq!(summary_in(&file)["engine"], "epoll");
    }
}
