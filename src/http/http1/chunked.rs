//! The chunked transfer coding, taken off (RFC 9112 section 7.1).
//!
//! Parts of the body are handed over as slices of the input. Extensions and trailer fields are
//! checked and discarded.
//!
//! Invariant: every line must end with CRLF. A head tolerates a bare LF, but readers that disagree
//! about the end of a chunk line disagree about where the next message begins.

use super::head::HEAD_FIELDS_MAX;
use crate::base::failure::{Failure, Kind, Stage};
use crate::base::limits::HEAD_BYTES_MAX;

/// Longest chunk-size line with its extensions, in bytes (RFC 9112 section 7.1.1).
const CHUNK_LINE_BYTES_MAX: usize = 4096;
/// Largest trailer section, in bytes.
const TRAILER_BYTES_MAX: usize = HEAD_BYTES_MAX;

const _: () =
    assert!(CHUNK_LINE_BYTES_MAX < HEAD_BYTES_MAX, "a chunk line must fit where a head does");

/// Takes one chunked body apart, in pieces of any size.
#[derive(Clone, Copy, Debug)]
pub struct Chunked {
    state: State,
    /// The chunk's size as far as it was read, then its bytes still to come.
    size: u64,
    /// Bytes of the current chunk line, or of the trailer section.
    line_bytes: usize,
    /// Trailer fields seen.
    field_count: usize,
}

/// What the next byte must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The first digit of a chunk's size.
    FirstDigit,
    /// A further digit, or what ends the size.
    Digit,
    /// White space after the size; some servers pad it.
    AfterSize,
    /// Within a chunk extension.
    Extension,
    /// The LF that ends the chunk line.
    SizeLf,
    /// Within a chunk's data.
    Data,
    /// The CR after a chunk's data.
    DataCr,
    /// The LF after a chunk's data.
    DataLf,
    /// The start of a trailer line: a field, or the CR of the empty line.
    TrailerStart,
    /// Within a trailer field's name.
    TrailerName,
    /// Within a trailer field's value.
    TrailerValue,
    /// The LF that ends a trailer field.
    TrailerLf,
    /// The LF that ends the body.
    LastLf,
    /// Nothing: the body has ended.
    Done,
}

