//! What a lane wants to be asked on a connection, whatever protocol that speaks.

use crate::base::buf::SharedBytes;
use crate::base::instant::Instant;
use crate::base::target::Target;
use crate::http::http1::RequestTemplate;

/// One request, or several in a row to one target.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    /// Where it goes.
    pub(crate) target: &'a Target,
    /// The request, but for its target.
    pub(crate) request: &'a RequestTemplate,
    /// The same with its target, where it was rendered before.
    pub(crate) rendered: Option<&'a Rendered>,
    /// How many requests go out together; none where only the connection is wanted.
    pub(crate) count: usize,
    /// Whether they may be sent a second time where a reused connection turns out to be closed.
    pub(crate) may_repeat: bool,
    /// When the last answer must be complete.
    pub(crate) deadline: Instant,
    /// How large a block the answers are read into at first, in bytes.
    pub(crate) block_bytes: usize,
}

/// The bytes of requests for one target, rendered once and sent often.
#[derive(Debug)]
pub(crate) struct Rendered {
    bytes: SharedBytes,
    request_bytes: usize,
}

impl Rendered {
    /// Renders up to `depth` requests for `target`.
    pub(crate) fn new(target: &Target, request: &RequestTemplate, depth: usize) -> Self {
        let (authority, path) = (target.authority(), target.path_and_query());
        let request_bytes = request.len(authority, path);
        let mut bytes = Vec::with_capacity(request_bytes * depth);
        for _ in 0..depth {
            request.write(&mut bytes, authority, path);
        }
        Self { bytes: SharedBytes::new(bytes), request_bytes }
    }

    /// The bytes of `count` requests.
    pub(crate) fn requests(&self, count: usize) -> SharedBytes {
        self.bytes.first(self.request_bytes * count)
    }

    /// Of how many requests `bytes` hold at least the beginning.
    pub(crate) fn begun_by(&self, bytes: usize) -> usize {
        bytes.div_ceil(self.request_bytes)
    }
}
