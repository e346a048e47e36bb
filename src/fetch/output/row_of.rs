//! What came of a fetch, as a row.
//!
//! Knows nothing of the bytes that a row becomes, nor how a page was extracted.
//!
//! Invariant: the row keeps the line as it was given and the words of the failure's stage and kind.

use crate::base::failure::{Failure, Stage};
use crate::extract::page::Page;
use crate::fetch::job::{Fetched, Times};
use crate::fetch::output::row::{Row, RowError, RowTimes};

/// The row of `fetched`, with the `page` that was extracted from it and what is to be noted.
///
/// Times become whole microseconds, rounded down. The detail of a failed redirect names the URL
/// that answered last, since the line does not say where the trail ended.
#[must_use]
pub(super) fn row_of(fetched: Fetched, page: Option<Page>, notes: Vec<RowError>) -> Row {
    let error = fetched.failure.map(|failure| error_of(failure, &fetched));
    let Fetched { n, line, response, attempts, redirects, ip, times, .. } = fetched;
    let mut row = Row {
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
        time_us: times_of(&times),
        page,
        notes,
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

/// What is to be noted of `failure`, which did not fail its fetch.
#[must_use]
pub(super) fn note_of(failure: Failure) -> RowError {
    RowError { stage: failure.stage.word(), kind: failure.kind.word(), detail: failure.to_string() }
}

fn error_of(failure: Failure, fetched: &Fetched) -> RowError {
    let mut error = note_of(failure);
    if failure.stage == Stage::Redirect {
        error.detail = format!("{}: {}", error.detail, fetched.final_url());
    }
    error
}

fn times_of(times: &Times) -> RowTimes {
    let whole_us = |ns: u64| ns / 1000;
    RowTimes {
        queue: whole_us(times.queue_ns),
        dns: whole_us(times.dns_ns),
        connect: whole_us(times.connect_ns),
        tls: whole_us(times.tls_ns),
        first_byte: whole_us(times.first_byte_ns),
        total: whole_us(times.total_ns),
    }
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

    fn detail_of(failure: Failure, redirects: &[&str]) -> String {
        let redirects = redirects.iter().map(|url| Box::from(*url)).collect();
        let fetched = Fetched { failure: Some(failure), redirects, ..fetched() };
        row_of(fetched, None, Vec::new()).error.unwrap().detail
    }

    #[test]
    fn a_fetch_becomes_its_row() {
        let page = Page { words: 5, ..Page::default() };
        let row = row_of(fetched(), Some(page.clone()), Vec::new());
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
        assert_eq!(row_of(fetched(), None, Vec::new()).time_us, expected);
    }

    #[test]
    fn a_row_without_a_response_has_none_of_its_fields() {
        let failure = Failure { stage: Stage::Connect, kind: Kind::Refused, cause: Cause::Os(111) };
        let fetched = Fetched { response: None, failure: Some(failure), ..fetched() };
        let row = row_of(fetched, None, Vec::new());
        assert_eq!((row.status, row.http, row.content_type), (None, None, None));
        assert_eq!((row.wire_bytes, row.body_bytes), (0, 0));
        let error = row.error.unwrap();
        assert_eq!((error.stage, error.kind), ("connect", "refused"));
        assert!(error.detail.contains("refused"), "{}", error.detail);
    }

    #[test]
    fn a_body_that_failed_keeps_its_status_and_what_was_read() {
        let failure = Failure::new(Stage::Body, Kind::Closed, "cut short");
        let row =
            row_of(Fetched { failure: Some(failure), ..fetched() }, None, vec![note_of(failure)]);
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
