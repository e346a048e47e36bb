//! The options of a bench, and how they become its settings and its trial.
//!
//! Invariant: options are resolved once; after that nothing means "default".

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::limits::{
    CONNECT_TIMEOUT_DEFAULT, CONNECTIONS_DEFAULT, CONNECTIONS_MAX, TIMEOUT_DEFAULT,
};
use crate::base::target::Target;
use crate::bench::arrivals::{Law, Profile, RateStage};
use crate::bench::run::{BenchError, RunningBench, Unwatched};
use crate::bench::shared::first_by_route;
use crate::bench::summary::BenchSummary;
use crate::bench::targets;
use crate::bench::{BenchSettings, Loop, Trial};
use crate::client::Stop;
use crate::http::http1::{
    Method, MethodError, Persistence, RequestError, RequestSpec, RequestTemplate,
};
use crate::net::dns::Override;
use crate::runtime::allowed::{affordable_connections, allowed};
use crate::runtime::cores;
use crate::runtime::launch::{Engine, Launch, Pinning};

/// How long a bench measures where nothing says it.
const DURATION_DEFAULT: Duration = Duration::from_secs(10);
/// Default seed of a bench.
pub(crate) const SEED_DEFAULT: u64 = 1;
/// Longest time that a bench can be given: a day.
const SPAN_MAX: Duration = Duration::from_secs(86_400);
/// Most requests that one connection has under way at a time.
const PIPELINE_MAX: usize = 1024;
/// How long before a start a core spins where it was told to: longer than a sleep overruns.
const SPIN: Duration = Duration::from_micros(200);

/// How the arrivals of an open loop are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Spread {
    /// A Poisson process: the gaps are exponential, as those of many independent users.
    Poisson,
    /// Equal gaps.
    Even,
}

/// The order in which several URLs are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UrlOrder {
    /// As they are given.
    InTurn,
    /// Shuffled once, by the seed.
    Shuffled,
}

/// A bench to be run: what to put a load on, and how.
///
/// Every option has a default; the methods change one option each. Without any it is a closed loop.
/// Values out of bounds, and options that contradict each other, are errors when the bench is
/// started, or when [`Bench::check`] is called.
///
/// ```
/// use ringfetch::Bench;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = ringfetch::Serve::new().listen("127.0.0.1:0".parse()?).start()?;
/// let summary = Bench::new()
///     .urls([format!("http://{}/bytes/64", server.addr())])
///     .connections(4)
///     .requests(1000)
///     .run()?;
/// assert_eq!(summary.ledger.completed, 1000);
/// println!("p99 {:?} us: {}", summary.latency_us.response.named("p99"), summary.verdict.why);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bench {
    pub(crate) urls: Vec<String>,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) order: UrlOrder,
    pub(crate) engine: Engine,
    pub(crate) cpus: Option<Vec<usize>>,
    pub(crate) cores_max: Option<usize>,
    pub(crate) pinning: Pinning,
    pub(crate) connections: usize,
    pub(crate) duration: Option<Duration>,
    pub(crate) requests: Option<u64>,
    /// An open loop; with neither this nor `stages` it is a closed one.
    pub(crate) rate_per_s: Option<f64>,
    pub(crate) stages: Vec<RateStage>,
    pub(crate) spread: Spread,
    pub(crate) seed: u64,
    pub(crate) warmup: Duration,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) method: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) pipeline: usize,
    pub(crate) keep_alive: bool,
    pub(crate) spin: bool,
    pub(crate) overrides: Vec<Override>,
}

impl Default for Bench {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            files: Vec::new(),
            order: UrlOrder::InTurn,
            engine: Engine::Uring,
            cpus: None,
            cores_max: None,
            pinning: Pinning::Pinned,
            connections: CONNECTIONS_DEFAULT,
            duration: None,
            requests: None,
            rate_per_s: None,
            stages: Vec::new(),
            spread: Spread::Poisson,
            seed: SEED_DEFAULT,
            warmup: Duration::ZERO,
            timeout: TIMEOUT_DEFAULT,
            connect_timeout: CONNECT_TIMEOUT_DEFAULT,
            method: None,
            headers: Vec::new(),
            body: None,
            pipeline: 1,
            keep_alive: true,
            spin: false,
            overrides: Vec::new(),
        }
    }
}

impl Bench {
    /// A bench of nothing yet, with every option at its default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds URLs to ask for, in turn. They come before the lists; 100,000 at most in all.
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

