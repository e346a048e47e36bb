//! What a request of `bench` costs beside the kernel: its exchanges, lanes, pool and
//! recorder, on sockets that are memory.
//!
//! Time is that of the trial's own record, from the first request to the last answer, so neither
//! the start of a trial nor its end counts. Each read includes one reading of the clock, which the
//! engine needs, and a copy of some 250 bytes, which stands for the kernel's. What others do
//! meanwhile on the same CPU, or on the other half of its core, is in the figure too: the least of
//! several runs says most.
//!
//! Invariant: a figure is of a trial whose ledger closed with every request completed.
//!
//! ```text
//! at once   an answer is there when it is asked for: a lane goes on for 64 reads before another
//!           has its turn, so this is the path of a request and nothing else
//! in turn   every read lets all others go first, as an answer that has to come would: with 64
//!           lanes, a request finds in the cache what the other 63 have left there
//! turn      what the executor takes of each figure `in turn`, for every read
//! ```

mod executor;
mod memory;

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use executor::{Executor, give_turn};
use memory::{Memory, Script};
use ringfetch::base::target::Target;
use ringfetch::bench::record::Record;
use ringfetch::bench::{BenchRun, BenchSettings, Event, Loop, Trial, Trials};
use ringfetch::client::Stop;
use ringfetch::http::http1::{Method, RequestSpec, RequestTemplate};
use ringfetch::runtime::launch::{Engine, Launch, Pinning, Placement, Program};
use ringfetch::runtime::{Io, clock, cores};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BODY_BYTES: usize = 64;
const HEAD: &str = "HTTP/1.1 200 OK\r\n\
    Server: nginx\r\n\
    Date: Thu, 01 Jan 2026 12:00:00 GMT\r\n\
    Content-Type: application/octet-stream\r\n\
    Content-Length: 64\r\n\
    Connection: keep-alive\r\n\r\n";
/// Requests of the shortest trial: some 20 ms, so that its first microseconds do not matter.
const REQUESTS_MIN: u64 = 100_000;
/// Reads of a lane in a row where answers are there at once.
const READS_AT_ONCE: u32 = 64;
const LANES: [usize; 2] = [1, 64];
const PIPELINES: [usize; 2] = [1, 16];

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5))
        .sample_size(50)
        .configure_from_args();
    bench_lanes(&mut criterion, "lane at once", READS_AT_ONCE);
    bench_lanes(&mut criterion, "lane in turn", 1);
    bench_turns(&mut criterion);
    criterion.final_summary();
}

/// Benches requests one at a time and pipelined, on one lane and on many.
fn bench_lanes(criterion: &mut Criterion, name: &str, reads_per_turn: u32) {
    let mut group = criterion.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(1));
    for lanes in LANES {
        for pipeline in PIPELINES {
            let lanes_text = if lanes == 1 { "1 lane".into() } else { format!("{lanes} lanes") };
            let id = BenchmarkId::new(lanes_text, format!("pipeline {pipeline}"));
            group.bench_function(id, |bencher| {
                let bench = start(lanes, pipeline, reads_per_turn);
                bencher.iter_custom(|requests| time_for(&bench, requests));
                bench.join().expect("the core has no reason to fail");
            });
        }
    }
    group.finish();
}

/// The time of `requests` requests, from a trial of that many, or of more where that is too few to
/// be timed.
fn time_for(bench: &BenchRun, requests: u64) -> Duration {
    let count = requests.max(REQUESTS_MIN);
    let record = record_of(bench, count);
    let ledger = &record.measured;
    ledger.assert_closed();
    assert_eq!(ledger.completed, count, "every request is answered: {ledger:?}");
    assert_eq!(ledger.body_bytes, count * BODY_BYTES as u64, "by a whole body");
    assert_eq!(record.connections.reopened, 0, "on the connections that were there");
    let ns = u128::from(record.window_ns) * u128::from(requests) / u128::from(count);
    Duration::from_nanos(u64::try_from(ns).expect("no trial lasts for centuries"))
}

