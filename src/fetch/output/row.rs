//! One output row: what became of one input line, as users' scripts read it.
//!
//! Knows nothing of how rows are written; serde turns them into JSON.
//!
//! Invariant: the names and the nesting of the fields are a contract; fields are added, never
//! renamed or taken away.

use std::net::IpAddr;

use serde::Serialize;

use crate::extract::page::Page;

/// What became of one input line.
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
    /// What did not go as wished and yet did not fail the fetch.
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
    /// What a person wants to know besides.
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
