//! `bench`: what to load, and how; the options, and their way to settings and trials.
//!
//! Does not know how its options were given, nor who watches the run (`benching`).
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
use crate::bench::run::{BenchError, RunningBench};
use crate::bench::{BenchSettings, Loop, Trial};
use crate::client::Stop;
use crate::http::http1::{
    Method, MethodError, Persistence, RequestError, RequestSpec, RequestTemplate,
};
use crate::input::Input;
use crate::input::source::{Line, Source};
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
/// Most URLs that a bench asks for in turn; they are kept in memory.
const TARGETS_MAX: usize = 100_000;
/// Most different origins among them: each gets all the connections.
const ORIGINS_MAX: usize = 1000;
/// Most bytes that the requests of all URLs come to, as often as a pipeline is deep; each core has
/// them once.
const REQUEST_BYTES_MAX: usize = 256 * 1024 * 1024;
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

/// A load to be put on an origin. Each field is an option.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchOptions {
    /// URLs to ask for.
    pub urls: Vec<String>,
    /// Lists of URLs, one a line; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// The order in which they are asked for.
    pub order: UrlOrder,
    /// What carries the I/O.
    pub engine: Engine,
    /// The CPUs to use, or none for all that the process may use.
    pub cpus: Option<Vec<usize>>,
    /// How many of them to use at most, or none for all.
    pub cores_max: Option<usize>,
    /// Whether each core's thread stays on its CPU.
    pub pinning: Pinning,
    /// Connections in all.
    pub connections: usize,
    /// How long requests are measured; none for ten seconds, or for as long as `requests` take.
    pub duration: Option<Duration>,
    /// How many requests are measured, exactly.
    pub requests: Option<u64>,
    /// Requests a second in all: an open loop. None is a closed loop.
    pub rate_per_s: Option<f64>,
    /// How the rate changes over time: an open loop, whose length it gives as well.
    pub stages: Vec<RateStage>,
    /// How the arrivals of an open loop are spread.
    pub spread: Spread,
    /// What arrivals and shuffling are derived from.
    pub seed: u64,
    /// How long requests are sent before any is measured.
    pub warmup: Duration,
    /// Time for one request.
    pub timeout: Duration,
    /// Time for one connect.
    pub connect_timeout: Duration,
    /// The method; none is GET, or POST where there is a body.
    pub method: Option<String>,
    /// Further header fields; they replace those that would be sent by themselves.
    pub headers: Vec<(String, String)>,
    /// What each request carries.
    pub body: Option<Vec<u8>>,
    /// Requests that one connection has under way at a time.
    pub pipeline: usize,
    /// Whether a connection carries more than one request.
    pub keep_alive: bool,
    /// Whether a core spins for the last moments before a request of an open loop is due. That
    /// burns its CPU, and starts are then late by a few microseconds instead of some tens.
    pub spin: bool,
    /// Fixed answers to name lookups.
    pub overrides: Vec<Override>,
}

impl Default for BenchOptions {
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

impl BenchOptions {
    /// Starts the cores, and waits until their connections are open.
    ///
    /// # Errors
    ///
    /// See [`BenchError`].
    pub fn start(mut self, stop: Stop) -> Result<RunningBench, BenchError> {
        self.check()?;
        let mut notes = Vec::new();
        let targets = self.targets()?;
        let request = self.request()?;
        check_request_bytes(&request, &targets, self.pipeline)?;
        let cpus = self.cpus();
        if let Some(wanted) = self.cores_max.filter(|wanted| *wanted > cpus.len()) {
            let used = cpus.len();
            notes.push(format!(
                "{used} of {wanted} cores are used: no more than there are CPUs and connections, \
                 hint: --cores, -c"
            ));
        }
        // Each origin gets all the connections, so the limit is shared out among them.
        let origins = origin_count(&targets);
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

    /// The URLs of the arguments and the lists, parsed.
    pub(crate) fn targets(&mut self) -> Result<Vec<Target>, BenchError> {
        let (urls, files) = (std::mem::take(&mut self.urls), std::mem::take(&mut self.files));
        let mut input = Input::open(urls, files).map_err(BenchError::Input)?;
        let mut targets = Vec::new();
        while let Some(line) = input.next_line().map_err(BenchError::Input)? {
            let text = match line {
                Line::Text(text) => text,
                Line::TooLong(start) => start,
            };
            let target = Target::parse(text).map_err(|failure| {
                BenchError::Option(format!("cannot be asked for: {text}: {failure}"))
            })?;
            targets.push(target);
            if targets.len() > TARGETS_MAX {
                return Err(BenchError::Option(format!(
                    "more than {TARGETS_MAX} URLs, hint: they are kept in memory and asked \
                     for in turn, so a part of the list will do"
                )));
            }
        }
        if targets.is_empty() {
            let text = "no URL to ask for, hint: ringfetch bench http://127.0.0.1:8080/";
            return Err(BenchError::Option(text.to_owned()));
        }
        let origins = origin_count(&targets);
        if origins > ORIGINS_MAX {
            return Err(BenchError::Option(format!(
                "more than {ORIGINS_MAX} different hosts: {origins}, hint: each of them gets \
                 all the connections, so a shorter list"
            )));
        }
        if self.order == UrlOrder::Shuffled {
            fastrand::Rng::with_seed(self.seed).shuffle(&mut targets);
        }
        Ok(targets)
    }

    /// The CPUs that are used.
    pub(crate) fn cpus(&self) -> Vec<usize> {
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

/// How many different origins there are.
fn origin_count(targets: &[Target]) -> usize {
    let mut origins: Vec<&str> = targets.iter().map(Target::origin).collect();
    origins.sort_unstable();
    origins.dedup();
    origins.len()
}

/// Refuses requests that would take too much memory, rendered for each target.
fn check_request_bytes(
    request: &RequestTemplate,
    targets: &[Target],
    pipeline: usize,
) -> Result<(), BenchError> {
    let bytes_of = |t: &Target| request.len(t.authority(), t.path_and_query());
    let bytes = targets.iter().map(bytes_of).sum::<usize>().saturating_mul(pipeline);
    if bytes > REQUEST_BYTES_MAX {
        return Err(BenchError::Option(format!(
            "the requests of all URLs together take {bytes} bytes, more than \
             {REQUEST_BYTES_MAX}, hint: fewer URLs, a smaller body, or a smaller --pipeline"
        )));
    }
    Ok(())
}
