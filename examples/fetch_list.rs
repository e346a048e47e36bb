//! Fetches the URLs given as arguments and prints the title of each page.
//!
//! `cargo run --example fetch_list -- http://127.0.0.1:8080/ http://127.0.0.1:8080/about`

use std::io::Write;
use std::time::Duration;

use ringfetch::{Fetch, FetchError};

fn main() -> Result<(), FetchError> {
    let fetch = Fetch::new()
        .urls(std::env::args().skip(1))
        .connections(16)
        .per_host(4)
        .timeout(Duration::from_secs(10));
    let mut stdout = std::io::stdout().lock();
    let mut rows = fetch.rows()?;
    // Rows come as they are done; a loop that ends early ends the fetch.
    for row in rows.by_ref() {
        let title = row.page.and_then(|page| page.title);
        let line = match (title, row.error) {
            (Some(title), _) => title,
            (None, Some(error)) => format!("{}.{}: {}", error.stage, error.kind, error.detail),
            (None, None) => "no title".to_owned(),
        };
        writeln!(stdout, "{}\t{line}", row.url).map_err(FetchError::Output)?;
    }
    let summary = rows.finish()?;
    let (ok, rows) = (summary.ok, summary.rows);
    writeln!(stdout, "{ok} of {rows} answered").map_err(FetchError::Output)
}
