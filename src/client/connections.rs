//! The connections of one core: idle ones in its pool, and new ones.
//!
//! Invariant: a connection comes here only after the clean end of an exchange with nothing behind
//! it; on every other way out it is dropped, after its lane is no longer watched.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use crate::base::failure::{Cause, Failure, Kind, Stage};
use crate::base::instant::Instant;
use crate::base::limits::IDLE_UNCHECKED_MAX;
use crate::base::route::{Route, RouteBuf};
use crate::client::connection::{Berth, Connection};
use crate::client::core::Core;
use crate::client::deadlines::LaneId;
use crate::client::exchanged::OpeningTimes;
use crate::client::pool::Pool;
use crate::client::question::Question;
use crate::net::dns::AddressCache;
use crate::net::stream::Stream;
use crate::os::system;
use crate::runtime::Io;

/// The connections of one core.
pub(crate) struct Connections<I: Io> {
    pool: RefCell<Pool<Connection<I::Socket>>>,
    names: AddressCache<I>,
    counts: Cell<ConnectionCounts>,
    /// The route of the last one that was opened. Connections that follow each other by one route
    /// share it: with a copy each, every request would read one more line of memory.
    last_route: RefCell<Rc<RouteBuf>>,
    /// Idle and busy ones together.
    most: usize,
    connect_timeout: Duration,
    /// Whether one was ever opened by IPv4, and by IPv6.
    has_connected: [Cell<bool>; 2],
}

/// How a core's connections were used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ConnectionCounts {
    /// Connections that were opened.
    pub(crate) opened: u64,
    /// Those that carried an answer.
    pub(crate) served: u64,
    /// Exchanges that were begun on a connection that had served one before.
    pub(crate) reused: u64,
    /// Exchanges begun again on a fresh connection because the reused one was already closed.
    pub(crate) stale_retries: u64,
    /// Pauses because the kernel was out of descriptors, buffers or ports.
    pub(crate) exhausted_pauses: u64,
}

/// Why a connection could not be opened.
pub(super) enum NotOpened {
    /// The kernel has no room for one; this is its error number.
    NoRoom(i32),
    /// It was tried, with the address that was tried.
    Failed(Failure, Option<IpAddr>),
}

impl<I: Io> Connections<I> {
    /// No connection yet, and at most `most` idle and busy ones together.
    pub(super) fn new(
        pool: Pool<Connection<I::Socket>>,
        names: AddressCache<I>,
        most: usize,
        connect_timeout: Duration,
    ) -> Self {
        Self {
            pool: RefCell::new(pool),
            names,
            counts: Cell::default(),
            last_route: RefCell::default(),
            most,
            connect_timeout,
            has_connected: [Cell::new(false), Cell::new(false)],
        }
    }

    /// How many are idle in the pool.
    pub(crate) fn idle_count(&self) -> usize {
        self.pool.borrow().len()
    }

    /// How they were used so far.
    pub(crate) fn counts(&self) -> ConnectionCounts {
        self.counts.get()
    }

