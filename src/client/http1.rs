//! One exchange on an HTTP/1.1 connection: requests out, their answers in, in order, under one
//! deadline.
//!
//! What the bytes mean is asked of `http::http1`, and what is noted of them is the receiver's
//! business.
//!
//! Invariant: what was sent is at most once in flight, and the lane is watched only while it waits
//! for this stream.

use std::io;
use std::pin::pin;

use crate::base::buf::{Block, Outgoing};
use crate::base::failure::{Failure, Kind, Stage};
use crate::base::instant::Instant;
use crate::base::limits::{BLOCK_BYTES, BODY_READ_BYTES_MAX};
use crate::client::answer::{Answer, AnswerHead, Arrival};
use crate::client::asker::Asker;
use crate::client::core::Core;
use crate::client::deadlines::LaneId;
use crate::client::exchanged::{End, Exchanged, OpeningTimes};
use crate::client::question::Question;
use crate::http::http1::{Exchange, Framing, Head, Observer, RequestKind, Want};
use crate::net::stream::Stream;
use crate::runtime::{Io, WriteError};

/// What an exchange gave, and what it means for its connection.
pub(super) struct Carried<A> {
    pub(super) exchanged: Exchanged<A>,
    /// Whether the connection can carry another exchange.
    pub(super) is_clean: bool,
    /// Whether it carried an answer.
    pub(super) has_served: bool,
    /// Whether it failed, by itself, before the first byte of an answer.
    pub(super) is_unanswered: bool,
}

/// Sends what `asker` asks on `stream` and reads the answers, from `now` on.
pub(super) async fn carry<I: Io, A: Asker>(
    core: &Core<I>,
    lane: LaneId,
    stream: &mut Stream<I::Socket>,
    asker: A,
    now: Instant,
) -> Carried<A::Answer> {
    core.watch(lane, asker.question().deadline, stream.interrupter());
    let mut asked = AskedRequests::new(core, lane, asker, now);
    // In blocks of their own, so that a lane which waits holds no more than it needs; futures are
    // pinned where they are, since an await moves them once more.
    let (mut is_done, mut block) = {
        let (sent, outgoing) = pin!(stream.write_all(outgoing(core, &asker.question()))).await;
        let is_done = match sent {
            Ok(()) => Ok(false),
            Err(WriteError { error, sent }) => {
                asked.sent =
                    asker.question().rendered.map_or(1, |rendered| rendered.begun_by(sent));
                Err(Failure::from_io(Stage::Send, &error))
            }
        };
        (is_done, block_for_answers(core, &asker.question(), outgoing))
    };
    while let Ok(false) = is_done {
        // One wait for every read, so that a lane holds room for one.
        let (into, place) = asked.place_to_read(&mut block);
        let (read, filled) = pin!(stream.read(into)).await;
        let read = asked.take_back(read, filled, place, &mut block);
        is_done = asked.handle_read(read, &mut block);
    }
    asked.has_excess |= !block.is_empty();
    core.blocks.borrow_mut().give(block);
    asked.end(is_done.err())
}

/// The bytes that ask `question`.
fn outgoing<I: Io>(core: &Core<I>, question: &Question<'_>) -> Outgoing {
    if let Some(rendered) = question.rendered {
        return Outgoing::Shared(rendered.requests(question.count));
    }
    debug_assert!(question.count == 1, "a pipeline is rendered before");
    let mut block = core.blocks.borrow_mut().take(question.block_bytes);
    let target = question.target;
    question.request.write(block.as_mut_vec(), target.authority(), target.path_and_query());
    Outgoing::Block(block)
}

/// The block to read the answers into, which is that of the request where it had one of its own.
fn block_for_answers<I: Io>(core: &Core<I>, question: &Question<'_>, sent: Outgoing) -> Block {
    match sent {
        Outgoing::Block(mut block) => {
            block.clear();
            block
        }
        Outgoing::Shared(_) => core.blocks.borrow_mut().take(question.block_bytes),
    }
}

