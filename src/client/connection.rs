//! A connection, which carries exchanges, and a lane's own place for one.
//!
//! It speaks HTTP/1.1 and carries one exchange at a time; who asks on it does not know that.

use std::net::IpAddr;
use std::rc::Rc;

use crate::base::instant::Instant;
use crate::base::route::{Route, RouteBuf};
use crate::client::answer::Receiver;
use crate::client::core::Core;
use crate::client::deadlines::LaneId;
use crate::client::http1::{self, Carried};
use crate::client::question::Question;
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
    pub(super) fn new(stream: Stream<S>, route: Route<'_>, ip: IpAddr, now: Instant) -> Self {
        let route = Rc::new(RouteBuf::from(route));
        Self { stream, route, ip, idle_since: now, has_served: false }
    }

    /// The way that it leads.
    pub(super) fn route(&self) -> &Rc<RouteBuf> {
        &self.route
    }

    /// What it was opened to.
    pub(super) fn ip(&self) -> IpAddr {
        self.ip
    }

    /// When its last exchange ended, or when it was opened.
    pub(super) fn idle_since(&self) -> Instant {
        self.idle_since
    }

    /// Whether it has carried an answer.
    pub(super) fn has_served(&self) -> bool {
        self.has_served
    }

    /// Whether nothing came since its last exchange, and the server has not closed it. Costs a
    /// system call.
    pub(super) fn is_quiet(&self) -> bool {
        self.stream.is_quiet()
    }

    /// Carries one exchange, from `now` on.
    pub(super) async fn carry<I: Io<Socket = S>, R: Receiver>(
        &mut self,
        core: &Core<I>,
        lane: LaneId,
        question: &Question<'_>,
        receiver: &R,
        now: Instant,
    ) -> Carried<R::Answer> {
        let carried = http1::carry(core, lane, &mut self.stream, question, receiver, now).await;
        self.has_served |= carried.answers > 0;
        self.idle_since = carried.ended_at;
        carried
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
        connection.filter(|_| is_kept)
    }
}
