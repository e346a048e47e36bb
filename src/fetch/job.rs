//! A line as a job on its way to a core, and as what was fetched on its way out.
//!
//! Invariant: a job is in exactly one place (a batch, the scheduler, a lane) until it becomes
//! exactly one [`Fetched`].

use std::net::IpAddr;

use crate::base::failure::Failure;
use crate::base::instant::Instant;
use crate::base::target::Target;

/// One input line that is a URL, on its way to be fetched.
#[derive(Clone, Debug)]
pub struct Job {
    /// The line's ordinal over the whole input.
    pub n: u64,
    /// The line as it was given, where it is not what `target` says.
    pub line: Option<Box<str>>,
    /// What to fetch next: the line's URL, or where the last redirect led.
    pub target: Target,
    /// When the line was read.
    pub read_at: Instant,
    /// What its attempts gave so far; none before the first one.
    pub progress: Option<Box<JobProgress>>,
}

impl Job {
    /// A job for line `n`, read at `read_at`, that has not been tried.
    #[must_use]
    pub fn new(n: u64, line: &str, target: Target, read_at: Instant) -> Self {
        let line = (line != target.url()).then(|| line.into());
        Self { n, line, target, read_at, progress: None }
    }
}

/// What the attempts of one job gave so far.
#[derive(Clone, Debug)]
pub struct JobProgress {
    /// When the fetch began.
    pub started_at: Instant,
    /// When it must be over.
    pub deadline: Instant,
    /// The URL of the line, where a redirect has led elsewhere and the line does not say it.
    pub first_url: Option<Box<str>>,
    /// Exchanges that were begun.
    pub attempts: u32,
    /// Failures that were tried again.
    pub retries: u32,
    /// The URLs that redirects led to, in order.
    pub redirects: Vec<Box<str>>,
    /// The time spent so far.
    pub times: Times,
    /// Pauses made because the kernel was out of descriptors, buffers or ports.
    pub exhausted_pauses: u32,
}

/// Nanoseconds that one fetch spent in each phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// From the reading of the line to the start of the fetch.
    pub queue_ns: u64,
    /// Looking names up.
    pub dns_ns: u64,
    /// Opening connections.
    pub connect_ns: u64,
    /// TLS handshakes.
    pub tls_ns: u64,
    /// From the hand-over of the last request to the first byte of its response.
    pub first_byte_ns: u64,
    /// From the start of the fetch to its end.
    pub total_ns: u64,
}

/// What one input line gave, before anything is extracted from it.
#[derive(Debug)]
pub struct Fetched {
    /// The line's ordinal.
    pub n: u64,
    /// The line as it was given.
    pub line: Box<str>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// The last response, where its head was read.
    pub response: Option<Response>,
    /// Exchanges that were begun.
    pub attempts: u32,
    /// The URLs that redirects led to, in order.
    pub redirects: Vec<Box<str>>,
    /// The address that was connected to last.
    pub ip: Option<IpAddr>,
    /// Where the time went.
    pub times: Times,
}

impl Fetched {
    /// A line that cannot be fetched, and why.
    #[must_use]
    pub fn refused(n: u64, line: &str, failure: Failure) -> Self {
        Self {
            n,
            line: line.into(),
            failure: Some(failure),
            response: None,
            attempts: 0,
            redirects: Vec::new(),
            ip: None,
            times: Times::default(),
        }
    }

    /// The URL that answered: the last redirect's, or the line's.
    #[must_use]
    pub fn final_url(&self) -> &str {
        self.redirects.last().unwrap_or(&self.line)
    }
}

/// One response as far as it was read.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The protocol's minor version: 0 or 1.
    pub minor_version: u8,
    /// The Content-Type field, where there is one that can be read as text.
    pub content_type: Option<Box<str>>,
    /// Bytes received: head, framing and body.
    pub wire_bytes: u64,
    /// Bytes of the body with transfer codings removed.
    pub body_bytes: u64,
    /// The body, where the run keeps it.
    pub body: Option<Vec<u8>>,
}

/// One line as the reader gives it to a core.
#[derive(Debug)]
pub enum Intake {
    /// A job to do.
    Job(Job),
    /// A line that cannot be fetched.
    Refused {
        /// The line's ordinal.
        n: u64,
        /// The line, or the beginning of one that is too long.
        line: Box<str>,
        /// Why not.
        failure: Failure,
    },
}