/// How far the requests of a question have come.
struct AskedRequests<'a, I: Io, A: Asker> {
    core: &'a Core<I>,
    lane: LaneId,
    asker: A,
    exchange: Exchange,
    answer: A::Answer,
    /// The time of the last event.
    now: Instant,
    sent_at: Instant,
    first_byte_at: Instant,
    sent: usize,
    wire_bytes: u64,
    /// Whole answers so far.
    answers: usize,
    /// Whether more was read than belongs to the last answer.
    has_excess: bool,
}

impl<'a, I: Io, A: Asker> AskedRequests<'a, I, A> {
    fn new(core: &'a Core<I>, lane: LaneId, asker: A, now: Instant) -> Self {
        Self {
            core,
            lane,
            asker,
            exchange: Exchange::new(kind(&asker)),
            answer: asker.answer(),
            now,
            sent_at: now,
            first_byte_at: now,
            sent: asker.question().count,
            wire_bytes: 0,
            answers: 0,
            has_excess: false,
        }
    }

    /// Ends the exchange, in which `failure` was seen.
    fn end(self, failure: Option<Failure>) -> Carried<A::Answer> {
        let Self { core, answers, wire_bytes, .. } = self;
        let question = self.asker.question();
        let was_late = core.unwatch(self.lane);
        #[cfg(feature = "slowed")]
        crate::runtime::slowed::pay();
        let may_go_on = self.exchange.reuse() && !question.request.closes();
        let has_heard = wire_bytes > 0 || answers > 0;
        let (end, ended_at) = match failure {
            None => (End::Complete, self.now),
            Some(failure) if was_late => {
                (End::Failed(core.lateness(failure.stage, question.deadline)), core.io.now())
            }
            Some(failure) => (End::Failed(failure), core.io.now()),
        };
        let first_byte_ns = self.first_byte_at.ns_since(self.sent_at);
        Carried {
            exchanged: Exchanged {
                end,
                answer: Some(self.answer),
                wire_bytes,
                ip: None,
                opening: OpeningTimes::default(),
                sent: self.sent,
                sent_at: self.sent_at,
                first_byte_ns: if has_heard { first_byte_ns } else { 0 },
                ended_at,
            },
            is_clean: failure.is_none() && !self.has_excess && !was_late && may_go_on,
            has_served: answers > 0,
            is_unanswered: failure.is_some() && !has_heard && !was_late,
        }
    }

    /// Takes in what a read gave; whether that was all there is to come.
    fn handle_read(&mut self, read: io::Result<usize>, block: &mut Block) -> Result<bool, Failure> {
        let count = read.map_err(|error| Failure::from_io(self.stage(), &error))?;
        self.now = self.core.io.now();
        if count == 0 {
            if self.core.is_late(self.lane) {
                // The end is our own doing, not that of a body that ends with its connection.
                return Err(self.core.lateness(self.stage(), self.asker.question().deadline));
            }
            self.exchange.handle_close()?;
        }
        self.take_in(count, block)
    }

    /// Takes in what was read, `count` bytes; whether that was all there is to come.
    fn take_in(&mut self, count: usize, block: &mut Block) -> Result<bool, Failure> {
        if self.wire_bytes == 0 && count > 0 {
            self.first_byte_at = self.now;
        }
        self.wire_bytes += count as u64;
        // Bounded: each turn takes in one answer that was asked for.
        loop {
            if !block.is_empty() {
                let memo = &mut *self.core.heads.borrow_mut();
                let (input, seen) = (block.filled(), &mut Observed(&mut self.answer));
                let consumed = self.exchange.handle_bytes_by(input, seen, memo)?;
                block.consume(consumed);
            }
            if !self.exchange.is_done() {
                return Ok(false);
            }
            // What is left after the end is no part of this answer.
            let rest = block.len() as u64;
            self.wire_bytes -= rest;
            let arrival = Arrival {
                sent_at: self.sent_at,
                first_byte_at: self.first_byte_at,
                ended_at: self.now,
                wire_bytes: self.wire_bytes,
            };
            self.asker.handle_answer(self.answers, &self.answer, arrival);
            self.answers += 1;
            if self.answers == self.asker.question().count {
                return Ok(true);
            }
            if !self.exchange.reuse() {
                let phrase = "the connection ended before its further requests were answered";
                return Err(Failure::new(Stage::Head, Kind::Closed, phrase));
            }
            self.exchange = Exchange::new(kind(&self.asker));
            self.answer = self.asker.answer();
            self.wire_bytes = rest;
            if rest == 0 {
                return Ok(false);
            }
            self.first_byte_at = self.now;
        }
    }