    /// Counts what `change` does.
    pub(super) fn count(&self, change: impl FnOnce(&mut ConnectionCounts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }

    /// Takes an idle connection by `route` into `berth` of which nothing was heard since it was
    /// used: the lane's own, or the next one of the pool. Whether there is one.
    #[inline]
    pub(super) fn dock_idle(
        &self,
        berth: &mut Berth<I::Socket>,
        route: Route<'_>,
        now: Instant,
    ) -> bool {
        if let Some(own) = berth.kept()
            && own.route().as_route() == route
            && is_usable(own, now)
        {
            berth.reuse();
            return true;
        }
        self.dock_other(berth, route, now)
    }

    /// The same where what the lane keeps is no use.
    fn dock_other(&self, berth: &mut Berth<I::Socket>, route: Route<'_>, now: Instant) -> bool {
        match berth.kept() {
            Some(own) if own.route().as_route() != route => self.release(berth),
            _ => berth.clear(),
        }
        let mut pool = self.pool.borrow_mut();
        // Bounded by the connections that are idle.
        while let Some(connection) = pool.checkout(route, now) {
            if is_usable(&connection, now) {
                berth.dock(connection);
                return true;
            }
        }
        false
    }

    /// Gives the connection that `berth` keeps, if any, to the pool, for whoever needs one next.
    pub(super) fn release(&self, berth: &mut Berth<I::Socket>) {
        if let Some(connection) = berth.take_kept() {
            self.check_in(connection);
        }
    }

    /// Keeps `connection` for the next exchange.
    pub(super) fn check_in(&self, connection: Connection<I::Socket>) {
        let (route, since) = (Rc::clone(connection.route()), connection.idle_since());
        drop(self.pool.borrow_mut().checkin(route.as_route(), connection, since));
    }

    /// Opens a connection for `question`. `in_flight` tells how many lanes have a job by the time
    /// that the name is known, its own included.
    pub(super) async fn open(
        &self,
        core: &Core<I>,
        lane: LaneId,
        question: Question<'_>,
        in_flight: impl Fn() -> usize,
        times: &mut OpeningTimes,
    ) -> Result<Connection<I::Socket>, NotOpened> {
        let route = question.target.route();
        let started_at = core.io.now();
        let deadline = question.deadline.min(started_at + self.connect_timeout);
        let addr = match self.resolve(core, lane, route, deadline, times).await {
            Ok(addr) => addr,
            Err(Failure { kind: Kind::Exhausted, cause: Cause::Os(errno), .. }) => {
                return Err(NotOpened::NoRoom(errno));
            }
            Err(failure) => return Err(NotOpened::Failed(failure, None)),
        };
        self.make_room(in_flight());
        let connecting_at = core.io.now();
        let connected = core.until(lane, deadline, core.io.connect(addr)).await;
        let now = core.io.now();
        times.connect_ns += now.ns_since(connecting_at);
        let failure = match connected {
            Some(Ok(socket)) => {
                self.has_connected[usize::from(addr.is_ipv6())].set(true);
                self.count(|counts| counts.opened += 1);
                let (stream, route) = (Stream::Plain(socket), self.shared(route));
                return Ok(Connection::new(stream, route, addr.ip(), now));
            }
            Some(Err(error)) => {
                if let Some(errno) = error.raw_os_error().filter(|n| self.may_wait_for(addr, *n)) {
                    return Err(NotOpened::NoRoom(errno));
                }
                Failure::from_io(Stage::Connect, &error)
            }
            None => core.lateness(Stage::Connect, deadline),
        };
        Err(NotOpened::Failed(failure, Some(addr.ip())))
    }

    /// `route` as a connection keeps it.
    fn shared(&self, route: Route<'_>) -> Rc<RouteBuf> {
        let mut last = self.last_route.borrow_mut();
        if last.as_route() != route {
            *last = Rc::new(RouteBuf::from(route));
        }
        Rc::clone(&last)
    }

    /// Where to connect to by `route`.
    async fn resolve(
        &self,
        core: &Core<I>,
        lane: LaneId,
        route: Route<'_>,
        deadline: Instant,
        times: &mut OpeningTimes,
    ) -> Result<SocketAddr, Failure> {
        let (host, port) = (route.host(), route.port());
        let started_at = core.io.now();
        if let Some(answer) = self.names.at_hand(host, port, started_at) {
            return answer;
        }
        let answer = core.until(lane, deadline, self.names.look_up(host, port)).await;
        times.dns_ns += core.io.now().ns_since(started_at);
        answer.unwrap_or_else(|| Err(core.lateness(Stage::Dns, deadline)))
    }

    /// Whether waiting may help where connecting to `addr` failed with `errno`: the kernel is out
    /// of something that others give back. It says the same where it has no ephemeral port left and
    /// where it has no address of the family at all, so that is told by what went well before.
    fn may_wait_for(&self, addr: SocketAddr, errno: i32) -> bool {
        let is_known = self.has_connected[usize::from(addr.is_ipv6())].get();
        system::is_exhaustion(errno) && (is_known || !system::is_no_address(errno))
    }

    /// Closes idle connections until one more fits.
    fn make_room(&self, in_flight: usize) {
        let mut pool = self.pool.borrow_mut();
        // Each lane in flight has a connection or is about to; the caller's is one of those.
        while pool.len() + in_flight > self.most {
            let Some(oldest) = pool.evict_oldest() else { break };
            drop(oldest);
        }
    }

    /// Closes the longest idle one: the kernel has no room, and it holds what is short.
    pub(super) fn give_up_one(&self) {
        drop(self.pool.borrow_mut().evict_oldest());
        self.count(|counts| counts.exhausted_pauses += 1);
    }

    /// Closes idle ones whose time is over.
    pub(super) fn expire(&self, now: Instant) {
        self.pool.borrow_mut().expire(now).for_each(drop);
    }

    /// Closes all idle ones.
    pub(super) fn clear(&self) {
        self.pool.borrow_mut().clear();
    }
}

/// Whether an idle connection can be used. What arrived behind the last answer would be taken for
/// the next one, and an end means that the request would go nowhere. One that is used again at once
/// is not asked.
fn is_usable(connection: &Connection<impl crate::runtime::Socket>, now: Instant) -> bool {
    let was_short = now.since(connection.idle_since()) < IDLE_UNCHECKED_MAX;
    was_short || connection.is_quiet()
}
