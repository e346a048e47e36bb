//! Rows as JSON Lines: one JSON object (RFC 8259) on each line, in UTF-8.
//!
//! Does not know the fields: their names and order are those of [`Row`].
//!
//! Invariant: a line holds no control character but the line feed at its end, whatever the row
//! holds.

use crate::fetch::output::row::Row;

/// Appends `row` to `out` as one line, ended by a line feed.
///
/// # Panics
///
/// Never: a row's keys are strings, and memory takes every byte.
pub(super) fn write_row(out: &mut Vec<u8>, row: &Row) {
    serde_json::to_writer(&mut *out, row).expect("a row is JSON and memory takes it");
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::page::{Page, Selected};
    use crate::fetch::output::row::{RowError, RowTimes};

    /// Checks that `row` becomes the line `expected`.
    fn check(row: &Row, expected: &str) {
        let mut out = b"before\n".to_vec();
        write_row(&mut out, row);
        assert_eq!(String::from_utf8(out).unwrap(), format!("before\n{expected}\n"));
    }

    fn full() -> Row {
        Row {
            n: 0,
            url: "http://a/x".into(),
            status: Some(200),
            error: None,
            attempts: 1,
            redirects: Vec::new(),
            http: Some("1.1"),
            ip: Some([127, 0, 0, 1].into()),
            content_type: Some("text/html".into()),
            wire_bytes: 1234,
            body_bytes: 5678,
            time_us: RowTimes {
                queue: 10,
                dns: 0,
                connect: 120,
                tls: 0,
                first_byte: 300,
                total: 410,
            },
            page: Some(Page {
                title: Some("..".into()),
                links: vec!["http://a/y".into()],
                words: 12,
                charset: "utf-8",
                select: Selected(vec![("NAME".into(), vec!["text".into()])]),
            }),
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_row_is_what_the_contract_says() {
        check(
            &full(),
            concat!(
                r#"{"n":0,"url":"http://a/x","status":200,"error":null,"attempts":1,"#,
                r#""redirects":[],"http":"1.1","ip":"127.0.0.1","content_type":"text/html","#,
                r#""wire_bytes":1234,"body_bytes":5678,"#,
                r#""time_us":{"queue":10,"dns":0,"connect":120,"tls":0,"first_byte":300,"#,
                r#""total":410},"page":{"title":"..","links":["http://a/y"],"words":12,"#,
                r#""charset":"utf-8","select":{"NAME":["text"]}}}"#,
            ),
        );
    }

    #[test]
    fn a_failed_row_has_every_field_too() {
        let row = Row {
            n: 7,
            url: "nonsense".into(),
            status: None,
            error: Some(RowError { stage: "url", kind: "invalid", detail: "no URL".into() }),
            attempts: 0,
            http: None,
            ip: None,
            content_type: None,
            wire_bytes: 0,
            body_bytes: 0,
            time_us: RowTimes::default(),
            page: None,
            ..full()
        };
        check(
            &row,
            concat!(
                r#"{"n":7,"url":"nonsense","status":null,"#,
                r#""error":{"stage":"url","kind":"invalid","detail":"no URL"},"#,
                r#""attempts":0,"redirects":[],"http":null,"ip":null,"content_type":null,"#,
                r#""wire_bytes":0,"body_bytes":0,"time_us":{"queue":0,"dns":0,"connect":0,"#,
                r#""tls":0,"first_byte":0,"total":0},"page":null}"#,
            ),
        );
    }

    #[test]
    fn notes_and_an_unnamed_page_are_told_apart() {
        let row = Row {
            page: Some(Page { charset: "utf-8", ..Page::default() }),
            notes: vec![RowError { stage: "extract", kind: "too_deep", detail: "513".into() }],
            ..full()
        };
        let mut out = Vec::new();
        write_row(&mut out, &row);
        let end = concat!(
            r#""page":{"title":null,"links":[],"words":0,"charset":"utf-8"},"#,
            r#""notes":[{"stage":"extract","kind":"too_deep","detail":"513"}]}"#,
            "\n"
        );
        assert!(String::from_utf8(out).unwrap().ends_with(end));
    }

    #[test]
    fn whatever_a_row_holds_it_stays_one_line() {
        let every_control: String =
            (0..0x20).map(char::from).chain(['\u{7f}', '"', '\\']).collect();
        let weird = format!("{every_control}\u{2028}\u{fffd}\u{10ffff}\u{feff}\u{202e}");
        let row = Row {
            url: weird.clone(),
            redirects: vec![weird.clone()],
            content_type: Some(weird.clone()),
            error: Some(RowError { stage: "head", kind: "invalid", detail: weird.clone() }),
            page: Some(Page {
                title: Some(weird.clone()),
                select: Selected(vec![(weird.clone(), vec![weird.clone()])]),
                ..Page::default()
            }),
            ..full()
        };
        let mut out = Vec::new();
        write_row(&mut out, &row);
        let (end, line) = out.split_last().unwrap();
        assert_eq!(*end, b'\n');
        assert!(line.iter().all(|byte| *byte >= 0x20));
        let value: serde_json::Value = serde_json::from_slice(line).unwrap();
        assert_eq!(value["url"], weird);
        assert_eq!(value["redirects"][0], weird);
        assert_eq!(value["content_type"], weird);
        assert_eq!(value["page"]["select"][&weird][0], weird);
    }

    #[test]
    fn the_largest_numbers_survive() {
        let row = Row { n: u64::MAX, wire_bytes: u64::MAX, attempts: u32::MAX, ..full() };
        let mut out = Vec::new();
        write_row(&mut out, &row);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["n"], u64::MAX);
        assert_eq!(value["wire_bytes"], u64::MAX);
    }
}