    /// What is read to next: a body of known length to where it stays, all else to `block`.
    fn place_to_read(&mut self, block: &mut Block) -> (Block, Place) {
        if let Want::Sized(rest) = self.exchange.want()
            && block.is_empty()
            && let Some(mut body) = self.answer.lend_body()
        {
            let rest = usize::try_from(rest).unwrap_or(usize::MAX);
            // One byte more than the rest: what a server sends beyond the end must be seen here, or
            // the connection's next request would take it for its answer.
            if body.spare() == 0 || body.spare() == rest {
                body.grow(rest.min(BODY_READ_BYTES_MAX) + 1);
            }
            let before = body.len();
            return (body, Place::Body { before, rest });
        }
        make_room(block, self.exchange.want());
        (std::mem::take(block), Place::Block)
    }

    /// Takes back what was `filled` by a read that gave `read`; how many bytes of it count.
    fn take_back(
        &mut self,
        read: io::Result<usize>,
        mut filled: Block,
        place: Place,
        block: &mut Block,
    ) -> io::Result<usize> {
        let Place::Body { before, rest } = place else {
            *block = filled;
            return read;
        };
        let came = filled.len() - before;
        let count = came.min(rest);
        self.has_excess |= came > rest;
        filled.truncate(before + count);
        self.answer.return_body(filled);
        self.exchange.handle_in_place(count as u64);
        read.map(|_| count)
    }

    /// How far the exchange has come.
    fn stage(&self) -> Stage {
        if self.exchange.head_seen() { Stage::Body } else { Stage::Head }
    }
}

/// Where bytes are read to.
#[derive(Clone, Copy)]
enum Place {
    /// The block of heads and framing.
    Block,
    /// A body that holds `before` bytes already, and of which `rest` are to come.
    Body { before: usize, rest: usize },
}

/// What the requests of `asker` mean for the framing of their answers.
fn kind(asker: &impl Asker) -> RequestKind {
    RequestKind::from(asker.question().request.method())
}

/// An answer as `http::http1` sees it.
struct Observed<'a, A>(&'a mut A);

impl<A: Answer> Observer for Observed<'_, A> {
    #[inline]
    fn head(&mut self, head: &Head<'_>, framing: Framing) -> Result<(), Failure> {
        self.0.handle_head(&AnswerHead {
            status: head.status(),
            minor_version: head.minor_version(),
            fields: head.fields(),
            body_bytes: match framing {
                Framing::None => Some(0),
                Framing::Length(bytes) => Some(bytes),
                Framing::Chunked | Framing::Close => None,
            },
        })
    }

    #[inline]
    fn body(&mut self, part: &[u8]) -> Result<(), Failure> {
        self.0.handle_body(part)
    }

    #[inline]
    fn known_head(&mut self, status: u16) -> bool {
        if A::KNOWS_HEADS {
            self.0.handle_known_head(status);
        }
        A::KNOWS_HEADS
    }
}

/// Makes room in `block` for more of what is wanted: a head that does not fit grows its block, a
/// large body is read in large pieces.
fn make_room(block: &mut Block, want: Want) {
    let wanted = match want {
        Want::Sized(rest) => usize::try_from(rest).unwrap_or(usize::MAX),
        Want::Close | Want::Chunked => BLOCK_BYTES,
        Want::Head | Want::Nothing => 0,
    };
    if block.is_empty() && wanted > block.spare() && block.spare() < BODY_READ_BYTES_MAX {
        block.reserve(wanted.clamp(BLOCK_BYTES, BODY_READ_BYTES_MAX));
    } else if block.spare() == 0 {
        // Bounded: `http::http1` fails a head, a chunk line or a trailer that outgrows its limit.
        block.reserve(block.len().max(BLOCK_BYTES));
    }
}
