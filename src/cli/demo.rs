//! `ringfetch demo`: the main job on a machine with nothing else installed.
//!
//! Starts the built-in origin as a process of its own, so that its CPU time is not the fetch's,
//! fetches generated pages of many virtual hosts from it, and puts a load on it. Knows nothing that
//! the other commands do not know as well.
//!
//! Invariant: it listens and connects on the loopback interface alone, and leaves nothing running:
//! the origin ends when the pipe to its standard input does.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::cli::args::DemoArgs;
use crate::cli::{DONE, SOME_FAILED, paint, tell};
use crate::command::bench::BenchOptions;
use crate::command::benching::Unwatched;
use crate::command::fetch::{Extract, Fetch};
use crate::engine::Stop;
use crate::io::cores;
use crate::io::launch::Engine;
use crate::io::resolve::Override;
use crate::machines::stats::summary::Summary;
use crate::report::text;
use crate::sink::Writer;
use crate::words::units::{duration_us, rate};

/// Virtual hosts, and pages of each.
const HOSTS: usize = 200;
const PAGES_PER_HOST: usize = 50;
/// How long each engine's load is measured.
const BENCH_SPAN: Duration = Duration::from_secs(1);

/// Runs the demonstration; the exit code.
pub(super) fn run(args: &DemoArgs) -> anyhow::Result<u8> {
    let folder = folder(args)?;
    let (origin_cpus, fetch_cpus) = split(cores::available());
    let origin = OriginProcess::start(&origin_cpus)?;
    let list = folder.join("urls.txt");
    std::fs::write(&list, urls()).with_context(|| format!("cannot write: {}", list.display()))?;
    let count = HOSTS * PAGES_PER_HOST;
    tell(&format!(
        "origin: this program's own, at {} on CPUs {origin_cpus:?}\n\
         list: {count} pages of {HOSTS} virtual hosts in {}\n\n",
        origin.addr,
        list.display(),
    ));
    let bench_cpus = fetch_cpus.clone();
    let fetch = Fetch {
        cpus: Some(fetch_cpus),
        overrides: vec![Override {
            host: None,
            port: None,
            ip: origin.addr.ip(),
            to_port: Some(origin.addr.port()),
        }],
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
        failed += bench(engine, &bench_cpus, origin.addr)?;
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

/// CPUs for the origin and for the fetch: half each, or the only one for both.
fn split(cpus: Vec<usize>) -> (Vec<usize>, Vec<usize>) {
    let half = cpus.len() / 2;
    if half == 0 {
        return (cpus.clone(), cpus);
    }
    (cpus[..half].to_vec(), cpus[half..].to_vec())
}

/// The list: hosts take turns, as they do in a list that was shuffled.
fn urls() -> String {
    let mut list =
        String::from("# pages of the built-in origin, under names that no resolver knows\n");
    for page in 0..PAGES_PER_HOST {
        for host in 0..HOSTS {
            let number = page * HOSTS + host;
            writeln!(list, "http://host-{host}.demo.test/page/{number}")
                .expect("a string takes any text");
        }
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

/// The origin, as a process that ends with this one's interest in it.
struct OriginProcess {
    child: Child,
    addr: SocketAddr,
}

impl OriginProcess {
    fn start(cpus: &[usize]) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let list = cpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--quiet", "--until-stdin-ends"])
            .args(["--cores", &list])
            // The other end of this pipe closes with this process, however that ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the origin")?;
        let stdout = child.stdout.take().expect("it was asked for");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).context("the origin says nothing")?;
        let addr = line.trim().rsplit_once("http://").and_then(|(_, addr)| addr.parse().ok());
        let mut origin = Self { child, addr: SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 0) };
        match addr {
            Some(addr) => origin.addr = addr,
            None => bail!("the origin did not say where it listens: {}", line.trim()),
        }
        Ok(origin)
    }
}

impl Drop for OriginProcess {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
