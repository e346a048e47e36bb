//! `fetch`: what to fetch, and how; the options, and their way to settings.
//!
//! Does not know how its options were given, nor who watches the run.
//!
//! Invariant: options are resolved once, into [`Settings`]; after that nothing means "default".

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::limits::{
    BODY_BYTES_DEFAULT, CONNECT_TIMEOUT_DEFAULT, CONNECTIONS_DEFAULT, CONNECTIONS_MAX,
    PER_HOST_DEFAULT, REDIRECTS_DEFAULT, REDIRECTS_MAX, RETRIES_DEFAULT, RETRIES_MAX, ROW_BATCH,
    ROW_BATCHES_QUEUED_MAX, TIMEOUT_DEFAULT,
};
use crate::client::Stop;
use crate::extract::Extractor;
use crate::fetch::ordinals::Ordinals;
use crate::fetch::output::Sink;
use crate::fetch::output::row::Row;
use crate::fetch::output::{Callback, FinisherSettings, Finishers, Queue};
use crate::fetch::policy::{Policy, StatusPolicy};
use crate::fetch::run::{FetchError, Rows, RunningFetch};
use crate::fetch::summary::Summary;
use crate::fetch::{FetchRun, Keep, Politeness, Settings};
use crate::http::http1::{Connection, Method, RequestSpec, RequestTemplate};
use crate::input::Input;
use crate::input::source::Source;
use crate::net::dns::Override;
use crate::os::system;
use crate::runtime::allowed::{affordable_connections, allowed};
use crate::runtime::launch::{Engine, Launch, Pinning};
use crate::runtime::{clock, cores};

/// Whether pages are extracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Extract {
    /// Title, links, words and selected texts of HTML and XHTML.
    Page,
    /// Nothing: bodies are counted and forgotten.
    Nothing,
}

/// A fetch to be run: what to fetch, and how. Each field is an option; the methods set those that
/// most programs want.
///
/// ```no_run
/// # fn main() -> Result<(), ringfetch::FetchError> {
/// let summary = ringfetch::Fetch::new()
///     .urls(["http://127.0.0.1:8080/", "http://127.0.0.1:8080/about"])
///     .connections(16)
///     .for_each(|row| println!("{} {:?}", row.url, row.status))?;
/// println!("{} of {} answered", summary.ok, summary.rows);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fetch {
    /// URLs given by themselves; they come before the lists.
    pub urls: Vec<String>,
    /// Lists of URLs, one a line; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// What carries the I/O.
    pub engine: Engine,
    /// The CPUs to use, or none for all that the process may use.
    pub cpus: Option<Vec<usize>>,
    /// Whether each core's thread stays on its CPU.
    pub pinning: Pinning,
    /// Connections in all.
    pub connections: usize,
    /// Fetches of one host at a time; 0 is no cap.
    pub per_host: usize,
    /// Least time between two starts on one host.
    pub delay: Duration,
    /// Starts a second in all, where they are limited. Retries and redirects are not counted.
    pub starts_per_s: Option<f64>,
    /// Time for one whole fetch, redirects and retries included.
    pub timeout: Duration,
    /// Time for one connect.
    pub connect_timeout: Duration,
    /// Failures of one fetch that are tried again.
    pub retries: u32,
    /// Redirects that one fetch follows.
    pub redirects: usize,
    /// Largest body, in bytes.
    pub body_bytes_max: u64,
    /// Further header fields; they replace those that would be sent by themselves.
    pub headers: Vec<(String, String)>,
    /// What the User-Agent field says, or none for the default.
    pub user_agent: Option<String>,
    /// Whether pages are extracted.
    pub extract: Extract,
    /// Named CSS selectors whose matches each page's row lists.
    pub selectors: Vec<(String, String)>,
    /// Whether a status of 400 or above counts as failed.
    pub status: StatusPolicy,
    /// Fixed answers to name lookups.
    pub overrides: Vec<Override>,
    /// Lines that an earlier run has fetched: they are passed over. They belong to one run, so they
    /// are not kept with the other options.
    #[serde(skip)]
    pub done: Ordinals,
}

