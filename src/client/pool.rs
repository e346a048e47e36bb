//! Idle connections of one core, grouped by route, the newest or the oldest of a route first.
//!
//! Knows nothing of sockets or clocks: connections are a type parameter, `now` is an argument.
//!
//! Invariant: a connection is either here or with its caller, never both; a route without an idle
//! connection is not in the table.

use std::time::Duration;

use hashbrown::HashTable;

use crate::base::instant::Instant;
use crate::base::route::{Route, RouteBuf};

// LIMIT: what one `expire` hands back: closing a socket is a system call, and a core that closes
// thousands in a row keeps its fetches waiting.
const EXPIRED_PER_CALL_MAX: usize = 64;
/// No index: the end of a chain.
const NONE: u32 = u32::MAX;
/// The chain of all idle connections, by the time they were checked in.
const ALL: usize = 0;
/// The chain of one route's idle connections, by the time they were checked in.
const OWN: usize = 1;

/// Which of a route's idle connections is used next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleOrder {
    /// The one that was used last: the fewest connections do the work, and the others may expire.
    NewestFirst,
    /// The one that has been idle for longest: all of them take turns.
    OldestFirst,
}

/// Idle connections of one core.
///
/// Every operation takes constant time but for what it closes, whatever the number of routes and
/// connections. Memory is bounded by the most connections that were ever idle at once; once that
/// was reached nothing is allocated, also not for a route that comes and goes.
#[derive(Debug)]
pub struct Pool<C> {
    per_route_max: usize,
    total_max: usize,
    idle_max: Duration,
    order: IdleOrder,
    /// Indices of `routes`, by the hash of the route.
    table: HashTable<u32>,
    routes: Slots<KnownRoute>,
    idle: Slots<Idle<C>>,
    /// The ends of the chain of all idle connections.
    all: Ends,
    len: usize,
}

impl<C> Pool<C> {
    /// An empty pool that keeps at most `per_route_max` connections of one route and `total_max`
    /// in all, each for less than `idle_max`, and hands the newest of a route out first. A bound
    /// of zero keeps none; `usize::MAX` is no bound.
    #[must_use]
    pub fn new(per_route_max: usize, total_max: usize, idle_max: Duration) -> Self {
        Self {
            per_route_max,
            // INVARIANT: every index is below `NONE`, also while one more than the total is here.
            total_max: total_max.min(NONE as usize - 1),
            idle_max,
            order: IdleOrder::NewestFirst,
            table: HashTable::new(),
            routes: Slots::default(),
            idle: Slots::default(),
            all: Ends::default(),
            len: 0,
        }
    }

    /// The same pool, which hands a route's connections out in `order`.
    #[must_use]
    pub fn in_order(self, order: IdleOrder) -> Self {
        Self { order, ..self }
    }

    /// Takes out the next idle connection by `route`, by the pool's order; those found expired are
    /// dropped.
    pub fn checkout(&mut self, route: Route<'_>, now: Instant) -> Option<C> {
        let route_idx = self.find(route)?;
        // Bounded by the number of this route's connections.
        loop {
            let ends = &self.routes.at(route_idx).ends;
            let is_last = ends.newest == ends.oldest;
            let idx = match self.order {
                IdleOrder::NewestFirst => ends.newest,
                IdleOrder::OldestFirst => ends.oldest,
            };
            let expired = self.has_expired(idx, now);
            let conn = self.remove(idx);
            match (expired, is_last) {
                (false, _) => return Some(conn),
                (true, true) => return None,
                (true, false) => {}
            }
        }
    }

    /// Keeps `conn`, idle since `now`, for the next request by `route`.
    ///
    /// Returns the connection that has to be closed, if any: the oldest one of the same route
    /// where that has its full number, else the oldest one of all where the pool is full, or `conn`
    /// itself where a bound is zero.
    #[must_use = "the connection handed back is to be closed"]
    pub fn checkin(&mut self, route: Route<'_>, conn: C, now: Instant) -> Option<C> {
        if self.per_route_max == 0 || self.total_max == 0 {
            return Some(conn);
        }
        let known = self.find(route);
        let evicted = match known {
            Some(idx) if self.routes.at(idx).idle_count >= self.per_route_max => {
                Some(self.routes.at(idx).ends.oldest)
            }
            _ if self.len >= self.total_max => Some(self.all.oldest),
            _ => None,
        };
        // The new one goes in first, so that a route whose only connection gives way stays known.
        let route_idx = known.unwrap_or_else(|| self.add_route(route));
        self.add(route_idx, conn, now);
        evicted.map(|idx| self.remove(idx))
    }