    /// Asks for the URLs in this order. The default is that in which they are given.
    #[must_use]
    pub fn url_order(mut self, order: UrlOrder) -> Self {
        self.order = order;
        self
    }

    /// Carries the I/O by `engine`; where the kernel refuses io_uring, epoll serves instead. The
    /// default is [`Engine::Uring`].
    #[must_use]
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Runs one core on each of `cpus`, at least one, numbered as the kernel numbers them. The
    /// default is every CPU that the process may use.
    #[must_use]
    pub fn cpus(mut self, cpus: impl Into<Vec<usize>>) -> Self {
        self.cpus = Some(cpus.into());
        self
    }

    /// Runs at most `count` cores, at least one. The default is one on each CPU.
    #[must_use]
    pub fn cores_max(mut self, count: usize) -> Self {
        self.cores_max = Some(count);
        self
    }

    /// Keeps the thread of each core on its CPU, or does not. The default is that it stays.
    #[must_use]
    pub fn pinning(mut self, pinning: Pinning) -> Self {
        self.pinning = pinning;
        self
    }

    /// Opens `count` connections in all, from 1 to 1,000,000; where the URLs are of several hosts,
    /// so many to each. There are fewer where the process may not open so many files. The default
    /// is 64.
    #[must_use]
    pub fn connections(mut self, count: usize) -> Self {
        self.connections = count;
        self
    }

    /// Measures for this long, a day at most, or until the number of [`Bench::requests`] is
    /// reached. The default is ten seconds, or as long as the requests or the stages take.
    #[must_use]
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// Measures exactly `count` requests, at least one, unless [`Bench::duration`] ends it before.
    /// The default is no limit.
    #[must_use]
    pub fn requests(mut self, count: u64) -> Self {
        self.requests = Some(count);
        self
    }

    /// Starts `per_s` requests a second in all, whether or not those before are answered: an open
    /// loop. It is above zero, and a billion at most.
    #[must_use]
    pub fn rate(mut self, per_s: f64) -> Self {
        self.rate_per_s = Some(per_s);
        self
    }

    /// Changes the rate of an open loop over time. The stages say how long it is, so neither a
    /// rate, a duration nor a warm-up goes with them.
    #[must_use]
    pub fn stages(mut self, stages: impl Into<Vec<RateStage>>) -> Self {
        self.stages = stages.into();
        self
    }

    /// Spreads the arrivals of an open loop like this. The default is [`Spread::Poisson`].
    #[must_use]
    pub fn spread(mut self, spread: Spread) -> Self {
        self.spread = spread;
        self
    }

    /// Derives random arrivals, and the order of shuffled URLs, from `seed`. The default is 1.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sends requests for this long before any is measured, a day at most. The default is not at
    /// all.
    #[must_use]
    pub fn warmup(mut self, warmup: Duration) -> Self {
        self.warmup = warmup;
        self
    }

    /// Gives each request this long, a connect included where there must be one; longer than zero.
    /// The default is 30 seconds.
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

    /// Sends this method. The default is GET, or POST where there is a body.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// Adds a header field to every request. It replaces one of the same name that would be sent by
    /// itself.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends `body` with every request. The default is none.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Has at most `depth` requests under way on one connection, from 1 to 1024. The default is 1.
    #[must_use]
    pub fn pipeline(mut self, depth: usize) -> Self {
        self.pipeline = depth;
        self
    }

    /// Opens a connection for each request. The default is to keep connections.
    #[must_use]
    pub fn connection_per_request(mut self) -> Self {
        self.keep_alive = false;
        self
    }

    /// Has a core spin for the last moments before a request of an open loop is due. That burns its
    /// CPU, and starts are then late by a few microseconds instead of some tens. The default is to
    /// sleep.
    #[must_use]
    pub fn spin(mut self) -> Self {
        self.spin = true;
        self
    }

    /// Answers lookups of the names that `rule` matches with its address; the first rule that
    /// matches holds.
    #[must_use]
    pub fn resolve(mut self, rule: Override) -> Self {
        self.overrides.push(rule);
        self
    }

    /// Runs the bench to its end.
    ///
    /// # Errors
    ///
    /// See [`BenchError`]. A request that fails is no error; the summary counts it.
    pub fn run(self) -> Result<BenchSummary, BenchError> {
        let trial = self.trial()?;
        let mut running = self.start(Stop::default())?;
        let summary = running.run(&trial, &mut Unwatched);
        // A core that could not go on says why when it is joined.
        running.join()?;
        summary
    }

