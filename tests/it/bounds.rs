//! docs/bounds.md beside the code: every value is that of its constant, and every failure that it
//! names exists.
//!
//! The constants are read in the source, since most of them are their module's own.

use std::path::Path;

use ringfetch::base::failure::{Kind, Stage};

/// Units of the values, in what the constants count: bytes, or seconds.
const UNITS: [(&str, f64); 11] = [
    ("B", 1.0),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("ms", 1e-3),
    ("s", 1.0),
    ("min", 60.0),
    ("h", 3600.0),
    ("d", 86_400.0),
    ("", 1.0),
];

/// What the name of a bound ends with.
const BOUND_ENDS: [&str; 6] = ["_MAX", "_MIN", "_DEFAULT", "_TTL", "_GRACE", "_PAUSE"];

/// Bounds that no user meets: sizes of queues and blocks, thresholds of verdicts, which a report
/// explains itself, and constants of tests. A bound is here or on the page.
const INTERNAL: &[(&str, &str)] = &[
    ("base/buf.rs", "FREE_BLOCKS_MAX"),
    ("base/buf.rs", "FREE_BLOCK_BYTES_MAX"),
    ("base/limits.rs", "BODY_READ_BYTES_MAX"),
    ("base/limits.rs", "IDLE_UNCHECKED_MAX"),
    ("base/route.rs", "KEPT_HOST_BYTES_MAX"),
    ("bench/block_size.rs", "ANSWER_BLOCK_BYTES_MAX"),
    ("bench/block_size.rs", "ANSWER_BLOCK_BYTES_MIN"),
    ("bench/ledger.rs", "ERROR_STATUS_MIN"),
    ("bench/opening.rs", "OPENING_MAX"),
    ("bench/options.rs", "SEED_DEFAULT"),
    ("bench/pacer.rs", "SPIN_MAX"),
    ("bench/series.rs", "SECONDS_WAITING_MAX"),
    ("bench/series.rs", "STEPS_OPEN_MAX"),
    ("bench/stability.rs", "BATCHES_MAX"),
    ("bench/stability.rs", "BATCH_REQUESTS_MIN"),
    ("bench/stability.rs", "ERRORS_MIN"),
    ("bench/stability.rs", "FIGURES_MIN"),
    ("bench/stability.rs", "P99_DRIFT_SHARE_MIN"),
    ("bench/stability.rs", "RATE_DRIFT_SHARE_MIN"),
    ("bench/trial.rs", "CLAIM_MAX"),
    ("bench/verdict.rs", "ARRIVALS_DEVIATIONS_MAX"),
    ("bench/verdict.rs", "PACING_P99_MAX"),
    ("bench/verdict.rs", "PACING_SAMPLES_MIN"),
    ("bench/verdict.rs", "RATE_SHARE_MIN"),
    ("bench/worker.rs", "RECONNECT_PAUSE"),
    ("client/pool.rs", "EXPIRED_PER_CALL_MAX"),
    ("client/pool.rs", "IDLE_MAX"),
    ("compare/clients/threads.rs", "CLOSING_MAX"),
    ("compare/clients/threads.rs", "IDLE_MAX"),
    ("compare/measurements.rs", "RATE_KEPT_MIN"),
    ("compare/options.rs", "BODY_BYTES_DEFAULT"),
    ("compare/ratio.rs", "NOISE_MIN"),
    ("compare/run.rs", "COUNTED_MAX"),
    ("fetch/output/jsonl.rs", "CHUNKS_QUEUED_MAX"),
    ("fetch/output/queue.rs", "ROWS_QUEUED_MAX"),
    ("fetch/reader.rs", "READER_PAUSE"),
    ("fetch/run.rs", "BATCHES_QUEUED_MAX"),
    ("fetch/shared.rs", "JOB_BATCHES_QUEUED_MAX"),
    ("fetch/shared.rs", "READER_HELD_MAX"),
    ("fetch/shared.rs", "UNFINISHED_PER_CORE_MAX"),
    ("fetch/shared.rs", "WAITING_JOBS_MAX"),
    ("fetch/worker.rs", "JOBS_PER_TURN_MAX"),
    ("http/http1/memo.rs", "HEAD_REMEMBERED_BYTES_MAX"),
    ("input/lines.rs", "READ_BYTES_MIN"),
    ("net/dns.rs", "LOOKUPS_QUEUED_MAX"),
    ("report/bench/plan.rs", "LIST_COLUMNS_MAX"),
    ("runtime/ring.rs", "COMPLETIONS_MAX"),
    ("runtime/ring.rs", "ENTRIES_MAX"),
    ("runtime/ring.rs", "ENTRIES_MIN"),
    ("stats/counts.rs", "STATUS_MAX"),
    ("stats/interval.rs", "EXACT_SAMPLES_BEYOND_MAX"),
    ("stats/latency.rs", "BYTES_MAX"),
    ("testserver/accept.rs", "STOP_SWEEPS_MAX"),
    ("testserver/page.rs", "HOST_BYTES_MAX"),
    ("testserver/route.rs", "CHUNK_BYTES_DEFAULT"),
    ("testserver/serve.rs", "LISTEN_DEFAULT"),
    ("testserver/stamps.rs", "LINE_BYTES_MAX"),
    ("testserver/worker.rs", "PATTERN_BLOCKS_MAX"),
];

