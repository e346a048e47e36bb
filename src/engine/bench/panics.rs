//! A core whose exchanges panic while their connection is in use, on every engine.
//!
//! Knows the engines only as they are handed out: each is wrapped in one whose sockets panic when
//! they read a certain word.
//!
//! Invariant: a panic is one failed request, and its connection is never used again.

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::engine::Stop;
use crate::engine::bench::run::{Bench, Event, Trials};
use crate::engine::bench::settings::{BenchSettings, Loop, Trial};
use crate::io::launch::{Engine, Launch, Pinning, Program, Seat};
use crate::io::{Io, Listener, Sendable, Socket, WriteError, cores};
use crate::machines::http1::{Method, RequestSpec, RequestTemplate};
use crate::machines::stats::record::Record;
use crate::words::buf::Block;
use crate::words::failure::{Kind, Stage};
use crate::words::instant::Instant;
use crate::words::target::Target;

/// Requests of a trial, every tenth of which panics.
const REQUESTS: u64 = 95;
const PANICS: u64 = REQUESTS / 10;

/// An engine, a socket or a listener that panics on purpose.
#[derive(Clone)]
struct Panicking<T>(T);

impl<I: Io> Io for Panicking<I> {
    type Socket = Panicking<I::Socket>;
    type Listener = Panicking<I::Listener>;
    type Timer = I::Timer;

    fn now(&self) -> Instant {
        self.0.now()
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Self::Socket> {
        self.0.connect(to).await.map(Panicking)
    }

    fn listen(&self, on: TcpListener) -> io::Result<Self::Listener> {
        self.0.listen(on).map(Panicking)
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> {
        self.0.sleep_until(at)
    }

    fn timer(&self) -> io::Result<I::Timer> {
        self.0.timer()
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.spawn(task);
    }
}

impl<S: Socket> Socket for Panicking<S> {
    type Interrupter = S::Interrupter;

    async fn read(&mut self, into: Block) -> (io::Result<usize>, Block) {
        let (read, block) = self.0.read(into).await;
        assert!(!block.filled().ends_with(b"panic"), "on purpose");
        (read, block)
    }

    fn write_all<B: Sendable>(
        &mut self,
        bytes: B,
    ) -> impl Future<Output = (Result<(), WriteError>, B)> {
        self.0.write_all(bytes)
    }

    fn end_writes(&self) {
        self.0.end_writes();
    }

    fn abort(self) {
        self.0.abort();
    }

    fn is_quiet(&self) -> bool {
        self.0.is_quiet()
    }

    fn interrupter(&self) -> S::Interrupter {
        self.0.interrupter()
    }
}

impl<L: Listener> Listener for Panicking<L> {
    type Socket = Panicking<L::Socket>;

    async fn accept(&self) -> io::Result<Self::Socket> {
        self.0.accept().await.map(Panicking)
    }

    fn interrupter(&self) -> <L::Socket as Socket>::Interrupter {
        self.0.interrupter()
    }
}

/// Trials on an engine that panics.
struct PanickingTrials(Trials);

impl Program for PanickingTrials {
    type Output = Option<io::Error>;

    async fn run<I: Io>(self: Arc<Self>, io: I, seat: Seat) -> Option<io::Error> {
        self.0.on(Panicking(io), seat).await
    }
}

/// What a server was asked for.
#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    requests: AtomicU64,
}

/// A server whose every tenth answer says `panic`, for as long as the test binary runs.
fn serve() -> (SocketAddr, Arc<Counts>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let counts = Arc::new(Counts::default());
    let counted = Arc::clone(&counts);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counted.connections.fetch_add(1, Relaxed);
            answer(stream, &counted);
        }
    });
    (addr, counts)
}

/// Answers what comes on `stream`, one small request at a time, until it is closed.
fn answer(mut stream: TcpStream, counts: &Counts) {
    while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {
        let nth = 1 + counts.requests.fetch_add(1, Relaxed);
        let body = if nth.is_multiple_of(10) { "panic" } else { "fine!" };
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{body}");
    }
}

/// The record of a trial of [`REQUESTS`] on one connection to `addr`.
fn bench(engine: Engine, addr: SocketAddr) -> Record {
    let cpus = vec![cores::available()[0]];
    let launch = Launch { engine, cpus, pinning: Pinning::Free, operations: 4, name: "test" };
    let settings = BenchSettings {
        launch,
        connections: 1,
        targets: vec![Target::parse(&format!("http://{addr}/")).unwrap()],
        request: RequestTemplate::new(&RequestSpec::new(&Method::Get)).unwrap(),
        pipeline: 1,
        timeout: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(5),
        spin: Duration::ZERO,
        overrides: Vec::new(),
    };
    let bench = Bench::start_as(settings, Stop::default(), PanickingTrials).unwrap();
    let trial = Trial {
        pace: Loop::Closed,
        warmup: Duration::ZERO,
        window: None,
        requests: Some(REQUESTS),
        drain: Duration::ZERO,
    };
    let record = loop {
        match bench.next_event(Duration::from_secs(30)).expect("a core says how far it is") {
            Event::Opened(_) => drop(bench.begin(trial.clone())),
            Event::Interval(core, interval) => bench.give_back(core, interval.response),
            Event::Ended(end) => break end.record,
        }
    };
    bench.join().unwrap();
    record
}

#[test]
fn a_panic_is_one_failed_request_and_its_connection_is_not_used_again() {
    for engine in Engine::ALL {
        let (addr, counts) = serve();
        let record = bench(engine, addr);
        record.measured.assert_closed();
        let failures: Vec<_> = record.measured.failures.iter().collect();
        assert_eq!(failures, [(Stage::Head, Kind::Panic, PANICS)], "{engine}");
        assert_eq!(record.measured.completed, REQUESTS - PANICS, "{engine}");
        assert_eq!(counts.requests.load(Relaxed), REQUESTS, "{engine}");
        assert_eq!(counts.connections.load(Relaxed), 1 + PANICS, "{engine}");
    }
}