    /// Starts the cores and waits until their connections are open.
    ///
    /// # Errors
    ///
    /// See [`BenchError`].
    #[doc(hidden)]
    pub fn start(mut self, stop: Stop) -> Result<RunningBench, BenchError> {
        self.check()?;
        let mut notes = Vec::new();
        let targets = self.targets()?;
        let request = self.request()?;
        targets::check_request_bytes(&request, &targets, self.pipeline)?;
        let cpus = self.cpus_used();
        if let Some(wanted) = self.cores_max.filter(|wanted| *wanted > cpus.len()) {
            let used = cpus.len();
            notes.push(format!(
                "{used} of {wanted} cores are used: no more than there are CPUs and connections, \
                 hint: --cores, -c"
            ));
        }
        // Each origin gets all the connections, so the limit is shared out among them.
        let origins = first_by_route(&targets).len();
        let wanted = self.connections.saturating_mul(origins);
        let affordable = affordable_connections(wanted, cpus.len(), &mut notes);
        let connections = (affordable.map_err(BenchError::Start)? / origins).max(1);
        let launch = self.launch(cpus, connections, &mut notes);
        let settings = BenchSettings {
            launch,
            connections,
            targets,
            request,
            pipeline: self.pipeline,
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
            spin: if self.spin { SPIN } else { Duration::ZERO },
            overrides: self.overrides.clone(),
        };
        RunningBench::start(settings, self.pinning, stop, notes)
    }

    /// The one trial that the options describe.
    ///
    /// # Errors
    ///
    /// [`BenchError::Option`] for a rate or stages that make no schedule.
    #[doc(hidden)]
    pub fn trial(&self) -> Result<Trial, BenchError> {
        let refused =
            |error: crate::bench::arrivals::ProfileError| BenchError::Option(error.to_string());
        let profile = match (self.rate_per_s, &self.stages[..]) {
            (Some(rate), _) => Some(Profile::constant(rate).map_err(refused)?),
            (None, []) => None,
            (None, stages) => Some(Profile::stages(stages).map_err(refused)?),
        };
        let window = match (self.duration, self.requests, profile.as_ref().and_then(Profile::span))
        {
            (Some(duration), ..) => Some(duration),
            (None, _, Some(span)) => Some(span),
            (None, Some(_), None) => None,
            (None, None, None) => Some(DURATION_DEFAULT),
        };
        let pace = match profile {
            None => Loop::Closed,
            Some(profile) => Loop::Open(Arc::new(profile), self.law()),
        };
        let (warmup, requests) = (self.warmup, self.requests);
        Ok(Trial { pace, warmup, window, requests, drain: Duration::ZERO })
    }

    /// The law of the arrivals.
    #[must_use]
    #[doc(hidden)]
    pub fn law(&self) -> Law {
        match self.spread {
            Spread::Poisson => Law::Poisson { seed: self.seed },
            Spread::Even => Law::Even,
        }
    }

    /// Checks the options against their bounds, as every start does.
    ///
    /// # Errors
    ///
    /// [`BenchError::Option`], for a person to read.
    pub fn check(&self) -> Result<(), BenchError> {
        let bad = |text: String| Err(BenchError::Option(text));
        let Self { connections, pipeline, .. } = self;
        if !(1..=CONNECTIONS_MAX).contains(connections) {
            return bad(format!(
                "connections must be from 1 to {CONNECTIONS_MAX}: {connections}, hint: -c 64"
            ));
        }
        if !(1..=PIPELINE_MAX).contains(pipeline) {
            return bad(format!(
                "a pipeline must be from 1 to {PIPELINE_MAX} deep: {pipeline}, hint: -p 16"
            ));
        }
        if self.requests == Some(0) {
            return bad("no requests are asked for: 0, hint: -n 1000".to_owned());
        }
        if self.rate_per_s.is_some() && !self.stages.is_empty() {
            return bad("stages give the rate already, hint: --stages or --rate".to_owned());
        }
        if !self.stages.is_empty() && (self.duration.is_some() || !self.warmup.is_zero()) {
            return bad(
                "stages give the length already, hint: leave -d and --warmup out, or make the \
                 warm-up a stage"
                    .to_owned(),
            );
        }
        for (span, option) in [
            (self.duration.unwrap_or(DURATION_DEFAULT), "-d 10s"),
            (self.timeout, "--timeout 30s"),
            (self.connect_timeout, "--connect-timeout 5s"),
        ] {
            if span.is_zero() || span > SPAN_MAX {
                let hours = SPAN_MAX.as_secs() / 3600;
                return bad(format!(
                    "a time must be longer than zero and at most {hours} hours, hint: {option}"
                ));
            }
        }
        if self.warmup > SPAN_MAX {
            return bad("the warm-up is longer than a day, hint: --warmup 2s".to_owned());
        }
        if self.cpus.as_ref().is_some_and(Vec::is_empty) || self.cores_max == Some(0) {
            return bad("no CPU is named, hint: --cores 0,2-5 or -t 4".to_owned());
        }
        self.trial()?;
        if self.request()?.closes() && *pipeline > 1 {
            return bad("a pipeline needs connections that go on, hint: leave --no-keepalive and \
                        Connection: close out"
                .to_owned());
        }
        Ok(())
    }

