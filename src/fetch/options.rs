//! The options of a fetch, and their way to settings: the library's face.
//!
//! Invariant: options are resolved once, into [`Settings`]; after that nothing means "default".

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::limits::{
    CONNECT_TIMEOUT_DEFAULT, CONNECTIONS_DEFAULT, CONNECTIONS_MAX, TIMEOUT_DEFAULT,
};
use crate::client::Stop;
use crate::extract::Extractor;
use crate::fetch::ordinals::Ordinals;
use crate::fetch::output::row::Row;
use crate::fetch::output::{Callback, FinisherSettings, Queue, ROWS_QUEUED_MAX, Sink};
use crate::fetch::policy::{Policy, StatusPolicy};
use crate::fetch::run::{FetchError, Rows, RunningFetch};
use crate::fetch::summary::Summary;
use crate::fetch::{Keep, Politeness, Settings};
use crate::http::http1::{Method, Persistence, RequestSpec, RequestTemplate};
use crate::input::Input;
use crate::input::source::Source;
use crate::net::dns::Override;
use crate::runtime::allowed::{affordable_connections, allowed};
use crate::runtime::cores;
use crate::runtime::launch::{Engine, Launch, Pinning};

/// Fetches of one host at a time, where nothing is said.
pub(crate) const PER_HOST_DEFAULT: usize = 8;
/// Further tries after a failure, where nothing is said.
pub(crate) const RETRIES_DEFAULT: u32 = 2;
/// Redirects that are followed, where nothing is said.
pub(crate) const REDIRECTS_DEFAULT: usize = 10;
/// Largest body where nothing is said, in bytes with transfer codings removed.
pub(crate) const BODY_BYTES_DEFAULT: u64 = 16 * 1024 * 1024;
// LIMIT: further tries that can be asked for.
const RETRIES_MAX: u32 = 100;
// LIMIT: redirects that can be asked for; each is kept until its row is made.
const REDIRECTS_MAX: usize = 100;
/// Fewest starts a second that can be asked for: one in eleven days.
const STARTS_PER_S_MIN: f64 = 1e-6;

/// Whether pages are extracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Extract {
    /// Title, links, words and selected texts of HTML and XHTML.
    Page,
    /// Nothing: bodies are counted and forgotten.
    Nothing,
}

