//! One exchange of one job: a connection from the pool or a new one, one request, one response, all
//! under one deadline; or, pipelined, several requests at once and their responses in order.
//!
//! Does not judge what came of it, nor know which jobs there are. Reading is done here; what the
//! bytes mean is asked of the HTTP machine, and what is noted of them is the job's business.
//!
//! Invariant: a connection goes back to the pool only after the clean end of a message with nothing
//! behind it; on every other way out it is dropped, after its lane stopped being watched.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;

use crate::base::buf::Block;
use crate::base::failure::{Cause, Failure, Kind, Stage};
use crate::base::instant::Instant;
use crate::base::limits::{BLOCK_BYTES, BODY_READ_BYTES_MAX, IDLE_UNCHECKED_MAX};
use crate::base::target::Target;
use crate::client::deadlines::{Alarm, LaneId};
use crate::client::worker::Core;
use crate::client::workload::{Answer, Call, Purpose, Reading, Work};
use crate::http::http1::{Exchange, Want};
use crate::runtime::{Io, Sendable, Socket, WriteError};

/// A connection of a core, idle in its pool or in one of its lanes.
pub(crate) struct Connection<I: Io> {
    socket: I::Socket,
    ip: IpAddr,
    /// When its last exchange ended, or when it was opened.
    idle_since: Instant,
    /// Whether it has carried a response.
    has_served: bool,
}

/// What one exchange came to.
#[derive(Debug)]
pub(crate) struct Exchanged<R> {
    /// Why it failed, if it did.
    pub(crate) failure: Option<Failure>,
    /// What was noted of the last response; none where there was no connection.
    pub(crate) reading: Option<R>,
    /// Bytes received for the last response.
    pub(crate) wire_bytes: u64,
    /// What was connected to.
    pub(crate) ip: Option<IpAddr>,
    /// When it was over.
    pub(crate) ended_at: Instant,
    /// Whether the connection failed, by itself, before the first byte of a response.
    is_unanswered: bool,
}

/// Why there was no exchange at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// The kernel had no room for a connection; this is its error number.
    Exhausted(i32),
}

impl<R> Exchanged<R> {
    /// An exchange that failed before any response.
    pub(crate) fn failed(failure: Failure, ended_at: Instant) -> Self {
        Self { failure: Some(failure), ..Self::nothing(ended_at) }
    }

    /// An exchange without a request.
    fn nothing(ended_at: Instant) -> Self {
        let (failure, reading, ip) = (None, None, None);
        Self { failure, reading, wire_bytes: 0, ip, ended_at, is_unanswered: false }
    }
}

/// A lane's own place for a connection: the one that it uses, or keeps between two jobs.
///
/// The connection stays where it is while it is used, so that a request moves nothing.
///
/// Invariant: a connection that is kept has the key of its origin, and one that is used has none:
/// so what a panic leaves behind is never taken for a clean one.
pub(crate) struct Berth<I: Io, W: Work> {
    connection: Option<Connection<I>>,
    key: Option<W::Key>,
}

impl<I: Io, W: Work> Default for Berth<I, W> {
    fn default() -> Self {
        Self { connection: None, key: None }
    }
}

impl<I: Io, W: Work> Berth<I, W> {
    /// Closes the connection, if there is one.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes `connection` in, to be used.
    fn dock(&mut self, connection: Connection<I>) {
        assert!(self.connection.is_none(), "a lane has one connection at a time");
        *self = Self { connection: Some(connection), key: None };
    }

    /// Gives a connection that is kept to the pool, for whoever needs one next.
    pub(crate) fn release(&mut self, core: &Core<I, W>) {
        if let Self { connection: Some(connection), key } = std::mem::take(self) {
            let key = key.expect("a connection that is kept has a key");
            check_in(core, W::target_of(&key), connection);
        }
    }

    /// Takes notice that the exchange for `call` is over: the connection is kept here or in the
    /// pool where it is clean, else closed.
    fn handle_end(&mut self, core: &Core<I, W>, call: &W::Job, is_clean: bool) {
        if !is_clean {
            return self.clear();
        }
        self.key = core.work.key_of(call);
        if self.key.is_none()
            && let Some(connection) = self.connection.take()
        {
            check_in(core, call.target(), connection);
        }
    }
}

fn check_in<I: Io, W: Work>(core: &Core<I, W>, target: &Target, connection: Connection<I>) {
    let since = connection.idle_since;
    drop(core.pool.borrow_mut().checkin(target.route(), connection, since));
}

