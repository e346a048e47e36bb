//! Comparisons by the command line: every engine in turns, in both workloads, in every form.
//!
//! The numbers are not judged: they must be there and belong together. No test says which engine is
//! faster; that is for a quiet machine.

use ringfetch::testserver::{TestServer, TestServerSettings};
use serde_json::Value;

use crate::binary::{Ran, parsed, ringfetch, run_with, summary_in};
use crate::engines::engines;
use crate::places::Dir;

/// Runs `ringfetch compare` with `args`, which are separated by blanks.
fn compare(args: &str) -> Ran {
    run_with(b"", ringfetch(["compare"].into_iter().chain(args.split_whitespace())))
}

/// The report of a short comparison with `args`.
fn compared(args: &str) -> Value {
    let ran = compare(&format!("-o json --rounds 6 --slice 100ms -c 8 {args}"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    parsed(&ran.stdout)
}

/// The engines that can run here, as `--engines` takes them.
fn all_engines() -> String {
    engines().map(|engine| engine.word()).collect::<Vec<_>>().join(",")
}

/// Checks that every contestant of `report` did something, and that the contract's fields are
/// there.
fn check(report: &Value, labels: &[&str]) {
    assert_eq!(report["rounds"], 6, "{report}");
    assert_eq!(report["baseline"], labels[0], "{report}");
    let engines = report["engines"].as_object().unwrap();
    assert_eq!(engines.keys().collect::<Vec<_>>().len(), labels.len(), "{report}");
    for label in labels {
        let figures = &engines[*label];
        let median = |name: &str| figures[name]["median"].as_f64().unwrap_or(0.0);
        assert!(median("rate_per_s") > 0.0, "{label}: {report}");
        assert!(median("cpu_us_per_request") > 0.0, "{label}: {report}");
        assert!(figures["max_rss_bytes"].as_u64().unwrap() > 0, "{label}: {report}");
        assert_eq!(figures["errors"], 0, "{label}: {report}");
        if *label != labels[0] {
            for measure in ["rate", "cpu"] {
                let ratio = &figures["ratio_to_baseline"][measure];
                let at = |name: &str| ratio[name].as_f64().unwrap();
                assert!(0.0 < at("low") && at("low") <= at("median"), "{ratio}");
                assert!(at("median") <= at("high"), "{ratio}");
                assert!(ratio["n"].as_u64().unwrap() >= 6, "{ratio}");
            }
            match figures["verdict"].as_str() {
                Some(word) => {
                    assert!(["faster", "slower", "no difference shown"].contains(&word), "{word}");
                }
                // On a busy machine an engine may not keep up with an open loop.
                None => {
                    assert_ne!(report["verdict_by"], "cpu", "{label}: {report}");
                    let notes = report["notes"].to_string();
                    assert!(notes.contains("that were asked for"), "{label}: {report}");
                }
            }
        }
    }
    assert!(report["same_to_baseline"]["cpu"]["median"].is_f64(), "{report}");
}

#[test]
fn every_engine_takes_its_turns_at_a_load() {
    let engines = all_engines();
    let report = compared(&format!("--engines {engines}"));
    check(&report, &engines.split(',').collect::<Vec<_>>());
    assert_eq!(report["verdict_by"], "cpu");
    let notes = report["notes"].to_string();
    for part in ["contestants on CPU", "Linux ", "system calls were", "epoll driver"] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
}

#[test]
fn every_engine_takes_its_turns_at_a_list() {
    let engines = all_engines();
    let report = compared(&format!("--engines {engines} --workload fetch"));
    check(&report, &engines.split(',').collect::<Vec<_>>());
    assert!(report["workload"].as_str().unwrap().contains("words extracted"), "{report}");
    let report = compared("--engines epoll --workload fetch --extract none");
    check(&report, &["epoll"]);
    assert!(report["workload"].as_str().unwrap().contains("nothing extracted"), "{report}");
}

#[test]
fn loads_of_every_kind_can_be_compared() {
    for (args, workload) in [
        ("-R 500", "open loop at 500/s"),
        ("-p 4", "pipeline 4"),
        ("--no-keepalive", "one for each request"),
        ("--body-size 64Ki", "bodies of 64.0 KiB"),
    ] {
        let report = compared(&format!("--engines epoll,tokio {args}"));
        check(&report, &["epoll", "tokio"]);
        assert!(report["workload"].as_str().unwrap().contains(workload), "{args}: {report}");
        let by = if args.starts_with("-R") { "p50" } else { "cpu" };
        assert_eq!(report["verdict_by"], by, "{report}");
    }
}

#[test]
fn an_engine_that_is_named_twice_has_a_number() {
    let report = compared("--engines epoll,epoll");
    check(&report, &["epoll", "epoll#2"]);
}

#[test]
fn connections_stay_open_from_one_slice_to_the_next() {
    let server = TestServer::start(&TestServerSettings::local()).unwrap();
    let url = format!("http://{}/bytes/64", server.addr());
    let report = compared(&format!("--engines epoll,tokio {url}"));
    check(&report, &["epoll", "tokio"]);
    assert_eq!(report["engines"]["epoll"]["connections"], 8);
    assert!(report["notes"].to_string().contains("where the origin runs is not known"));
    // Two engines and the twin of the first.
    let served = server.stop().unwrap();
    assert_eq!(served.connections, 3 * 8, "{served:?}");
}

#[test]
fn a_person_reads_text_and_pastes_markdown() {
    let args = "--rounds 1 --slice 600ms -c 8 --engines epoll,tokio";
    for (format, starts) in [
        ("text", ["workload", "engine", "/ epoll", "epoll again", "a request", "note"]),
        ("markdown", ["**closed", "| engine", "| / epoll", "| epoll again", "| a request", "- "]),
    ] {
        let ran = compare(&format!("{args} -o {format}"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        for start in starts {
            let is_there = ran.stdout.lines().any(|line| line.starts_with(start));
            assert!(is_there, "{start}: {}", ran.stdout);
        }
        assert!(ran.stdout.contains("in turns of 50.0 ms"), "{}", ran.stdout);
    }
}

#[test]
fn a_sweep_names_who_wins_where() {
    let args = "--rounds 6 --slice 50ms --engines epoll,tokio --matrix \
                --matrix-connections 1,8 --matrix-bodies 4Ki";
    let ran = compare(&format!("{args} -o json"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let cells = parsed(&ran.stdout)["matrix"].as_array().unwrap().clone();
    let places: Vec<_> = cells
        .iter()
        .map(|cell| (cell["connections"].clone(), cell["body_bytes"].clone()))
        .collect();
    let expected = [(1, 4096), (8, 4096)].map(|(c, b)| (c.into(), b.into()));
    assert_eq!(places, expected);
    for cell in &cells {
        assert!(!cell["winners"].as_array().unwrap().is_empty(), "{cell}");
        check(&cell["comparison"], &["epoll", "tokio"]);
    }
    let ran = compare(args);
    assert!(ran.stdout.contains("connections") && ran.stdout.contains("4.00 KiB"), "{ran:?}");
}

#[test]
fn a_list_that_holds_other_lines_is_another_workload() {
    let dir = Dir::new("other-lines");
    let server = TestServer::start(&TestServerSettings::local()).unwrap();
    let (list, kept) = (dir.path().join("list.txt"), dir.path().join("kept.json"));
    let write = |path: &str| std::fs::write(&list, format!("http://{}{path}\n", server.addr()));
    let listed = |option: &str| {
        let args = "--rounds 6 --slice 60ms -c 2 --engines epoll";
        compare(&format!("{args} -i {} {option} {}", list.display(), kept.display()))
    };
    write("/bytes/64").unwrap();
    let saved = listed("--save");
    assert_eq!(saved.code, Some(0), "{saved:?}");
    let same = listed("--against");
    assert_eq!(same.code, Some(0), "{same:?}");
    write("/bytes/65").unwrap();
    let ran = listed("--against");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains(r#"option lists [{"bytes":"#), "{ran:?}");
}

#[test]
fn a_run_that_was_kept_is_what_a_later_one_is_compared_with() {
    let dir = Dir::new("against");
    let (kept, numbers) = (dir.path().join("kept.json"), dir.path().join("numbers.json"));
    let save = format!("--engines epoll,tokio --save {}", kept.display());
    check(&compared(&save), &["epoll", "tokio"]);
    let against = format!("--against {}", kept.display());
    let report =
        compared(&format!("--engines tokio,epoll {against} --summary-json {}", numbers.display()));
    let since = &report["since"]["engines"];
    for engine in ["epoll", "tokio"] {
        assert!(
            since[engine]["ratio_to_saved"]["cpu"]["median"].as_f64().unwrap() > 0.0,
            "{since}"
        );
    }
    assert_eq!(summary_in(&numbers)["since"], report["since"]);
    for (args, why) in [
        ("-c 9", "workload: "),
        ("-c 8 --timeout 9s", "option bench.timeout "),
        ("-c 8 -p 2", "pipeline 2"),
    ] {
        let ran = compare(&format!("--rounds 6 --slice 60ms {args} {against}"));
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains(why) && ran.stderr.contains("hint: "), "{ran:?}");
        assert!(ran.stdout.is_empty(), "{ran:?}");
    }
    // A run that is refused leaves the one that was kept.
    let args = format!("--rounds 0 --save {}", kept.display());
    assert_eq!(compare(&args).code, Some(2));
    assert!(std::fs::metadata(&kept).unwrap().len() > 1000);
}
