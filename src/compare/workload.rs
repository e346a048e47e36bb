//! What every contestant of a comparison does: a load as `bench` puts it, or a list as `fetch`
//! fetches it. The options that belong to one contestant (its engine, its CPUs) are not the
//! workload's.
//!
//! Invariant: two workloads are the same only where every option is.

use std::fmt;
use std::fs::{File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Crc;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::limits::{BENCH_OPENING_ROUNDS_MAX, BLOCK_BYTES};
use crate::base::units;
use crate::bench::options::Bench;
use crate::bench::run::BenchError;
use crate::fetch::options::{Extract, Fetch};
use crate::fetch::run::FetchError;
use crate::input::Input;
use crate::runtime::launch::Engine;

// LIMIT: bytes at the beginning of a list that are read to tell whether it is the same as in an
// earlier run: a hundred milliseconds' worth. Its length is compared as well.
const LIST_READ_BYTES: u64 = 64 * 1024 * 1024;

/// What every contestant does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Workload {
    /// Requests in a closed or an open loop.
    #[serde(rename = "bench")]
    Bench(Box<Bench>),
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
        // Every contestant reads the lists, and a fetch in every slice.
        let is_read_once = |file: &Path| {
            let is_pipe = |data: Metadata| !data.is_file() && !data.is_dir();
            file == Path::new("-") || file.metadata().is_ok_and(is_pipe)
        };
        if let Some(file) = self.files().iter().find(|file| is_read_once(file)) {
            let name = match file == Path::new("-") {
                true => "standard input".to_owned(),
                false => file.display().to_string(),
            };
            let hint = "-i FILE names a list that can be read again";
            return Err(format!("{name} can be read only once, hint: {hint}"));
        }
        match self {
            Self::Bench(options) => options.check().map_err(|e: BenchError| e.to_string()),
            Self::Fetch(options) => options.check().map_err(|e: FetchError| e.to_string()),
        }
    }

    /// Whether requests are due by a schedule, so that latency is compared at an equal rate.
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

    /// Longest time that opening the connections of a load may take.
    #[must_use]
    pub fn opening_max(&self) -> Duration {
        match self {
            Self::Bench(options) => BENCH_OPENING_ROUNDS_MAX * options.connect_timeout,
            Self::Fetch(_) => Duration::ZERO,
        }
    }

    /// Every option as JSON, to tell workloads apart. What belongs to one contestant is left out,
    /// and what may be secret (the values of header fields, the body) is there as a hash. `lists`
    /// has the length and a checksum of each list of URLs, where there are any.
    ///
    /// # Errors
    ///
    /// Where a list cannot be read, for a person.
    ///
    /// # Panics
    ///
    /// Never: a workload is JSON.
    pub fn fingerprint(&self) -> Result<Value, String> {
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
        if !self.files().is_empty() {
            // Its error says what is wrong with a list, and what to do.
            Input::open(Vec::new(), self.files().to_vec()).map_err(|error| error.to_string())?;
            let lists = self.files().iter().map(|file| contents(file).map_err(|e| (file, e)));
            let lists: Result<Vec<Value>, _> = lists.collect();
            options["lists"] = lists
                .map_err(|(file, error)| {
                    format!("cannot read the input: {}: {error}", file.display())
                })?
                .into();
        }
        Ok(options)
    }

    /// The files that its lists of URLs are in.
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

    /// Whether it has URLs or lists of them.
    #[must_use]
    pub fn has_urls(&self) -> bool {
        let urls = match self {
            Self::Bench(options) => &options.urls,
            Self::Fetch(options) => &options.urls,
        };
        !(urls.is_empty() && self.files().is_empty())
    }

    fn bench_line(options: &Bench, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

/// What `file` holds: its length, and a checksum (CRC-32, as gzip has it) of its beginning.
fn contents(file: &Path) -> io::Result<Value> {
    let file = File::open(file)?;
    let bytes = file.metadata()?.len();
    let mut beginning = BufReader::with_capacity(BLOCK_BYTES, file.take(LIST_READ_BYTES));
    let mut checksum = Crc::new();
    loop {
        let block = beginning.fill_buf()?;
        let len = block.len();
        if len == 0 {
            return Ok(json!({"bytes": bytes, "crc32": checksum.sum()}));
        }
        checksum.update(block);
        beginning.consume(len);
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
