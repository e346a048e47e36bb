//! One exchange as the client sees it: bytes of the answer in, its head and body out.
//!
//! Who carries it reads, where [`Want`] says, and keeps the bytes of an unfinished head together.
//!
//! Invariant: `reuse()` is true only after a clean end of a message that lets the connection go on;
//! after a failure or a close, never again.

use super::chunked::Chunked;
use super::framing::{Framing, RequestKind, framing, keep_alive};
use super::head::{Head, HeadScan, field_room, unsupported};
use super::memo::{HeadMemo, Known};
use crate::base::failure::{Failure, Kind, Stage};

/// Most interim (1xx) responses skipped before one final response.
const INTERIM_RESPONSES_MAX: u32 = 16;

/// Receives what the answer says.
pub trait Observer {
    /// Takes the final head, once; interim ones are skipped.
    ///
    /// # Errors
    ///
    /// A failure ends the exchange with it.
    fn head(&mut self, head: &Head<'_>, framing: Framing) -> Result<(), Failure>;

    /// Takes the next part of the body, transfer coding removed; never an empty one. How the body
    /// is cut into parts depends on how it arrived.
    ///
    /// # Errors
    ///
    /// A failure ends the exchange with it.
    fn body(&mut self, part: &[u8]) -> Result<(), Failure>;

    /// Takes the status of a final head that is byte for byte an earlier one, and says whether that
    /// is enough; if not, the head follows.
    fn known_head(&mut self, _status: u16) -> bool {
        false
    }
}

/// What the exchange can use next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Bytes of a head, appended to those not consumed yet.
    Head,
    /// So many more bytes of the body, in place or through [`Exchange::handle_bytes`].
    Sized(u64),
    /// Bytes of a chunked body, through [`Exchange::handle_bytes`].
    Chunked,
    /// Bytes of a body that ends with the connection, in place or through
    /// [`Exchange::handle_bytes`].
    Close,
    /// Nothing: the exchange is over.
    Nothing,
}

/// The client's side of one exchange.
#[derive(Debug)]
pub struct Exchange {
    state: State,
    kind: RequestKind,
    scan: HeadScan,
    interim_count: u32,
    /// Whether any byte of an answer was seen.
    began: bool,
    /// Whether the final head was seen and handed over.
    head_seen: bool,
    /// Whether the connection goes on after a clean end.
    keep_alive: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Head,
    /// Bytes of the body still to come, at least one.
    Sized(u64),
    Chunked(Chunked),
    Close,
    Done,
    Failed(Failure),
}

impl Exchange {
    /// An exchange whose request was of `kind`; `(&method).into()` gives it.
    #[must_use]
    pub fn new(kind: RequestKind) -> Self {
        Self {
            state: State::Head,
            kind,
            scan: HeadScan::default(),
            interim_count: 0,
            began: false,
            head_seen: false,
            keep_alive: false,
        }
    }

    /// Takes what belongs to this answer from the front of `input` and returns how many bytes that
    /// were. Of an unfinished head nothing is taken: the next call must begin with the same bytes.
    /// Bytes past the end of the answer are never taken; on a connection without pipelining they
    /// mean that it is not clean.
    ///
    /// # Errors
    ///
    /// `head/..` up to the end of the final head, `body/..` from there on, or the observer's
    /// failure. Every later call gives the same one.
    pub fn handle_bytes(
        &mut self,
        input: &[u8],
        seen: &mut impl Observer,
    ) -> Result<usize, Failure> {
        self.handle_bytes_by(input, seen, &mut HeadMemo::default())
    }

    /// [`Exchange::handle_bytes`] for one of many exchanges of one kind, whose heads `memo`
    /// remembers: where one comes again and the observer is content with its status, it is not
    /// parsed.
    ///
    /// # Errors
    ///
    /// As [`Exchange::handle_bytes`].
    pub fn handle_bytes_by(
        &mut self,
        input: &[u8],
        seen: &mut impl Observer,
        memo: &mut HeadMemo,
    ) -> Result<usize, Failure> {
        self.began |= !input.is_empty();
        let mut consumed = 0;
        loop {
            match self.step(&input[consumed..], seen, memo) {
                Ok(0) => return Ok(consumed),
                Ok(count) => consumed += count,
                Err(failure) => {
                    self.state = State::Failed(failure);
                    return Err(failure);
                }
            }
        }
    }

    /// Counts `count` body bytes that were read straight to where they belong; the observer
    /// does not see them.
    ///
    /// # Panics
    ///
    /// Where [`Exchange::want`] is neither [`Want::Sized`] with at least `count` nor
    /// [`Want::Close`].
    pub fn handle_in_place(&mut self, count: u64) {
        match self.state {
            State::Sized(remaining) => {
                assert!(count <= remaining, "more was read in place than belongs to the body");
                self.state = sized(remaining - count);
            }
            State::Close => {}
            _ => panic!("nothing may be read in place now"),
        }
    }

