//! Message heads: where one ends, and what a response's says (RFC 9112 sections 2 to 5).
//!
//! httparse reads the fields where they lie. A line may end with a bare LF (RFC 9112 section 2.2
//! allows that); a bare CR and a folded line are refused.
//!
//! Invariant: a byte is looked at a bounded number of times however the bytes arrive, and the
//! verdict on a head depends on its bytes alone.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Response, Status};

use crate::base::failure::{Failure, Kind, Stage};
use crate::base::limits::HEAD_BYTES_MAX;

/// Most header fields in one head; trailers are counted against the same bound.
pub(super) const HEAD_FIELDS_MAX: usize = 256;
/// Most empty lines (CRLF) tolerated before a status line (RFC 9112 section 2.2).
const LEADING_EMPTY_LINES_MAX: usize = 8;

const _: () = assert!(HEAD_BYTES_MAX == 64 * 1024, "the failure says 64 KiB");
const _: () = assert!(HEAD_FIELDS_MAX == 256, "the failure says 256 fields");

/// Bytes of a status line whose form is fixed: `HTTP/1.1 200` and what ends the number.
const STATUS_LINE_START_BYTES: usize = 13;

/// The fields of one head, in the order in which they were sent.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(&'a [Header<'a>]);

impl<'a> Fields<'a> {
    /// The first field called `name`, without regard to case: its value with no white space around.
    #[must_use]
    #[inline]
    pub fn field(self, name: &str) -> Option<&'a [u8]> {
        self.named(name).next()
    }

    /// The values of all fields called `name`, without regard to case.
    #[inline]
    pub fn named(self, name: &str) -> impl Iterator<Item = &'a [u8]> + use<'a, '_> {
        // Lengths differ most often, and comparing them costs no call.
        let fits =
            move |f: &&Header<'a>| f.name.len() == name.len() && f.name.eq_ignore_ascii_case(name);
        self.0.iter().filter(fits).map(|f| f.value)
    }

    /// Names and values.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.0.iter().map(|f| (f.name, f.value))
    }

    /// The comma-separated members of all fields called `name`, trimmed, empty ones left out (RFC
    /// 9110 section 5.6.1).
    #[inline]
    pub fn list(self, name: &str) -> impl Iterator<Item = &'a [u8]> + use<'a, '_> {
        self.members(name).filter(|member| !member.is_empty())
    }

    /// The comma-separated members of all fields called `name`, trimmed, empty ones included.
    #[inline]
    pub(super) fn members(self, name: &str) -> impl Iterator<Item = &'a [u8]> + use<'a, '_> {
        self.named(name).flat_map(|value| Members(Some(value))).map(<[u8]>::trim_ascii)
    }

    /// How many fields there are.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> From<&'a [Header<'a>]> for Fields<'a> {
    fn from(headers: &'a [Header<'a>]) -> Self {
        Self(headers)
    }
}

/// What stands between the commas of a value.
struct Members<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Members<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let value = self.0?;
        let Some(comma) = memchr::memchr(b',', value) else { return self.0.take() };
        self.0 = Some(&value[comma + 1..]);
        Some(&value[..comma])
    }
}

/// One response head, borrowed from the bytes it was read from.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    status: u16,
    minor_version: u8,
    fields: Fields<'a>,
    bytes: &'a [u8],
}

impl<'a> Head<'a> {
    /// The status code, 100 to 999 (RFC 9110 section 15: what no class covers is treated as 5xx).
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    #[must_use]
    pub const fn minor_version(&self) -> u8 {
        self.minor_version
    }

    /// All fields.
    #[must_use]
    pub const fn fields(&self) -> Fields<'a> {
        self.fields
    }

    /// The first field called `name`, without regard to case: its value with no white space around.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.fields.field(name)
    }

    /// The head as it was on the wire, from the status line to the empty line.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// Room for the fields of one head, on the stack.
pub(super) type FieldRoom<'a> = [MaybeUninit<Header<'a>>; HEAD_FIELDS_MAX];