/// Drives one exchange for `call`, and one more on a fresh connection where a reused one turns out
/// to be closed.
pub(crate) async fn exchange<I: Io, W: Work>(
    core: &Core<I, W>,
    lane: LaneId,
    call: &mut W::Job,
    berth: &mut Berth<I, W>,
    now: Instant,
) -> Result<Exchanged<W::Reading>, Obstacle> {
    if now >= call.deadline() {
        let phrase = "the deadline passed before the next try could start; hint: --timeout";
        let failure = Failure::new(Stage::Connect, Kind::Timeout, phrase);
        return Ok(Exchanged::failed(failure, now));
    }
    if call.purpose() == Purpose::Ask && dock_idle(core, call, berth, now) {
        core.connections.borrow_mut().reused += 1;
        let exchanged = ask(core, lane, call, berth, now).await;
        // The server may close an idle socket at any moment, so the first failure on a *reused*
        // connection says nothing about the server. Retry once on a fresh one; never twice.
        if !(exchanged.is_unanswered && core.work.may_repeat()) || core.is_stopping() {
            return Ok(exchanged);
        }
        tracing::trace!(url = call.target().url(), "a reused connection was closed");
        core.connections.borrow_mut().stale_retries += 1;
        call.count_attempt(-1);
    }
    // Boxed, since it is rare and large: a lane that only asks stays small.
    let connection = match Box::pin(connect(core, lane, call)).await? {
        Ok(connection) => connection,
        Err(exchanged) => return Ok(exchanged),
    };
    let now = connection.idle_since;
    if call.purpose() == Purpose::Open {
        check_in(core, call.target(), connection);
        return Ok(Exchanged::nothing(now));
    }
    berth.dock(connection);
    Ok(ask(core, lane, call, berth, now).await)
}

/// Sees to it that the lane has an idle connection to the target's origin of which nothing was
/// heard since: its own, or the next one of the pool's. Whether there is one.
fn dock_idle<I: Io, W: Work>(
    core: &Core<I, W>,
    call: &W::Job,
    berth: &mut Berth<I, W>,
    now: Instant,
) -> bool {
    let target = call.target();
    // What arrived behind the last response would be taken for the next one, and an end means that
    // the request would go nowhere. One that is used again at once is not asked.
    let is_usable = |connection: &Connection<I>| {
        let was_short = now.since(connection.idle_since) < IDLE_UNCHECKED_MAX;
        was_short || connection.socket.is_quiet()
    };
    let key = berth.key.take();
    if let (Some(connection), Some(key)) = (&berth.connection, &key) {
        let own = W::target_of(key);
        // Mostly it is the very same target, and nothing needs to be compared.
        if std::ptr::eq(own, target) || own.route() == target.route() {
            if is_usable(connection) {
                return true;
            }
        } else if let Some(connection) = berth.connection.take() {
            check_in(core, own, connection);
        }
    }
    berth.clear();
    let mut pool = core.pool.borrow_mut();
    // Bounded by the connections that are idle.
    while let Some(connection) = pool.checkout(target.route(), now) {
        if is_usable(&connection) {
            berth.dock(connection);
            return true;
        }
    }
    false
}

/// Opens a connection for `call`; where it cannot be had, the exchange that came of it.
async fn connect<I: Io, W: Work>(
    core: &Core<I, W>,
    lane: LaneId,
    call: &mut W::Job,
) -> Result<Result<Connection<I>, Exchanged<W::Reading>>, Obstacle> {
    let started_at = core.io.now();
    let deadline = call.deadline().min(started_at + core.connect_timeout);
    let addr = match resolve(core, lane, call, deadline).await {
        Ok(addr) => addr,
        Err(Failure { kind: Kind::Exhausted, cause: Cause::Os(errno), .. }) => {
            return Err(Obstacle::Exhausted(errno));
        }
        Err(failure) => {
            call.count_attempt(1);
            return Ok(Err(Exchanged::failed(failure, core.io.now())));
        }
    };
    core.make_room_for_connection();
    let connecting_at = core.io.now();
    let connected = core.until(lane, deadline, core.io.connect(addr)).await;
    let now = core.io.now();
    call.add_connect_ns(now.ns_since(connecting_at));
    let failure = match connected {
        Some(Ok(socket)) => {
            core.connected(addr);
            return Ok(Ok(Connection {
                socket,
                ip: addr.ip(),
                idle_since: now,
                has_served: false,
            }));
        }
        Some(Err(error)) => {
            if let Some(errno) = error.raw_os_error().filter(|n| core.may_wait_for(addr, *n)) {
                return Err(Obstacle::Exhausted(errno));
            }
            Failure::from_io(Stage::Connect, &error)
        }
        None => core.lateness(Stage::Connect, deadline),
    };
    call.count_attempt(1);
    Ok(Err(Exchanged { ip: Some(addr.ip()), ..Exchanged::failed(failure, now) }))
}