impl Chunked {
    /// A body of which nothing was read.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: State::FirstDigit, size: 0, line_bytes: 0, field_count: 0 }
    }

    /// Takes framing and at most one part of the body from the front of `input`: returns how many
    /// bytes were taken, and the part, which may be empty. Takes at least one byte of what is not
    /// empty until the body has ended, and never one past its end.
    ///
    /// # Errors
    ///
    /// `body/invalid` for what is no chunked body, `body/too_large` where a chunk line or the
    /// trailer section is too long. Nothing may follow a failure.
    pub fn handle_bytes<'a>(&mut self, input: &'a [u8]) -> Result<(usize, &'a [u8]), Failure> {
        let mut taken = 0;
        while taken < input.len() && self.state != State::Done {
            if self.state == State::Data {
                let part = self.take_data(&input[taken..]);
                return Ok((taken + part.len(), part));
            }
            self.handle_framing(input[taken])?;
            taken += 1;
        }
        Ok((taken, &[]))
    }

    /// Whether the body has ended, trailers included.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The data at the front of `input`, which is not empty, as far as the chunk goes.
    fn take_data<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        let count = usize::try_from(self.size).map_or(input.len(), |size| size.min(input.len()));
        self.size -= count as u64;
        if self.size == 0 {
            self.state = State::DataCr;
        }
        &input[..count]
    }

    /// Takes one byte that is not data.
    fn handle_framing(&mut self, byte: u8) -> Result<(), Failure> {
        self.state = match self.state {
            State::FirstDigit | State::Digit | State::AfterSize | State::Extension => {
                self.handle_chunk_line(byte)?
            }
            State::SizeLf => {
                expect(byte, b'\n', "a chunk line does not end with CRLF")?;
                self.line_bytes = 0;
                if self.size == 0 { State::TrailerStart } else { State::Data }
            }
            State::DataCr => {
                expect(byte, b'\r', "no CRLF after a chunk's data")?;
                State::DataLf
            }
            State::DataLf => {
                expect(byte, b'\n', "no CRLF after a chunk's data")?;
                State::FirstDigit
            }
            State::TrailerStart | State::TrailerName | State::TrailerValue => {
                self.handle_trailer(byte)?
            }
            State::TrailerLf => {
                expect(byte, b'\n', "a trailer field does not end with CRLF")?;
                self.line_bytes += 1;
                State::TrailerStart
            }
            State::LastLf => {
                expect(byte, b'\n', "the chunked body does not end with CRLF")?;
                State::Done
            }
            State::Data | State::Done => unreachable!("no framing is expected here"),
        };
        Ok(())
    }

    /// Takes one byte of a chunk line before its LF: hexadecimal digits, then extensions to skip.
    /// A quoted string in an extension can hold neither CR nor LF (RFC 9110 section 5.6.4), so the
    /// line's end is found without reading it.
    fn handle_chunk_line(&mut self, byte: u8) -> Result<State, Failure> {
        self.line_bytes += 1;
        if self.line_bytes > CHUNK_LINE_BYTES_MAX {
            return Err(too_large("a chunk line is too long"));
        }
        if matches!(self.state, State::FirstDigit | State::Digit)
            && let Some(digit) = (byte as char).to_digit(16)
        {
            if self.size > u64::MAX >> 4 {
                return Err(invalid("a chunk size of 2^64 or more"));
            }
            self.size = self.size << 4 | u64::from(digit);
            return Ok(State::Digit);
        }
        match (self.state, byte) {
            (State::FirstDigit, _) => Err(invalid("a chunk size is no hexadecimal number")),
            (_, b'\r') => Ok(State::SizeLf),
            (State::Extension, _) if is_text(byte) => Ok(State::Extension),
            (State::Extension, _) => Err(invalid("a chunk extension has a control character")),
            (_, b';') => Ok(State::Extension),
            (_, b' ' | b'\t') => Ok(State::AfterSize),
            _ => Err(invalid("a chunk size is no hexadecimal number")),
        }
    }

    /// Takes one byte of the trailer section that is no LF.
    fn handle_trailer(&mut self, byte: u8) -> Result<State, Failure> {
        self.line_bytes += 1;
        if self.line_bytes > TRAILER_BYTES_MAX {
            return Err(too_large("the trailer section is too large"));
        }
        match (self.state, byte) {
            (State::TrailerStart, b'\r') => Ok(State::LastLf),
            (State::TrailerStart, _) if is_token_byte(byte) => {
                self.field_count += 1;
                if self.field_count > HEAD_FIELDS_MAX {
                    return Err(too_large("too many trailer fields"));
                }
                Ok(State::TrailerName)
            }
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerName, _) if is_token_byte(byte) => Ok(State::TrailerName),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, _) if is_text(byte) => Ok(State::TrailerValue),
            _ => Err(invalid("a trailer field is malformed")),
        }
    }
}

impl Default for Chunked {
    fn default() -> Self {
        Self::new()
    }
}

/// Refuses any byte but `wanted`.
fn expect(byte: u8, wanted: u8, phrase: &'static str) -> Result<(), Failure> {
    if byte == wanted { Ok(()) } else { Err(invalid(phrase)) }
}

/// Whether `name` is a token (RFC 9110 section 5.6.2).
pub(super) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(is_token_byte)
}

/// Whether `byte` may stand in a token.
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.')
        || matches!(byte, b'^' | b'_' | b'`' | b'|' | b'~')
}

/// Whether `byte` may stand in a field's value: no control character but the tab (RFC 9110 section
/// 5.5).
pub(super) const fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

const fn invalid(phrase: &'static str) -> Failure {
    Failure::new(Stage::Body, Kind::Invalid, phrase)
}

