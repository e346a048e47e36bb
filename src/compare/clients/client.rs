//! What the loop asks with: one request out, one response read to its end.
//!
//! Invariant: a response counts once its body was read to the end; a failure before that is a
//! fault, and its connection is not used again.

use std::error::Error;
use std::fmt;
use std::future::Future;

use http::HeaderMap;
use http::header::{self, HeaderName};

use crate::base::target::Target;

/// A client that a lane asks with, one request at a time.
pub(super) trait Client: 'static {
    /// A request, made once for a target that is asked for often.
    type Request: 'static;

    /// The request for `target`.
    fn request(&self, target: &Target) -> Result<Self::Request, ClientFault>;

    /// Sends `request` to `target`'s origin, and reads the response to its end.
    ///
    /// Dropping the future gives up the connection.
    fn ask(
        &mut self,
        target: &Target,
        request: &Self::Request,
        reading: &mut ResponseReading,
    ) -> impl Future<Output = Result<(), ClientFault>>;
}

/// Why a request was not answered.
#[derive(Debug)]
pub(super) struct ClientFault(Box<dyn Error + Send + Sync>);

impl ClientFault {
    pub(super) fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for ClientFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// The parts of a response that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseParts {
    /// The status alone.
    Status,
    /// The fields that a redirect needs as well.
    Fields,
    /// The body as well.
    Page,
}

/// One response while it is read.
#[derive(Debug)]
pub(super) struct ResponseReading {
    keep: ResponseParts,
    body_bytes_max: u64,
    body_bytes: u64,
    pub(super) status: u16,
    pub(super) content_type: Option<String>,
    pub(super) location: Option<String>,
    /// The URL that answered, where the client followed redirects by itself.
    pub(super) url: Option<String>,
    pub(super) body: Vec<u8>,
}

impl ResponseReading {
    /// Nothing read yet; a body of more than `body_bytes_max` will be a fault.
    pub(super) fn new(keep: ResponseParts, body_bytes_max: u64) -> Self {
        Self {
            keep,
            body_bytes_max,
            body_bytes: 0,
            status: 0,
            content_type: None,
            location: None,
            url: None,
            body: Vec::new(),
        }
    }

    /// Whether more than the status is wanted.
    pub(super) fn wants_fields(&self) -> bool {
        self.keep != ResponseParts::Status
    }

    /// Takes the head.
    pub(super) fn handle_head(&mut self, status: u16, fields: &HeaderMap) {
        self.status = status;
        if self.wants_fields() {
            let text = |name: HeaderName| {
                let value = fields.get(name)?.to_str().ok()?;
                Some(value.to_owned())
            };
            self.content_type = text(header::CONTENT_TYPE);
            self.location = text(header::LOCATION);
        }
    }

    /// Takes a piece of the body.
    pub(super) fn handle_body(&mut self, piece: &[u8]) -> Result<(), ClientFault> {
        self.body_bytes += piece.len() as u64;
        if self.body_bytes > self.body_bytes_max {
            return Err(ClientFault::new("the body is larger than allowed"));
        }
        if self.keep == ResponseParts::Page {
            self.body.extend_from_slice(piece);
        }
        Ok(())
    }
}
