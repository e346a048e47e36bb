//! One output row: what one input line gave, as users' scripts read it, and how it is made of a
//! document.
//!
//! Invariant: the names and the nesting of the fields are a contract; fields are added, never
//! renamed or taken away.

use std::net::IpAddr;

use serde::Serialize;

use crate::base::failure::{Failure, Stage};
use crate::extract::page::Page;
use crate::fetch::job::{Fetched, Times};
use crate::fetch::output::sink::Document;

/// What one input line gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The line's ordinal over the whole input, from 0; skipped lines are not counted.
    pub n: u64,
    /// The line as it was given.
    pub url: String,
    /// The status of the last response, or null where no response head was read.
    pub status: Option<u16>,
    /// Why the fetch failed, or null.
    pub error: Option<RowError>,
    /// Exchanges that were begun, retries and redirects included.
    pub attempts: u32,
    /// The URLs that redirects led to, in order; the last one was answered by `status`, but was not
    /// fetched where the error is `redirect.loop` or `redirect.too_many`.
    pub redirects: Vec<String>,
    /// The protocol of the last response: `1.1` or `1.0`.
    pub http: Option<&'static str>,
    /// The address that was connected to last.
    pub ip: Option<IpAddr>,
    /// The media type of the last response, as it was sent but for its parameters' white space.
    pub content_type: Option<String>,
    /// Bytes received for the last response: head, framing and body.
    pub wire_bytes: u64,
    /// Bytes of the last response's body with transfer codings removed.
    pub body_bytes: u64,
    /// Where the time went.
    pub time_us: RowTimes,
    /// What was extracted, or null for what is not HTML or XHTML.
    pub page: Option<Page>,
    /// What went wrong without failing the fetch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<RowError>,
}

/// A stage, a kind and words for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowError {
    /// How far the fetch had come: a word of [`Stage`](crate::base::failure::Stage).
    pub stage: &'static str,
    /// What went wrong: a word of [`Kind`](crate::base::failure::Kind).
    pub kind: &'static str,
    /// The details, for a person.
    pub detail: String,
}

/// Where one fetch's time went, in whole microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RowTimes {
    /// From the reading of the line to the start of the fetch.
    pub queue: u64,
    /// Looking the name up, all attempts together.
    pub dns: u64,
    /// Opening connections, all attempts together.
    pub connect: u64,
    /// TLS handshakes, all attempts together.
    pub tls: u64,
    /// From the hand-over of the last request to the first byte of its response.
    pub first_byte: u64,
    /// From the start of the fetch to its end, with all attempts and the pauses between them.
    pub total: u64,
}

impl From<Document> for Row {
    /// Times become whole microseconds, rounded down. The detail of a failed redirect names the URL
    /// that answered last, since the line does not say where the redirects ended.
    fn from(document: Document) -> Self {
        let Document { fetched, page, note } = document;
        let error = fetched.failure.map(|failure| error_of(failure, &fetched));
        let Fetched { n, line, response, attempts, redirects, ip, times, .. } = fetched;
        let mut row = Self {
            n,
            url: line.into(),
            status: None,
            error,
            attempts,
            redirects: redirects.into_iter().map(String::from).collect(),
            http: None,
            ip,
            content_type: None,
            wire_bytes: 0,
            body_bytes: 0,
            time_us: RowTimes::from(&times),
            page,
            notes: note.map(RowError::from).into_iter().collect(),
        };
        if let Some(response) = response {
            row.status = Some(response.status);
            row.http = Some(if response.minor_version == 0 { "1.0" } else { "1.1" });
            row.content_type = response.content_type.map(String::from);
            row.wire_bytes = response.wire_bytes;
            row.body_bytes = response.body_bytes;
        }
        row
    }
}

impl From<Failure> for RowError {
    fn from(failure: Failure) -> Self {
        Self { stage: failure.stage.word(), kind: failure.kind.word(), detail: failure.to_string() }
    }
}

impl From<&Times> for RowTimes {
    fn from(times: &Times) -> Self {
        let whole_us = |ns: u64| ns / 1000;
        Self {
            queue: whole_us(times.queue_ns),
            dns: whole_us(times.dns_ns),
            connect: whole_us(times.connect_ns),
            tls: whole_us(times.tls_ns),
            first_byte: whole_us(times.first_byte_ns),
            total: whole_us(times.total_ns),
        }
    }
}

