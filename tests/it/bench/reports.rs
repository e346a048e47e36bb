//! The reports of a bench as scripts and people read them: JSON, text, CSV, the log of times.
//!
//! Numbers are not judged; they must be there, be of the right kind, and agree.
//!
//! Invariant: every field that scripts depend on is in every report, whatever happened in the run.

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;

use crate::benches::{Benched, bench, benched, check_ledger};
use crate::binary::{parsed, summary_in};
use crate::engines::engines;
use crate::places::Dir;
use crate::server::{Act, Server, ok};

/// The percentiles, and how many samples each needs to be known: ten beyond it.
const PERCENTILES: [(&str, u64); 7] = [
    ("p50", 20),
    ("p75", 40),
    ("p90", 100),
    ("p99", 1000),
    ("p99.9", 10_000),
    ("p99.99", 100_000),
    ("p99.999", 1_000_000),
];

/// The fields that scripts depend on, by their kind; `number?` may be null.
const CONTRACT: &[(&str, &str)] = &[
    ("/engine", "text"),
    ("/cores/0", "whole"),
    ("/connections", "whole"),
    ("/mode", "text"),
    ("/duration_s", "number"),
    ("/rate_per_s", "number?"),
    ("/bytes_read", "whole"),
    ("/ledger/scheduled", "whole"),
    ("/ledger/skipped", "whole"),
    ("/ledger/sent", "whole"),
    ("/ledger/completed", "whole"),
    ("/ledger/in_flight_at_stop", "whole"),
    ("/ledger/failed", "object"),
    ("/status", "object"),
    ("/cost/user_s", "number"),
    ("/cost/sys_s", "number"),
    ("/cost/cpu_us_per_request", "number?"),
    ("/cost/max_rss_bytes", "whole"),
    ("/cost/busy_per_core/0", "number?"),
    ("/verdict/is", "text"),
    ("/verdict/why", "text"),
    ("/verdict/hint", "text"),
];

/// Checks that `value` is of the kind `kind`.
fn check_kind(value: Option<&Value>, path: &str, kind: &str) {
    let value = value.unwrap_or_else(|| panic!("{path} is not there"));
    let is_so = match kind {
        "text" => value.is_string(),
        "whole" => value.is_u64(),
        "number" => value.is_number(),
        "number?" => value.is_number() || value.is_null(),
        _ => value.is_object(),
    };
    assert!(is_so, "{path} is no {kind}: {value}");
}

/// Checks every field of the contract, and the percentiles.
fn check_contract(report: &Value) {
    for (path, kind) in CONTRACT {
        check_kind(report.pointer(path), path, kind);
    }
    for name in ["response", "service", "send_lag", "connect", "first_byte"] {
        let percentiles = &report["latency_us"][name];
        check_kind(percentiles.get("n"), name, "whole");
        let n = percentiles["n"].as_u64().unwrap();
        for percentile in ["mean", "min", "max"] {
            assert_eq!(
                percentiles[percentile].is_number(),
                n > 0,
                "{name}: {percentile}: {percentiles}"
            );
        }
        let mut before = percentiles["min"].as_f64();
        for (percentile, samples) in PERCENTILES {
            let found =
                percentiles.get(percentile).unwrap_or_else(|| panic!("{name}: {percentile}"));
            assert_eq!(found.is_number(), n >= samples, "{name}: {percentile}: {percentiles}");
            // A histogram's buckets are a thousandth wide.
            let rises = found.is_null() || found.as_f64() >= before.map(|us| us * 0.998);
            assert!(rises, "{name}: {percentile}: {percentiles}");
            before = found.as_f64().or(before);
        }
    }
}

#[test]
fn every_field_of_the_contract_is_in_the_report_with_its_kind() {
    let good = Server::answering(ok("x"));
    let bad = Server::start(|_| vec![Act::Close]);
    let hanging = Server::start(|_| vec![Act::Hold]);
    for engine in engines() {
        for (args, server) in [
            ("-n 1", &good),
            ("-n 1200 -c 8", &good),
            ("-n 100 -R 5k", &good),
            ("-n 10 -c 2", &bad),
            ("-d 100ms -c 2", &hanging),
            ("-d 100ms -c 2 -R 100", &hanging),
        ] {
            let benched = benched(&format!("--engine {engine} {args} {}", server.url("/")));
            check_contract(&benched.report);
            let words = ["valid", "generator-bound", "target-missed", "unstable"];
            assert!(words.contains(&benched.verdict()), "{benched:?}");
            assert_eq!(benched.report["mode"] == "open", args.contains("-R"), "{args}");
            assert_eq!(benched.report["interrupted"], false);
        }
    }
}

