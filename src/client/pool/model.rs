//! The pool beside a plain list: random steps must give both the same answers.
//!
//! Invariant: a connection that was put in is handed out once or dropped once, in the list's order.

use std::cell::RefCell;
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::base::route::Scheme;

const IDLE_MAX_NS: u64 = 100;

/// What can be asked of a pool. Routes are numbered.
#[derive(Clone, Copy, Debug)]
enum Step {
    Checkout(usize),
    Checkin(usize),
    Expire,
    EvictOldest,
    Wait(u64),
}

/// Connections that were dropped, in order.
type Dropped = Rc<RefCell<Vec<u32>>>;

#[derive(Debug)]
struct Conn(u32, Dropped);

impl Drop for Conn {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
    }
}

/// The same pool as a list in the order of check-in: route, connection, when it was checked in.
#[derive(Default)]
struct Model {
    idle: Vec<(usize, u32, u64)>,
    dropped: Vec<u32>,
}

impl Model {
    fn checkout(&mut self, route: usize, now: u64) -> Option<u32> {
        while let Some(idx) = self.idle.iter().rposition(|(r, ..)| *r == route) {
            let (_, conn, since) = self.idle.remove(idx);
            self.dropped.push(conn);
            if now < since + IDLE_MAX_NS {
                return Some(conn);
            }
        }
        None
    }

    fn checkin(&mut self, route: usize, conn: u32, now: u64, bounds: [usize; 2]) -> Option<u32> {
        let own = self.idle.iter().filter(|(r, ..)| *r == route).count();
        let oldest = if own >= bounds[0] {
            self.idle.iter().position(|(r, ..)| *r == route)
        } else {
            (self.idle.len() >= bounds[1]).then_some(0)
        };
        let evicted = oldest.map(|idx| self.idle.remove(idx).1);
        self.dropped.extend(evicted);
        self.idle.push((route, conn, now));
        evicted
    }

    fn expire(&mut self, now: u64) -> Vec<u32> {
        let expired = self.idle.iter().take_while(|(.., since)| now >= since + IDLE_MAX_NS).count();
        let expired: Vec<_> = self.idle.drain(..expired).map(|(_, conn, _)| conn).collect();
        self.dropped.extend(&expired);
        expired
    }
}

/// Walks every chain from both ends and compares what is there with what is counted.
fn check_chains(pool: &Pool<Conn>, model: &Model) {
    let walk = |ends: &Ends, chain: usize| {
        let (mut ids, mut idx, mut last) = (Vec::new(), ends.oldest, NONE);
        while idx != NONE {
            let slot = pool.idle.at(idx);
            assert_eq!(slot.links[chain].older, last);
            ids.push(slot.conn.as_ref().unwrap().0);
            (last, idx) = (idx, slot.links[chain].newer);
        }
        assert_eq!(ends.newest, last);
        ids
    };
    let wanted: Vec<u32> = model.idle.iter().map(|(_, conn, _)| *conn).collect();
    assert_eq!(walk(&pool.all, ALL), wanted);
    assert_eq!(pool.len(), wanted.len());
    let mut own_count = 0;
    for idx in &pool.table {
        let route = pool.routes.at(*idx);
        let own = walk(&route.ends, OWN);
        assert!(!own.is_empty());
        assert_eq!(own.len(), route.idle_count);
        own_count += own.len();
    }
    assert_eq!(own_count, wanted.len());
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..5usize).prop_map(Step::Checkout),
        5 => (0..5usize).prop_map(Step::Checkin),
        1 => Just(Step::Expire),
        1 => Just(Step::EvictOldest),
        2 => (0..60u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn it_behaves_like_a_plain_list(
        bounds in [1..5usize, 1..9usize],
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let dropped = Dropped::default();
        let mut pool = Pool::new(bounds[0], bounds[1], Duration::from_nanos(IDLE_MAX_NS));
        let mut model = Model::default();
        let (mut now, mut next_conn) = (0, 0);
        let hosts: Vec<String> = (0..5).map(|number| number.to_string()).collect();
        // Three hashes for five routes, so that some collide.
        let route = |r: usize| Route::hashed(Scheme::Http, &hosts[r], 80, r as u64 % 3);
        for step in steps {
            let at = Instant::from_ns(now);
            match step {
                Step::Checkout(r) => {
                    let conn: Option<Conn> = pool.checkout(route(r), at);
                    prop_assert_eq!(conn.map(|c| c.0), model.checkout(r, now));
                }
                Step::Checkin(r) => {
                    let conn = Conn(next_conn, Rc::clone(&dropped));
                    let evicted = pool.checkin(route(r), conn, at);
                    let wanted = model.checkin(r, next_conn, now, bounds);
                    prop_assert_eq!(evicted.map(|c| c.0), wanted);
                    next_conn += 1;
                }
                Step::Expire => {
                    let expired: Vec<_> = pool.expire(at).map(|c| c.0).collect();
                    prop_assert_eq!(expired, model.expire(now));
                }
                Step::EvictOldest => {
                    let wanted = (!model.idle.is_empty()).then(|| model.idle.remove(0).1);
                    model.dropped.extend(wanted);
                    prop_assert_eq!(pool.evict_oldest().map(|c| c.0), wanted);
                }
                Step::Wait(ns) => now += ns,
            }
            check_chains(&pool, &model);
            prop_assert_eq!(&*dropped.borrow(), &model.dropped);
        }
    }
}