/// Where to connect to for the target of `call`.
async fn resolve<I: Io, W: Work>(
    core: &Core<I, W>,
    lane: LaneId,
    call: &mut W::Job,
    deadline: Instant,
) -> Result<SocketAddr, Failure> {
    let (host, port) = (call.target().host(), call.target().port());
    let started_at = core.io.now();
    if let Some(answer) = core.names.at_hand(host, port, started_at) {
        return answer;
    }
    let answer = core.until(lane, deadline, core.names.look_up(host, port)).await;
    call.add_dns_ns(core.io.now().ns_since(started_at));
    answer.unwrap_or_else(|| Err(core.lateness(Stage::Dns, deadline)))
}

/// Sends the requests of `call` on the lane's connection and reads their responses.
async fn ask<I: Io, W: Work>(
    core: &Core<I, W>,
    lane: LaneId,
    call: &mut W::Job,
    berth: &mut Berth<I, W>,
    now: Instant,
) -> Exchanged<W::Reading> {
    let connection = berth.connection.as_mut().expect("a lane that asks has a connection");
    let alarm = Alarm::Socket(connection.socket.interrupter());
    core.watch.borrow_mut().arm(lane, call.deadline(), alarm);
    call.count_attempt(1);
    call.handle_sent(now);
    let mut attempt = Attempt::new(core, lane, call, now);
    // In blocks of their own, so that a lane which waits holds no more than it needs; futures are
    // pinned where they are, since an await moves them once more.
    let (mut is_done, mut block) = {
        let request = core.work.request(attempt.call, &mut core.blocks.borrow_mut());
        debug_assert!(!request.bytes().is_empty(), "a request has bytes");
        let (sent, request) = pin!(connection.socket.write_all(request)).await;
        let is_done = match sent {
            Ok(()) => Ok(false),
            Err(WriteError { error, sent }) => {
                attempt.call.handle_cut(sent);
                Err(Failure::from_io(Stage::Send, &error))
            }
        };
        let blocks = &mut core.blocks.borrow_mut();
        (is_done, core.work.read_block(attempt.call, request, blocks))
    };
    while let Ok(false) = is_done {
        let read = if let Some(rest) = attempt.rest_in_place(&block) {
            attempt.read_in_place(&mut connection.socket, rest).await
        } else {
            make_room(&mut block, attempt.exchange.want());
            let read = pin!(connection.socket.read(std::mem::take(&mut block)));
            let (read, filled) = read.await;
            block = filled;
            read
        };
        is_done = attempt.handle_read(read, &mut block);
    }
    attempt.has_excess |= !block.is_empty();
    core.blocks.borrow_mut().give(block);
    let (failure, is_clean) = attempt.end(is_done.err(), connection);
    let has_heard = attempt.wire_bytes > 0 || attempt.answers > 0;
    let exchanged = Exchanged {
        failure,
        reading: Some(attempt.reading),
        wire_bytes: attempt.wire_bytes,
        ip: Some(connection.ip),
        ended_at: attempt.now,
        is_unanswered: failure.is_some() && !has_heard && !attempt.was_late,
    };
    berth.handle_end(core, call, is_clean);
    exchanged
}

/// How far the requests of one call have come on one connection.
struct Attempt<'a, I: Io, W: Work> {
    core: &'a Core<I, W>,
    lane: LaneId,
    call: &'a mut W::Job,
    exchange: Exchange,
    reading: W::Reading,
    /// The time of the last event.
    now: Instant,
    sent_at: Instant,
    first_byte_at: Instant,
    wire_bytes: u64,
    /// Whole responses so far.
    answers: u64,
    /// Whether more was read than belongs to the last response.
    has_excess: bool,
    /// Whether the deadline passed, or the end of a stop's grace.
    was_late: bool,
}

impl<'a, I: Io, W: Work> Attempt<'a, I, W> {
    fn new(core: &'a Core<I, W>, lane: LaneId, call: &'a mut W::Job, now: Instant) -> Self {
        Self {
            core,
            lane,
            call,
            exchange: Exchange::new(core.work.kind()),
            reading: core.work.reading(),
            now,
            sent_at: now,
            first_byte_at: now,
            wire_bytes: 0,
            answers: 0,
            has_excess: false,
            was_late: false,
        }
    }

