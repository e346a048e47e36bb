//! Lines of a byte stream, trimmed, in a buffer of fixed size.
//!
//! Invariant: the lines depend on the bytes alone, never on the pieces they came in; memory does
//! not grow with the length of a line.

use std::io::{self, ErrorKind, Read};
use std::ops::Range;

use memchr::memchr;

use crate::input::source::{Line, Source};

/// Longest input line, in bytes; a longer one becomes a row that says so.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// How much of an over-long line its row repeats.
const LINE_SHOWN_BYTES: usize = 256;

// LIMIT: what one reader holds. 256 KiB makes a system call a rare event (one in some 5,000 lines)
// and still lies in the second-level cache of common servers.
const BUFFER_BYTES: usize = 256 * 1024;
/// Room in the buffer below which what is left of it moves to the front before the next read.
const READ_BYTES_MIN: usize = BUFFER_BYTES / 4;
/// U+FEFF in UTF-8: some editors put it at the start of a file. It is no part of the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

const _: () = assert!(
    LINE_BYTES_MAX + 2 + READ_BYTES_MIN <= BUFFER_BYTES,
    "the longest line with its CRLF leaves room for a read"
);
const _: () = assert!(LINE_SHOWN_BYTES < LINE_BYTES_MAX, "an over-long line is longer than shown");

/// Splits what `reader` gives into lines.
///
/// A line ends with LF, CRLF or the end of the stream. ASCII white space around it is dropped, and
/// a line of which then nothing is left, or which begins with `#`, is skipped. Bytes that are no
/// UTF-8 become U+FFFD. A line is over-long where more than 64 KiB lie between its first
/// byte that is no white space and its LF or CRLF.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    buf: Box<[u8]>,
    /// What was read and not yet looked at.
    start: usize,
    end: usize,
    /// Whether the reader said that nothing more comes: a terminal would start over.
    has_ended: bool,
    /// Where the current line lies in `buf`.
    span: Range<usize>,
    is_too_long: bool,
    /// The current line, where it is no UTF-8.
    lossy: String,
    state: State,
}

/// Where in the stream the first byte not yet looked at lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At its very start, where a byte order mark may stand.
    FileStart,
    /// At the start of a line, or in the white space before it.
    LineStart,
    /// In a comment or behind what was shown of an over-long line.
    Rest,
}

