//! `serve`: the built-in origin, from options to a running server.
//!
//! Does not know how its options were given, nor what ends it.
//!
//! Invariant: what was started is the engine that is told, also where the kernel refused another.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::Serialize;

use crate::base::cpu_time::CpuTime;
use crate::base::instant::Instant;
use crate::os::system;
use crate::runtime::allowed::allowed;
use crate::runtime::launch::{Engine, Launch, Pinning};
use crate::runtime::{clock, cores};
use crate::testserver::{IDLE_DEFAULT, Served, TestServer, TestServerSettings};

/// Default port.
const SERVE_PORT_DEFAULT: u16 = 8080;
/// Connections that one core is expected to have at once; the rings are sized by it, and more only
/// cost it a few system calls.
const CONNECTIONS_EXPECTED: usize = 1024;

/// An origin to be started. Each field is an option.
#[derive(Clone, Debug)]
pub struct Serve {
    /// The address to listen on; port 0 has the kernel pick one.
    pub listen: SocketAddr,
    /// What carries the I/O.
    pub engine: Engine,
    /// The CPUs to use, or none for all that the process may use.
    pub cpus: Option<Vec<usize>>,
    /// Whether each core's thread stays on its CPU.
    pub pinning: Pinning,
    /// How long a connection may wait for its peer.
    pub idle: Duration,
    /// How many arrival times each core keeps for `/stamps`.
    pub stamps: usize,
}

impl Default for Serve {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, SERVE_PORT_DEFAULT).into(),
            engine: Engine::Uring,
            cpus: None,
            pinning: Pinning::Pinned,
            idle: IDLE_DEFAULT,
            stamps: 0,
        }
    }
}

/// An origin that serves.
#[derive(Debug)]
pub struct Serving {
    origin: TestServer,
    engine: Engine,
    cpus: Vec<usize>,
    started_at: Instant,
    cpu_before: CpuTime,
    notes: Vec<String>,
}

/// What an origin did until it was stopped.
#[derive(Clone, Debug, Serialize)]
pub struct ServeSummary {
    /// The engine that really ran.
    pub engine: &'static str,
    /// The CPUs of its cores.
    pub cores: Vec<usize>,
    /// Requests that were answered, without those for `/count` and `/stamps`.
    pub requests: u64,
    /// Requests that were no HTTP, or too large.
    pub refused: u64,
    /// Connections that were accepted.
    pub connections: u64,
    /// How long it served.
    pub elapsed_s: f64,
    /// CPU time of the process in user mode meanwhile.
    pub user_s: f64,
    /// CPU time of the kernel on its behalf meanwhile.
    pub sys_s: f64,
    /// The most memory that the process has had resident.
    pub max_rss_bytes: u64,
}

/// Why an origin could not serve.
#[derive(Debug)]
pub enum ServeError {
    /// The address cannot be listened on.
    Listen(SocketAddr, io::Error),
    /// The threads or the engine could not be started, or ended early.
    Cores(io::Error),
}

impl Serve {
    /// Starts the origin. It accepts connections once this returns.
    ///
    /// # Errors
    ///
    /// See [`ServeError`].
    pub fn start(&self) -> Result<Serving, ServeError> {
        let mut notes = Vec::new();
        let engine = allowed(self.engine, &mut notes);
        let limit = system::raise_descriptor_limit().map_err(ServeError::Cores)?;
        tracing::debug!(limit, "open descriptors");
        let cpus = self.cpus.clone().unwrap_or_else(cores::available);
        let launch = Launch {
            engine,
            cpus: cpus.clone(),
            pinning: self.pinning,
            operations: CONNECTIONS_EXPECTED,
            name: "origin",
        };
        let cpu_before = system::process_cpu_time();
        let Self { listen, idle, stamps, .. } = *self;
        let settings = TestServerSettings { listen, launch, idle, stamps };
        let origin = TestServer::start(&settings).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::PermissionDenied => ServeError::Listen(self.listen, error),
            _ => ServeError::Cores(error),
        })?;
        Ok(Serving { origin, engine, cpus, started_at: clock::now(), cpu_before, notes })
    }
}

impl Serving {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.origin.addr()
    }

    /// What was changed on the way from the options to the origin, for a person.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether it has ended by itself, which only a bug or a broken kernel brings about.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.origin.is_over()
    }

    /// Closes every connection and waits for the threads; what was done in all.
    ///
    /// # Errors
    ///
    /// [`ServeError::Cores`] where a core ended early.
    pub fn stop(self) -> Result<ServeSummary, ServeError> {
        let Served { requests, refused, connections } =
            self.origin.stop().map_err(ServeError::Cores)?;
        let cpu_time = system::process_cpu_time();
        Ok(ServeSummary {
            engine: self.engine.word(),
            cores: self.cpus,
            requests,
            refused,
            connections,
            elapsed_s: clock::now().since(self.started_at).as_secs_f64(),
            user_s: cpu_time.user.saturating_sub(self.cpu_before.user).as_secs_f64(),
            sys_s: cpu_time.system.saturating_sub(self.cpu_before.system).as_secs_f64(),
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
        let free = Serve { listen: (Ipv4Addr::LOCALHOST, 0).into(), ..Serve::default() };
        let first = Serve { pinning: Pinning::Free, ..free }.start().unwrap();
        let second = Serve { listen: first.addr(), ..Serve::default() };
        let error = second.start().unwrap_err().to_string();
        assert!(error.contains(&first.addr().to_string()), "{error}");
        assert!(error.contains("hint: --listen"), "{error}");
        let summary = first.stop().unwrap();
        assert_eq!((summary.requests, summary.connections), (0, 0));
    }
}