const fn too_large(phrase: &'static str) -> Failure {
    Failure::new(Stage::Body, Kind::TooLarge, phrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks what the chunked body at the front of `input` decodes to, and that `left` bytes stay
    /// behind it; or the failure that it ends with. At once and byte by byte.
    fn check(input: &[u8], expected: Result<(&[u8], usize), Kind>) {
        for piece_bytes in [input.len().max(1), 1] {
            let found = decode(input, piece_bytes);
            let found = found.as_ref().map(|(body, left)| (&body[..], *left));
            let shown = input.escape_ascii();
            assert_eq!(
                found.map_err(|f| (f.stage, f.kind)),
                expected.map_err(|k| (Stage::Body, k)),
                "{shown}"
            );
        }
    }

    fn decode(input: &[u8], piece_bytes: usize) -> Result<(Vec<u8>, usize), Failure> {
        let mut chunked = Chunked::new();
        let (mut body, mut taken) = (Vec::new(), 0);
        for piece in input.chunks(piece_bytes) {
            let mut piece_taken = 0;
            while piece_taken < piece.len() && !chunked.is_done() {
                let (count, part) = chunked.handle_bytes(&piece[piece_taken..])?;
                assert!(count > 0, "it goes on");
                body.extend_from_slice(part);
                piece_taken += count;
            }
            taken += piece_taken;
        }
        assert!(chunked.is_done(), "{}", input.escape_ascii());
        assert_eq!(chunked.handle_bytes(b"x"), Ok((0, &b""[..])), "nothing past the end");
        Ok((body, input.len() - taken))
    }

    #[test]
    fn the_data_of_all_chunks_is_the_body() {
        check(b"0\r\n\r\n", Ok((b"", 0)));
        check(b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", Ok((b"abc", 0)));
        check(b"0A\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\nnext", Ok((b"0\r\n\r\n0\r\n\r\n", 4)));
        check(b"000000000000000000001\r\na\r\n0\r\nA: b\r\nC:\r\n\r\n\r\n", Ok((b"a", 2)));
    }

    #[test]
    fn extensions_are_skipped() {
        check(b"1;a\r\nx\r\n0;b=\"0;\\\"\"\r\n\r\n", Ok((b"x", 0)));
        check(b"1 \t;\ta = b ;; \r\nx\r\n0 \r\n\r\n", Ok((b"x", 0)));
        check(b"1;\xff\r\nx\r\n0\r\n\r\n", Ok((b"x", 0)));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for line in
            ["", "g", "-1", "+1", " 1", "0x1", "1 1", "1\t1", "1.0", "1,1", "1\0", "1\n", "1\r\r"]
        {
            check(format!("{line}\r\nx\r\n0\r\n\r\n").as_bytes(), Err(Kind::Invalid));
        }
        check(b"10000000000000000\r\n", Err(Kind::Invalid));
        check(b"fffffffffffffffff\r\n", Err(Kind::Invalid));
    }

    #[test]
    fn every_line_must_end_with_crlf() {
        for input in [
            &b"1\nx\r\n0\r\n\r\n"[..],
            b"1\r\nx\n0\r\n\r\n",
            b"1\r\nx\r0\r\n\r\n",
            b"1\r\nxx\r\n0\r\n\r\n",
            b"1;a\nx\r\n0\r\n\r\n",
            b"1;a\rb\r\nx\r\n0\r\n\r\n",
            b"0\n\r\n",
            b"0\r\n\n",
            b"0\r\n\rx",
            b"0\r\nA: b\n\r\n",
            b"0\r\nA: b\rc\r\n\r\n",
            b"0\r\n: b\r\n\r\n",
            b"0\r\nA b\r\n\r\n",
            b"0\r\nA : b\r\n\r\n",
            b"0\r\nA\r\n\r\n",
            b"0\r\n A: b\r\n\r\n",
            b"0\r\nA: b\0\r\n\r\n",
        ] {
            check(input, Err(Kind::Invalid));
        }
    }

    #[test]
    fn lines_and_trailers_are_bounded() {
        let line = |bytes: usize| [b"0;", &vec![b'x'; bytes - 3][..], b"\r\n\r\n"].concat();
        check(&line(CHUNK_LINE_BYTES_MAX), Ok((b"", 0)));
        check(&line(CHUNK_LINE_BYTES_MAX + 1), Err(Kind::TooLarge));
        check(&vec![b'0'; CHUNK_LINE_BYTES_MAX + 1], Err(Kind::TooLarge));
        let fields = |count: usize| [b"0\r\n", &b"A:\r\n".repeat(count)[..], b"\r\n"].concat();
        check(&fields(HEAD_FIELDS_MAX), Ok((b"", 0)));
        check(&fields(HEAD_FIELDS_MAX + 1), Err(Kind::TooLarge));
        let large = [b"0\r\nA:", &vec![b'x'; TRAILER_BYTES_MAX][..]].concat();
        check(&large, Err(Kind::TooLarge));
    }
}
