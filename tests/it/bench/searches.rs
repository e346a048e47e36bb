//! `bench --find-max`: every rate that is tried is reported, and the connections stay open.
//!
//! No rate is asserted: which of them hold depends on the machine.
//!
//! Invariant: the found rate is that of a step that held, and no step that held was higher.

use serde_json::Value;

use crate::benches::{bench, benched, number};
use crate::engines::engines;
use crate::served::Served;
use crate::server::{Act, Server};

/// Checks that the path of `search` is one of steps that say whether they held, and why.
fn check_path(search: &Value, objectives: &str) {
    let path = search["path"].as_array().unwrap();
    assert!(!path.is_empty() && path.len() <= 40, "{search}");
    assert_eq!(search["objectives"], objectives);
    let mut held = Vec::new();
    for step in path {
        let wanted = step["wanted_per_s"].as_f64().unwrap();
        assert!(wanted > 0.0, "{step}");
        let checked = step["checked"].as_array().unwrap();
        assert_eq!(checked.len(), objectives.split(',').count(), "{step}");
        let terms: Vec<_> = checked.iter().map(|term| term["term"].as_str().unwrap()).collect();
        assert_eq!(terms.join(","), objectives, "{step}");
        let all_hold = checked.iter().all(|term| term["holds"] == true);
        let is_valid = step["verdict"] == "valid";
        assert_eq!(step["holds"], all_hold && is_valid, "{step}");
        if step["holds"] == true {
            held.push(wanted);
        }
    }
    let best = held.into_iter().reduce(f64::max);
    assert_eq!(search["found_per_s"].as_f64(), best, "{search}");
    let limits = ["objectives", "target", "generator", "steps", "interrupt"].map(Value::from);
    assert!(limits.contains(&search["limited_by"]), "{search}");
}

#[test]
fn a_search_tries_rates_on_connections_that_stay() {
    for engine in engines() {
        let server = Served::start();
        let url = server.url("/bytes/10");
        let search = "--find-max errors<50% -d 200ms --warmup 50ms -R 50";
        let benched = benched(&format!("--engine {engine} -c 4 {search} {url}"));
        let report = &benched.report;
        check_path(&report["search"], "errors<50%");
        let found = report["search"]["found_per_s"].as_f64();
        assert_eq!(benched.code, Some(i32::from(found.is_none())), "{report}");
        assert!(found.is_some_and(|per_s| per_s > 0.0), "{report}");
        // The report is that of the trial that counts.
        let off_by = report["wanted_per_s"].as_f64().unwrap() - found.unwrap();
        assert!(report["mode"] == "open" && off_by.abs() < 1e-6, "{report}");
        assert_eq!(number(report, "/connections_detail/opened"), 4);
        // No connection was opened for a trial, but in place of those that were closed since a
        // request outlived its trial.
        let connections = number(&server.end(), "/connections");
        assert!(connections <= 8, "{connections}: {report}");
    }
}

#[test]
fn a_search_that_finds_nothing_says_so_and_exits_1() {
    let server = Server::start(|_| vec![Act::Close]);
    let args = "-c 2 -d 50ms --warmup 10ms -R 100 --find-max errors<50%,p50<1h";
    let benched = benched(&format!("{args} {}", server.url("/")));
    check_path(&benched.report["search"], "errors<50%,p50<1h");
    assert_eq!((&benched.report["search"]["found_per_s"], benched.code), (&Value::Null, Some(1)));
    let text = bench(&format!("{args} {}", server.url("/"))).stdout;
    assert!(text.contains("search       the highest rate at which errors<50%,p50<1h\n"), "{text}");
    assert!(text.contains("found        no rate held, limited by the "), "{text}");
}

#[test]
fn csv_has_a_row_for_each_trial() {
    let server = Served::start();
    let url = server.url("/bytes/10");
    let args = "-o csv -c 2 -d 50ms --warmup 10ms -R 100 --find-max errors<50%";
    let dir = crate::places::Dir::new("bench-search");
    let file = dir.path().join("summary");
    let ran = bench(&format!("{args} --summary-json {} {url}", file.display()));
    let steps = crate::binary::summary_in(&file)["search"]["path"].as_array().unwrap().len();
    assert_eq!(ran.stdout.lines().count(), 1 + steps, "{ran:?}");
    let columns = ran.stdout.lines().next().unwrap().split(',').count();
    for row in ran.stdout.lines() {
        let commas = row.split('"').step_by(2).map(|piece| piece.matches(',').count());
        assert_eq!(commas.sum::<usize>(), columns - 1, "{row}");
    }
}
