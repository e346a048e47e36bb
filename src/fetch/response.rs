//! What a fetch notes of one response while it is read.
//!
//! Invariant: no more of a body is kept or counted than the run allows.

use crate::base::buf::Block;
use crate::base::failure::{Failure, Kind, Stage};
use crate::base::limits::BODY_READ_BYTES_MAX;
use crate::client::answer::{Answer, AnswerHead};
use crate::extract::Extractor;
use crate::fetch::job::Response;

/// Which response bodies are kept for those who read them later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// None: bytes are counted and forgotten.
    Nothing,
    /// Those that may be HTML or XHTML by their Content-Type, or that have none.
    Pages,
}

/// What is noted of one response.
#[derive(Debug)]
pub(super) struct FetchAnswer {
    keep: Keep,
    body_bytes_max: u64,
    response: Option<Response>,
    location: Option<Box<[u8]>>,
    /// The body so far, where it is kept.
    body: Option<Block>,
    body_bytes: u64,
}

impl FetchAnswer {
    /// Nothing was read yet.
    pub(super) fn new(keep: Keep, body_bytes_max: u64) -> Self {
        Self { keep, body_bytes_max, response: None, location: None, body: None, body_bytes: 0 }
    }

    /// The response as far as it was read, of `wire_bytes` received, and its Location.
    pub(super) fn finish(self, wire_bytes: u64) -> (Option<Response>, Option<Box<[u8]>>) {
        let response = self.response.map(|response| Response {
            wire_bytes,
            body_bytes: self.body_bytes,
            body: self.body.map(Block::into_vec),
            ..response
        });
        (response, self.location)
    }
}

impl Answer for FetchAnswer {
    fn handle_head(&mut self, head: &AnswerHead<'_>) -> Result<(), Failure> {
        let content_type = head.fields.field("content-type").map(text);
        self.location = head.fields.field("location").map(Box::from);
        // What a body without a Content-Type is, its first bytes will say: so far, it may be a
        // page.
        let may_be_page = Extractor::is_page(content_type.as_deref(), b"<html>");
        // Coded bytes are no page; whoever looks for one finds a page's type and no body.
        let is_coded = head
            .fields
            .list("content-encoding")
            .any(|coding| !coding.eq_ignore_ascii_case(b"identity"));
        if self.keep == Keep::Pages && may_be_page && !is_coded {
            // A length is a promise: room is made for the first piece, more as it comes true. The
            // byte over it shows whether more is sent than was promised.
            let promised = usize::try_from(head.body_bytes.unwrap_or(0)).unwrap_or(usize::MAX);
            let room = match promised {
                0 => 0,
                bytes => bytes.min(BODY_READ_BYTES_MAX) + 1,
            };
            // One byte more, so that what follows the body is seen with its last piece.
            self.body = Some(Block::with_capacity(room + 1));
        }
        self.response = Some(Response {
            status: head.status,
            minor_version: head.minor_version,
            content_type,
            wire_bytes: 0,
            body_bytes: 0,
            body: None,
        });
        match head.body_bytes {
            Some(bytes) if bytes > self.body_bytes_max => Err(too_large()),
            _ => Ok(()),
        }
    }

    fn handle_body(&mut self, part: &[u8]) -> Result<(), Failure> {
        let room = usize::try_from(self.body_bytes_max - self.body_bytes).unwrap_or(usize::MAX);
        let part_allowed = &part[..part.len().min(room)];
        self.body_bytes += part_allowed.len() as u64;
        if let Some(body) = &mut self.body {
            body.extend(part_allowed);
        }
        if part_allowed.len() < part.len() { Err(too_large()) } else { Ok(()) }
    }

    fn lend_body(&mut self) -> Option<Block> {
        self.body.take()
    }

    fn return_body(&mut self, body: Block) {
        self.body_bytes = body.len() as u64;
        self.body = Some(body);
    }
}

fn too_large() -> Failure {
    Failure::new(Stage::Body, Kind::TooLarge, "the body is larger than allowed; hint: --max-body")
}

/// A field's value as text; bytes that are no UTF-8 are shown as such.
fn text(value: &[u8]) -> Box<str> {
    String::from_utf8_lossy(value).into()
}
