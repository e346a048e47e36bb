//! One exchange of one job: a connection from the pool or a new one, one request, one response, all
//! under one deadline.
//!
//! Does not judge what came of it, nor know which jobs there are. Reading is done here; what the
//! bytes mean is asked of the HTTP machine.
//!
//! Invariant: a connection goes back to the pool only after the clean end of a message with nothing
//! behind it; on every other way out it is dropped, after its lane stopped being watched.

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::engine::core::Core;
use crate::engine::response::Reading;
use crate::engine::watch::{Alarm, LaneId};
use crate::io::{Io, Socket};
use crate::machines::http1::{Exchange, RequestKind, Want};
use crate::words::buf::Block;
use crate::words::failure::{Cause, Failure, Kind, Stage};
use crate::words::instant::Instant;
use crate::words::job::{Progress, Response};
use crate::words::limits::{BLOCK_BYTES, BODY_READ_BYTES_MAX, IDLE_UNCHECKED_MAX};
use crate::words::target::Target;

/// A connection of a core, idle in its pool or in one of its lanes.
pub(super) struct Connection<I: Io> {
    socket: I::Socket,
    ip: IpAddr,
    /// When its last exchange ended, or when it was opened.
    idle_since: Instant,
}

/// What one exchange came to.
#[derive(Debug)]
pub(super) struct Exchanged {
    /// Why it failed, if it did.
    pub(super) failure: Option<Failure>,
    /// The response, where its head was read.
    pub(super) response: Option<Response>,
    /// The response's Location field.
    pub(super) location: Option<Box<[u8]>>,
    /// What was connected to.
    pub(super) ip: Option<IpAddr>,
    /// Whether the connection failed, by itself, before the first byte of a response.
    is_unanswered: bool,
}

/// Why there was no exchange at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The kernel had no room for a connection; this is its error number.
    Exhausted(i32),
}

impl Exchanged {
    /// An exchange that failed before any response.
    pub(super) fn failed(failure: Failure) -> Self {
        let failure = Some(failure);
        Self { failure, response: None, location: None, ip: None, is_unanswered: false }
    }
}

/// Drives one exchange for `target`, and one more on a fresh connection where a reused one turns
/// out to be closed.
pub(super) async fn exchange<I: Io>(
    core: &Core<I>,
    lane: LaneId,
    target: &Target,
    progress: &mut Progress,
) -> Result<Exchanged, Obstacle> {
    let now = core.io.now();
    if let Some(connection) = idle_connection(core, target, now) {
        core.tally.borrow_mut().connections_reused += 1;
        let exchanged = Attempt::new(core, lane, target, progress).run(connection).await;
        let is_idempotent = core.shared.settings.request.method().is_idempotent();
        // The server may close an idle socket at any moment, so the first failure on a *reused*
        // connection says nothing about the server. Retry once on a fresh one; never twice.
        if !(exchanged.is_unanswered && is_idempotent) || core.is_stopping() {
            return Ok(exchanged);
        }
        tracing::trace!(url = target.url(), "a reused connection was closed");
        core.tally.borrow_mut().stale_retries += 1;
        progress.attempts -= 1;
    }
    let connection = match connect(core, lane, target, progress).await? {
        Ok(connection) => connection,
        Err(exchanged) => return Ok(exchanged),
    };
    Ok(Attempt::new(core, lane, target, progress).run(connection).await)
}

/// The newest idle connection to `target`'s origin of which nothing was heard since.
fn idle_connection<I: Io>(core: &Core<I>, target: &Target, now: Instant) -> Option<Connection<I>> {
    let mut pool = core.pool.borrow_mut();
    // Bounded by the connections that are idle.
    loop {
        let connection = pool.checkout(target.origin_hash(), target.origin(), now)?;
        // What arrived behind the last response would be taken for the next one, and an end means
        // that the request would go nowhere. One that is used again at once is not asked.
        let was_short = now.since(connection.idle_since) < IDLE_UNCHECKED_MAX;
        if was_short || connection.socket.is_quiet() {
            return Some(connection);
        }
        drop(connection);
    }
}

/// Opens a connection for `target`; where it cannot be had, the exchange that came of it.
async fn connect<I: Io>(
    core: &Core<I>,
    lane: LaneId,
    target: &Target,
    progress: &mut Progress,
) -> Result<Result<Connection<I>, Exchanged>, Obstacle> {
    let started_at = core.io.now();
    let deadline = progress.deadline.min(started_at + core.shared.settings.connect_timeout);
    let addr = match resolve(core, lane, target, deadline, progress).await {
        Ok(addr) => addr,
        Err(Failure { kind: Kind::Exhausted, cause: Cause::Os(errno), .. }) => {
            return Err(Obstacle::Exhausted(errno));
        }
        Err(failure) => {
            progress.attempts += 1;
            return Ok(Err(Exchanged::failed(failure)));
        }
    };
    core.make_room_for_connection();
    let connecting_at = core.io.now();
    let connected = core.until(lane, deadline, core.io.connect(addr)).await;
    progress.times.connect_ns += core.io.now().ns_since(connecting_at);
    let failure = match connected {
        Some(Ok(socket)) => {
            core.connected(addr);
            let idle_since = core.io.now();
            return Ok(Ok(Connection { socket, ip: addr.ip(), idle_since }));
        }
        Some(Err(error)) => {
            if let Some(errno) = error.raw_os_error().filter(|n| core.may_wait_for(addr, *n)) {
                return Err(Obstacle::Exhausted(errno));
            }
            Failure::from_io(Stage::Connect, &error)
        }
        None => core.lateness(Stage::Connect, deadline),
    };
    progress.attempts += 1;
    Ok(Err(Exchanged { ip: Some(addr.ip()), ..Exchanged::failed(failure) }))
}

