//! Bounds that several modules depend on, and how they depend on each other.
//!
//! A bound of one module stands in it, and the default of an option beside the option.
//! docs/bounds.md lists those that a user can meet.
//!
//! Invariant: the relations at the end of the file hold, or the crate does not compile.

use std::time::Duration;

/// Largest response head, in bytes, from the status line to the empty line.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What a connection reads into while it waits for a head.
pub const BLOCK_BYTES: usize = 16 * 1024;
/// Largest single piece that a body is received in.
pub const BODY_READ_BYTES_MAX: usize = 256 * 1024;

/// Confidence of the intervals that reports give.
pub const CONFIDENCE: f64 = 0.95;
/// The shortest stretch of time that a series tells apart, and how often a core reports to it.
pub const SERIES_STEP: Duration = Duration::from_millis(100);

/// How often the progress line is drawn.
pub const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// How many times the bound of one connect all connects before a bench may take together.
pub const BENCH_OPENING_ROUNDS_MAX: u32 = 4;

/// How long after its order a trial begins, so that every core knows of it by then.
pub const BENCH_START_LEAD: Duration = Duration::from_millis(20);

/// How often a core looks at its deadlines, its partial batches and the stop signal.
pub const SWEEP_INTERVAL: Duration = Duration::from_millis(5);
/// How long an idle connection stays in the pool: under the 5 s and more that servers commonly
/// allow.
pub const IDLE_CONNECTION_MAX: Duration = Duration::from_secs(4);
/// How long a connection may be idle and still be used again without a look at what has arrived.
pub const IDLE_UNCHECKED_MAX: Duration = Duration::from_millis(1);
/// How long fetches in flight may go on after the first interrupt.
pub const STOP_GRACE: Duration = Duration::from_millis(4500);
/// How long a core waits before it opens a connection again after the kernel was out of
/// descriptors, buffers or ports.
pub const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);
/// Most such pauses of one fetch: two minutes, twice as long as a closed connection keeps its port.
pub const EXHAUSTED_PAUSES_MAX: u32 = 2400;

/// Default connections in all.
pub const CONNECTIONS_DEFAULT: usize = 64;
/// Most connections that can be asked for.
pub const CONNECTIONS_MAX: usize = 1_000_000;
/// Default time for one whole fetch.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// Default time for one connect.
pub const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// Descriptors kept back from the connections: files, lists, the standard streams.
pub const DESCRIPTORS_KEPT: usize = 32;

const _: () = assert!(BLOCK_BYTES <= HEAD_BYTES_MAX, "a block may grow to a head, never shrink");
const _: () = assert!(
    SWEEP_INTERVAL.as_millis() * 10 <= STOP_GRACE.as_millis(),
    "the sweep must see a stop well before its grace ends"
);
const _: () = assert!(STOP_GRACE.as_millis() < 5000, "what is in flight ends within 5 s of Ctrl-C");
const _: () = assert!(
    BENCH_START_LEAD.as_millis() > 2 * SWEEP_INTERVAL.as_millis(),
    "every core must have swept before a trial begins"
);