    /// Handles the peer's close: the clean end of a body that ends with the connection.
    ///
    /// # Errors
    ///
    /// `head/closed` or `body/closed` where more was to come, or the failure there was before.
    pub fn handle_close(&mut self) -> Result<(), Failure> {
        self.keep_alive = false;
        let failure = match self.state {
            State::Close | State::Done => {
                self.state = State::Done;
                return Ok(());
            }
            State::Head if self.began => closed(Stage::Head, "closed within the response head"),
            State::Head => closed(Stage::Head, "closed before a response began"),
            State::Sized(_) => closed(Stage::Body, "closed before the Content-Length was reached"),
            State::Chunked(_) => closed(Stage::Body, "closed before the last chunk"),
            State::Failed(failure) => failure,
        };
        self.state = State::Failed(failure);
        Err(failure)
    }

    /// What can be used next.
    #[must_use]
    pub const fn want(&self) -> Want {
        match self.state {
            State::Head => Want::Head,
            State::Sized(remaining) => Want::Sized(remaining),
            State::Chunked(_) => Want::Chunked,
            State::Close => Want::Close,
            State::Done | State::Failed(_) => Want::Nothing,
        }
    }

    /// Whether the answer ended cleanly.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Whether the connection may carry another exchange: the answer ended cleanly, and neither it
    /// nor the peer said that the connection ends.
    #[must_use]
    pub const fn reuse(&self) -> bool {
        self.is_done() && self.keep_alive
    }

    /// Whether any byte of an answer was seen. Where none was on a connection used before, the peer
    /// may have closed it before the request came, and the request can be tried again.
    #[must_use]
    pub const fn began(&self) -> bool {
        self.began
    }

    /// Whether the final head was handed to the observer.
    #[must_use]
    pub const fn head_seen(&self) -> bool {
        self.head_seen
    }

    /// Takes one stretch of `input`; 0 where it is empty, more is needed, or the answer has ended.
    fn step(
        &mut self,
        input: &[u8],
        seen: &mut impl Observer,
        memo: &mut HeadMemo,
    ) -> Result<usize, Failure> {
        match &mut self.state {
            State::Failed(failure) => Err(*failure),
            _ if input.is_empty() => Ok(0),
            State::Head => self.step_head(input, seen, memo),
            State::Sized(remaining) => {
                let count = usize::try_from(*remaining).map_or(input.len(), |r| r.min(input.len()));
                self.state = sized(*remaining - count as u64);
                seen.body(&input[..count])?;
                Ok(count)
            }
            State::Chunked(chunked) => {
                let (taken, part) = chunked.handle_bytes(input)?;
                if chunked.is_done() {
                    self.state = State::Done;
                }
                if !part.is_empty() {
                    seen.body(part)?;
                }
                Ok(taken)
            }
            State::Close => {
                seen.body(input)?;
                Ok(input.len())
            }
            State::Done => Ok(0),
        }
    }

    /// Takes empty lines, then one whole head.
    fn step_head(
        &mut self,
        input: &[u8],
        seen: &mut impl Observer,
        memo: &mut HeadMemo,
    ) -> Result<usize, Failure> {
        if self.scan.is_fresh()
            && let Some((known, head_bytes)) = memo.recall(input)
            && seen.known_head(known.status)
        {
            self.enter_body(known.framing, known.keep_alive);
            return Ok(head_bytes);
        }
        let skipped = self.scan.skip_empty_lines(input)?;
        if matches!(&input[skipped..], [] | [b'\r']) {
            return Ok(skipped);
        }
        let rest = &input[skipped..];
        if let Some(head) = self.scan.whole_response(rest, &mut field_room()) {
            return Ok(skipped + self.handle_head(&head, seen, memo)?);
        }
        let mut room = field_room();
        let Some(head) = self.scan.response(rest, &mut room)? else { return Ok(skipped) };
        Ok(skipped + self.handle_head(&head, seen, memo)?)
    }

    /// Passes over `head` or hands it over; returns its length in bytes.
    fn handle_head(
        &mut self,
        head: &Head<'_>,
        seen: &mut impl Observer,
        memo: &mut HeadMemo,
    ) -> Result<usize, Failure> {
        self.scan.restart();
        if head.status() < 200 {
            self.skip_interim(head.status())?;
        } else {
            self.begin_body(head, seen, memo)?;
        }
        Ok(head.bytes().len())
    }

