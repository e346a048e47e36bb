//! The rings of the io_uring engines: how each of them is set up.
//!
//! Invariant: a ring is built on the thread that submits to it, after that thread is pinned.

use std::io;

use io_uring::IoUring;
use monoio::time::TimeDriver;
use monoio::{IoUringDriver, Runtime, RuntimeBuilder};

/// Smallest submission queue; monoio takes no smaller one.
const ENTRIES_MIN: u32 = 256;
/// Largest submission queue: a full one is handed over early, so more would only cost memory.
const ENTRIES_MAX: u32 = 4096;
/// Largest completion queue; beyond it the kernel keeps completions in memory of its own.
const COMPLETIONS_MAX: u32 = 65_536;
/// Largest submission queue of the kernel's. monoio gives up where a queue is still full after it
/// was handed over, and the polling thread takes its time to empty one.
const POLLED_ENTRIES: u32 = 32_768;
/// How long the kernel's polling thread goes on looking before it sleeps, in milliseconds.
const POLLED_IDLE_MS: u32 = 10;

/// How a ring is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setup {
    /// One thread submits, and completions run when it enters the kernel anyway
    /// (SINGLE_ISSUER and COOP_TASKRUN of io_uring_setup(2)).
    Cooperative,
    /// No flags: the kernel interrupts the thread for completions.
    Plain,
    /// A thread of the kernel's polls for submissions (SQPOLL). It is bound to no CPU.
    Polled,
}

/// A runtime on a ring of this thread's own, for about `operations` at a time.
pub(super) fn runtime(
    setup: Setup,
    operations: usize,
) -> io::Result<Runtime<TimeDriver<IoUringDriver>>> {
    let operations = u32::try_from(operations).unwrap_or(u32::MAX);
    // A request is two operations, and all connections may be due at once: a queue that is full is
    // handed over early, which costs a system call.
    let entries = operations.saturating_mul(2).clamp(ENTRIES_MIN, ENTRIES_MAX);
    let entries = match setup {
        Setup::Cooperative | Setup::Plain => entries.next_power_of_two(),
        Setup::Polled => POLLED_ENTRIES,
    };
    let completions = operations.saturating_mul(4).clamp(entries * 2, COMPLETIONS_MAX);
    let build = |mut flags: io_uring::Builder| {
        flags.setup_cqsize(completions.next_power_of_two());
        let builder = RuntimeBuilder::<IoUringDriver>::new().uring_builder(flags);
        builder.with_entries(entries).enable_timer().build()
    };
    match setup {
        // The flags came with Linux 5.19 and 6.0; an older kernel answers EINVAL and does without.
        Setup::Cooperative => build(flags(setup)).or_else(|error| {
            if is_unknown(&error) { build(IoUring::builder()) } else { Err(error) }
        }),
        Setup::Plain | Setup::Polled => build(flags(setup)),
    }
}

/// Why the kernel refuses such a ring, if it does.
pub(super) fn refusal(setup: Setup) -> Option<io::Error> {
    let attempt = flags(setup).build(ENTRIES_MIN);
    let attempt = match setup {
        Setup::Cooperative => attempt.or_else(|error| {
            if is_unknown(&error) { IoUring::builder().build(ENTRIES_MIN) } else { Err(error) }
        }),
        Setup::Plain | Setup::Polled => attempt,
    };
    attempt.err()
}

/// Whether the kernel does not know a flag of the ring.
fn is_unknown(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINVAL)
}

/// The flags of a ring. Cooperative ones were measured to save a fifth of the CPU time of a small
/// request against plain ones.
fn flags(setup: Setup) -> io_uring::Builder {
    let mut flags = IoUring::builder();
    match setup {
        Setup::Cooperative => drop(flags.setup_single_issuer().setup_coop_taskrun()),
        Setup::Plain => {}
        // The kernel refuses COOP_TASKRUN beside SQPOLL.
        Setup::Polled => drop(flags.setup_single_issuer().setup_sqpoll(POLLED_IDLE_MS)),
    }
    flags
}