/// Where to connect to for `target`.
async fn resolve<I: Io>(
    core: &Core<I>,
    lane: LaneId,
    target: &Target,
    deadline: Instant,
    progress: &mut Progress,
) -> Result<SocketAddr, Failure> {
    let (host, port) = (target.host(), target.port());
    let started_at = core.io.now();
    if let Some(answer) = core.names.at_hand(host, port, started_at) {
        return answer;
    }
    let answer = core.until(lane, deadline, core.names.look_up(host, port)).await;
    progress.times.dns_ns += core.io.now().ns_since(started_at);
    answer.unwrap_or_else(|| Err(core.lateness(Stage::Dns, deadline)))
}

/// One request on one connection.
struct Attempt<'a, I: Io> {
    core: &'a Core<I>,
    lane: LaneId,
    target: &'a Target,
    progress: &'a mut Progress,
    exchange: Exchange,
    reading: Reading,
    wire_bytes: u64,
    /// Whether more was read than belongs to the response.
    has_excess: bool,
}

impl<'a, I: Io> Attempt<'a, I> {
    fn new(
        core: &'a Core<I>,
        lane: LaneId,
        target: &'a Target,
        progress: &'a mut Progress,
    ) -> Self {
        let settings = &core.shared.settings;
        let exchange = Exchange::new(RequestKind::from(settings.request.method()));
        let reading = Reading::new(settings.keep, settings.body_bytes_max);
        Self { core, lane, target, progress, exchange, reading, wire_bytes: 0, has_excess: false }
    }

    /// Sends the request and reads the response.
    async fn run(mut self, mut connection: Connection<I>) -> Exchanged {
        self.progress.attempts += 1;
        let deadline = self.progress.deadline;
        let alarm = Alarm::Socket(connection.socket.interrupter());
        self.core.watch.borrow_mut().arm(self.lane, deadline, alarm);
        let mut block = self.core.blocks.borrow_mut().take(BLOCK_BYTES);
        let request = &self.core.shared.settings.request;
        request.write(block.as_mut_vec(), self.target.authority(), self.target.path_and_query());
        let sent_at = self.core.io.now();
        let (sent, mut block) = connection.socket.write_all(block).await;
        block.clear();
        let result = match sent {
            Ok(()) => self.receive(&mut connection.socket, &mut block, sent_at).await,
            Err(error) => Err(Failure::from_io(Stage::Send, &error)),
        };
        let was_late = self.core.watch.borrow_mut().disarm(self.lane);
        self.has_excess |= !block.is_empty();
        let may_go_on = self.exchange.reuse() && !self.core.shared.settings.request.closes();
        let is_clean = result.is_ok() && !self.has_excess && !was_late && may_go_on;
        self.core.blocks.borrow_mut().give(block);
        let ip = connection.ip;
        if is_clean {
            let now = self.core.io.now();
            connection.idle_since = now;
            let (hash, origin) = (self.target.origin_hash(), self.target.origin());
            let evicted = self.core.pool.borrow_mut().checkin(hash, origin, connection, now);
            drop(evicted);
        }
        let failure = match result {
            Err(failure) if was_late => Some(self.core.lateness(failure.stage, deadline)),
            result => result.err(),
        };
        let is_unanswered = failure.is_some() && self.wire_bytes == 0 && !was_late;
        let (response, location) = self.reading.finish(self.wire_bytes);
        Exchanged { failure, response, location, ip: Some(ip), is_unanswered }
    }

    /// Reads until the response is complete.
    async fn receive(
        &mut self,
        socket: &mut I::Socket,
        block: &mut Block,
        sent_at: Instant,
    ) -> Result<(), Failure> {
        loop {
            let read = match (self.exchange.want(), block.is_empty()) {
                (Want::Nothing, _) => return Ok(()),
                (Want::Sized(rest), true) if self.reading.keeps_body() => {
                    self.read_in_place(socket, rest).await
                }
                (want, _) => {
                    make_room(block, want);
                    let (read, filled) = socket.read(std::mem::take(block)).await;
                    *block = filled;
                    read
                }
            };
            let count = read.map_err(|error| Failure::from_io(self.stage(), &error))?;
            if count == 0 {
                if self.core.watch.borrow().is_late(self.lane) {
                    // The end is our own doing, not that of a body that ends with its connection.
                    return Err(self.core.lateness(self.stage(), self.progress.deadline));
                }
                self.exchange.handle_close()?;
                continue;
            }
            if self.wire_bytes == 0 {
                self.progress.times.first_byte_ns = self.core.io.now().ns_since(sent_at);
            }
            self.wire_bytes += count as u64;
            if !block.is_empty() {
                let consumed = self.exchange.handle_bytes(block.filled(), &mut self.reading)?;
                block.consume(consumed);
                // What is left after the end is no part of this response.
                if self.exchange.is_done() {
                    self.wire_bytes -= block.len() as u64;
                }
            }
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
