//! A summary as one JSON object.
//!
//! Invariant: the object is one line, so that summaries of many runs make a JSON Lines file.

use serde::Serialize;

/// `summary` as one JSON object (RFC 8259) on one line, ended by a line feed.
///
/// # Panics
///
/// Where a key of a map in `summary` is no string, which none of a summary's is; a number that is
/// not finite becomes null.
#[must_use]
pub fn json(summary: &impl Serialize) -> String {
    let mut line = serde_json::to_string(summary).expect("a summary is JSON");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::cpu_time::CpuTime;
    use crate::base::failure::{Failure, Kind, Stage};
    use crate::fetch::job::Fetched;
    use crate::fetch::summary::{RunEnd, Summary, SummaryInput};
    use crate::fetch::tally::Tally;

    #[test]
    fn the_object_is_one_line_with_its_fields_in_order() {
        let mut reader = Tally::default();
        let no_url = Failure::new(Stage::Url, Kind::Invalid, "no URL");
        reader.record(&Fetched::refused(0, "nonsense", no_url));
        let line = json(&Summary::new(SummaryInput {
            engine: "epoll",
            cores: Vec::new(),
            reader,
            elapsed: Duration::from_millis(500),
            lines: 1,
            cpu_time: CpuTime::default(),
            max_rss_bytes: 4096,
            end: RunEnd::Complete,
            notes: vec!["two\nlines".into()],
        }));
        let times = concat!(
            r#"{"n":0,"mean":null,"min":null,"p50":null,"p90":null,"p99":null,"#,
            r#""p99.9":null,"max":null}"#,
        );
        let start = concat!(
            r#"{"engine":"epoll","interrupted":false,"elapsed_s":0.5,"#,
            r#""input":{"lines":1,"refused":1,"not_started":0},"rows":1,"ok":0,"failed":1,"#,
            r#""rows_per_s":2.0,"ok_per_s":0.0,"in_flight_mean":0.0,"#,
            r#""failures":{"url.invalid":1},"status":{},"#,
            r#""bytes":{"wire":0,"body":0,"discarded":0},"#,
            r#""connections":{"opened":0,"reused":0,"stale_retries":0,"exhausted_pauses":0},"#,
            r#""retries":0,"redirects":0,"latency_us":{"queue":"#,
        );
        let end = concat!(
            r#"},"cost":{"user_s":0.0,"system_s":0.0,"cpu_us_per_row":0.0,"max_rss_bytes":4096},"#,
            r#""cores":[],"notes":["two\nlines"]}"#,
            "\n"
        );
        assert!(line.starts_with(&format!("{start}{times}")), "{line}");
        assert!(line.ends_with(&format!("\"failed\":{times}{end}")), "{line}");
        assert_eq!(line.lines().count(), 1);
    }
}
