//! Short ways to run `ringfetch bench` and to read its report.
//!
//! Knows nothing of servers.
//!
//! Invariant: every report that is read here has a ledger that closes, and histograms that hold as
//! many times as the ledger says.

use serde_json::Value;

use crate::binary::{Ran, parsed, ringfetch, run_with};

/// What a bench with `-o json` came to.
#[derive(Debug)]
pub(crate) struct Benched {
    /// Its exit code.
    pub(crate) code: Option<i32>,
    /// Its report.
    pub(crate) report: Value,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
}

impl Benched {
    /// The report that `ran` wrote, checked.
    pub(crate) fn of(ran: Ran) -> Self {
        assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
        let report = parsed(&ran.stdout);
        check_ledger(&report);
        Self { code: ran.code, report, stderr: ran.stderr }
    }

    /// The count at `path` of the report.
    pub(crate) fn count(&self, path: &str) -> u64 {
        number(&self.report, path)
    }

    /// The counts of the ledger: scheduled, skipped, completed, failed, in flight at the stop.
    pub(crate) fn ledger(&self) -> [u64; 5] {
        let count = |name: &str| self.count(&format!("/ledger/{name}"));
        let failed = sum(&self.report, "/ledger/failed");
        let [scheduled, skipped] = [count("scheduled"), count("skipped")];
        [scheduled, skipped, count("completed"), failed, count("in_flight_at_stop")]
    }

    /// The failures by `stage.kind`, as one text.
    pub(crate) fn failures(&self) -> String {
        self.report["ledger"]["failed"].to_string()
    }

    /// The word of the verdict.
    pub(crate) fn verdict(&self) -> &str {
        self.report["verdict"]["is"].as_str().expect("a verdict is a word")
    }
}

/// Runs `ringfetch bench` with `args`, which are separated by blanks.
pub(crate) fn bench(args: &str) -> Ran {
    bench_with(&args.split_whitespace().collect::<Vec<_>>())
}

/// Runs `ringfetch bench` with `args`.
pub(crate) fn bench_with(args: &[&str]) -> Ran {
    run_with(b"", ringfetch(["bench"].iter().chain(args)))
}

/// Runs `ringfetch bench -o json` with `args`, which are separated by blanks.
pub(crate) fn benched(args: &str) -> Benched {
    Benched::of(bench(&format!("-o json {args}")))
}

/// Runs `ringfetch bench -o json` with `args`.
pub(crate) fn benched_with(args: &[&str]) -> Benched {
    Benched::of(bench_with(&[&["-o", "json"], args].concat()))
}

/// The whole number at `path` of `report`.
pub(crate) fn number(report: &Value, path: &str) -> u64 {
    report.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path}: {report}"))
}

/// The sum of the counts in the object at `path` of `report`.
fn sum(report: &Value, path: &str) -> u64 {
    let counts = report.pointer(path).and_then(Value::as_object);
    let counts = counts.unwrap_or_else(|| panic!("{path}: {report}"));
    counts.values().map(|count| count.as_u64().expect("counts are whole numbers")).sum()
}

/// Checks that the counts of `report` agree with each other.
pub(crate) fn check_ledger(report: &Value) {
    let ledger = |name: &str| number(report, &format!("/ledger/{name}"));
    let failed = sum(report, "/ledger/failed");
    let [sent, completed] = [ledger("sent"), ledger("completed")];
    let unanswered = ledger("in_flight_at_stop");
    assert_eq!(ledger("scheduled"), sent + ledger("skipped"), "{report}");
    assert_eq!(sent, completed + failed + unanswered, "{report}");
    assert_eq!(sum(report, "/status"), completed, "{report}");
    let censored = unanswered + ledger("skipped");
    let times = |name: &str| number(report, &format!("/latency_us/{name}/n"));
    assert_eq!(times("service"), completed, "{report}");
    assert_eq!(times("response"), completed + censored, "{report}");
    let warmup = |name: &str| number(report, &format!("/warmup/{name}"));
    let ended = warmup("completed") + warmup("failed") + warmup("in_flight");
    assert_eq!(warmup("sent"), ended, "{report}");
    let points = report["series"].as_array().expect("a series is a list");
    let of_points: u64 = points.iter().map(|point| number(point, "/completed")).sum();
    assert_eq!(of_points, completed, "{report}");
}
