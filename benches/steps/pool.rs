//! The pool of idle connections: one out, and the same one in again.
//!
//! Connections are numbers here, so that nothing is closed. The pool is as full after each round as
//! it was before.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use ringfetch::base::instant::Instant;
use ringfetch::base::target::Target;
use ringfetch::client::pool::{IdleOrder, Pool};

const CONNECTIONS: usize = 1000;
const NOW: Instant = Instant::from_ns(1);

/// Benches a pool of one route, as a bench has it, and one of as many routes as connections.
pub(crate) fn bench(criterion: &mut Criterion) {
    let target = |idx: usize| Target::parse(&format!("http://site{idx}.example:8080/"));
    let mut group = criterion.benchmark_group("pool");
    group.throughput(Throughput::Elements(1));
    for (name, route_count) in [("1 route", 1), ("1000 routes", CONNECTIONS)] {
        let targets = (0..route_count).map(|idx| target(idx).expect("it is a URL"));
        let targets: Vec<Target> = targets.collect();
        let pool = Pool::new(CONNECTIONS, CONNECTIONS, Duration::from_secs(60));
        let mut pool = pool.in_order(IdleOrder::OldestFirst);
        for (conn, target) in (0..CONNECTIONS).zip(targets.iter().cycle()) {
            assert_eq!(check_in(&mut pool, target, conn), None);
        }
        assert_eq!(pool.len(), CONNECTIONS, "{name}");
        // One after the other, and the first one again.
        for (wanted, target) in (0..CONNECTIONS).chain([0]).zip(targets.iter().cycle()) {
            assert_eq!(take_turn(&mut pool, target), wanted, "{name}");
        }
        group.bench_function(name, |bencher| {
            let mut targets = targets.iter().cycle();
            let mut next = || targets.next().expect("a cycle has no end");
            bencher.iter(|| take_turn(&mut pool, black_box(next())));
        });
        assert_eq!(pool.len(), CONNECTIONS, "{name}");
    }
    group.finish();
}

/// Takes a connection to `target` out and puts it back; which one it was.
fn take_turn(pool: &mut Pool<usize>, target: &Target) -> usize {
    let conn = pool.checkout(target.route(), NOW);
    let conn = conn.expect("every route has an idle connection");
    assert!(check_in(pool, target, conn).is_none(), "a pool with room closes nothing");
    conn
}

fn check_in(pool: &mut Pool<usize>, target: &Target, conn: usize) -> Option<usize> {
    pool.checkin(target.route(), conn, NOW)
}
