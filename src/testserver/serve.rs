//! `serve`: from options to a test server that runs.
//!
//! Invariant: the engine that is told is the one that runs, also where the kernel refused the one
//! that was asked for.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::Serialize;

use crate::base::cpu_time::CpuTime;
use crate::base::instant::Instant;
use crate::os::system;
use crate::runtime::allowed::allowed;
use crate::runtime::launch::{Engine, Launch, Pinning};
use crate::runtime::{clock, cores};
use crate::testserver::server::{IDLE_DEFAULT, TestServer, TestServerSettings};
use crate::testserver::shared::Served;

/// Where the test server listens where nothing else is said.
pub const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Connections that one worker is expected to have at once. Its ring is sized by it; more
/// connections cost a few more system calls.
const CONNECTIONS_EXPECTED: usize = 1024;

/// A test server to be started: where it listens, and on what it runs.
///
/// Every option has a default; the methods change one option each.
///
/// ```
/// use ringfetch::{Pinning, Serve};
///
/// # fn main() -> Result<(), ringfetch::ServeError> {
/// let serving = Serve::new()
///     .listen(([127, 0, 0, 1], 0).into())
///     .pinning(Pinning::Free)
///     .start()?;
/// println!("http://{}/page/1", serving.addr());
/// let summary = serving.stop()?;
/// assert_eq!(summary.requests, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Serve {
    listen: SocketAddr,
    engine: Engine,
    cpus: Option<Vec<usize>>,
    pinning: Pinning,
    idle: Duration,
    stamps: usize,
}

impl Default for Serve {
    fn default() -> Self {
        Self {
            listen: LISTEN_DEFAULT,
            engine: Engine::Uring,
            cpus: None,
            pinning: Pinning::Pinned,
            idle: IDLE_DEFAULT,
            stamps: 0,
        }
    }
}

/// A test server that serves.
#[derive(Debug)]
pub struct Serving {
    server: TestServer,
    engine: Engine,
    cpus: Vec<usize>,
    started_at: Instant,
    cpu_before: CpuTime,
    notes: Vec<String>,
}

/// What a test server did until it was stopped.
#[derive(Clone, Debug, Serialize)]
pub struct ServeSummary {
    /// The engine that really ran.
    pub engine: &'static str,
    /// The CPUs of its workers.
    pub cores: Vec<usize>,
    /// Requests that were answered, without those for `/count` and `/stamps`.
    pub requests: u64,
    /// Requests that were no HTTP, or too large.
    pub refused: u64,
    /// Connections that were accepted.
    pub connections: u64,
    /// How long it served.
    pub elapsed_s: f64,
    /// CPU time of the process in user mode, in that time.
    pub user_s: f64,
    /// CPU time of the kernel for the process, in that time.
    pub sys_s: f64,
    /// The most memory that the process has had resident.
    pub max_rss_bytes: u64,
}

/// Why a test server could not serve.
#[derive(Debug)]
pub enum ServeError {
    /// The address cannot be listened on.
    Listen(SocketAddr, io::Error),
    /// The threads or the engine could not be started, or ended early.
    Cores(io::Error),
}

impl Serve {
    /// A test server with every option at its default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens on `addr`; port 0 has the kernel pick a free one. The default is [`LISTEN_DEFAULT`].
    #[must_use]
    pub fn listen(mut self, addr: SocketAddr) -> Self {
        self.listen = addr;
        self
    }

    /// Carries the I/O by `engine`; where the kernel refuses io_uring, epoll serves instead. The
    /// default is [`Engine::Uring`].
    #[must_use]
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Runs one worker on each of `cpus`, at least one, numbered as the kernel numbers them. The
    /// default is every CPU that the process may use.
    #[must_use]
    pub fn cpus(mut self, cpus: impl Into<Vec<usize>>) -> Self {
        self.cpus = Some(cpus.into());
        self
    }

