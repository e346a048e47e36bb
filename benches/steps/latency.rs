//! Recording one time in a histogram.
//!
//! The times are made up, and spread as those of loopback are. The memory is allocated before, as
//! in a trial.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use ringfetch::stats::latency::Latency;

/// Times that are recorded in turn.
const TIMES: usize = 4096;

/// Benches the recording of times.
pub(crate) fn bench(criterion: &mut Criterion) {
    let mut dice = fastrand::Rng::with_seed(1);
    // From 7 us to 0.9 ms, as many within each doubling.
    let mut time_ns = || {
        let floor_ns = 7_000_u64 << dice.u32(..7);
        floor_ns + dice.u64(..floor_ns)
    };
    let times_ns: Vec<u64> = (0..TIMES).map(|_| time_ns()).collect();
    let mut latency = Latency::prepared();
    times_ns.iter().for_each(|ns| latency.record_ns(*ns));
    assert_eq!(latency.count(), TIMES as u64);
    assert_eq!(latency.max_ns(), times_ns.iter().max().copied());
    let mut group = criterion.benchmark_group("latency");
    group.throughput(Throughput::Elements(1));
    group.bench_function("record", |bencher| {
        let mut times_ns = times_ns.iter().cycle();
        let mut next_ns = || *times_ns.next().expect("a cycle has no end");
        bencher.iter(|| latency.record_ns(black_box(next_ns())));
    });
    assert!(latency.count() >= TIMES as u64, "what was timed was recorded");
    group.finish();
}
