//! `ringfetch compare` with other clients among the engines.
//!
//! Invariant: every client that is named works in every round, or the report says why not.

use serde_json::Value;

use crate::binary::{Ran, parsed, ringfetch, run_with};
use crate::served::Served;

/// Runs `ringfetch compare` with `args`, its arguments separated by blanks: its report.
fn compared(args: &str) -> Value {
    let common = "--rounds 3 --slice 100ms -c 4 -o json";
    let args = ["compare"].into_iter().chain(common.split(' ')).chain(args.split_whitespace());
    let ran: Ran = run_with(b"", ringfetch(args));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    parsed(&ran.stdout)
}

/// Checks that everybody in `names` has worked in `report`, without an error.
fn check(report: &Value, names: &[&str]) {
    for name in names {
        let engine = &report["engines"][name];
        let rate = engine["rate_per_s"]["median"].as_f64();
        assert!(rate.is_some_and(|rate| rate > 0.0), "{name}: {report}");
        assert_eq!(engine["errors"], 0, "{name}: {report}");
        let cpu_us = engine["cpu_us_per_request"]["median"].as_f64();
        assert!(cpu_us.is_some_and(|cpu_us| cpu_us > 0.0), "{name}: {report}");
    }
    assert_eq!(report["rounds"], 3, "{report}");
}

const CLIENTS: &[&str] =
    &["hyper", "reqwest", "monoio-http", "uring+hyper", "epoll+hyper", "tokio+hyper"];

/// Those of `CLIENTS` that can run here, as a list for the command line.
fn clients() -> Vec<&'static str> {
    let has_rings = crate::engines::engines().any(|engine| engine.word() == "uring");
    let needs_ring = |name: &str| name.contains("uring") || name.contains("monoio");
    CLIENTS.iter().copied().filter(|name| has_rings || !needs_ring(name)).collect()
}

#[test]
fn every_other_client_takes_part_in_a_load() {
    let names = clients();
    check(&compared(&format!("--engines tokio,{}", names.join(","))), &names);
}

#[test]
fn every_other_client_takes_part_in_an_open_loop() {
    let names = clients();
    check(&compared(&format!("--rate 500 --engines {}", names.join(","))), &names);
}

#[test]
fn every_other_client_fetches_the_built_in_pages() {
    let names = clients();
    check(&compared(&format!("--workload fetch --engines {}", names.join(","))), &names);
}

#[test]
fn a_foreign_server_is_asked_as_well() {
    let server = Served::start();
    let names = clients();
    let args = format!("--no-keepalive --engines {} {}", names.join(","), server.url("/bytes/9"));
    check(&compared(&args), &names);
    let report = server.end();
    assert!(report["requests"].as_u64().is_some_and(|count| count > 0), "{report}");
}

#[test]
fn a_client_that_cannot_do_it_is_left_out_and_the_report_says_why() {
    let report = compared("--pipeline 4 --engines tokio,hyper");
    check(&report, &["tokio"]);
    assert!(report["engines"]["hyper"].is_null(), "{report}");
    let notes = report["notes"].to_string();
    assert!(notes.contains("hyper is left out: it cannot pipeline: 4"), "{notes}");
}