    /// Keeps the thread of each worker on its CPU, or does not. The default is that it stays.
    #[must_use]
    pub fn pinning(mut self, pinning: Pinning) -> Self {
        self.pinning = pinning;
        self
    }

    /// Closes a connection that has waited for its peer for `span`. The default is
    /// [`IDLE_DEFAULT`].
    #[must_use]
    pub fn idle(mut self, span: Duration) -> Self {
        self.idle = span;
        self
    }

    /// Keeps when the last `count` requests arrived at each worker, for `/stamps`;
    /// [`STAMPS_MAX`](crate::testserver::STAMPS_MAX) at most. The default is none.
    #[must_use]
    pub fn stamps(mut self, count: usize) -> Self {
        self.stamps = count;
        self
    }

    /// Starts the server. It accepts connections once this returns.
    ///
    /// # Errors
    ///
    /// See [`ServeError`].
    pub fn start(self) -> Result<Serving, ServeError> {
        let mut notes = Vec::new();
        let engine = allowed(self.engine, &mut notes);
        let limit = system::raise_descriptor_limit().map_err(ServeError::Cores)?;
        tracing::debug!(limit, "open descriptors");
        let cpus = self.cpus.unwrap_or_else(cores::available);
        let launch = Launch {
            engine,
            cpus: cpus.clone(),
            pinning: self.pinning,
            operations: CONNECTIONS_EXPECTED,
            name: "origin",
        };
        let cpu_before = system::process_cpu_time();
        let (listen, idle, stamps) = (self.listen, self.idle, self.stamps);
        let settings = TestServerSettings { listen, launch, idle, stamps };
        let server = TestServer::start(&settings).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::PermissionDenied => ServeError::Listen(listen, error),
            _ => ServeError::Cores(error),
        })?;
        Ok(Serving { server, engine, cpus, started_at: clock::now(), cpu_before, notes })
    }
}

impl Serving {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// What was changed between the options and the running server, for a person to read.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether it has ended by itself. Only a bug or a broken kernel does that.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.server.is_over()
    }

    /// Closes every connection and waits for the threads. Returns what the server has done.
    ///
    /// # Errors
    ///
    /// [`ServeError::Cores`] where a worker ended early.
    pub fn stop(self) -> Result<ServeSummary, ServeError> {
        let Served { requests, refused, connections } =
            self.server.stop().map_err(ServeError::Cores)?;
        let cpu_time = system::process_cpu_time().since(self.cpu_before);
        Ok(ServeSummary {
            engine: self.engine.word(),
            cores: self.cpus,
            requests,
            refused,
            connections,
            elapsed_s: clock::now().since(self.started_at).as_secs_f64(),
            user_s: cpu_time.user.as_secs_f64(),
            sys_s: cpu_time.system.as_secs_f64(),
            max_rss_bytes: system::peak_rss_bytes(),
        })
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(addr, error) => {
                write!(f, "cannot listen on {addr}: {error}, hint: ")?;
                match error.kind() {
                    io::ErrorKind::PermissionDenied => {
                        f.write_str("ports below 1024 take privileges, --listen 127.0.0.1:8080")
                    }
                    io::ErrorKind::AddrNotAvailable => {
                        f.write_str("--listen takes an address of this machine, 0.0.0.0 is all")
                    }
                    _ => f.write_str("--listen 127.0.0.1:0 picks a free port"),
                }
            }
            Self::Cores(error) => write!(f, "cannot serve: {error}"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen(_, error) | Self::Cores(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_named_with_a_way_out() {
        let free = (Ipv4Addr::LOCALHOST, 0).into();
        let first = Serve::new().listen(free).pinning(Pinning::Free).start().unwrap();
        let error = Serve::new().listen(first.addr()).start().unwrap_err().to_string();
        assert!(error.contains(&first.addr().to_string()), "{error}");
        assert!(error.contains("hint: --listen"), "{error}");
        let summary = first.stop().unwrap();
        assert_eq!((summary.requests, summary.connections), (0, 0));
    }
}
