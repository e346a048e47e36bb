//! A core whose lanes panic, on every engine.
//!
//! Invariant: whatever panics in a lane is one failed row, and the core goes on.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use crate::base::failure::{Kind, Stage};
use crate::base::instant::Instant;
use crate::base::target::Target;
use crate::client::panicking::{LATE_PANICKING_PORT, PANICKING_PORT, Panicking};
use crate::client::stop::Stop;
use crate::fetch::cores::fetch_on;
use crate::fetch::job::{Fetched, Intake, Job};
use crate::fetch::ordinals::Ordinals;
use crate::fetch::policy::{Policy, StatusPolicy};
use crate::fetch::response::Keep;
use crate::fetch::scheduler::Politeness;
use crate::fetch::settings::Settings;
use crate::fetch::shared::Shared;
use crate::fetch::tally::Tally;
use crate::http::http1::{Method, RequestSpec, RequestTemplate};
use crate::net::dns::Resolver;
use crate::runtime::launch::{Engine, Launch, Pinning, Placement, Program, launch};
use crate::runtime::{Io, cores};

/// One core on an engine that panics.
struct OneCore {
    shared: Arc<Shared>,
    inbox: flume::Receiver<Vec<Intake>>,
    arrivals: flume::Receiver<Vec<Job>>,
}

impl Program for OneCore {
    type Output = Tally;

    async fn run<I: Io>(self: Arc<Self>, io: I, placement: Placement) -> Tally {
        fetch_on(Panicking(io), placement, &self.shared, &self.inbox, &self.arrivals).await
    }
}

fn settings(engine: Engine) -> Settings {
    let cpus = vec![cores::available()[0]];
    let pinning = Pinning::Free;
    Settings {
        launch: Launch { engine, cpus, pinning, operations: 4, name: "test" },
        connections: 4,
        politeness: Politeness { per_host: 2, delay: Duration::ZERO },
        starts_per_s: None,
        request: RequestTemplate::new(&RequestSpec::new(&Method::Get)).unwrap(),
        policy: Policy { retries_max: 2, redirects_max: 2, status: StatusPolicy::Accept },
        timeout: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(5),
        body_bytes_max: 1000,
        keep: Keep::Nothing,
        overrides: Vec::new(),
        done: Ordinals::default(),
    }
}

/// Fetches `urls` on one core of `engine`: the rows by ordinal, and what was counted.
fn fetch(engine: Engine, urls: &[String]) -> (Vec<Fetched>, Tally) {
    let (sender, inbox) = flume::bounded(1);
    let (rows, batches) = flume::unbounded();
    let resolver = Resolver::start(Vec::new()).unwrap();
    let (moves, arrivals) = flume::unbounded();
    let inboxes = vec![sender.clone()];
    let stop = Stop::default();
    let shared = Shared::new(settings(engine), inboxes, vec![moves], rows, resolver, stop);
    let jobs = urls.iter().zip(0..).map(|(url, n)| {
        let target = Target::parse(url).unwrap();
        Intake::Job(Job::new(n, url, target, Instant::from_ns(0)))
    });
    shared.begin(urls.len());
    sender.send(jobs.collect()).unwrap();
    shared.end_input();
    let shared = Arc::new(shared);
    let program = Arc::new(OneCore { shared: Arc::clone(&shared), inbox, arrivals });
    let ended = launch(&shared.settings.launch, &program).unwrap().join().unwrap();
    let tally = ended.into_iter().next().unwrap().output;
    tally.assert_jobs_closed();
    let mut rows: Vec<Fetched> = batches.drain().flatten().collect();
    rows.sort_by_key(|row| row.n);
    (rows, tally)
}

/// A server that closes after each answer, for as long as the test binary runs.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let is_asked = stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0);
            if is_asked {
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
            }
        }
    });
    addr
}

#[test]
fn a_panic_in_a_lane_is_one_failed_row_and_every_other_row_is_well() {
    let addr = serve();
    let urls: Vec<String> = (0..200)
        .map(|n| match n % 10 {
            3 => format!("http://127.0.0.1:{PANICKING_PORT}/{n}"),
            7 => format!("http://127.0.0.1:{LATE_PANICKING_PORT}/{n}"),
            _ => format!("http://{addr}/{n}"),
        })
        .collect();
    for engine in Engine::ALL {
        let (rows, tally) = fetch(engine, &urls);
        assert!(rows.iter().map(|row| row.n).eq(0..200), "{engine}");
        for row in &rows {
            let found = row.failure.map(|failure| (failure.stage, failure.kind));
            let wanted = matches!(row.n % 10, 3 | 7).then_some((Stage::Head, Kind::Panic));
            assert_eq!(found, wanted, "{engine}: {row:?}");
            assert_eq!(row.response.is_some(), wanted.is_none(), "{engine}: {row:?}");
        }
        assert_eq!((tally.rows(), tally.ok(), tally.failed()), (200, 160, 40), "{engine}");
        assert_eq!(tally.retries, 0, "a bug is not tried again");
    }
}
