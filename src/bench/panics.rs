//! A core whose exchanges panic while their connection is in use, on every engine.
//!
//! Invariant: a panic is one failed request, and its connection is never used again.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::base::failure::{Kind, Stage};
use crate::base::target::Target;
use crate::bench::cores::{BenchRun, Trials};
use crate::bench::events::Event;
use crate::bench::record::Record;
use crate::bench::settings::{BenchSettings, Loop, Trial};
use crate::client::Stop;
use crate::client::panicking::{PANIC, Panicking};
use crate::http::http1::{Method, RequestSpec, RequestTemplate};
use crate::runtime::launch::{Engine, Launch, Pinning, Placement, Program};
use crate::runtime::{Io, cores};

/// Requests of a trial, every tenth of which panics.
const REQUESTS: u64 = 95;
const PANICS: u64 = REQUESTS / 10;

/// Trials on an engine that panics.
struct PanickingTrials(Trials);

impl Program for PanickingTrials {
    type Output = Option<io::Error>;

    async fn run<I: Io>(self: Arc<Self>, io: I, placement: Placement) -> Option<io::Error> {
        self.0.on(Panicking(io), placement).await
    }
}

/// What a server was asked for.
#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    requests: AtomicU64,
}

/// A server whose every tenth answer says [`PANIC`], for as long as the test binary runs.
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
        let body = if nth.is_multiple_of(10) { PANIC } else { "fine!" };
        let len = body.len();
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n{body}");
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
    let bench = BenchRun::start_as(settings, Stop::default(), PanickingTrials).unwrap();
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