    /// Takes out connections whose time is over, the oldest first, at most 64 per call.
    ///
    /// What the iterator is not asked for stays idle.
    pub fn expire(&mut self, now: Instant) -> impl Iterator<Item = C> + '_ {
        let next = move || {
            let idx = self.all.oldest;
            (idx != NONE && self.has_expired(idx, now)).then(|| self.remove(idx))
        };
        std::iter::from_fn(next).take(EXPIRED_PER_CALL_MAX)
    }

    /// Takes out the connection that has been idle for longest, to make room for another.
    pub fn evict_oldest(&mut self) -> Option<C> {
        let idx = self.all.oldest;
        (idx != NONE).then(|| self.remove(idx))
    }

    /// Drops every connection and frees the memory.
    pub fn clear(&mut self) {
        let emptied = Self::new(self.per_route_max, self.total_max, self.idle_max);
        *self = emptied.in_order(self.order);
    }

    /// Idle connections, those included that expired and were not yet taken out.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no connection is idle.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn has_expired(&self, idx: u32, now: Instant) -> bool {
        now >= self.idle.at(idx).since + self.idle_max
    }

    fn find(&self, route: Route<'_>) -> Option<u32> {
        let is_it = |idx: &u32| self.routes.at(*idx).route.as_route() == route;
        self.table.find(route.hash(), is_it).copied()
    }

    fn add_route(&mut self, route: Route<'_>) -> u32 {
        let idx = self.routes.claim(KnownRoute::default);
        self.routes.at_mut(idx).route.set(route);
        let routes = &self.routes;
        let hash_of = |other: &u32| routes.at(*other).route.as_route().hash();
        self.table.insert_unique(route.hash(), idx, hash_of);
        idx
    }

    fn forget_route(&mut self, idx: u32) {
        let hash = self.routes.at(idx).route.as_route().hash();
        let entry = self.table.find_entry(hash, |other| *other == idx);
        entry.expect("a route with an idle connection is in the table").remove();
        // The host's allocation waits in the free slot: a route whose only connection is checked
        // out and in again, over and over, must not allocate each time.
        self.routes.at_mut(idx).route.clear();
        self.routes.release(idx);
    }

    fn add(&mut self, route_idx: u32, conn: C, now: Instant) {
        let idx = self.idle.claim(Idle::vacant);
        let slot = self.idle.at_mut(idx);
        assert!(slot.conn.is_none(), "a free slot holds no connection");
        slot.conn = Some(conn);
        slot.since = now;
        slot.route_idx = route_idx;
        let route = self.routes.at_mut(route_idx);
        route.idle_count += 1;
        append(&mut self.idle, &mut route.ends, OWN, idx);
        append(&mut self.idle, &mut self.all, ALL, idx);
        self.len += 1;
    }

    fn remove(&mut self, idx: u32) -> C {
        let slot = self.idle.at_mut(idx);
        let conn = slot.conn.take().expect("a chained slot holds a connection");
        let route_idx = slot.route_idx;
        let route = self.routes.at_mut(route_idx);
        route.idle_count -= 1;
        let is_unused = route.idle_count == 0;
        unlink(&mut self.idle, &mut route.ends, OWN, idx);
        unlink(&mut self.idle, &mut self.all, ALL, idx);
        self.idle.release(idx);
        self.len -= 1;
        if is_unused {
            self.forget_route(route_idx);
        }
        conn
    }
}

/// A route with at least one idle connection, or a slot for one.
#[derive(Debug, Default)]
struct KnownRoute {
    route: RouteBuf,
    ends: Ends,
    idle_count: usize,
}

/// One idle connection, or a slot for one.
#[derive(Debug)]
struct Idle<C> {
    conn: Option<C>,
    since: Instant,
    route_idx: u32,
    links: [Links; 2],
}

impl<C> Idle<C> {
    const fn vacant() -> Self {
        let unlinked = Links { older: NONE, newer: NONE };
        Self { conn: None, since: Instant::NEVER, route_idx: NONE, links: [unlinked; 2] }
    }
}

/// A connection's neighbours in one chain.
#[derive(Clone, Copy, Debug)]
struct Links {
    older: u32,
    newer: u32,
}

