//! One output row: what became of one input line, as users' scripts read it.
//!
//! Knows nothing of how rows are written; serde turns them into JSON.
//!
//! Invariant: the names and the nesting of the fields are a contract; fields are added, never
//! renamed or taken away.

use std::net::IpAddr;

use serde::Serialize;

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

/// What was extracted from one HTML page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The first title's text, white space collapsed, or null.
    pub title: Option<String>,
    /// The hrefs of `a` and `area`, resolved against the document's base: http and https only,
    /// fragments dropped, in document order, repeats kept.
    pub links: Vec<String>,
    /// White-space separated words of the text in `body`, without script, style, template and
    /// noscript.
    pub words: u64,
    /// The encoding that the page was read in, by its lower-case name of the Encoding Standard.
    pub charset: &'static str,
    /// What each named selector matched: the text of each element, white space collapsed.
    #[serde(skip_serializing_if = "Selected::is_empty")]
    pub select: Selected,
}

/// The texts that named selectors matched, in the order in which the selectors were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selected(pub Vec<(String, Vec<String>)>);

impl Selected {
    /// Whether no selector was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Selected {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, texts)| (name, texts)))
    }
}
