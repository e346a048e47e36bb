//! How long single steps take beside the kernel: bytes in memory, and no socket.
//!
//! Invariant: each step is done once and its result asserted before it is timed, so that no figure
//! is of a step that does nothing.

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