/// Both ends of one chain.
#[derive(Debug)]
struct Ends {
    oldest: u32,
    newest: u32,
}

impl Default for Ends {
    fn default() -> Self {
        Self { oldest: NONE, newest: NONE }
    }
}

/// Puts `idx` at the newest end of a chain.
fn append<C>(idle: &mut Slots<Idle<C>>, ends: &mut Ends, chain: usize, idx: u32) {
    idle.at_mut(idx).links[chain] = Links { older: ends.newest, newer: NONE };
    match ends.newest {
        NONE => ends.oldest = idx,
        newest => idle.at_mut(newest).links[chain].newer = idx,
    }
    ends.newest = idx;
}

/// Takes `idx` out of a chain.
fn unlink<C>(idle: &mut Slots<Idle<C>>, ends: &mut Ends, chain: usize, idx: u32) {
    let Links { older, newer } = idle.at(idx).links[chain];
    match older {
        NONE => ends.oldest = newer,
        older => idle.at_mut(older).links[chain].newer = newer,
    }
    match newer {
        NONE => ends.newest = older,
        newer => idle.at_mut(newer).links[chain].older = older,
    }
}

/// Values by index; a released one is claimed again, as it was left, before a new one is made.
#[derive(Debug)]
struct Slots<T> {
    slots: Vec<T>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    fn claim(&mut self, fresh: impl FnOnce() -> T) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            let idx = u32::try_from(self.slots.len()).expect("the total is bounded below u32::MAX");
            self.slots.push(fresh());
            idx
        })
    }

    fn release(&mut self, idx: u32) {
        self.free.push(idx);
    }

    fn at(&self, idx: u32) -> &T {
        &self.slots[idx as usize]
    }

    fn at_mut(&mut self, idx: u32) -> &mut T {
        &mut self.slots[idx as usize]
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::base::route::Scheme;

    const IDLE_MAX: Duration = Duration::from_nanos(100);

    fn at(ns: u64) -> Instant {
        Instant::from_ns(ns)
    }

    /// A route to `host`; all of them have one hash.
    fn route(host: &str) -> Route<'_> {
        Route::hashed(Scheme::Http, host, 80, 7)
    }

    /// A pool of up to 8 connections to one route, 16 in all.
    fn pool() -> Pool<u32> {
        Pool::new(8, 16, IDLE_MAX)
    }

    fn put(pool: &mut Pool<u32>, host: &str, conns: impl IntoIterator<Item = u32>) {
        for conn in conns {
            assert_eq!(pool.checkin(route(host), conn, at(u64::from(conn))), None);
        }
    }

    #[test]
    fn the_newest_connection_of_a_route_comes_out_first() {
        let mut pool = pool();
        put(&mut pool, "a", [1, 2, 3]);
        for wanted in [Some(3), Some(2), Some(1), None] {
            assert_eq!(pool.checkout(route("a"), at(5)), wanted);
        }
    }

    #[test]
    fn the_oldest_connection_comes_out_first_where_all_take_turns() {
        let mut pool = pool().in_order(IdleOrder::OldestFirst);
        put(&mut pool, "a", [1, 2, 3]);
        for turn in 0..9 {
            let conn = pool.checkout(route("a"), at(5)).unwrap();
            assert_eq!(conn, turn % 3 + 1);
            assert_eq!(pool.checkin(route("a"), conn, at(5)), None);
        }
        assert_eq!(pool.checkout(route("a"), at(104)), Some(1));
        assert_eq!(pool.checkout(route("a"), at(105)), None);
    }

    #[test]
    fn routes_with_one_hash_are_told_apart() {
        let mut pool = pool();
        put(&mut pool, "a", [1]);
        put(&mut pool, "b", [2]);
        assert_eq!(pool.checkout(route("c"), at(5)), None);
        assert_eq!(pool.checkout(route("a"), at(5)), Some(1));
        assert_eq!(pool.checkout(route("b"), at(5)), Some(2));
    }

    #[test]
    fn an_expired_connection_is_never_handed_out() {
        let mut pool = pool();
        put(&mut pool, "a", [1, 2]);
        put(&mut pool, "b", [3]);
        assert_eq!(pool.checkout(route("a"), at(101)), Some(2));
        assert_eq!(pool.checkout(route("a"), at(101)), None);
        assert_eq!(pool.len(), 1);
        assert_eq!(pool.checkout(route("b"), at(103)), None);
        assert!(pool.is_empty());
    }

    #[test]
    fn the_oldest_of_a_route_gives_way_at_the_bound_of_the_route() {
        let mut pool = Pool::new(2, 16, IDLE_MAX);
        put(&mut pool, "b", [0]);
        put(&mut pool, "a", [1, 2]);
        assert_eq!(pool.checkin(route("a"), 3, at(3)), Some(1));
        assert_eq!(pool.len(), 3);
    }

    #[test]
    fn the_oldest_of_all_gives_way_at_the_bound_of_the_pool() {
        let mut pool = Pool::new(8, 3, IDLE_MAX);
        put(&mut pool, "a", [1]);
        put(&mut pool, "b", [2, 3]);
        assert_eq!(pool.checkin(route("c"), 4, at(4)), Some(1));
        assert_eq!(pool.checkin(route("c"), 5, at(5)), Some(2));
        assert_eq!(pool.evict_oldest(), Some(3));
        assert_eq!(pool.len(), 2);
    }

    #[test]
    fn a_bound_of_zero_keeps_nothing() {
        for (per_origin, total) in [(0, 16), (8, 0)] {
            let mut pool = Pool::new(per_origin, total, IDLE_MAX);
            assert_eq!(pool.checkin(route("a"), 1, at(1)), Some(1));
            assert!(pool.is_empty());
        }
    }

    #[test]
    fn one_call_expires_a_bounded_number_and_the_next_goes_on() {
        let mut pool = Pool::new(usize::MAX, usize::MAX, IDLE_MAX);
        let conns = u32::try_from(EXPIRED_PER_CALL_MAX).unwrap() + 10;
        put(&mut pool, "a", 0..conns);
        assert_eq!(pool.expire(at(99)).count(), 0);
        assert_eq!(pool.expire(at(1000)).count(), EXPIRED_PER_CALL_MAX);
        assert_eq!(
            pool.expire(at(1000)).collect::<Vec<_>>(),
            (conns - 10..conns).collect::<Vec<_>>()
        );
        assert!(pool.is_empty());
    }

    #[test]
    fn a_route_without_an_idle_connection_leaves_nothing_behind() {
        let mut pool = pool();
        for n in 0..10_000 {
            put(&mut pool, &format!("host-{n}"), [n]);
            assert_eq!(pool.checkout(route(&format!("host-{n}")), at(0)), Some(n));
        }
        assert_eq!((pool.table.len(), pool.len()), (0, 0));
        assert_eq!((pool.routes.slots.len(), pool.idle.slots.len()), (1, 1));
        put(&mut pool, &"x".repeat(100_000), [1]);
        assert_eq!(pool.evict_oldest(), Some(1));
        assert!(pool.routes.slots[0].route.capacity() < 1000);
    }

    #[test]
    fn a_route_that_comes_and_goes_does_not_allocate() {
        let mut pool = pool();
        put(&mut pool, "a", [1]);
        let seen = |pool: &Pool<u32>| {
            let host = &pool.routes.slots[0].route;
            let rooms = [host.capacity(), pool.idle.slots.capacity(), pool.idle.free.capacity()];
            (
                host.as_route().host().as_ptr(),
                rooms,
                pool.table.capacity(),
                pool.routes.free.capacity(),
            )
        };
        assert_eq!(pool.checkout(route("a"), at(1)), Some(1));
        let warm = seen(&pool);
        for _ in 0..1000 {
            put(&mut pool, "a", [1]);
            assert_eq!(pool.checkout(route("a"), at(1)), Some(1));
            assert_eq!(seen(&pool), warm);
        }
    }

    #[test]
    fn clearing_drops_every_connection_and_keeps_the_bounds() {
        let mut pool = Pool::new(1, 1, IDLE_MAX);
        assert!(pool.checkin(route("a"), Rc::new(()), at(1)).is_none());
        let conn = Rc::new(());
        assert!(pool.checkin(route("a"), Rc::clone(&conn), at(2)).is_some());
        pool.clear();
        assert_eq!((Rc::strong_count(&conn), pool.len()), (1, 0));
        assert!(pool.checkin(route("a"), Rc::clone(&conn), at(3)).is_none());
        assert!(pool.checkin(route("a"), conn, at(4)).is_some());
    }
}