/// A fetch to be run: what to fetch, and how.
///
/// Every option has a default; the methods change one option each. Values out of bounds are errors
/// when the fetch is started, or when [`Fetch::check`] is called.
///
/// ```
/// use std::time::Duration;
///
/// use ringfetch::Fetch;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = ringfetch::Serve::new().listen("127.0.0.1:0".parse()?).start()?;
/// # let url = |path: &str| format!("http://{}{path}", server.addr());
/// let summary = Fetch::new()
///     .urls([url("/page/1"), url("/page/2"), url("/status/404")])
///     .connections(16)
///     .timeout(Duration::from_secs(10))
///     .for_each(|row| println!("{} {:?}", row.url, row.status))?;
/// assert_eq!((summary.rows, summary.ok), (3, 3));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fetch {
    pub(crate) urls: Vec<String>,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) engine: Engine,
    pub(crate) cpus: Option<Vec<usize>>,
    pub(crate) pinning: Pinning,
    pub(crate) connections: usize,
    pub(crate) per_host: usize,
    pub(crate) delay: Duration,
    pub(crate) starts_per_s: Option<f64>,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) redirects: usize,
    pub(crate) body_bytes_max: u64,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) user_agent: Option<String>,
    pub(crate) extract: Extract,
    pub(crate) selectors: Vec<(String, String)>,
    pub(crate) status: StatusPolicy,
    pub(crate) overrides: Vec<Override>,
    /// They belong to one run, so they are not kept with the other options.
    #[serde(skip)]
    pub(crate) done: Ordinals,
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

    /// Adds URLs to fetch. They come before the lists.
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

    /// Carries the I/O by `engine`; where the kernel refuses io_uring, epoll serves instead. The
    /// default is [`Engine::Uring`].
    #[must_use]
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Runs one core on each of `cpus`, at least one, numbered as the kernel numbers them; one that
    /// is named twice has two cores. The default is every CPU that the process may use.
    #[must_use]
    pub fn cpus(mut self, cpus: impl Into<Vec<usize>>) -> Self {
        self.cpus = Some(cpus.into());
        self
    }

    /// Keeps the thread of each core on its CPU, or does not. The default is that it stays.
    #[must_use]
    pub fn pinning(mut self, pinning: Pinning) -> Self {
        self.pinning = pinning;
        self
    }

    /// Opens at most `count` connections in all, from 1 to 1,000,000; fewer where the process may
    /// not open so many files. The default is 64.
    #[must_use]
    pub fn connections(mut self, count: usize) -> Self {
        self.connections = count;
        self
    }

    /// Fetches at most `count` URLs of one host at a time; 0 is no cap. The default is 8.
    #[must_use]
    pub fn per_host(mut self, count: usize) -> Self {
        self.per_host = count;
        self
    }

    /// Leaves at least `delay` between two starts on one host. The default is none.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Starts at most `starts_per_s` fetches a second in all, a millionth or more. Retries and
    /// redirects are not counted. The default is no limit.
    #[must_use]
    pub fn starts_per_s(mut self, starts_per_s: f64) -> Self {
        self.starts_per_s = Some(starts_per_s);
        self
    }

    /// Gives each fetch this long, redirects and retries included; longer than zero. The default is
    /// 30 seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Gives each connect this long, the lookup of the name included; longer than zero. The default
    /// is 5 seconds.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Tries again after `count` failures of one fetch, 100 at most, where they may pass by
    /// themselves. The default is 2.
    #[must_use]
    pub fn retries(mut self, count: u32) -> Self {
        self.retries = count;
        self
    }

    /// Follows `count` redirects of one fetch, 100 at most; with 0, a redirect is a response like
    /// any other. The default is 10.
    #[must_use]
    pub fn redirects(mut self, count: usize) -> Self {
        self.redirects = count;
        self
    }

    /// Fails a fetch whose body is larger than `bytes`, with transfer codings removed. The default
    /// is 16 MiB.
    #[must_use]
    pub fn body_bytes_max(mut self, bytes: u64) -> Self {
        self.body_bytes_max = bytes;
        self
    }

    /// Adds a header field to every request. It replaces one of the same name that would be sent by
    /// itself.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Says `user_agent` in the User-Agent field. The default is `ringfetch/VERSION`.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = Some(user_agent.into());
        self
    }

    /// Extracts pages, or does not. The default is that they are.
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

    /// Counts a status of 400 or above as failed, or does not. The default is that it is a response
    /// like any other.
    #[must_use]
    pub fn status(mut self, status: StatusPolicy) -> Self {
        self.status = status;
        self
    }

    /// Answers lookups of the names that `rule` matches with its address; the first rule that
    /// matches holds.
    #[must_use]
    pub fn resolve(mut self, rule: Override) -> Self {
        self.overrides.push(rule);
        self
    }

    /// Passes over the lines of these ordinals: an earlier run has fetched them.
    #[must_use]
    #[doc(hidden)]
    pub fn done(mut self, lines: Ordinals) -> Self {
        self.done = lines;
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
        let (sender, rows) = flume::bounded(ROWS_QUEUED_MAX);
        let stop = Stop::default();
        let running = self.start(|| Queue(sender.clone()), stop.clone())?;
        Rows::new(rows, running, stop)
    }

    /// Starts the fetch of its URLs and lists. Each extraction thread has the output that `sink`
    /// makes for it; `stop` ends the fetch early.
    ///
    /// # Errors
    ///
    /// See [`FetchError`].
    #[doc(hidden)]
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
    #[doc(hidden)]
    pub fn start_from<S: Sink>(
        self,
        source: impl Source + 'static,
        sink: impl Fn() -> S + Send,
        stop: Stop,
    ) -> Result<RunningFetch, FetchError> {
        let mut notes = Vec::new();
        let settings = self.settings(&mut notes)?;
        let finishers = match self.extract {
            Extract::Page => FinisherSettings {
                threads: settings.launch.cpus.len(),
                selectors: Some(self.selectors),
            },
            Extract::Nothing => FinisherSettings { threads: 1, selectors: None },
        };
        RunningFetch::start(settings, &finishers, source, sink, stop, notes)
    }

    /// Resolves the options; what had to be changed is noted.
    fn settings(&self, notes: &mut Vec<String>) -> Result<Settings, FetchError> {
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
            && !(rate.is_finite() && rate >= STARTS_PER_S_MIN)
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
            connection: Persistence::KeepAlive,
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
