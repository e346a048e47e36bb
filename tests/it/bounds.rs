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
