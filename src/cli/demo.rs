//! `ringfetch demo`: the main job on a machine with nothing else installed.
//!
//! Starts the test server as a process of its own, so that its CPU time is not the fetch's. Fetches
//! generated pages of many virtual hosts from it, puts a load on it, and compares engines.
//!
//! Invariant: it listens and connects on the loopback interface alone, and leaves nothing running:
//! the test server ends when the pipe to its standard input does.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use crate::base::units::{duration_us, rate};
use crate::bench::options::Bench;
use crate::cli::args::DemoArgs;
use crate::cli::compare::program;
use crate::cli::exit::{DONE, SOME_FAILED};
use crate::cli::stderr::{paint, tell};
use crate::client::Stop;
use crate::compare::Compare;
use crate::compare::comparison::Comparison;
use crate::compare::contestant::Contestant;
use crate::compare::server_process::TestServerProcess;
use crate::compare::testbed::Testbed;
use crate::fetch::options::Fetch;
use crate::fetch::output::Writer;
use crate::fetch::summary::Summary;
use crate::report::{self, text};
use crate::runtime::launch::Engine;

/// How long the load is measured.
const BENCH_SPAN: Duration = Duration::from_secs(2);
/// Rounds of the comparison, and how long each engine works in one of them.
const COMPARE_ROUNDS: usize = 8;
const COMPARE_SLICE: Duration = Duration::from_millis(300);

/// Runs the demonstration; the exit code.
pub(super) fn run(args: &DemoArgs) -> anyhow::Result<u8> {
    let folder = folder(args)?;
    let program = program();
    let testbed =
        Testbed::with_test_server(&program, None, None).context("cannot start the origin")?;
    let server = testbed.test_server().expect("it has one");
    let list = folder.join("urls.txt");
    std::fs::write(&list, urls(server))
        .with_context(|| format!("cannot write: {}", list.display()))?;
    tell(&format!(
        "origin: this program's own, at {} on CPUs {:?}\n\
         list: {} pages of many virtual hosts in {}\n\n",
        server.addr(),
        server.cpus(),
        server.pages().len(),
        list.display(),
    ));
    let fetch = Fetch {
        cpus: Some(testbed.cpus().to_vec()),
        overrides: vec![server.override_for_all()],
        ..Fetch::new().file(&list)
    };
    let rows = folder.join("rows.jsonl");
    tell(&format!("1. fetch, extract title, links and words, write {}\n\n", rows.display()));
    let summary = fetch_to(fetch, &rows)?;
    tell(&text::text(&summary, paint(&args.common)));
    tell("\n2. bench, 64 connections in a closed loop for two seconds\n\n");
    let errors = bench(testbed.cpus(), server.addr())?;
    tell("\n3. compare: the same load on each engine, in turns\n\n");
    let comparison = compare(program, &testbed)?;
    tell(&report::compare::text::text(&comparison, None, paint(&args.common)));
    tell(&format!(
        "\nrows: {}\nnext: ringfetch fetch -i YOUR-LIST -o rows.jsonl, ringfetch bench YOUR-URL, \
         ringfetch compare\n",
        rows.display()
    ));
    let has_failed = summary.failed > 0 || errors > 0 || comparison.has_failed();
    Ok(if has_failed { SOME_FAILED } else { DONE })
}

/// The place for the list and the rows.
fn folder(args: &DemoArgs) -> anyhow::Result<PathBuf> {
    let folder = args.output.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("ringfetch-demo-{}", std::process::id()))
    });
    std::fs::create_dir_all(&folder).with_context(|| {
        format!("cannot make the folder: {}, hint: -o FOLDER", folder.display())
    })?;
    Ok(folder)
}

/// The list of the server's pages.
fn urls(server: &TestServerProcess) -> String {
    let mut list =
        String::from("# pages of the built-in origin, under names that no resolver knows\n");
    for url in server.pages() {
        list.push_str(&url);
        list.push('\n');
    }
    list
}

/// Fetches with rows into the file at `path`.
fn fetch_to(fetch: Fetch, path: &Path) -> anyhow::Result<Summary> {
    let output = File::create(path).with_context(|| format!("cannot write: {}", path.display()))?;
    let writer = Writer::start(output)?;
    let summary = fetch.start(|| writer.sink(), Stop::default())?.join()?;
    writer.join().with_context(|| format!("cannot write: {}", path.display()))?;
    Ok(summary)
}

/// Puts a load on the server at `addr`, and tells the result in one line. Returns how many requests
/// failed.
fn bench(cpus: &[usize], addr: SocketAddr) -> anyhow::Result<u64> {
    let summary = Bench::new()
        .urls([format!("http://{addr}/bytes/64")])
        .cpus(cpus)
        .duration(BENCH_SPAN)
        .run()?;
    let rate_per_s = summary.rate_per_s.map_or_else(|| "-".to_owned(), rate);
    let time = |us: Option<f64>| us.map_or_else(|| "-".to_owned(), duration_us);
    tell(&format!(
        "   {} {rate_per_s}, {} CPU a request, p50 {}, p99 {}\n",
        summary.engine,
        time(summary.cost.cpu_us_per_request),
        time(summary.latency_us.response.named("p50")),
        time(summary.latency_us.response.named("p99")),
    ));
    Ok(summary.errors.count)
}

/// Compares ringfetch's engines on the load of a bench, for some seconds.
fn compare(program: PathBuf, testbed: &Testbed) -> anyhow::Result<Comparison> {
    let compare = Compare::new(program)
        .contestants(Engine::ALL.map(Contestant::Own))
        .rounds(COMPARE_ROUNDS)
        .slice(COMPARE_SLICE);
    Ok(Comparison::new(&compare.run_on(testbed, &Stop::default(), |_| ())?))
}
