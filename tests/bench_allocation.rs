//! A bench does not allocate for a request: not in a closed loop, a pipeline, nor an open loop.
//!
//! A binary of its own, because it counts what its allocator is asked for, on all threads; the
//! server is a process of its own, so that nothing of it is counted.
//!
//! Invariant: one bench at a time, so that whatever is counted is its own.

#![expect(clippy::unwrap_used, reason = "what a test needs and cannot have fails the test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ringfetch::bench::options::Bench;
use ringfetch::bench::run::Unwatched;
use ringfetch::client::Stop;
use ringfetch::runtime::launch::Pinning;

#[path = "support/engines.rs"]
mod engines;
#[path = "support/served.rs"]
#[expect(dead_code, reason = "what the server has seen is counted elsewhere")]
mod served;

/// Requests of the shorter run, which takes all memory that a run keeps.
const FEW: u64 = 4000;
/// Requests of the longer one.
const MANY: u64 = 40_000;
/// Most allocations that a further request may come to. It is not zero: ten times a second each
/// core hands on what it saw, which is put in a box, sent, and filed into a growing series.
const ALLOCATIONS_MAX: f64 = 0.02;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
/// Held by the test that measures.
static MEASURING: Mutex<()> = Mutex::new(());

/// The system's allocator, counting.
struct Counting;

// SAFETY: every call is handed to the system's allocator as it came; the counter neither allocates
// nor touches the memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from `System.alloc` with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`, which is the same.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Waits until no other test measures. One that has failed holds up none of the others.
fn alone() -> MutexGuard<'static, ()> {
    MEASURING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often a bench of `requests` requests allocates from its first request to its report.
fn allocations(options: &Bench, requests: u64) -> u64 {
    let options = options.clone().requests(requests);
    let trial = options.trial().unwrap();
    let mut benching = options.start(Stop::default()).unwrap();
    let before = ALLOCATIONS.load(Relaxed);
    let summary = benching.run(&trial, &mut Unwatched).unwrap();
    let count = ALLOCATIONS.load(Relaxed) - before;
    benching.join().unwrap();
    assert_eq!((summary.ledger.completed, summary.ledger.scheduled), (requests, requests));
    count
}

/// Checks on every engine that more requests of a bench with `options` take no more memory.
fn check(options: &Bench) {
    let alone = alone();
    let server = served::Served::start();
    for engine in engines::engines() {
        let options = options.clone().urls([server.url("/bytes/100")]).engine(engine);
        let options = options.connections(16).pinning(Pinning::Free);
        let [few, many] = [FEW, MANY].map(|requests| allocations(&options, requests));
        let more = many as f64 - few as f64;
        let for_each = more / (MANY - FEW) as f64;
        assert!(for_each < ALLOCATIONS_MAX, "{engine}: {few} and {many}: {for_each} for each");
    }
    drop(alone);
}

#[test]
fn the_counter_counts_on_all_threads() {
    let _alone = alone();
    let before = ALLOCATIONS.load(Relaxed);
    std::thread::spawn(|| drop(std::hint::black_box(Box::new(1)))).join().unwrap();
    assert!(ALLOCATIONS.load(Relaxed) > before);
}

#[test]
fn a_closed_loop_does_not_allocate_for_a_request() {
    check(&Bench::new());
}

#[test]
fn a_pipeline_does_not_allocate_for_a_request() {
    check(&Bench::new().pipeline(8));
}

#[test]
fn an_open_loop_does_not_allocate_for_a_request() {
    check(&Bench::new().rate(30_000.0));
}
