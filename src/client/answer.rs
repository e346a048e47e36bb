//! What a workload notes of the answers to its requests, whatever protocol carries them.

use crate::base::buf::Block;
use crate::base::failure::Failure;
use crate::base::instant::Instant;
use crate::http::http1::Fields;

/// What is noted of one answer while it is read.
pub(crate) trait Answer {
    /// Whether a status is all that is wanted of a head that came before, byte for byte.
    const KNOWS_HEADS: bool = false;

    /// Takes the final head, once.
    ///
    /// # Errors
    ///
    /// A failure ends the exchange with it.
    fn handle_head(&mut self, head: &AnswerHead<'_>) -> Result<(), Failure>;

    /// Takes the status of a head that came before, instead of the head.
    fn handle_known_head(&mut self, status: u16) {
        unreachable!("no head is known where none is remembered: {status}")
    }

    /// Takes the next part of the body, transfer coding removed; never an empty one.
    ///
    /// # Errors
    ///
    /// A failure ends the exchange with it.
    fn handle_body(&mut self, part: &[u8]) -> Result<(), Failure>;

    /// Lends the body as far as it came, so that more of it is read to where it stays; none where
    /// it is not kept. It comes back by [`Answer::return_body`].
    fn lend_body(&mut self) -> Option<Block> {
        None
    }

    /// Takes back the body that was lent.
    fn return_body(&mut self, _body: Block) {
        unreachable!("only a body that was lent comes back")
    }
}

/// The head of an answer.
#[derive(Clone, Copy)]
pub(crate) struct AnswerHead<'a> {
    /// The status code.
    pub(crate) status: u16,
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    pub(crate) minor_version: u8,
    /// The fields.
    pub(crate) fields: Fields<'a>,
    /// Bytes of the body, where they are known before it comes.
    pub(crate) body_bytes: Option<u64>,
}

/// When one answer came, and how large it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// When its request was handed to the kernel.
    pub(crate) sent_at: Instant,
    /// When its first byte was seen.
    pub(crate) first_byte_at: Instant,
    /// When its last byte was seen.
    pub(crate) ended_at: Instant,
    /// Bytes of head, framing and body.
    pub(crate) wire_bytes: u64,
}
