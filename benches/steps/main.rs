//! What the machines of floor 1 take of our own time: bytes in memory, and no socket.
//!
//! One file for each of them, and one for lists of URLs, of which the compressed ones lie in a file
//! (in the page cache). Inflating bodies has no machine yet, so gzip is met there alone.
//!
//! Invariant: before anything is timed it is done once, and what came of it is asserted, so that
//! no figure is of nothing.

mod answers;
mod bodies;
mod heads;
mod latency;
mod lists;
mod pages;
mod pool;
mod requests;

use std::time::Duration;

use criterion::Criterion;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    heads::bench(&mut criterion);
    bodies::bench(&mut criterion);
    requests::bench(&mut criterion);
    pages::bench(&mut criterion);
    lists::bench(&mut criterion);
    latency::bench(&mut criterion);
    pool::bench(&mut criterion);
    criterion.final_summary();
}
