//! What every contestant of a comparison does: a load as `bench` puts it, or a list as `fetch`
//! fetches it.
//!
//! Does not know who does it. The options that belong to one contestant (its engine, its CPUs) are
//! not the workload's.
//!
//! Invariant: two workloads are the same only where every option is.

use std::fmt;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::command::bench::BenchOptions;
use crate::command::benching::BenchError;
use crate::command::fetch::{Extract, Fetch};
use crate::command::fetching::FetchError;
use crate::io::launch::Engine;
use crate::words::limits::{BENCH_OPENING_ROUNDS_MAX, BLOCK_BYTES};
use crate::words::units;

/// What every contestant does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Workload {
    /// Requests in a closed or an open loop.
    #[serde(rename = "bench")]
    Bench(Box<BenchOptions>),
    /// A list of URLs, over and over until the slice ends.
    #[serde(rename = "fetch")]
    Fetch(Box<Fetch>),
}

impl Workload {
    /// Checks the options, as every start does.
    ///
    /// # Errors
    ///
    /// For a person to read.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Bench(options) => options.check().map_err(|e: BenchError| e.to_string()),
            Self::Fetch(options) => {
                if options.files.iter().any(|file| file == Path::new("-")) {
                    let hint = "-i FILE names a list that can be read again";
                    return Err(format!("standard input can be read only once, hint: {hint}"));
                }
                options.check().map_err(|e: FetchError| e.to_string())
            }
        }
    }

    /// Whether requests are due by a schedule, so that latency at an equal rate is compared.
    #[must_use]
    pub fn is_open_loop(&self) -> bool {
        matches!(self, Self::Bench(options) if options.rate_per_s.is_some())
    }

    /// Requests a second that were asked for; none where nothing limits them.
    #[must_use]
    pub fn wanted_per_s(&self) -> Option<f64> {
        match self {
            Self::Bench(options) => options.rate_per_s,
            Self::Fetch(options) => options.starts_per_s,
        }
    }

    /// Longest time in which the connections of a load are opened, or not.
    #[must_use]
    pub fn opening_max(&self) -> Duration {
        match self {
            Self::Bench(options) => BENCH_OPENING_ROUNDS_MAX * options.connect_timeout,
            Self::Fetch(_) => Duration::ZERO,
        }
    }

    /// Every option as JSON, to tell workloads apart. What belongs to one contestant is left out,
    /// what may be secret (the values of header fields, the body) is there as a hash, and so is
    /// what the files of URLs hold: null for one that cannot be read twice.
    ///
    /// # Panics
    ///
    /// Never: a workload is JSON.
    #[must_use]
    pub fn fingerprint(&self) -> Value {
        let mut plain = self.clone();
        let headers = match &mut plain {
            Self::Bench(options) => {
                (options.engine, options.cpus) = (Engine::Uring, None);
                options.body = options.body.take().map(|body| hash(&body).into_bytes());
                &mut options.headers
            }
            Self::Fetch(options) => {
                (options.engine, options.cpus) = (Engine::Uring, None);
                &mut options.headers
            }
        };
        headers.iter_mut().for_each(|(_, value)| *value = hash(value.as_bytes()));
        let mut options = serde_json::to_value(plain).expect("a workload is JSON");
        options["files_hold"] = self.files().iter().map(|file| hash_of_file(file)).collect();
        options
    }

    /// Files of URLs.
    fn files(&self) -> &[PathBuf] {
        match self {
            Self::Bench(options) => &options.files,
            Self::Fetch(options) => &options.files,
        }
    }

    /// Connections in all.
    #[must_use]
    pub fn connections(&self) -> usize {
        match self {
            Self::Bench(options) => options.connections,
            Self::Fetch(options) => options.connections,
        }
    }

    /// The same with `connections` connections.
    #[must_use]
    pub fn with_connections(mut self, connections: usize) -> Self {
        match &mut self {
            Self::Bench(options) => options.connections = connections,
            Self::Fetch(options) => options.connections = connections,
        }
        self
    }

    /// The same for other URLs.
    #[must_use]
    pub fn with_urls(mut self, urls: Vec<String>) -> Self {
        match &mut self {
            Self::Bench(options) => options.urls = urls,
            Self::Fetch(options) => options.urls = urls,
        }
        self
    }

    /// Whether it names what is asked for.
    #[must_use]
    pub fn has_urls(&self) -> bool {
        let urls = match self {
            Self::Bench(options) => &options.urls,
            Self::Fetch(options) => &options.urls,
        };
        !(urls.is_empty() && self.files().is_empty())
    }

    fn bench_line(options: &BenchOptions, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match options.rate_per_s {
            Some(rate) => write!(f, "open loop at {}", units::rate(rate))?,
            None => f.write_str("closed loop")?,
        }
        write!(f, ", {} connections", units::count(options.connections as u64))?;
        if options.pipeline > 1 {
            write!(f, ", pipeline {}", options.pipeline)?;
        }
        if !options.keep_alive {
            f.write_str(", one for each request")?;
        }
        Ok(())
    }

    fn fetch_line(options: &Fetch, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extract = match options.extract {
            Extract::Page => "title, links and words extracted",
            Extract::Nothing => "nothing extracted",
        };
        let connections = units::count(options.connections as u64);
        write!(f, "fetch of a list, {connections} connections, {extract}")?;
        match options.starts_per_s {
            Some(rate) => write!(f, ", {} starts at most", units::rate(rate)),
            None => Ok(()),
        }
    }
}

/// A hash of `bytes`, the same in every process of this build.
fn hash(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("#{:016x}", hasher.finish())
}

/// The same of what `file` holds; none where that cannot be read, or not a second time.
fn hash_of_file(file: &Path) -> Option<String> {
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut file = BufReader::with_capacity(BLOCK_BYTES, File::open(file).ok()?);
    let mut hasher = DefaultHasher::new();
    loop {
        let block = file.fill_buf().ok()?;
        let len = block.len();
        if len == 0 {
            return Some(format!("#{:016x}", hasher.finish()));
        }
        hasher.write(block);
        file.consume(len);
    }
}

/// In one line, for reports.
impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bench(options) => Self::bench_line(options, f),
            Self::Fetch(options) => Self::fetch_line(options, f),
        }
    }
}