/// Room that is filled only as far as there are fields.
pub(super) const fn field_room<'a>() -> FieldRoom<'a> {
    [const { MaybeUninit::uninit() }; HEAD_FIELDS_MAX]
}

/// How far the search for a head's end has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeadScan {
    /// Bytes from the front of the head that are known not to hold its end.
    scanned: usize,
    /// Empty lines seen before the head.
    empty_lines: usize,
}

impl HeadScan {
    /// Bytes of empty lines at the front of `input` (RFC 9112 section 2.2).
    ///
    /// # Errors
    ///
    /// `head/invalid` past [`LEADING_EMPTY_LINES_MAX`] of them.
    pub(super) fn skip_empty_lines(&mut self, input: &[u8]) -> Result<usize, Failure> {
        let mut skipped = 0;
        loop {
            match &input[skipped..] {
                [b'\n', ..] => skipped += 1,
                [b'\r', b'\n', ..] => skipped += 2,
                _ => return Ok(skipped),
            }
            self.empty_lines += 1;
            if self.empty_lines > LEADING_EMPTY_LINES_MAX {
                return Err(invalid("too many empty lines before the head"));
            }
        }
    }

    /// Whether nothing of the present head was looked at.
    pub(super) const fn is_fresh(&self) -> bool {
        self.scanned == 0
    }

    /// Gets ready for the head after this one; empty lines before it are counted on.
    pub(super) const fn restart(&mut self) {
        self.scanned = 0;
    }

    /// Finds where the head at the front of `input` ends: just past its empty line. The next call
    /// must see the same bytes and more, and takes up where this one stopped.
    ///
    /// # Errors
    ///
    /// `head/too_large` where it does not end within [`HEAD_BYTES_MAX`].
    pub(super) fn end(&mut self, input: &[u8]) -> Result<Option<usize>, Failure> {
        let window = &input[..input.len().min(HEAD_BYTES_MAX)];
        assert!(self.scanned <= window.len(), "the bytes of an unfinished head must be kept");
        let start = self.scanned;
        for found in memchr::memchr_iter(b'\n', &window[start..]) {
            let line_end = start + found;
            if matches!(&window[..line_end], [.., b'\n'] | [.., b'\n', b'\r']) {
                return Ok(Some(line_end + 1));
            }
        }
        self.scanned = window.len();
        if window.len() == HEAD_BYTES_MAX {
            Err(too_large("the head is larger than 64 KiB"))
        } else {
            Ok(None)
        }
    }

    /// Reads the response head at the front of `input` if it is there whole and valid and was not
    /// looked at before: one pass instead of a search and a parse.
    ///
    /// None decides nothing: what the parser says of a head that has not ended depends on where the
    /// bytes were cut, so only [`HeadScan::response`] can refuse one.
    pub(super) fn whole_response<'a>(
        &self,
        input: &'a [u8],
        room: &'a mut FieldRoom<'a>,
    ) -> Option<Head<'a>> {
        if self.scanned > 0 {
            return None;
        }
        let window = &input[..input.len().min(HEAD_BYTES_MAX)];
        let mut response = Response::new(&mut []);
        let parsed =
            ParserConfig::default().parse_response_with_uninit_headers(&mut response, window, room);
        match (parsed, response.code, response.version) {
            (Ok(Status::Complete(end)), Some(status @ 100..), Some(minor_version)) => {
                let fields = Fields(response.headers);
                Some(Head { status, minor_version, fields, bytes: &window[..end] })
            }
            _ => None,
        }
    }

    /// Reads the response head at the front of `input`, which must not start with an empty line.
    /// None where more bytes are needed; the next call must then see the same bytes and more.
    ///
    /// # Errors
    ///
    /// `head/invalid` for what is no head of HTTP/1.0 or HTTP/1.1, `head/too_large` past
    /// [`HEAD_BYTES_MAX`] or [`HEAD_FIELDS_MAX`].
    pub(super) fn response<'a>(
        &mut self,
        input: &'a [u8],
        room: &'a mut FieldRoom<'a>,
    ) -> Result<Option<Head<'a>>, Failure> {
        if self.scanned < STATUS_LINE_START_BYTES {
            check_status_line_start(input)?;
        }
        let Some(end) = self.end(input)? else { return Ok(None) };
        parse_response(&input[..end], room).map(Some)
    }
}