    /// Passes over an interim response (RFC 9110 section 15.2).
    fn skip_interim(&mut self, status: u16) -> Result<(), Failure> {
        if status == 101 {
            return Err(unsupported("the server switched protocols and was not asked to"));
        }
        self.interim_count += 1;
        if self.interim_count > INTERIM_RESPONSES_MAX {
            return Err(Failure::new(Stage::Head, Kind::TooMany, "too many interim responses"));
        }
        Ok(())
    }

    /// Hands the final head over and gets ready for its body.
    fn begin_body(
        &mut self,
        head: &Head<'_>,
        seen: &mut impl Observer,
        memo: &mut HeadMemo,
    ) -> Result<(), Failure> {
        let framing = framing(self.kind, head.status(), head.minor_version(), head.fields())?;
        let goes_on = framing != Framing::Close && keep_alive(head.minor_version(), head.fields());
        self.enter_body(framing, goes_on);
        memo.learn(head.bytes(), Known { status: head.status(), framing, keep_alive: goes_on });
        seen.head(head, framing)
    }

    /// Gets ready for a body that ends as `framing` says.
    fn enter_body(&mut self, framing: Framing, keep_alive: bool) {
        self.keep_alive = keep_alive;
        self.state = match framing {
            Framing::None => State::Done,
            Framing::Length(length) => sized(length),
            Framing::Chunked => State::Chunked(Chunked::new()),
            Framing::Close => State::Close,
        };
        self.head_seen = true;
    }
}

/// The state with `remaining` bytes of a body to come.
const fn sized(remaining: u64) -> State {
    if remaining == 0 { State::Done } else { State::Sized(remaining) }
}