fn error_of(failure: Failure, fetched: &Fetched) -> RowError {
    let mut error = RowError::from(failure);
    if failure.stage == Stage::Redirect {
        error.detail = format!("{}: {}", error.detail, fetched.final_url());
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::failure::{Cause, Kind};
    use crate::fetch::job::Response;

    fn fetched() -> Fetched {
        Fetched {
            n: 3,
            line: "HTTP://A/x y".into(),
            failure: None,
            response: Some(Response {
                status: 200,
                minor_version: 1,
                content_type: Some("text/html;charset=\u{fffd}".into()),
                wire_bytes: 1234,
                body_bytes: 1000,
                body: Some(vec![0; 1000]),
            }),
            attempts: 2,
            redirects: vec!["http://a/z".into()],
            ip: Some([127, 0, 0, 1].into()),
            times: Times {
                queue_ns: 10_999,
                dns_ns: 999,
                connect_ns: 120_000,
                tls_ns: 0,
                first_byte_ns: 300_001,
                total_ns: u64::MAX,
            },
        }
    }

    fn row_of(fetched: Fetched) -> Row {
        Row::from(Document { fetched, page: None, note: None })
    }

    fn detail_of(failure: Failure, redirects: &[&str]) -> String {
        let redirects = redirects.iter().map(|url| Box::from(*url)).collect();
        let fetched = Fetched { failure: Some(failure), redirects, ..fetched() };
        row_of(fetched).error.unwrap().detail
    }

    #[test]
    fn a_fetch_becomes_its_row() {
        let page = Page { words: 5, ..Page::default() };
        let document = Document { fetched: fetched(), page: Some(page.clone()), note: None };
        let row = Row::from(document);
        assert_eq!((row.n, row.url.as_str(), row.status), (3, "HTTP://A/x y", Some(200)));
        assert_eq!((row.attempts, &row.redirects[..]), (2, &["http://a/z".to_owned()][..]));
        assert_eq!((row.http, row.ip), (Some("1.1"), Some([127, 0, 0, 1].into())));
        assert_eq!(row.content_type.as_deref(), Some("text/html;charset=\u{fffd}"));
        assert_eq!((row.wire_bytes, row.body_bytes), (1234, 1000));
        assert_eq!((row.page, row.error), (Some(page), None));
    }

    #[test]
    fn times_are_whole_microseconds_rounded_down() {
        let expected = RowTimes {
            queue: 10,
            dns: 0,
            connect: 120,
            tls: 0,
            first_byte: 300,
            total: u64::MAX / 1000,
        };
        assert_eq!(row_of(fetched()).time_us, expected);
    }

    #[test]
    fn a_row_without_a_response_has_none_of_its_fields() {
        let failure = Failure { stage: Stage::Connect, kind: Kind::Refused, cause: Cause::Os(111) };
        let fetched = Fetched { response: None, failure: Some(failure), ..fetched() };
        let row = row_of(fetched);
        assert_eq!((row.status, row.http, row.content_type), (None, None, None));
        assert_eq!((row.wire_bytes, row.body_bytes), (0, 0));
        let error = row.error.unwrap();
        assert_eq!((error.stage, error.kind), ("connect", "refused"));
        assert!(error.detail.contains("refused"), "{}", error.detail);
    }

    #[test]
    fn a_body_that_failed_keeps_its_status_and_what_was_read() {
        let failure = Failure::new(Stage::Body, Kind::Closed, "cut short");
        let fetched = Fetched { failure: Some(failure), ..fetched() };
        let row = Row::from(Document { fetched, page: None, note: Some(failure) });
        assert_eq!((row.status, row.body_bytes), (Some(200), 1000));
        assert_eq!(row.notes, [row.error.unwrap()]);
    }

    #[test]
    fn a_failed_redirect_names_the_url_where_it_ended() {
        let round = Failure::new(Stage::Redirect, Kind::Loop, "redirect loop");
        assert_eq!(detail_of(round, &["http://a/b", "http://a/c"]), "redirect loop: http://a/c");
        assert_eq!(detail_of(round, &[]), "redirect loop: HTTP://A/x y");
        let many = Failure::new(Stage::Redirect, Kind::TooMany, "more than 10 redirects");
        assert_eq!(detail_of(many, &["http://a/d"]), "more than 10 redirects: http://a/d");
        let body = Failure::new(Stage::Body, Kind::Closed, "cut short");
        assert_eq!(detail_of(body, &["http://a/d"]), "cut short");
    }
}
