//! Short ways to run a fetch in this process and to read its rows.
//!
//! Knows nothing of servers.
//!
//! Invariant: a run that does not end makes its test fail, never hang for ever.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use ringfetch::Fetch;
use ringfetch::fetch::output::row::Row;
use ringfetch::fetch::summary::Summary;

use crate::engines::engines;

/// Runs `fetch` to its end: its rows by ordinal, and its numbers.
pub(crate) fn run(fetch: Fetch) -> (Vec<Row>, Summary) {
    let rows = Arc::new(Mutex::new(BTreeMap::new()));
    let kept = Arc::clone(&rows);
    let summary = fetch.for_each(move |row| {
        let before = kept.lock().expect("no callback panics").insert(row.n, row);
        assert!(before.is_none(), "two rows for one line: {before:?}");
    });
    let summary = summary.expect("the fetch runs");
    let rows = std::mem::take(&mut *rows.lock().expect("no callback panics"));
    (rows.into_values().collect(), summary)
}

/// Runs `fetch` to its end: its rows by ordinal.
pub(crate) fn rows_of(fetch: Fetch) -> Vec<Row> {
    run(fetch).0
}

/// Runs `fetch` of one line on every engine, and hands each engine's row to `check`.
pub(crate) fn on_every_engine(fetch: &Fetch, check: impl Fn(&Row)) {
    for engine in engines() {
        let (mut rows, summary) = run(fetch.clone().engine(engine));
        assert_eq!(summary.engine, engine.word());
        assert_eq!(rows.len(), 1, "{engine}");
        check(&rows.remove(0));
    }
}

/// `STAGE.KIND` of the row's error, if it has one.
pub(crate) fn error_of(row: &Row) -> Option<String> {
    row.error.as_ref().map(|error| format!("{}.{}", error.stage, error.kind))
}
