//! The head of the last response, remembered: servers send the same one again and again.
//!
//! The result is the same each time, since it depends on the head's bytes and on the kind of the
//! request alone.
//!
//! Invariant: a head is recognised only where every byte of it is the same.

use super::framing::Framing;

// LIMIT: longer heads are rare, and parsed each time.
const HEAD_REMEMBERED_BYTES_MAX: usize = 1024;

/// The last response head of many requests of one kind. A memo that was not prepared remembers
/// nothing.
///
/// Most heads of one server differ in their Date alone, which changes once a second, and parsing
/// one costs some thirty times as much as comparing it.
#[derive(Clone, Debug, Default)]
pub struct HeadMemo {
    bytes: Vec<u8>,
    known: Option<Known>,
}

/// What a head means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) status: u16,
    pub(super) framing: Framing,
    pub(super) keep_alive: bool,
}

impl HeadMemo {
    /// One that has its memory already.
    #[must_use]
    pub fn prepared() -> Self {
        Self { bytes: Vec::with_capacity(HEAD_REMEMBERED_BYTES_MAX), known: None }
    }

    /// Remembers that the head `bytes` means `known`.
    pub(super) fn learn(&mut self, bytes: &[u8], known: Known) {
        self.known = None;
        if bytes.len() <= self.bytes.capacity() {
            self.bytes.clear();
            self.bytes.extend_from_slice(bytes);
            self.known = Some(known);
        }
    }

    /// What the head at the front of `input` means, and its length in bytes, where it is the
    /// remembered one.
    pub(super) fn recall(&self, input: &[u8]) -> Option<(Known, usize)> {
        let known = self.known?;
        input.starts_with(&self.bytes).then_some((known, self.bytes.len()))
    }
}