// wrk2 told of 663 million requests a second: wrk2#138.
#[test]
fn a_rate_is_never_more_than_its_requests_and_its_connections_allow() {
    let server = Server::answering(ok("x"));
    for args in ["-n 1 -c 1", "-n 1 -c 64", "-n 2 -c 2", "-n 3 -c 1 -R 1M", "-n 50 -c 5 -p 4"] {
        for engine in engines() {
            let benched = benched(&format!("--engine {engine} {args} {}", server.url("/")));
            let report = &benched.report;
            let at = |path: &str| report.pointer(path).and_then(Value::as_f64).unwrap();
            let (rate, duration_s) = (at("/rate_per_s"), at("/duration_s"));
            let completed = at("/ledger/completed");
            assert!((rate * duration_s - completed).abs() < 1e-6 * completed, "{report}");
            // Little's law: as many in flight as there is room for, each for its service time.
            let room = at("/connections") * at("/pipeline");
            assert!(rate * at("/latency_us/service/mean") / 1e6 <= room * 1.01, "{args}: {report}");
        }
    }
}

#[test]
fn percentiles_that_the_samples_do_not_tell_are_null_and_a_dash() {
    let server = Server::answering(ok("x"));
    for (requests, known) in [(19, 0), (20, 1), (99, 2), (100, 3), (999, 3), (1000, 4)] {
        let args = format!("-n {requests} -c 4 {}", server.url("/"));
        let report = benched(&args).report;
        let response = &report["latency_us"]["response"];
        let found = PERCENTILES.map(|(name, _)| response[name].is_number());
        let expected = std::array::from_fn(|idx| idx < known);
        assert_eq!(found, expected, "{requests}: {response}");
        let text = bench(&args).stdout;
        for (idx, (name, _)) in PERCENTILES.into_iter().enumerate() {
            let label = format!("  {}% ", &name[1..]);
            let line = text.lines().find(|line| line.starts_with(&label));
            let line = line.unwrap_or_else(|| panic!("{label}: {text}"));
            let cell = line[label.len()..].split_whitespace().next();
            assert_eq!(cell == Some("-"), idx >= known, "{requests}: {line}");
        }
    }
}