/// The record of a closed loop of `requests` requests.
fn record_of(bench: &BenchRun, requests: u64) -> Record {
    bench.begin(Trial {
        pace: Loop::Closed,
        warmup: Duration::ZERO,
        window: None,
        requests: Some(requests),
        drain: Duration::ZERO,
    });
    loop {
        match next_event(bench) {
            Event::Interval(core, interval) => bench.give_back(core, interval.response),
            Event::Ended(end) => return end.record,
            Event::Opened(_) => unreachable!("connections are opened before the first trial"),
        }
    }
}

fn next_event(bench: &BenchRun) -> Event {
    bench.next_event(Duration::from_secs(60)).expect("a core says how far it is")
}

/// A run on one core with its connections open.
fn start(lanes: usize, pipeline: usize, reads_per_turn: u32) -> BenchRun {
    let target = Target::parse("http://127.0.0.1:8080/bytes/64").expect("it is a URL");
    let request = RequestTemplate::new(&RequestSpec::new(&Method::Get));
    let request = request.expect("the defaults can be sent");
    let answer = [HEAD.as_bytes(), &[b'x'; BODY_BYTES]].concat();
    let script = Script {
        request_bytes: request.len(target.authority(), target.path_and_query()),
        answer_bytes: answer.len(),
        answers: answer.repeat(pipeline),
        reads_per_turn,
    };
    // The core's thread has a runtime of the engine, but nothing of it is used here.
    let (engine, cpus) = (Engine::Epoll, vec![cores::available()[0]]);
    let launch = Launch { engine, cpus, pinning: Pinning::Free, operations: lanes, name: "lane" };
    let settings = BenchSettings {
        launch,
        connections: lanes,
        targets: vec![target],
        request,
        pipeline,
        timeout: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(5),
        spin: Duration::ZERO,
        overrides: Vec::new(),
    };
    let bench = BenchRun::start_as(settings, Stop::default(), |trials| InMemory { trials, script });
    let bench = bench.expect("a thread can be started");
    match next_event(&bench) {
        Event::Opened(opened) => assert_eq!(opened.opened, lanes, "{opened:?}"),
        event => unreachable!("nothing was ordered yet: {event:?}"),
    }
    bench
}

/// Trials on sockets that are memory.
struct InMemory {
    trials: Trials,
    script: Script,
}

impl Program for InMemory {
    type Output = Option<io::Error>;

    async fn run<I: Io>(self: Arc<Self>, _: I, placement: Placement) -> Option<io::Error> {
        Executor::run(|executor| async move {
            let memory = Memory::new(executor, self.script.clone());
            self.trials.on(memory, placement).await
        })
    }
}

/// Benches the executor by itself: what a task pays for letting the others go first.
fn bench_turns(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("executor");
    group.throughput(Throughput::Elements(1));
    for tasks in LANES {
        let id = BenchmarkId::new("turn", if tasks == 1 { "1 task" } else { "64 tasks" });
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|turns| {
                let started_at = clock::now();
                let given = Executor::run(|executor| give_turns(executor, tasks, turns));
                let time = clock::now().since(started_at);
                assert!(given >= turns, "every turn was given: {given}");
                time.mul_f64(turns as f64 / given as f64)
            });
        });
    }
    group.finish();
}

/// Has `tasks` tasks give at least `turns` turns among them; how many they were.
async fn give_turns(executor: Rc<Executor>, tasks: usize, turns: u64) -> u64 {
    let each = turns.div_ceil(tasks as u64);
    let given = Rc::new(Cell::new(0));
    let run = |given: Rc<Cell<u64>>| async move {
        for _ in 0..each {
            give_turn().await;
            given.set(given.get() + 1);
        }
    };
    for _ in 1..tasks {
        executor.spawn(run(Rc::clone(&given)));
    }
    run(Rc::clone(&given)).await;
    while given.get() < each * tasks as u64 {
        give_turn().await;
    }
    given.get()
}
