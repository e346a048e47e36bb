//! The faults that can be asked for: the bytes of each, and what happens to the connection then.
//!
//! Invariant: every fault ends by itself, at the latest after [`FAULT_MAX`].

use std::time::Duration;

/// LIMIT: how long a fault goes on that would never end.
pub(super) const FAULT_MAX: Duration = Duration::from_secs(600);

/// What happens to the connection once a fault's bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterFault {
    /// It goes on.
    GoOn,
    /// It is closed in order (FIN).
    Close,
    /// It is reset (RST).
    Reset,
    /// Nothing more is sent until the peer closes.
    Hang,
    /// This comes over and over until the peer closes.
    Repeat(&'static [u8]),
}

macro_rules! faults {
    ($($variant:ident = $word:literal, $what:literal;)+) => {
        /// A way in which an answer goes wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Fault { $(#[doc = $what] $variant,)+ }

        impl Fault {
            /// Every fault.
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word behind `/fault/`.
            pub(super) const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// What happens, for a person.
            pub(super) const fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)+ }
            }
        }
    };
}

faults! {
    Reset = "reset", "half a head, then a reset (RST)";
    ResetBody = "reset-body", "a head and half of its body, then a reset (RST)";
    Close = "close", "closed before any byte";
    HalfHead = "half-head", "half a head, then closed";
    HalfBody = "half-body", "500 of 1000 bytes of body, then closed";
    Hang = "hang", "never answered, held open until the peer closes";
    HangBody = "hang-body", "500 of 1000 bytes of body, held open until the peer closes";
    BadHead = "bad-head", "bytes that are no HTTP, then closed";
    HugeHead = "huge-head", "a head of 256 KiB";
    EndlessHead = "endless-head", "a head whose fields never end";
    Endless = "endless", "a body that never ends";
    Stale = "stale", "a good answer that keeps the connection, which is closed right after";
    LengthMismatch = "content-length-mismatch", "ten bytes of body where the head says five";
    TwoLengths = "two-lengths", "two Content-Length fields that differ";
    ChunkGarbage = "chunk-garbage", "a chunked body with a chunk size that is no number";
    ChunkCut = "chunk-cut", "a chunked body without its last chunk, then closed";
    Many1xx = "many-1xx", "64 interim answers before the final one";
    GzipGarbage = "gzip-garbage", "a body that says gzip and is none";
    GzipCut = "gzip-cut", "a gzip body that ends early";
}

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
const FILLER: &[u8] = b"X-Filler: 0123456789abcdef0123456789abcdef0123456789abcdef012\r\n";
const OK: &[u8] = b"Content-Length: 2\r\n\r\nok";
const CHUNK: &[u8] = b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
/// An empty gzip member (RFC 1952) without its check sum and length.
const GZIP_CUT: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x03\x00";

const _: () = assert!(FILLER.len() == 64 - 1, "about 64 bytes, so that 4096 of them are 256 KiB");

impl Fault {
    /// Appends what is sent to `out`.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let mut say = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
        match self {
            Self::Close | Self::Hang => {}
            Self::Reset | Self::HalfHead => say(&[b"HTTP/1.1 200 OK\r\nContent-Le"]),
            Self::ResetBody | Self::HalfBody | Self::HangBody => {
                say(&[HEAD, b"Content-Length: 1000\r\n\r\n", &[b'x'; 500]]);
            }
            Self::BadHead => say(&[b"\x00\x01\x02 this is no HTTP\r\n\r\n\xff\xfe"]),
            Self::HugeHead => {
                say(&[HEAD]);
                (0..4096).for_each(|_| say(&[FILLER]));
                say(&[OK]);
            }
            Self::EndlessHead => say(&[HEAD]),
            Self::Endless => say(&[HEAD, b"Connection: close\r\n\r\n"]),
            Self::Stale => say(&[HEAD, OK]),
            Self::LengthMismatch => say(&[HEAD, b"Content-Length: 5\r\n\r\n0123456789"]),
            Self::TwoLengths => {
                say(&[HEAD, b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n01234"]);
            }
            Self::ChunkGarbage => say(&[HEAD, CHUNK, b"zz\r\nhello\r\n"]),
            Self::ChunkCut => say(&[HEAD, CHUNK]),
            Self::Many1xx => {
                (0..64).for_each(|_| say(&[b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"]));
                say(&[HEAD, OK]);
            }
            Self::GzipGarbage => say(&[HEAD, b"Content-Encoding: gzip\r\n", OK]),
            Self::GzipCut => {
                say(&[HEAD, b"Content-Encoding: gzip\r\nContent-Length: 12\r\n\r\n", GZIP_CUT]);
            }
        }
    }

    /// What happens to the connection then.
    pub(super) const fn after(self) -> AfterFault {
        match self {
            Self::Reset | Self::ResetBody => AfterFault::Reset,
            Self::Close | Self::HalfHead | Self::HalfBody | Self::BadHead => AfterFault::Close,
            Self::Stale | Self::TwoLengths | Self::ChunkCut => AfterFault::Close,
            Self::Hang | Self::HangBody => AfterFault::Hang,
            Self::EndlessHead => AfterFault::Repeat(FILLER),
            Self::Endless => {
                AfterFault::Repeat(b"and so on and so forth, and on and on without an end; ")
            }
            Self::HugeHead | Self::LengthMismatch | Self::ChunkGarbage | Self::Many1xx => {
                AfterFault::GoOn
            }
            Self::GzipGarbage | Self::GzipCut => AfterFault::GoOn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_word_of_its_own_and_something_that_happens() {
        let mut words: Vec<_> = Fault::ALL.iter().map(|fault| fault.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Fault::ALL.len());
        for fault in Fault::ALL {
            let mut out = Vec::new();
            fault.write(&mut out);
            let is_silent = matches!(fault, Fault::Close | Fault::Hang);
            assert_eq!(out.is_empty(), is_silent, "{fault:?}");
            assert!(!is_silent || fault.after() != AfterFault::GoOn, "{fault:?}");
        }
    }
}
