//! How comparisons end early: bad arguments, signals, a parent that is gone.
//!
//! Invariant: whatever ends a comparison, none of its processes is left.

use std::fs;

use crate::binary::{Running, ringfetch, run_with};

#[test]
fn what_cannot_be_compared_is_refused_with_a_way_out() {
    for (args, why) in [
        ("--rounds 0", "hint: --rounds 10"),
        ("--slice 1ms", "hint: --slice 1s"),
        ("--engines kqueue", "uring, epoll or tokio"),
        ("-c 0", "hint: -c 64"),
        ("--cores 99999", "this process may not use CPU 99999"),
        ("--matrix http://127.0.0.1:1/", "--matrix without URL"),
        ("--matrix -R 100", "--matrix without --rate"),
        ("--matrix-bodies 64", "--matrix"),
        ("--workload fetch -i -", "standard input can be read only once, hint: -i FILE"),
        ("-i -", "standard input can be read only once, hint: -i FILE"),
        ("-i /dev/stdin", "/dev/stdin can be read only once, hint: -i FILE"),
        ("-i /nowhere/list", "cannot open the input: /nowhere/list"),
        ("--origin-cores 0 http://127.0.0.1:1/", "no --origin-cores"),
        ("--against /nowhere", "a file that --save wrote"),
        ("--against Cargo.toml", "no run that was kept"),
        ("--save /nowhere/run.json", "hint: --save FILE"),
        ("-p 4 --no-keepalive", "a pipeline needs connections that go on"),
    ] {
        let ran = run_with(b"", ringfetch(["compare"].into_iter().chain(args.split(' '))));
        assert_eq!(ran.code, Some(2), "{args}: {ran:?}");
        assert!(ran.stderr.contains(why), "{args}: {ran:?}");
        assert!(ran.stdout.is_empty(), "{args}: {ran:?}");
    }
}

#[test]
fn a_server_that_is_not_there_is_told_and_is_no_success() {
    let args = "compare --rounds 6 --slice 50ms -c 2 --engines epoll http://127.0.0.1:1/";
    let ran = run_with(b"", ringfetch(args.split(' ')));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for part in ["nothing was answered", "2 connect.refused"] {
        assert!(ran.stdout.replace("\n             ", " ").contains(part), "{part}: {ran:?}");
    }
}

/// The processes that process `pid` has started.
fn children(pid: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let listed = listed.unwrap_or_default();
    listed.split_whitespace().map(|child| child.parse().unwrap()).collect()
}

/// The state of process `pid`, as proc(5) has it; none where it is gone.
fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// Whether process `pid` is there, and no zombie that waits to be collected.
fn is_alive(pid: u32) -> bool {
    !matches!(state(pid), None | Some('Z' | 'X'))
}

/// Starts a comparison that takes minutes, and waits until all of its processes are there: an
/// server, an engine and its twin.
fn long_one() -> (Running, Vec<u32>) {
    let args = "compare --rounds 1000 --slice 200ms -c 2 --engines epoll";
    let mut running = Running::start(ringfetch(args.split(' ')));
    loop {
        assert!(!running.has_ended(), "it ended by itself");
        let started = children(running.id());
        if started.len() == 3 && running.catches_interrupts() {
            return (running, started);
        }
        std::thread::yield_now();
    }
}

#[test]
fn contestants_rest_while_it_is_not_their_turn() {
    let (mut running, started) = long_one();
    // The server came first. Of the two others one works and one is stopped, in turns.
    let mut has_rested = [false; 2];
    while has_rested != [true; 2] {
        assert!(!running.has_ended(), "it ended by itself");
        for (pid, has_rested) in started[1..].iter().zip(&mut has_rested) {
            *has_rested |= state(*pid) == Some('T');
        }
    }
    assert_ne!(state(started[0]), Some('T'));
}

#[test]
fn an_interrupt_ends_a_comparison_and_all_of_its_processes() {
    let (running, started) = long_one();
    running.signal("INT");
    let ran = running.end();
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert!(started.iter().all(|pid| !is_alive(*pid)), "{started:?}");
}

#[test]
fn the_processes_of_a_comparison_that_is_killed_end_with_it() {
    let (running, started) = long_one();
    drop(running);
    while started.iter().any(|pid| is_alive(*pid)) {
        std::thread::yield_now();
    }
}

#[test]
fn a_contestant_that_hears_nonsense_says_so() {
    let ran = run_with(b"nonsense\n", ringfetch(["contestant"]));
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("hint: ringfetch compare"), "{ran:?}");
    let ran = run_with(b"", ringfetch(["contestant"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
}