    /// Ends the attempt, in which `failure` was seen: why it failed, if it did, and whether its
    /// connection can go on.
    fn end(
        &mut self,
        failure: Option<Failure>,
        connection: &mut Connection<I>,
    ) -> (Option<Failure>, bool) {
        let core = self.core;
        self.was_late = core.watch.borrow_mut().disarm(self.lane);
        #[cfg(feature = "slowed")]
        crate::runtime::slowed::pay();
        let may_go_on = self.exchange.reuse() && !core.work.closes();
        let is_clean = failure.is_none() && !self.has_excess && !self.was_late && may_go_on;
        if self.answers > 0 && !std::mem::replace(&mut connection.has_served, true) {
            core.connections.borrow_mut().served += 1;
        }
        let failure = match failure {
            Some(failure) if self.was_late => {
                Some(core.lateness(failure.stage, self.call.deadline()))
            }
            failure => failure,
        };
        if failure.is_some() {
            self.now = core.io.now();
        }
        connection.idle_since = self.now;
        (failure, is_clean)
    }

    /// Takes notice of what a read came to; whether that was all there is to come.
    fn handle_read(&mut self, read: io::Result<usize>, block: &mut Block) -> Result<bool, Failure> {
        let count = read.map_err(|error| Failure::from_io(self.stage(), &error))?;
        self.now = self.core.io.now();
        if count == 0 {
            if self.core.watch.borrow().is_late(self.lane) {
                // The end is our own doing, not that of a body that ends with its connection.
                return Err(self.core.lateness(self.stage(), self.call.deadline()));
            }
            self.exchange.handle_close()?;
        }
        self.take_in(count, block)
    }

    /// Takes in what was read, `count` bytes; whether that was all there is to come.
    fn take_in(&mut self, count: usize, block: &mut Block) -> Result<bool, Failure> {
        if self.wire_bytes == 0 && count > 0 {
            self.handle_first_byte();
        }
        self.wire_bytes += count as u64;
        // Bounded: each turn takes in one response that was asked for.
        loop {
            if !block.is_empty() {
                let memo = &mut *self.core.heads.borrow_mut();
                let (input, seen) = (block.filled(), &mut self.reading);
                let consumed = self.exchange.handle_bytes_by(input, seen, memo)?;
                block.consume(consumed);
            }
            if !self.exchange.is_done() {
                return Ok(false);
            }
            // What is left after the end is no part of this response.
            let rest = block.len() as u64;
            self.wire_bytes -= rest;
            self.answers += 1;
            let answer = Answer {
                first_byte_at: self.first_byte_at,
                ended_at: self.now,
                wire_bytes: self.wire_bytes,
            };
            if !self.core.work.handle_answer(self.call, &self.reading, answer) {
                return Ok(true);
            }
            if !self.exchange.reuse() {
                let phrase = "the connection ended before its further requests were answered";
                return Err(Failure::new(Stage::Head, Kind::Closed, phrase));
            }
            self.exchange = Exchange::new(self.core.work.kind());
            self.reading = self.core.work.reading();
            self.wire_bytes = rest;
            if rest == 0 {
                return Ok(false);
            }
            self.handle_first_byte();
        }
    }

    fn handle_first_byte(&mut self) {
        self.first_byte_at = self.now;
        self.call.handle_first_byte(self.now.ns_since(self.sent_at));
    }

    /// Bytes of a body of known length still to come, where they are read to where they stay.
    fn rest_in_place(&self, block: &Block) -> Option<u64> {
        match self.exchange.want() {
            Want::Sized(rest) if block.is_empty() && self.reading.keeps_body() => Some(rest),
            _ => None,
        }
    }

    /// Reads a piece of a body of known length, `rest` bytes of it to come, to where it stays.
    async fn read_in_place(&mut self, socket: &mut I::Socket, rest: u64) -> io::Result<usize> {
        let rest = usize::try_from(rest).unwrap_or(usize::MAX);
        let mut body = self.reading.take_body();
        let before = body.len();
        // One byte more than the rest: what a server sends beyond the end must be seen here, or the
        // connection's next request would take it for its response.
        if body.spare() == 0 || body.spare() == rest {
            body.grow(rest.min(BODY_READ_BYTES_MAX) + 1);
        }
        let (read, mut body) = socket.read(body).await;
        let count = (body.len() - before).min(rest);
        self.has_excess |= body.len() - before > rest;
        body.truncate(before + count);
        self.reading.give_body(body);
        self.exchange.handle_in_place(count as u64);
        read.map(|_| count)
    }

    /// How far the exchange has come.
    fn stage(&self) -> Stage {
        if self.exchange.head_seen() { Stage::Body } else { Stage::Head }
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