impl<R: Read> Lines<R> {
    /// The lines of `reader`, which needs no buffer of its own.
    #[must_use]
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            buf: vec![0; BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            has_ended: false,
            span: 0..0,
            is_too_long: false,
            lossy: String::new(),
            state: State::FileStart,
        }
    }

    /// Moves to the next line, which [`line`](Self::line) then gives; false where there is none.
    ///
    /// # Errors
    ///
    /// What the reader returned, but for [`ErrorKind::Interrupted`]. Complete lines before it were
    /// handed out; the beginning of a line that the error cut short is not.
    pub fn advance(&mut self) -> io::Result<bool> {
        loop {
            match self.state {
                State::FileStart => self.skip_byte_order_mark()?,
                State::LineStart => self.skip_white_space(),
                State::Rest => self.skip_rest(),
            }
            match self.buf[self.start..self.end].first().copied() {
                None if !self.fill()? => return Ok(false),
                None => {}
                Some(b'#') => self.state = State::Rest,
                Some(_) => {
                    self.find_line()?;
                    return Ok(true);
                }
            }
        }
    }

    /// The current line; an empty one before the first.
    #[must_use]
    pub fn line(&mut self) -> Line<'_> {
        let bytes = &self.buf[self.span.clone()];
        let text = match str::from_utf8(bytes) {
            Ok(text) => text,
            Err(_) => {
                self.lossy = String::from_utf8_lossy(bytes).into_owned();
                &self.lossy
            }
        };
        if self.is_too_long { Line::TooLong(text) } else { Line::Text(text) }
    }

    /// Whether the next line lies in the buffer as a whole, so that [`advance`](Self::advance) need
    /// not read.
    #[must_use]
    pub fn is_buffered(&self) -> bool {
        let mut rest = &self.buf[self.start..self.end];
        if self.state == State::Rest {
            let Some(end) = memchr(b'\n', rest) else { return false };
            rest = &rest[end..];
        }
        // Bounded by the buffer; comments are looked at once here and once when they are skipped.
        loop {
            rest = rest.trim_ascii_start();
            match (rest.first(), memchr(b'\n', rest)) {
                (None, _) => return false,
                (Some(b'#'), Some(end)) => rest = &rest[end..],
                (Some(b'#'), None) => return false,
                (Some(_), end) => return end.is_some() || self.has_ended,
            }
        }
    }

    /// Reads until the line at `start` is complete or known to be over-long, and marks it.
    fn find_line(&mut self) -> io::Result<()> {
        let mut searched = 0;
        let line_bytes = loop {
            let seen = &self.buf[self.start..self.end];
            if let Some(idx) = memchr(b'\n', &seen[searched..]) {
                self.state = State::LineStart;
                break searched + idx;
            }
            searched = seen.len();
            // One more than the bound may still be the CR of a CRLF.
            if searched > LINE_BYTES_MAX + 1 {
                self.state = State::Rest;
                break searched;
            }
            if !self.fill()? {
                self.state = State::LineStart;
                break searched;
            }
        };
        let line = &self.buf[self.start..self.start + line_bytes];
        let content = line.strip_suffix(b"\r").unwrap_or(line);
        self.is_too_long = content.len() > LINE_BYTES_MAX;
        let kept = if self.is_too_long { shown(content) } else { content };
        self.span = self.start..self.start + kept.trim_ascii_end().len();
        self.start += line_bytes;
        Ok(())
    }

    /// Skips a mark at the start of the stream, for which it must be known whether three bytes
    /// come.
    fn skip_byte_order_mark(&mut self) -> io::Result<()> {
        while self.end < BYTE_ORDER_MARK.len() && self.fill()? {}
        if self.buf[..self.end].starts_with(BYTE_ORDER_MARK) {
            self.start = BYTE_ORDER_MARK.len();
        }
        self.state = State::LineStart;
        self.skip_white_space();
        Ok(())
    }

    /// Skips white space, and with it line ends and empty lines.
    fn skip_white_space(&mut self) {
        let seen = &self.buf[self.start..self.end];
        self.start = self.end - seen.trim_ascii_start().len();
    }

    /// Skips to the end of the current line, which need not be in the buffer as a whole.
    fn skip_rest(&mut self) {
        match memchr(b'\n', &self.buf[self.start..self.end]) {
            Some(idx) => {
                self.start += idx;
                self.state = State::LineStart;
                self.skip_white_space();
            }
            None => self.start = self.end,
        }
    }

    /// Reads once, and says whether anything came. There is always room: what is kept is at most
    /// one line with its end.
    fn fill(&mut self) -> io::Result<bool> {
        if self.has_ended {
            return Ok(false);
        }
        if self.start == self.end || self.buf.len() - self.end < READ_BYTES_MIN {
            self.buf.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        loop {
            match self.reader.read(&mut self.buf[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    self.has_ended = count == 0;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl<R: Read + Send> Source for Lines<R> {
    fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        Ok(if self.advance()? { Some(self.line()) } else { None })
    }

    fn is_buffered(&self) -> bool {
        self.is_buffered()
    }
}

/// A line that is at hand as a whole.
pub(super) fn whole(text: &str) -> Line<'_> {
    if text.len() <= LINE_BYTES_MAX {
        Line::Text(text)
    } else {
        Line::TooLong(&text[..shown(text.as_bytes()).len()])
    }
}

/// What is shown of an over-long line: its beginning, without the first half of a character.
fn shown(line: &[u8]) -> &[u8] {
    let is_boundary = |idx: &usize| line[*idx] & 0b1100_0000 != 0b1000_0000;
    // A character has at most four bytes (RFC 3629 section 3).
    let cut = (LINE_SHOWN_BYTES - 3..=LINE_SHOWN_BYTES).rev().find(is_boundary);
    &line[..cut.unwrap_or(LINE_SHOWN_BYTES)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Hands out `bytes` in pieces of the sizes `sizes`, over and over; a size of zero is an
    /// interrupted system call.
    struct Pieces<'a> {
        bytes: &'a [u8],
        sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
    }

    impl<'a> Pieces<'a> {
        fn new(bytes: &'a [u8], sizes: &'a [usize]) -> Self {
            Self { bytes, sizes: sizes.iter().cycle() }
        }
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let size = match self.sizes.next() {
                Some(0) => return Err(ErrorKind::Interrupted.into()),
                size => *size.unwrap_or(&1),
            };
            let size = size.min(buf.len());
            self.bytes.read(&mut buf[..size])
        }
    }

    /// A line, by value: whether it is whole, and its text.
    type Owned = (bool, String);

    fn collect(reader: impl Read + Send) -> Vec<Owned> {
        let mut lines = Lines::new(reader);
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            all.push(match line {
                Line::Text(text) => (true, text.to_owned()),
                Line::TooLong(text) => (false, text.to_owned()),
            });
        }
        assert_eq!(lines.next_line().unwrap(), None, "the end stays the end");
        all
    }

    /// The same lines, with the whole input at hand.
    fn reference(bytes: &[u8]) -> Vec<Owned> {
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let mut all = Vec::new();
        for line in bytes.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start();
            let is_whole = line.len() <= LINE_BYTES_MAX;
            let kept = if is_whole { line } else { shown(line) }.trim_ascii_end();
            if !kept.is_empty() && kept[0] != b'#' {
                all.push((is_whole, String::from_utf8_lossy(kept).into_owned()));
            }
        }
        all
    }

    /// Checks that `input` has the lines `wanted`, read at once and byte by byte.
    fn check(input: impl AsRef<[u8]>, wanted: &[&str]) {
        let wanted: Vec<_> = wanted.iter().map(|text| (true, (*text).to_owned())).collect();
        assert_eq!(collect(input.as_ref()), wanted);
        assert_eq!(collect(Pieces::new(input.as_ref(), &[1])), wanted);
    }

    #[test]
    fn a_line_is_at_hand_where_it_can_be_given_without_reading() {
        for (text, expected) in [
            ("a\nb\n", true),
            ("a\n\n \n#c\nb\n", true),
            ("a\n", false),
            ("a\nb", false),
            ("a\n#c\n", false),
            ("a\n#c", false),
        ] {
            let mut lines = Lines::new(text.as_bytes());
            assert!(!lines.is_buffered(), "{text:?}");
            assert!(lines.advance().unwrap());
            assert_eq!(lines.is_buffered(), expected, "{text:?}");
        }
    }

    #[test]
    fn lines_come_trimmed_and_in_order() {
        check("", &[]);
        check("a", &["a"]);
        check("a\n", &["a"]);
        check("a\r\nb\nc", &["a", "b", "c"]);
        check("  a b\t\n\x0C c\r\r\n", &["a b", "c"]);
        check("a\rb\n", &["a\rb"]);
        check("a\0b\n", &["a\0b"]);
    }

    #[test]
    fn empty_lines_and_comments_are_skipped() {
        check("\n\r\n \t \na\n\n\n", &["a"]);
        check("# x\na\n  # y\nb#c\n#", &["a", "b#c"]);
        check(format!("#{}\na", "x".repeat(3 * BUFFER_BYTES)), &["a"]);
        check(format!("{}\na", " ".repeat(3 * BUFFER_BYTES)), &["a"]);
    }

    #[test]
    fn a_byte_order_mark_is_dropped_at_the_start_and_nowhere_else() {
        check("\u{FEFF}a\n\u{FEFF}b", &["a", "\u{FEFF}b"]);
        check("\u{FEFF}#a\nb", &["b"]);
        check("\u{FEFF}", &[]);
        check(b"\xEF\xBB", &["\u{FFFD}"]);
    }

    #[test]
    fn what_is_no_utf_8_is_replaced_and_the_line_still_counts() {
        check(b"http://a/\xFF\xE9\nb", &["http://a/\u{FFFD}\u{FFFD}", "b"]);
        check("http://b\u{FC}cher/", &["http://b\u{FC}cher/"]);
    }

    #[test]
    fn a_line_over_the_bound_is_shown_and_not_held() {
        for (extra, end) in [(0, "\n"), (0, "\r\n"), (0, ""), (1, "\n"), (1, "\r\n"), (1, "")] {
            let long = "x".repeat(LINE_BYTES_MAX + extra);
            let input = format!("  {long}{end}");
            let wanted = match extra {
                0 => (true, long),
                _ => (false, "x".repeat(LINE_SHOWN_BYTES)),
            };
            assert_eq!(collect(input.as_bytes()), [wanted], "{extra} over, {end:?}");
        }
        let endless = io::repeat(b'y').take(100 * BUFFER_BYTES as u64);
        let lines = collect(endless.chain(&b"\nb"[..]));
        assert_eq!(lines, [(false, "y".repeat(LINE_SHOWN_BYTES)), (true, "b".to_owned())]);
    }

    #[test]
    fn an_over_long_line_is_cut_between_characters() {
        for (shift, shown_bytes) in [(0, 256), (1, 253), (2, 254), (3, 255)] {
            let input = format!("{}{}", "x".repeat(shift), "\u{1F980}".repeat(LINE_BYTES_MAX));
            let (_, text) = &collect(input.as_bytes())[0];
            assert!(input.starts_with(text.as_str()) && text.len() == shown_bytes, "{shift}");
        }
    }

    #[test]
    fn an_error_comes_after_the_lines_before_it() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(ErrorKind::InvalidData.into())
            }
        }
        let mut lines = Lines::new(b"a\nhttp://b/cut-sho".chain(Broken));
        assert_eq!(lines.next_line().unwrap(), Some(Line::Text("a")));
        assert_eq!(lines.next_line().unwrap_err().kind(), ErrorKind::InvalidData);
    }

    /// Runs of bytes that matter to the splitter, some of them about as long as a line may be.
    fn input() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop::sample::select(vec![
            &b"a"[..],
            b"#",
            b" ",
            b"\t",
            b"\r",
            b"\n",
            b"\r\n",
            b"\xFF",
            b"\xEF\xBB\xBF",
            b"\xC3\xA9",
        ]);
        let count = prop_oneof![
            20 => 1..4usize,
            1 => LINE_BYTES_MAX - 3..LINE_BYTES_MAX + 3,
            1 => BUFFER_BYTES - 3..BUFFER_BYTES + 3,
        ];
        let runs = prop::collection::vec((piece, count), 0..40);
        runs.prop_map(|runs| {
            runs.iter().flat_map(|(piece, count)| piece.repeat(*count)).collect::<Vec<_>>()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn the_lines_do_not_depend_on_the_pieces(
            bytes in input(),
            sizes in prop::collection::vec(prop_oneof![0..8usize, 1000..300_000usize], 1..6),
        ) {
            prop_assume!(sizes.iter().any(|size| *size > 0));
            let wanted = reference(&bytes);
            prop_assert_eq!(&collect(&bytes[..]), &wanted);
            prop_assert_eq!(&collect(Pieces::new(&bytes, &sizes)), &wanted);
        }
    }
}
