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
use crate::client::answer::{Answer, AnswerHead, Arrival, Receiver};
use crate::client::core::Core;
use crate::client::deadlines::LaneId;
use crate::client::question::Question;
use crate::http::http1::{Exchange, Framing, Head, Observer, RequestKind, Want};
use crate::net::stream::Stream;
use crate::runtime::{Io, Socket, WriteError};

/// What an exchange on one connection gave.
pub(super) struct Carried<A> {
    /// Why it failed, if it did.
    pub(super) failure: Option<Failure>,
    /// What was noted of the last answer.
    pub(super) answer: A,
    /// Whole answers.
    pub(super) answers: usize,
    /// Bytes received for the last answer.
    pub(super) wire_bytes: u64,
    /// Requests that were handed to the kernel, the last of them perhaps in part.
    pub(super) sent: usize,
    /// From the hand-over of the requests to the first byte of the last answer, where one came.
    pub(super) first_byte_ns: Option<u64>,
    /// When it was over.
    pub(super) ended_at: Instant,
    /// Whether the connection can carry another exchange.
    pub(super) is_clean: bool,
    /// Whether the connection failed, by itself, before the first byte of an answer.
    pub(super) is_unanswered: bool,
}

/// Sends the requests of `question` on `stream` and reads their answers, from `now` on.
pub(super) async fn carry<I: Io, R: Receiver>(
    core: &Core<I>,
    lane: LaneId,
    stream: &mut Stream<I::Socket>,
    question: &Question<'_>,
    receiver: &R,
    now: Instant,
) -> Carried<R::Answer> {
    core.watch(lane, question.deadline, stream.interrupter());
    let mut attempt = Attempt::new(core, lane, question, receiver, now);
    // In blocks of their own, so that a lane which waits holds no more than it needs; futures are
    // pinned where they are, since an await moves them once more.
    let (mut is_done, mut block) = {
        let (sent, outgoing) = pin!(stream.write_all(outgoing(core, question))).await;
        let is_done = match sent {
            Ok(()) => Ok(false),
            Err(WriteError { error, sent }) => {
                attempt.sent = question.rendered.map_or(1, |rendered| rendered.begun_by(sent));
                Err(Failure::from_io(Stage::Send, &error))
            }
        };
        (is_done, block_for_answers(core, question, outgoing))
    };
    while let Ok(false) = is_done {
        let read = if let Some((rest, body)) = attempt.body_in_place(&block) {
            attempt.read_in_place(stream, rest, body).await
        } else {
            make_room(&mut block, attempt.exchange.want());
            let read = pin!(stream.read(std::mem::take(&mut block)));
            let (read, filled) = read.await;
            block = filled;
            read
        };
        is_done = attempt.handle_read(read, &mut block);
    }
    attempt.has_excess |= !block.is_empty();
    core.blocks.borrow_mut().give(block);
    attempt.end(is_done.err())
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

/// How far the requests of one question have come on one connection.
struct Attempt<'a, I: Io, R: Receiver> {
    core: &'a Core<I>,
    lane: LaneId,
    question: &'a Question<'a>,
    receiver: &'a R,
    exchange: Exchange,
    answer: R::Answer,
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

impl<'a, I: Io, R: Receiver> Attempt<'a, I, R> {
    fn new(
        core: &'a Core<I>,
        lane: LaneId,
        question: &'a Question<'a>,
        receiver: &'a R,
        now: Instant,
    ) -> Self {
        Self {
            core,
            lane,
            question,
            receiver,
            exchange: Exchange::new(RequestKind::from(question.request.method())),
            answer: receiver.answer(),
            now,
            sent_at: now,
            first_byte_at: now,
            sent: question.count,
            wire_bytes: 0,
            answers: 0,
            has_excess: false,
        }
    }

    /// Ends the attempt, in which `failure` was seen.
    fn end(self, failure: Option<Failure>) -> Carried<R::Answer> {
        let Self { core, question, answers, wire_bytes, mut now, .. } = self;
        let was_late = core.unwatch(self.lane);
        #[cfg(feature = "slowed")]
        crate::runtime::slowed::pay();
        let may_go_on = self.exchange.reuse() && !question.request.closes();
        let is_clean = failure.is_none() && !self.has_excess && !was_late && may_go_on;
        let failure = match failure {
            Some(failure) if was_late => Some(core.lateness(failure.stage, question.deadline)),
            failure => failure,
        };
        if failure.is_some() {
            now = core.io.now();
        }
        let has_heard = wire_bytes > 0 || answers > 0;
        Carried {
            failure,
            answer: self.answer,
            answers,
            wire_bytes,
            sent: self.sent,
            first_byte_ns: has_heard.then(|| self.first_byte_at.ns_since(self.sent_at)),
            ended_at: now,
            is_clean,
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
                return Err(self.core.lateness(self.stage(), self.question.deadline));
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
            self.receiver.handle_answer(self.answers, &self.answer, arrival);
            self.answers += 1;
            if self.answers == self.question.count {
                return Ok(true);
            }
            if !self.exchange.reuse() {
                let phrase = "the connection ended before its further requests were answered";
                return Err(Failure::new(Stage::Head, Kind::Closed, phrase));
            }
            self.exchange = Exchange::new(RequestKind::from(self.question.request.method()));
            self.answer = self.receiver.answer();
            self.wire_bytes = rest;
            if rest == 0 {
                return Ok(false);
            }
            self.first_byte_at = self.now;
        }
    }

    /// Bytes of a body of known length still to come, and the body so far, where it is read to
    /// where it stays.
    fn body_in_place(&mut self, block: &Block) -> Option<(u64, Block)> {
        match self.exchange.want() {
            Want::Sized(rest) if block.is_empty() => Some((rest, self.answer.lend_body()?)),
            _ => None,
        }
    }

    /// Reads a piece of `body`, `rest` bytes of it to come, to where it stays.
    async fn read_in_place(
        &mut self,
        stream: &mut Stream<impl Socket>,
        rest: u64,
        mut body: Block,
    ) -> io::Result<usize> {
        let rest = usize::try_from(rest).unwrap_or(usize::MAX);
        let before = body.len();
        // One byte more than the rest: what a server sends beyond the end must be seen here, or the
        // connection's next request would take it for its answer.
        if body.spare() == 0 || body.spare() == rest {
            body.grow(rest.min(BODY_READ_BYTES_MAX) + 1);
        }
        let (read, mut body) = stream.read(body).await;
        let count = (body.len() - before).min(rest);
        self.has_excess |= body.len() - before > rest;
        body.truncate(before + count);
        self.answer.return_body(body);
        self.exchange.handle_in_place(count as u64);
        read.map(|_| count)
    }

    /// How far the exchange has come.
    fn stage(&self) -> Stage {
        if self.exchange.head_seen() { Stage::Body } else { Stage::Head }
    }
}

/// An answer as the HTTP/1.1 machine sees it.
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
        // Bounded: the machine fails a head, a chunk line or a trailer that outgrows its limit.
        block.reserve(block.len().max(BLOCK_BYTES));
    }
}