impl Default for Fetch {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            files: Vec::new(),
            engine: Engine::Uring,
            cpus: None,
            pinning: Pinning::Pinned,
            connections: CONNECTIONS_DEFAULT,
            per_host: PER_HOST_DEFAULT,
            delay: Duration::ZERO,
            starts_per_s: None,
            timeout: TIMEOUT_DEFAULT,
            connect_timeout: CONNECT_TIMEOUT_DEFAULT,
            retries: RETRIES_DEFAULT,
            redirects: REDIRECTS_DEFAULT,
            body_bytes_max: BODY_BYTES_DEFAULT,
            headers: Vec::new(),
            user_agent: None,
            extract: Extract::Page,
            selectors: Vec::new(),
            status: StatusPolicy::Accept,
            overrides: Vec::new(),
            done: Ordinals::default(),
        }
    }
}

impl Fetch {
    /// A fetch of nothing yet, with every option at its default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds URLs to fetch.
    #[must_use]
    pub fn urls(mut self, urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.urls.extend(urls.into_iter().map(Into::into));
        self
    }

    /// Adds a list of URLs, one a line, plain or compressed by gzip or zstd; `-` is standard input.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(path.into());
        self
    }

    /// Opens at most `count` connections in all.
    #[must_use]
    pub fn connections(mut self, count: usize) -> Self {
        self.connections = count;
        self
    }

    /// Fetches at most `count` URLs of one host at a time; 0 is no cap.
    #[must_use]
    pub fn per_host(mut self, count: usize) -> Self {
        self.per_host = count;
        self
    }

    /// Gives each fetch this long, redirects and retries included.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Carries the I/O by `engine`; where the kernel refuses io_uring, epoll serves instead.
    #[must_use]
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Extracts pages, or does not.
    #[must_use]
    pub fn extract(mut self, extract: Extract) -> Self {
        self.extract = extract;
        self
    }

    /// Lists the texts that the CSS selector `css` matches under `name` in each page's row.
    #[must_use]
    pub fn select(mut self, name: impl Into<String>, css: impl Into<String>) -> Self {
        self.selectors.push((name.into(), css.into()));
        self
    }

    /// Runs the fetch and calls `act` with every row, from several threads.
    ///
    /// # Errors
    ///
    /// See [`FetchError`]. A URL that cannot be fetched is no error but a row.
    pub fn for_each(
        self,
        act: impl Fn(Row) + Send + Sync + 'static,
    ) -> Result<Summary, FetchError> {
        let act = Arc::new(act);
        self.start(|| Callback(Arc::clone(&act)), Stop::default())?.join()
    }

    /// Starts the fetch and gives its rows as they come.
    ///
    /// # Errors
    ///
    /// See [`FetchError`].
    pub fn rows(self) -> Result<Rows, FetchError> {
        let (sender, rows) = flume::bounded(ROW_BATCH);
        let stop = Stop::default();
        let running = self.start(|| Queue(sender.clone()), stop.clone())?;
        Rows::new(rows, running, stop)
    }

    /// Starts the fetch of its URLs and lists. Each finishing thread has the sink that `sink` makes
    /// for it; `stop` ends the fetch early.
    ///
    /// # Errors
    ///
    /// See [`FetchError`].
    pub fn start<S: Sink>(
        mut self,
        sink: impl Fn() -> S + Send,
        stop: Stop,
    ) -> Result<RunningFetch, FetchError> {
        let (urls, files) = (std::mem::take(&mut self.urls), std::mem::take(&mut self.files));
        let input = Input::open(urls, files).map_err(|error| FetchError::Input(error, None))?;
        self.start_from(input, sink, stop)
    }

    /// Starts the fetch of what `source` names instead of its own URLs and lists.
    ///
    /// # Errors
    ///
    /// See [`FetchError`].
    pub fn start_from<S: Sink>(
        self,
        source: impl Source + 'static,
        sink: impl Fn() -> S + Send,
        stop: Stop,
    ) -> Result<RunningFetch, FetchError> {
        let mut notes = Vec::new();
        let settings = self.resolve(&mut notes)?;
        let (engine, cpus) = (settings.launch.engine, settings.launch.cpus.clone());
        let finishing = match self.extract {
            Extract::Page => {
                FinisherSettings { threads: cpus.len(), selectors: Some(self.selectors) }
            }
            Extract::Nothing => FinisherSettings { threads: 1, selectors: None },
        };
        let (cpu_before, started_at) = (system::process_cpu_time(), clock::now());
        let stopper = stop.clone();
        let start = || -> io::Result<(FetchRun, Finishers)> {
            let (rows, batches) = flume::bounded(ROW_BATCHES_QUEUED_MAX);
            let finishers = Finishers::start(&finishing, rows.clone(), &batches, sink, &stopper)?;
            Ok((FetchRun::start(settings, source, rows, stopper)?, finishers))
        };
        let (run, finishers) = cores::start_on(&cpus, start).map_err(FetchError::Start)?;
        let pinning = self.pinning;
        Ok(RunningFetch { run, finishers, engine, pinning, started_at, cpu_before, stop, notes })
    }

    /// Resolves the options; what was changed on the way is noted.
    fn resolve(&self, notes: &mut Vec<String>) -> Result<Settings, FetchError> {
        self.check()?;
        let request = self.request()?;
        let cores = self.cpus.as_ref().map_or_else(|| cores::available().len(), Vec::len);
        let connections =
            affordable_connections(self.connections, cores, notes).map_err(FetchError::Start)?;
        Ok(Settings {
            launch: self.launch(connections, notes),
            connections,
            politeness: Politeness {
                per_host: u32::try_from(self.per_host).unwrap_or(u32::MAX),
                delay: self.delay,
            },
            starts_per_s: self.starts_per_s,
            request,
            policy: Policy {
                retries_max: self.retries,
                redirects_max: self.redirects,
                status: self.status,
            },
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
            body_bytes_max: self.body_bytes_max,
            keep: match self.extract {
                Extract::Page => Keep::Pages,
                Extract::Nothing => Keep::Nothing,
            },
            overrides: self.overrides.clone(),
            done: self.done.clone(),
        })
    }

    /// Checks the options against their bounds, as every start does.
    ///
    /// # Errors
    ///
    /// [`FetchError::Option`], for a person to read.
    pub fn check(&self) -> Result<(), FetchError> {
        let bad = |text: String| Err(FetchError::Option(text));
        if self.connections == 0 || self.connections > CONNECTIONS_MAX {
            let asked = self.connections;
            return bad(format!(
                "connections must be from 1 to {CONNECTIONS_MAX}: {asked}, hint: -c 64"
            ));
        }
        if self.retries > RETRIES_MAX {
            return bad(format!(
                "retries must be at most {RETRIES_MAX}: {}, hint: --retries 2",
                self.retries
            ));
        }
        if self.redirects > REDIRECTS_MAX {
            return bad(format!(
                "redirects must be at most {REDIRECTS_MAX}: {}, hint: --redirects 10",
                self.redirects
            ));
        }
        if self.timeout.is_zero() || self.connect_timeout.is_zero() {
            return bad("a timeout must be longer than zero, hint: --timeout 30s".to_owned());
        }
        if self.cpus.as_ref().is_some_and(Vec::is_empty) {
            return bad("no CPU is named, hint: --cores 0,2-5".to_owned());
        }
        if let Some(rate) = self.starts_per_s
            && !(rate.is_finite() && rate >= 1e-6)
        {
            return bad(format!(
                "the rate must be a positive number of starts a second: {rate}, hint: --rate 100"
            ));
        }
        Extractor::new(&self.selectors)
            .map_err(|e| FetchError::Option(format!("{e}, hint: --select 'heads=h1, h2'")))?;
        self.request().map(drop)
    }

    /// The request, but for its target.
    fn request(&self) -> Result<RequestTemplate, FetchError> {
        let mut headers = self.headers.clone();
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept-encoding")) {
            // Without the field a server may choose any coding (RFC 9110 section 12.5.3).
            headers.push(("Accept-Encoding".to_owned(), "identity".to_owned()));
        }
        let request = RequestTemplate::new(&RequestSpec {
            headers: &headers,
            user_agent: self.user_agent.as_deref(),
            connection: Connection::KeepAlive,
            ..RequestSpec::new(&Method::Get)
        });
        request.map_err(|error| FetchError::Option(error.to_string()))
    }

    /// Where the cores run, and on what.
    fn launch(&self, connections: usize, notes: &mut Vec<String>) -> Launch {
        let engine = allowed(self.engine, notes);
        let mut cpus = self.cpus.clone().unwrap_or_else(cores::available);
        // A core without a connection could only wait.
        cpus.truncate(connections);
        let operations = connections.div_ceil(cpus.len());
        Launch { engine, cpus, pinning: self.pinning, operations, name: "core" }
    }
}