/// Refuses `input` as soon as no further byte can make it a status line (RFC 9112 section 4).
fn check_status_line_start(input: &[u8]) -> Result<(), Failure> {
    for (idx, byte) in input.iter().take(STATUS_LINE_START_BYTES).enumerate() {
        let (fits, phrase) = match idx {
            0..=6 => (*byte == b"HTTP/1."[idx], "the response does not start with HTTP/1."),
            7 => (matches!(byte, b'0' | b'1'), "neither HTTP/1.0 nor HTTP/1.1"),
            8 => (*byte == b' ', "no space before the status code"),
            9 => (matches!(byte, b'1'..=b'9'), "the status is no number from 100 to 999"),
            10 | 11 => (byte.is_ascii_digit(), "the status is no number from 100 to 999"),
            _ => (matches!(byte, b' ' | b'\r' | b'\n'), "the status is no number of three digits"),
        };
        if !fits {
            return Err(invalid(phrase));
        }
    }
    Ok(())
}

/// Reads `bytes`, one whole head with its empty line.
fn parse_response<'a>(bytes: &'a [u8], room: &'a mut FieldRoom<'a>) -> Result<Head<'a>, Failure> {
    let mut response = Response::new(&mut []);
    let parsed =
        ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, room);
    check_parsed(parsed, bytes.len())?;
    let (Some(status), Some(minor_version)) = (response.code, response.version) else {
        return Err(invalid("no status line"));
    };
    Ok(Head { status, minor_version, fields: Fields(response.headers), bytes })
}

/// Turns what httparse says of one whole head of `bytes` into a verdict.
pub(super) fn check_parsed(parsed: httparse::Result<usize>, bytes: usize) -> Result<(), Failure> {
    use httparse::Error;
    let phrase = match parsed {
        Ok(Status::Complete(end)) if end == bytes => return Ok(()),
        Ok(_) => "the head ends where no line does",
        Err(Error::TooManyHeaders) => return Err(too_large("the head has more than 256 fields")),
        Err(Error::HeaderName) => "a field name is malformed, or a line is folded",
        Err(Error::HeaderValue) => "a field value has a control character",
        Err(Error::NewLine) => "a carriage return without a line feed",
        Err(Error::Status) => "the status line is malformed",
        Err(Error::Token) => "the request line is malformed",
        Err(Error::Version) => "neither HTTP/1.0 nor HTTP/1.1",
    };
    Err(invalid(phrase))
}

/// A head that breaks the syntax.
pub(super) const fn invalid(phrase: &'static str) -> Failure {
    Failure::new(Stage::Head, Kind::Invalid, phrase)
}

/// A head that asks for what is not done here.
pub(super) const fn unsupported(phrase: &'static str) -> Failure {
    Failure::new(Stage::Head, Kind::Unsupported, phrase)
}