/// One bound, as the page has it.
struct Row<'a> {
    value: &'a str,
    what_happens: &'a str,
    file: &'a str,
    constant: &'a str,
}

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of all tables in `page`.
fn rows(page: &str) -> Vec<Row<'_>> {
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = cells.filter(|cells| !cells.starts_with("---") && !cells.starts_with("Bound |"));
    rows.map(|cells| {
        let cells: Vec<&str> = cells.split(" | ").collect();
        let [_, value, what_happens, constant] = cells[..] else { panic!("four cells: {cells:?}") };
        let names = code(constant);
        let [file, constant] = names[..] else { panic!("a file and a constant: {constant}") };
        Row { value, what_happens, file, constant }
    })
    .collect()
}

/// What stands between backticks in `cell`.
fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The number that a person reads: `64 KiB`, `2,400`, `4.5 s`.
fn shown(value: &str) -> f64 {
    let (number, unit) = value.split_once(' ').unwrap_or((value, ""));
    let number: f64 = number.replace(',', "").parse().unwrap_or_else(|_| panic!("{value}"));
    let unit = UNITS.iter().find(|(name, _)| *name == unit);
    number * unit.unwrap_or_else(|| panic!("no such unit: {value}")).1
}

/// The value of `constant` in `file` under `src`, in bytes or seconds where it has a unit; none
/// where the file has no such constant.
fn defined(file: &str, constant: &str) -> Option<f64> {
    let source = text(&format!("src/{file}"));
    let (_, rest) = source.split_once(&format!("const {constant}: "))?;
    let (_, expression) = rest.split_once(';')?.0.split_once('=')?;
    let value = evaluated(file, expression.trim());
    Some(if constant.contains("_NS_") { value / 1e9 } else { value })
}

/// The value of `expression` in `file`, as far as constants of this crate have such.
fn evaluated(file: &str, expression: &str) -> f64 {
    for (function, unit_s) in [("secs", 1.0), ("millis", 1e-3), ("micros", 1e-6)] {
        let inner = expression.strip_prefix(&format!("Duration::from_{function}("));
        if let Some(inner) = inner.and_then(|inner| inner.strip_suffix(')')) {
            return evaluated(file, inner) * unit_s;
        }
    }
    if let Some((base, bits)) = expression.split_once(" << ") {
        return evaluated(file, base) * evaluated(file, bits).exp2();
    }
    if let Some((left, right)) = expression.split_once(" * ") {
        return evaluated(file, left) * evaluated(file, right);
    }
    let number = expression.replace('_', "").parse().ok();
    let named = || defined(file, expression).or_else(|| defined("base/limits.rs", expression));
    number.or_else(named).unwrap_or_else(|| panic!("src/{file}: {expression}"))
}

#[test]
fn every_bound_of_the_page_has_the_value_of_its_constant() {
    let page = text("docs/bounds.md");
    let rows = rows(&page);
    assert!(rows.len() > 50, "the tables were found: {}", rows.len());
    for Row { value, file, constant, .. } in rows {
        let Some(defined) = defined(file, constant) else {
            panic!("docs/bounds.md: src/{file} has no {constant}")
        };
        let shown = shown(value);
        let is_same = (shown - defined).abs() <= defined.abs() * 1e-9;
        assert!(is_same, "docs/bounds.md says {value}, {constant} in src/{file} is {defined}");
    }
}

#[test]
fn every_failure_of_the_page_is_one_that_rows_have() {
    let page = text("docs/bounds.md");
    let rows = rows(&page);
    let words = rows.iter().flat_map(|row| code(row.what_happens));
    let failures: Vec<_> = words.filter_map(|word| word.split_once('.')).collect();
    assert!(failures.len() > 20, "failures were found: {failures:?}");
    for (stage, kind) in failures {
        let is_stage = Stage::ALL.iter().any(|known| known.word() == stage);
        let is_kind = Kind::ALL.iter().any(|known| known.word() == kind);
        assert!(is_stage && is_kind, "docs/bounds.md: {stage}.{kind}");
    }
}

/// Every constant of a bound in the source, with its file under `src`.
fn bounds(folder: &Path, found: &mut Vec<(String, String)>) {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bounds(&path, found);
            continue;
        }
        let file = path.strip_prefix(&top).unwrap().to_str().unwrap().to_owned();
        for rest in std::fs::read_to_string(&path).unwrap().split("const ").skip(1) {
            let name = rest.split(':').next().unwrap_or_default();
            let is_name =
                name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
            if is_name && BOUND_ENDS.iter().any(|end| name.ends_with(end)) {
                found.push((file.clone(), name.to_owned()));
            }
        }
    }
}

#[test]
fn every_bound_of_the_code_is_on_the_page_or_known_to_be_internal() {
    let page = text("docs/bounds.md");
    let rows = rows(&page);
    let is_told =
        |file: &str, name: &str| rows.iter().any(|r| (r.file, r.constant) == (file, name));
    let mut found = Vec::new();
    bounds(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 100, "bounds were found: {}", found.len());
    for (file, name) in &found {
        let is_internal = INTERNAL.contains(&(file, name));
        assert!(is_internal != is_told(file, name), "{name} in src/{file}: page or INTERNAL?");
    }
    for (file, name) in INTERNAL {
        let is_there = found.iter().any(|(f, n)| (f.as_str(), n.as_str()) == (*file, *name));
        assert!(is_there, "src/{file} has no {name}");
    }
}
