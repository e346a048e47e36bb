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

/// A core of the generator whose thread has its CPU for this share of the window or more is what
/// limits the run.
pub const GENERATOR_BUSY_SHARE: f64 = 0.95;
/// A thread that waits for its CPU for less than this share of the window shares it with nothing
/// that matters.
pub const GENERATOR_RUN_QUEUE_SHARE: f64 = 0.05;
/// A thread that waits for its CPU for this share of the window makes its times longer, however
/// idle it is otherwise.
pub const GENERATOR_CROWDED_SHARE: f64 = 0.10;
/// Lateness that the generator may have of its own, at p99: wrk2's timers are this coarse, and its
/// users took them for the server (wrk2#78).
pub const PACING_P99_MAX: Duration = Duration::from_millis(1);
/// Arrivals from which on that lateness is judged: with fewer, p99 is the maximum.
pub const PACING_SAMPLES_MIN: u64 = 100;
/// Share of the wanted rate that must be completed: Lancet (USENIX ATC 2019) takes 0.9 to 1.1.
pub const RATE_SHARE_MIN: f64 = 0.9;
/// How many standard deviations of a Poisson count an open loop may schedule too few by chance.
pub const ARRIVALS_DEVIATIONS_MAX: f64 = 4.0;
/// Share of arrivals without a free connection from which on a missed rate is put down to that.
pub const WAITED_SHARE_NOTABLE: f64 = 0.01;
/// Share of requests in flight at the end from which on a missed rate is put down to that.
pub const IN_FLIGHT_SHARE_NOTABLE: f64 = 0.05;
/// Confidence of the intervals that reports give.
pub const CONFIDENCE: f64 = 0.95;
/// The shortest stretch of time that a series tells apart, and how often a core reports to it.
pub const SERIES_STEP: Duration = Duration::from_millis(100);
/// Stretch of time that one point of a series covers, and one line of an interval log.
pub const SERIES_SECOND: Duration = Duration::from_secs(1);
/// Most steps that a series keeps: an hour; then neighbours become one and each is twice as long.
pub const SERIES_STEPS_MAX: usize = 36_000;
/// Most points that a series keeps: two hours; then neighbours become one, as with the steps.
pub const SERIES_POINTS_MAX: usize = 7_200;
/// Steps that wait for a core that is behind; it may be late by as much and its times still stand
/// where they belong.
pub const SERIES_STEPS_OPEN_MAX: usize = 32;
/// Seconds that wait to be taken; with more, the last ones become one.
pub const SERIES_SECONDS_WAITING_MAX: usize = 8;
/// Fewest figures in each third of a run without which nothing is said of its stability.
pub const STABILITY_FIGURES_MIN: usize = 5;
/// Most batches that each third's figures are put into: 30 in all, beyond which longer ones make a
/// better test (Schmeiser, Batch Size Effects in the Analysis of Simulation Output, 1982).
pub const STABILITY_BATCHES_MAX: usize = 10;
/// Requests in a batch, on average, without which its rate is mostly chance.
pub const STABILITY_BATCH_REQUESTS_MIN: u64 = 10;
/// Standard errors that a difference must exceed to be a drift.
pub const STABILITY_ERRORS_MIN: f64 = 4.0;
/// What share of the rate a difference must exceed to be a drift.
pub const STABILITY_RATE_SHARE_MIN: f64 = 0.1;
/// What share of p99 a difference must exceed to be a drift.
pub const STABILITY_P99_SHARE_MIN: f64 = 0.5;

/// How often the progress line is drawn.
pub const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// How long a bench measures where nothing says it.
pub const BENCH_DURATION_DEFAULT: Duration = Duration::from_secs(10);
/// Longest time that a bench can be given: a day.
pub const BENCH_SPAN_MAX: Duration = Duration::from_secs(86_400);
/// Most URLs that a bench asks for in turn; they are kept in memory.
pub const BENCH_TARGETS_MAX: usize = 100_000;
/// Most different origins among them: each gets all the connections.
pub const BENCH_ORIGINS_MAX: usize = 1000;
/// Most bytes that the requests of all URLs come to, as often as a pipeline is deep; each core has
/// them once.
pub const BENCH_REQUEST_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Most requests that one connection has under way at a time.
pub const BENCH_PIPELINE_MAX: usize = 1024;
/// Lowest rate that a search tries, in requests a second.
pub const SEARCH_RATE_MIN: f64 = 1.0;
/// Highest rate that a search tries.
pub const SEARCH_RATE_MAX: f64 = 10e6;
/// First rate that a search tries where none is given.
pub const SEARCH_RATE_FIRST: f64 = 1000.0;
/// A search ends where the lowest rate that failed is not further above the highest that held.
pub const SEARCH_PRECISION: f64 = 0.05;
/// Most rates that a search tries: doubling over all of its range, and then as many halvings as the
/// precision needs.
pub const SEARCH_STEPS_MAX: u32 = 32;
/// How long a search measures each rate where nothing says it, and how long it warms up for it.
pub const SEARCH_WINDOW_DEFAULT: Duration = Duration::from_secs(3);
/// See [`SEARCH_WINDOW_DEFAULT`].
pub const SEARCH_WARMUP_DEFAULT: Duration = Duration::from_millis(500);
/// How long requests of one rate may go on before the next, so that their connections stay open.
pub const SEARCH_DRAIN: Duration = Duration::from_millis(500);
/// How many times the bound of one connect all connects before a bench may take together.
pub const BENCH_OPENING_ROUNDS_MAX: u32 = 4;
/// How long before a start a core spins where it was told to: longer than a sleep overruns.
pub const BENCH_SPIN: Duration = Duration::from_micros(200);

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

/// Highest rate of starts that can be asked for: one a nanosecond, as fine as instants are.
pub const RATE_PER_S_MAX: f64 = 1e9;
/// Most stages of one profile.
pub const PROFILE_STAGES_MAX: usize = 1000;
/// Longest profile that ends: its nanoseconds are exact in an f64.
pub const PROFILE_SPAN_MAX: Duration = Duration::from_secs(100 * 86_400);

/// Default connections in all.
pub const CONNECTIONS_DEFAULT: usize = 64;
/// Most connections that can be asked for.
pub const CONNECTIONS_MAX: usize = 1_000_000;
/// Default time for one whole fetch.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// Default time for one connect.
pub const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// Default seed of a bench.
pub const SEED_DEFAULT: u64 = 1;
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
const _: () = assert!(
    PROFILE_SPAN_MAX.as_nanos() < 1 << f64::MANTISSA_DIGITS,
    "instants of a profile are exact to the nanosecond"
);
const _: () = assert!(
    GENERATOR_BUSY_SHARE + GENERATOR_RUN_QUEUE_SHARE <= 1.0,
    "a thread that waits no longer than allowed can still be found busy"
);
const _: () = assert!(
    SERIES_SECOND.as_millis().is_multiple_of(SERIES_STEP.as_millis()),
    "a second ends where a step ends"
);
const _: () = assert!(
    SERIES_STEPS_MAX.is_multiple_of(2) && SERIES_POINTS_MAX.is_multiple_of(2),
    "all that are kept have a neighbour to be merged with"
);
const _: () = assert!(
    STABILITY_FIGURES_MIN >= 3 && STABILITY_FIGURES_MIN <= STABILITY_BATCHES_MAX,
    "from fewer figures no error can be told"
);