/// A head past a bound.
const fn too_large(phrase: &'static str) -> Failure {
    Failure::new(Stage::Head, Kind::TooLarge, phrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that the head `input` is refused as `kind`, or else has `fields`.
    fn check(input: &[u8], expected: Result<&[(&str, &[u8])], Kind>) {
        let mut room = field_room();
        let found = HeadScan::default().response(input, &mut room);
        match (found, expected) {
            (Ok(Some(head)), Ok(fields)) => {
                assert_eq!(head.fields().iter().collect::<Vec<_>>(), fields);
                assert_eq!(head.bytes(), input);
            }
            (Err(failure), Err(kind)) => {
                assert_eq!((failure.stage, failure.kind), (Stage::Head, kind));
            }
            (found, _) => panic!("{}: {found:?}", input.escape_ascii()),
        }
    }

    /// A head of one field, as it is on the wire.
    fn with_line(line: &[u8]) -> Vec<u8> {
        [b"HTTP/1.1 200 OK\r\n", line, b"\r\n\r\n"].concat()
    }

    #[test]
    fn values_lose_the_white_space_around_them() {
        check(&with_line(b"A: \t b c \t"), Ok(&[("A", b"b c")]));
        check(&with_line(b"A:"), Ok(&[("A", b"")]));
        check(&with_line(b"A: \t "), Ok(&[("A", b"")]));
        check(b"HTTP/1.0 200\r\n\r\n", Ok(&[]));
    }

    #[test]
    fn a_line_may_end_with_lf_alone() {
        check(b"HTTP/1.1 200 OK\nA: b\nC: d\n\n", Ok(&[("A", b"b"), ("C", b"d")]));
        check(b"HTTP/1.1 200 OK\nA: b\n\r\n", Ok(&[("A", b"b")]));
        check(b"HTTP/1.1 200 OK\r\nA: b\r\n\n", Ok(&[("A", b"b")]));
    }

    #[test]
    fn httparse_lets_no_control_character_through() {
        for byte in (0..=u8::MAX).filter(u8::is_ascii_control) {
            let (name, value) = (with_line(&[b'A', byte, b':']), with_line(&[b'A', b':', byte]));
            let inner = with_line(&[b'A', b':', b'b', byte, b'c']);
            let reason = [b"HTTP/1.1 200 O", &[byte][..], b"K\r\n\r\n"].concat();
            check(&name, Err(Kind::Invalid));
            match byte {
                // A tab is white space; an LF ends the line, and then `c` is no field.
                b'\t' => check(&inner, Ok(&[("A", b"b\tc")])),
                b'\n' => check(&inner, Err(Kind::Invalid)),
                b'\r' => check(&inner, Err(Kind::Invalid)),
                _ => {
                    check(&value, Err(Kind::Invalid));
                    check(&inner, Err(Kind::Invalid));
                    check(&reason, Err(Kind::Invalid));
                }
            }
        }
    }

    #[test]
    fn a_bare_cr_a_fold_and_a_space_before_the_colon_are_refused_wherever_they_stand() {
        for padding in 0..70 {
            let padding = vec![b'x'; padding];
            for (front, back) in [
                (&b"A: b"[..], &b"\rc"[..]),
                (b"A: b", b"\r\r\n\r\n"),
                (b"A: b", b"\r\n c"),
                (b"A: b", b"\r\n\tc: d"),
                (b"A", b" : b"),
                (b"A", b"\t: b"),
            ] {
                check(&with_line(&[front, &padding, back].concat()), Err(Kind::Invalid));
            }
        }
    }

    #[test]
    fn a_field_is_found_without_regard_to_case() {
        let input = b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nsEt-cOOkie: b, ,c\r\n\r\n";
        let mut room = field_room();
        let head = HeadScan::default().response(input, &mut room).unwrap().unwrap();
        assert_eq!(head.field("set-cookie"), Some(&b"a"[..]));
        assert_eq!(head.field("cookie"), None);
        assert_eq!(head.fields().list("SET-COOKIE").collect::<Vec<_>>(), [b"a", b"b", b"c"]);
        assert_eq!((head.fields().len(), head.fields().is_empty()), (2, false));
    }

    #[test]
    fn a_first_byte_that_cannot_begin_a_status_line_fails_at_once() {
        let whole = b"HTTP/1.1 200 OK\r\n";
        for count in 0..whole.len() {
            let mut room = field_room();
            let found = HeadScan::default().response(&whole[..count], &mut room);
            assert!(matches!(found, Ok(None)), "{count} bytes may become a head");
        }
        for (idx, byte) in whole.iter().enumerate().take(STATUS_LINE_START_BYTES) {
            let mut input = whole[..=idx].to_vec();
            input[idx] = byte ^ 0x80;
            check(&input, Err(Kind::Invalid));
        }
    }

    #[test]
    fn the_search_for_the_end_takes_up_where_it_stopped() {
        let mut scan = HeadScan::default();
        let input = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
        for count in 0..input.len() {
            assert_eq!(scan.end(&input[..count]), Ok(None));
            assert_eq!(scan.scanned, count);
        }
        assert_eq!(scan.end(input), Ok(Some(input.len())));
    }
}