#[test]
fn the_text_has_the_plan_the_rate_the_ledger_and_the_verdict() {
    let server = Server::answering(ok("x"));
    let url = server.url("/");
    for engine in engines() {
        let ran = bench(&format!("--engine {engine} -n 500 -c 8 {url}"));
        let text = &ran.stdout;
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
        assert!(text.starts_with("Running 500 requests"), "{text}");
        assert!(text.lines().next().unwrap().ends_with(&format!("@ {url}")), "{text}");
        for part in [
            &format!("  {engine}, core"),
            "8 connections",
            "closed loop",
            "  500 requests in ",
            "status       200: 500\n",
            "scheduled 500 = sent 500 + skipped 0\n",
            "sent 500 = completed 500 + failed 0 + in flight 0\n",
            "\nverdict      ",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec: ")).unwrap();
        let (_, decimals) = rate.split_once('.').unwrap();
        assert!(rate.parse::<f64>().unwrap() > 0.0 && decimals.len() == 2, "{rate}");
    }
}

#[test]
fn csv_is_a_header_and_a_row_of_as_many_fields() {
    let server = Server::answering(ok("x"));
    let ran = bench(&format!("-o csv -n 500 -c 8 {}", server.url("/")));
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!((ran.code, lines.len(), ran.stderr.as_str()), (Some(0), 2, ""), "{ran:?}");
    let names: Vec<_> = lines[0].split(',').collect();
    // Commas within quotes belong to their field.
    let fields: String = lines[1].split('"').step_by(2).collect();
    let fields: Vec<_> = fields.split(',').collect();
    assert_eq!(names.len(), fields.len(), "{ran:?}");
    let field = |name: &str| fields[names.iter().position(|found| *found == name).unwrap()];
    assert_eq!((field("engine"), field("mode"), field("completed")), ("uring", "closed", "500"));
    assert_eq!((field("response_n"), field("response_p99_us")), ("500", ""), "{ran:?}");
}

#[test]
fn the_summary_is_the_report_of_the_same_run() {
    let server = Server::answering(ok("x"));
    let dir = Dir::new("bench-summary");
    let file = dir.path().join("summary");
    let args = format!("-n 500 --summary-json {} {}", file.display(), server.url("/"));
    let ran = bench(&format!("-o json {args}"));
    assert_eq!((ran.code, &parsed(&ran.stdout)), (Some(0), &summary_in(&file)));
    let ran = bench(&format!("-o csv {args}"));
    let bytes = summary_in(&file)["cost"]["max_rss_bytes"].to_string();
    assert!(ran.stdout.contains(&format!(",{bytes},")), "{bytes}: {ran:?}");
    let ran = bench(&format!("-q -n 5 --summary-json - {}", server.url("/")));
    let last = parsed(ran.stdout.lines().last().unwrap());
    check_ledger(&last);
    assert!(ran.stdout.contains("\nRequests/sec: "), "{ran:?}");
}

#[test]
fn quiet_leaves_the_result_alone_and_a_rate_may_be_called_q() {
    let server = Server::answering(ok("x"));
    let url = server.url("/");
    let ran = bench(&format!("-q -n 500 {url}"));
    assert!(!ran.stdout.contains("Running") && ran.stdout.contains("Requests/sec: "), "{ran:?}");
    let open: Benched = benched(&format!("-n 50 -q 5k {url}"));
    let wanted = open.report["wanted_per_s"].as_f64().unwrap();
    // It is what the schedule holds, by the length of the window: two roundings.
    assert!(open.report["mode"] == "open" && (wanted - 5000.0).abs() < 1e-6, "{open:?}");
    let closed = benched(&format!("{url} -n 50 -q"));
    assert_eq!(closed.report["mode"], "closed");
    // -z and -m as other tools have them.
    assert_eq!(benched(&format!("-z 100ms -m HEAD {url}")).report["duration_s"], 0.1);
}

#[test]
fn assertions_decide_the_exit_code_and_are_told() {
    let server = Server::answering(ok("x"));
    let url = server.url("/");
    for (asserted, code, told) in [
        ("--assert failed<=0,completed>=200", 0, "completed>=200 held: completed was 200"),
        ("--assert errors<0.1%", 0, "errors<0.1% held: errors was 0.0000 %"),
        ("--assert completed>200", 1, "completed>200 missed: completed was 200"),
        ("--assert completed>=200 --assert rate<0.001", 1, "rate<0.001 missed: rate was "),
        // An objective on a figure that is not known does not hold.
        ("--assert p99<1h", 1, "p99<1h missed: p99 is not known: samples 200, needed 1000"),
        ("--assert service.max<1h", 0, "service.max<1h held: service.max was "),
    ] {
        let ran = bench(&format!("-n 200 -c 4 {asserted} {url}"));
        assert_eq!(ran.code, Some(code), "{asserted}: {ran:?}");
        let line = format!("assert       {told}");
        assert!(ran.stdout.contains(&line), "{asserted}: {}", ran.stdout);
    }
}

#[test]
fn help_is_one_screen_and_names_every_option_of_the_contract() {
    let short = bench("-h");
    assert_eq!((short.code, short.stderr.as_str()), (Some(0), ""), "{short:?}");
    assert!(short.stdout.lines().all(|line| line.chars().count() <= 100), "{}", short.stdout);
    for option in ["-c, --connections", "-R, --rate", "--find-max", "--hdr", "--no-keepalive"] {
        assert!(short.stdout.contains(option), "{option}: {}", short.stdout);
    }
    assert!(short.stdout.lines().count() <= 60, "{} lines", short.stdout.lines().count());
}

/// The bytes of base64 (RFC 4648 section 4), read by other code than wrote it.
fn decoded(text: &str) -> Vec<u8> {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let values = text.bytes().filter_map(|byte| digits.iter().position(|digit| *digit == byte));
    let bits = values.flat_map(|value| (0..6).rev().map(move |place| value >> place & 1));
    let bits: Vec<usize> = bits.collect();
    let byte = |bits: &[usize]| bits.iter().fold(0, |byte, bit| byte << 1 | bit);
    bits.chunks_exact(8).map(|bits| u8::try_from(byte(bits)).unwrap()).collect()
}

#[test]
fn the_log_of_times_holds_each_response_of_each_second() {
    let server = Server::start(|_| vec![Act::Linger, Act::Send(ok("x"))]);
    let dir = Dir::new("bench-hdr");
    for engine in engines() {
        for load in ["-c 4 -d 1200ms", "-c 4 -d 1200ms -R 200", "-c 4 -n 300 --warmup 50ms"] {
            let file = dir.path().join("log");
            let log = format!("--hdr {}", file.display());
            let args = format!("--engine {engine} {load} {log} {}", server.url("/"));
            let benched = benched(&args);
            let text = std::fs::read_to_string(&file).unwrap();
            let (mut count, mut max, mut seconds) = (0, 0, 0);
            for entry in IntervalLogIterator::new(text.as_bytes()) {
                let LogEntry::Interval(interval) = entry.unwrap() else { continue };
                let bytes = decoded(interval.encoded_histogram());
                let times: Histogram<u64> = Deserializer::new().deserialize(&mut &*bytes).unwrap();
                count += times.len();
                max = max.max(times.max());
                seconds += 1;
            }
            assert_eq!(count, benched.count("/ledger/completed"), "{load}: {benched:?}");
            assert_eq!(seconds, if load.contains("-d") { 2 } else { 1 }, "{load}: {text}");
            let service_max = benched.report["latency_us"]["service"]["max"].as_f64().unwrap();
            // To the thousandth that a bucket is wide; in an open loop responses are longer.
            assert!(max as f64 / 1e3 >= service_max * 0.998, "{load}: {max} {benched:?}");
        }
    }
}
