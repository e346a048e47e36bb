//! `ringfetch demo`: the main job on a machine with nothing else installed.
//!
//! Starts the built-in origin as a process of its own, so that its CPU time is not the fetch's,
//! fetches generated pages of many virtual hosts from it, and puts a load on it. Knows nothing that
//! the other commands do not know as well.
//!
//! Invariant: it listens and connects on the loopback interface alone, and leaves nothing running:
//! the origin ends when the pipe to its standard input does.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use crate::cli::args::DemoArgs;
use crate::cli::{DONE, SOME_FAILED, paint, tell};
use crate::command::bench::BenchOptions;
use crate::command::benching::Unwatched;
use crate::command::fetch::{Extract, Fetch};
use crate::command::origin_process::OriginProcess;
use crate::engine::Stop;
use crate::io::cores;
use crate::io::launch::Engine;
use crate::machines::stats::summary::Summary;
use crate::report::text;
use crate::sink::Writer;
use crate::words::units::{duration_us, rate};

/// How long each engine's load is measured.
const BENCH_SPAN: Duration = Duration::from_secs(1);

/// Runs the demonstration; the exit code.
pub(super) fn run(args: &DemoArgs) -> anyhow::Result<u8> {
    let folder = folder(args)?;
    let (origin_cpus, fetch_cpus) = cores::halves();
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let origin = OriginProcess::start(&program, &origin_cpus).context("cannot start the origin")?;
    let list = folder.join("urls.txt");
    std::fs::write(&list, urls(&origin))
        .with_context(|| format!("cannot write: {}", list.display()))?;
    tell(&format!(
        "origin: this program's own, at {} on CPUs {origin_cpus:?}\n\
         list: {} pages of many virtual hosts in {}\n\n",
        origin.addr(),
        origin.pages().len(),
        list.display(),
    ));
    let bench_cpus = fetch_cpus.clone();
    let fetch = Fetch {
        cpus: Some(fetch_cpus),
        overrides: vec![origin.everywhere()],
        ..Fetch::new().file(&list)
    };
    let rows = folder.join("rows.jsonl");
    tell(&format!("1. fetch, extract title, links and words, write {}\n\n", rows.display()));
    let summary = fetch_to(fetch.clone(), &rows)?;
    tell(&text::text(&summary, paint(&args.common)));
    tell("\n2. the same list without extraction, once on each engine\n\n");
    let mut failed = summary.failed;
    for engine in Engine::ALL {
        let fetch = fetch.clone().engine(engine).extract(Extract::Nothing);
        let summary = fetch_to(fetch, Path::new("/dev/null"))?;
        failed += summary.failed;
        tell(&engine_line(engine, &summary));
    }
    tell("\n3. a load of 64 connections for a second, once on each engine\n\n");
    for engine in Engine::ALL {
        failed += bench(engine, &bench_cpus, origin.addr())?;
    }
    tell(&format!(
        "\nOne pass of each is a glimpse, not a measurement.\n\
         rows: {}\nnext: ringfetch fetch -i YOUR-LIST -o rows.jsonl, ringfetch bench YOUR-URL\n",
        rows.display()
    ));
    Ok(if failed == 0 { DONE } else { SOME_FAILED })
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

/// The list of the origin's pages.
fn urls(origin: &OriginProcess) -> String {
    let mut list =
        String::from("# pages of the built-in origin, under names that no resolver knows\n");
    for url in origin.pages() {
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

/// One engine's pass in one line.
fn engine_line(engine: Engine, summary: &Summary) -> String {
    let ran = if summary.engine == engine.word() { "" } else { " (epoll served instead)" };
    let cpu = summary.cost.cpu_us_per_row.map_or_else(|| "-".to_owned(), duration_us);
    let pages = summary.ok_per_s.map_or_else(|| "-".to_owned(), rate);
    format!("   {:<6} {pages:>12}  {cpu:>9} CPU a page{ran}\n", engine.word())
}

/// Puts a load on the origin at `addr`, and tells what came of it in one line; how many requests
/// failed.
fn bench(engine: Engine, cpus: &[usize], addr: SocketAddr) -> anyhow::Result<u64> {
    let options = BenchOptions {
        urls: vec![format!("http://{addr}/bytes/64")],
        engine,
        cpus: Some(cpus.to_vec()),
        duration: Some(BENCH_SPAN),
        ..BenchOptions::default()
    };
    let trial = options.trial()?;
    let mut benching = options.start(Stop::default())?;
    let summary = benching.run(&trial, &mut Unwatched)?;
    benching.join()?;
    let rate_per_s = summary.rate_per_s.map_or_else(|| "-".to_owned(), rate);
    let time = |us: Option<f64>| us.map_or_else(|| "-".to_owned(), duration_us);
    tell(&format!(
        "   {:<6} {rate_per_s:>12}  {:>9} CPU a request, p50 {}, p99 {}\n",
        engine.word(),
        time(summary.cost.cpu_us_per_request),
        time(summary.latency_us.response.named("p50")),
        time(summary.latency_us.response.named("p99")),
    ));
    Ok(summary.errors.count)
}
