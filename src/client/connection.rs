//! A connection, which carries exchanges, and a lane's own place for one.
//!
//! It speaks HTTP/1.1 and carries one exchange at a time; who asks on it does not know that.

use std::net::IpAddr;
use std::rc::Rc;

use crate::base::instant::Instant;
use crate::base::route::RouteBuf;
use crate::client::asker::Asker;
use crate::client::core::Core;
use crate::client::deadlines::LaneId;
use crate::client::http1::{self, Carried};
use crate::net::stream::Stream;
use crate::runtime::{Io, Socket};

/// A connection of a core, idle in its pool or in one of its lanes.
pub(super) struct Connection<S> {
    stream: Stream<S>,
    route: Rc<RouteBuf>,
    ip: IpAddr,
    /// When its last exchange ended, or when it was opened.
    idle_since: Instant,
    /// Whether it has carried an answer.
    has_served: bool,
}

impl<S: Socket> Connection<S> {
    /// A connection by `route` that was opened to `ip` at `now`.
    pub(super) fn new(stream: Stream<S>, route: Rc<RouteBuf>, ip: IpAddr, now: Instant) -> Self {
        Self { stream, route, ip, idle_since: now, has_served: false }
    }

    /// The way that it leads.
    pub(super) fn route(&self) -> &Rc<RouteBuf> {
        &self.route
    }

    /// When its last exchange ended, or when it was opened.
    pub(super) fn idle_since(&self) -> Instant {
        self.idle_since
    }

    /// Whether nothing came since its last exchange, and the server has not closed it. Costs a
    /// system call.
    pub(super) fn is_quiet(&self) -> bool {
        self.stream.is_quiet()
    }

    /// Carries one exchange, from `now` on; its end is to be told to
    /// [`Connection::handle_carried`].
    #[inline]
    pub(super) fn carry<'a, I: Io<Socket = S>, A: Asker + 'a>(
        &'a mut self,
        core: &'a Core<I>,
        lane: LaneId,
        asker: A,
        now: Instant,
    ) -> impl Future<Output = Carried<A::Answer>> + 'a {
        // No async function of its own: each one is a state machine that every poll goes through,
        // and room in every lane.
        http1::carry(core, lane, &mut self.stream, asker, now)
    }

    /// Notes the end of an exchange, and where it led; whether it was the first that gave an
    /// answer.
    #[inline]
    pub(super) fn handle_carried<A>(&mut self, carried: &mut Carried<A>) -> bool {
        carried.exchanged.ip = Some(self.ip);
        self.idle_since = carried.exchanged.ended_at;
        let is_first = carried.has_served && !self.has_served;
        self.has_served |= carried.has_served;
        is_first
    }
}

/// A lane's own place for a connection: the one that it uses, or keeps between two jobs.
///
/// The connection stays where it is while it is used, so that a request moves nothing.
///
/// Invariant: only what ended cleanly is kept, so what a panic leaves behind is never used again.
pub(crate) struct Berth<S> {
    connection: Option<Connection<S>>,
    is_kept: bool,
}

impl<S> Default for Berth<S> {
    fn default() -> Self {
        Self { connection: None, is_kept: false }
    }
}

impl<S: Socket> Berth<S> {
    /// Closes the connection, if there is one.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes `connection` in, to be used.
    pub(super) fn dock(&mut self, connection: Connection<S>) {
        assert!(self.connection.is_none(), "a lane has one connection at a time");
        *self = Self { connection: Some(connection), is_kept: false };
    }

    /// The connection that is in use.
    pub(super) fn used(&mut self) -> &mut Connection<S> {
        self.connection.as_mut().expect("a lane that asks has a connection")
    }

    /// Keeps the connection, whose exchange ended cleanly.
    pub(super) fn keep(&mut self) {
        self.is_kept = true;
    }

    /// The connection that is kept.
    pub(super) fn kept(&self) -> Option<&Connection<S>> {
        self.connection.as_ref().filter(|_| self.is_kept)
    }

    /// Has the connection that is kept used again.
    pub(super) fn reuse(&mut self) {
        self.is_kept = false;
    }

    /// Takes out the connection that is kept.
    pub(super) fn take_kept(&mut self) -> Option<Connection<S>> {
        let Self { connection, is_kept } = std::mem::take(self);
        assert!(is_kept || connection.is_none(), "a connection in use is not handed on");
        connection
    }
}