    /// The request, but for its target.
    fn request(&self) -> Result<RequestTemplate, BenchError> {
        let refused = |error: RequestError| {
            let hint = match error {
                RequestError::FramingField(_) => "-b TEXT or -b @FILE gives the body",
                RequestError::TwoHosts => "one -H 'Host: example.org' will do",
                RequestError::FieldName(_) | RequestError::FieldValue(_) => "-H 'Name: value'",
            };
            BenchError::Option(format!("{error}, hint: {hint}"))
        };
        let method = match (&self.method, &self.body) {
            (Some(name), _) => name.parse().map_err(|error: MethodError| {
                BenchError::Option(format!("{error}, hint: -X takes a word, such as PUT"))
            })?,
            (None, Some(_)) => Method::Post,
            (None, None) => Method::Get,
        };
        RequestTemplate::new(&RequestSpec {
            headers: &self.headers,
            body: self.body.as_deref(),
            connection: if self.keep_alive { Persistence::Persistent } else { Persistence::Close },
            ..RequestSpec::new(&method)
        })
        .map_err(refused)
    }

    /// The URLs of the arguments and the lists, parsed, in the order in which they are asked for.
    pub(crate) fn targets(&mut self) -> Result<Vec<Target>, BenchError> {
        let (urls, files) = (std::mem::take(&mut self.urls), std::mem::take(&mut self.files));
        let mut targets = targets::read(urls, files)?;
        if self.order == UrlOrder::Shuffled {
            fastrand::Rng::with_seed(self.seed).shuffle(&mut targets);
        }
        Ok(targets)
    }

    /// The CPUs that are used.
    pub(crate) fn cpus_used(&self) -> Vec<usize> {
        let mut cpus = self.cpus.clone().unwrap_or_else(cores::available);
        // A core without a connection could only wait.
        cpus.truncate(self.connections.min(self.cores_max.unwrap_or(usize::MAX)));
        cpus
    }

    /// Where the cores run, and on what.
    fn launch(&self, cpus: Vec<usize>, connections: usize, notes: &mut Vec<String>) -> Launch {
        let engine = allowed(self.engine, notes);
        let operations = connections.div_ceil(cpus.len());
        Launch { engine, cpus, pinning: self.pinning, operations, name: "core" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_contradict_each_other_are_refused_with_a_hint() {
        let span = Duration::from_secs(10);
        let stages = vec![RateStage { span, from_per_s: 0.0, to_per_s: 1000.0 }];
        for (bench, why) in [
            (Bench::new().connections(0), "connections must be from 1 to 1000000: 0"),
            (Bench::new().requests(0), "no requests are asked for"),
            (Bench::new().rate(10.0).stages(stages.clone()), "stages give the rate already"),
            (Bench::new().duration(span).stages(stages), "stages give the length already"),
            (Bench::new().pipeline(2).connection_per_request(), "a pipeline needs connections"),
            (Bench::new().cpus(vec![]), "no CPU is named"),
            (Bench::new().rate(-1.0), "a rate must be"),
            (Bench::new().header("Content-Length", "1"), "cannot be set: Content-Length"),
        ] {
            let text = bench.urls(["http://127.0.0.1:9/"]).run().unwrap_err().to_string();
            assert!(text.contains(why) && text.contains("hint: "), "{why}: {text}");
        }
    }
}