const fn closed(stage: Stage, phrase: &'static str) -> Failure {
    Failure::new(stage, Kind::Closed, phrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts what it receives, and fails where it is told to.
    #[derive(Default)]
    struct Tape {
        heads: usize,
        body: Vec<u8>,
        head_failure: Option<Failure>,
        body_failure: Option<Failure>,
    }

    impl Observer for Tape {
        fn head(&mut self, _: &Head<'_>, _: Framing) -> Result<(), Failure> {
            self.heads += 1;
            self.head_failure.map_or(Ok(()), Err)
        }

        fn body(&mut self, part: &[u8]) -> Result<(), Failure> {
            self.body.extend_from_slice(part);
            self.body_failure.map_or(Ok(()), Err)
        }
    }

    const SIZED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    const CLOSING: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";

    /// Checks what an exchange wants once it has seen `input`, and whether it began and saw a head.
    fn check(input: &[u8], want: Want, began: bool, head_seen: bool) {
        let mut exchange = Exchange::new(RequestKind::Other);
        let _ = exchange.handle_bytes(input, &mut Tape::default());
        assert_eq!(exchange.want(), want, "{}", input.escape_ascii());
        assert_eq!((exchange.began(), exchange.head_seen()), (began, head_seen));
    }

    #[test]
    fn it_says_what_it_can_use_next() {
        check(b"", Want::Head, false, false);
        check(b"\r", Want::Head, true, false);
        check(b"HTTP/1.1 100 \r\n\r\n", Want::Head, true, false);
        check(SIZED, Want::Sized(5), true, true);
        check(&[SIZED, b"he"].concat(), Want::Sized(3), true, true);
        check(&[SIZED, b"hello"].concat(), Want::Nothing, true, true);
        check(CLOSING, Want::Close, true, true);
        check(b"HTTP/1.1 200\r\nTransfer-Encoding:chunked\r\n\r\n", Want::Chunked, true, true);
        check(b"garbage", Want::Nothing, true, false);
    }

    /// Notes each status, and whether its head was parsed for that.
    #[derive(Default)]
    struct Statuses(Vec<(u16, bool)>);

    impl Observer for Statuses {
        fn head(&mut self, head: &Head<'_>, _: Framing) -> Result<(), Failure> {
            self.0.push((head.status(), true));
            Ok(())
        }

        fn body(&mut self, _: &[u8]) -> Result<(), Failure> {
            Ok(())
        }

        fn known_head(&mut self, status: u16) -> bool {
            self.0.push((status, false));
            true
        }
    }

    #[test]
    fn a_head_that_comes_again_is_not_parsed_and_comes_to_the_same() {
        let other: &[u8] = b"HTTP/1.1 404 \r\nContent-Length: 2\r\nConnection: close\r\n\r\n";
        let (mut memo, mut seen) = (HeadMemo::prepared(), Statuses::default());
        for (head, body_bytes, reuse) in
            [(SIZED, 5, true), (SIZED, 5, true), (other, 2, false), (other, 2, false)]
        {
            for piece_bytes in [1, 7, usize::MAX / 2] {
                let mut exchange = Exchange::new(RequestKind::Other);
                let answer = [head, &b"hello"[..body_bytes], b"more"].concat();
                let (mut arrived, mut consumed) = (0, 0);
                while !exchange.is_done() {
                    arrived = answer.len().min(arrived + piece_bytes);
                    let input = &answer[consumed..arrived];
                    consumed += exchange.handle_bytes_by(input, &mut seen, &mut memo).unwrap();
                }
                assert_eq!((consumed, exchange.reuse()), (head.len() + body_bytes, reuse));
            }
        }
        let statuses: Vec<u16> = seen.0.iter().map(|(status, _)| *status).collect();
        assert_eq!(statuses, [[200; 6], [404; 6]].concat());
        let parsed = seen.0.iter().filter(|(_, parsed)| *parsed).count();
        // In pieces a head is not known from its beginning, so it is parsed; whole, it is known.
        assert_eq!(parsed, 8);
        let mut tape = Tape::default();
        let mut exchange = Exchange::new(RequestKind::Other);
        exchange.handle_bytes_by(other, &mut tape, &mut memo).unwrap();
        assert_eq!(tape.heads, 1, "who wants the head itself gets it");
    }

    #[test]
    fn bytes_read_in_place_count_and_are_not_told() {
        let mut exchange = Exchange::new(RequestKind::Other);
        let mut tape = Tape::default();
        assert_eq!(exchange.handle_bytes(&[SIZED, b"h"].concat(), &mut tape), Ok(SIZED.len() + 1));
        exchange.handle_in_place(3);
        assert_eq!(exchange.want(), Want::Sized(1));
        exchange.handle_in_place(1);
        assert!(exchange.is_done() && exchange.reuse());
        assert_eq!((tape.heads, &tape.body[..]), (1, &b"h"[..]));

        let mut exchange = Exchange::new(RequestKind::Other);
        assert_eq!(exchange.handle_bytes(CLOSING, &mut tape), Ok(CLOSING.len()));
        exchange.handle_in_place(u64::MAX);
        exchange.handle_in_place(u64::MAX);
        assert_eq!(exchange.handle_close(), Ok(()));
        assert!(exchange.is_done() && !exchange.reuse());
    }

    #[test]
    #[should_panic(expected = "more was read in place than belongs to the body")]
    fn more_than_the_body_cannot_be_read_in_place() {
        let mut exchange = Exchange::new(RequestKind::Other);
        let _ = exchange.handle_bytes(SIZED, &mut Tape::default());
        exchange.handle_in_place(6);
    }

    #[test]
    #[should_panic(expected = "nothing may be read in place now")]
    fn a_head_cannot_be_read_in_place() {
        Exchange::new(RequestKind::Other).handle_in_place(1);
    }

    #[test]
    fn a_failure_of_the_observer_ends_the_exchange_for_good() {
        let failure = Failure::new(Stage::Body, Kind::TooLarge, "enough");
        for mut tape in [
            Tape { head_failure: Some(failure), ..Tape::default() },
            Tape { body_failure: Some(failure), ..Tape::default() },
        ] {
            let mut exchange = Exchange::new(RequestKind::Other);
            let answer = [SIZED, b"hello"].concat();
            assert_eq!(exchange.handle_bytes(&answer, &mut tape), Err(failure));
            assert_eq!(exchange.handle_bytes(&answer, &mut tape), Err(failure));
            assert_eq!(exchange.handle_close(), Err(failure));
            assert_eq!((exchange.want(), tape.heads), (Want::Nothing, 1));
            assert!(!exchange.is_done() && !exchange.reuse() && exchange.head_seen());
        }
    }

    #[test]
    fn a_close_before_any_byte_is_told_from_one_within_the_head() {
        for input in [&b""[..], b"\r\n", b"HTTP"] {
            let mut exchange = Exchange::new(RequestKind::Other);
            assert!(exchange.handle_bytes(input, &mut Tape::default()).is_ok());
            let failure = exchange.handle_close().unwrap_err();
            assert_eq!((failure.stage, failure.kind), (Stage::Head, Kind::Closed));
            assert_eq!(failure.to_string().contains("before a response began"), input.is_empty());
        }
    }

    #[test]
    fn a_close_after_the_end_forbids_reuse() {
        let mut exchange = Exchange::new(RequestKind::Head);
        assert_eq!(exchange.handle_bytes(SIZED, &mut Tape::default()), Ok(SIZED.len()));
        assert!(exchange.reuse());
        assert_eq!(exchange.handle_close(), Ok(()));
        assert!(exchange.is_done() && !exchange.reuse());
    }
}
