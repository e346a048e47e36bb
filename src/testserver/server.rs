//! A test server as a whole: its port, its threads, its end.
//!
//! Invariant: every worker listens before [`TestServer::start`] returns, and none lives after
//! [`TestServer::stop`].

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::os::system;
use crate::runtime::launch::{Ended, Engine, Launch, Pinning, Placement, Program, Running, launch};
use crate::runtime::{Io, cores};
use crate::testserver::accept;
use crate::testserver::shared::{Served, ServerShared};
use crate::testserver::stamps::STAMPS_MAX;
use crate::testserver::worker::ServerWorker;

/// How long a connection may wait for its peer, in either direction, where nothing else is said.
pub const IDLE_DEFAULT: Duration = Duration::from_secs(60);
/// LIMIT: connections that wait to be accepted by one worker.
const BACKLOG: i32 = 4096;

/// Where a test server listens, and on what it runs.
#[derive(Clone, Debug)]
pub struct TestServerSettings {
    /// The address to listen on; port 0 has the kernel pick one, the same for every worker.
    pub listen: SocketAddr,
    /// The engine and the cores.
    pub launch: Launch,
    /// How long a connection may wait for its peer, whether for a request or for room to send.
    pub idle: Duration,
    /// How many arrival times each worker keeps for `/stamps`; [`STAMPS_MAX`] at most.
    pub stamps: usize,
}

impl TestServerSettings {
    /// One unpinned core on a free port of the loopback interface, on the best engine that the
    /// kernel allows: what a test or an example wants.
    #[must_use]
    pub fn local() -> Self {
        let launch = Launch {
            engine: Engine::Uring.or_fallback().0,
            cpus: cores::available().into_iter().take(1).collect(),
            pinning: Pinning::Free,
            operations: 256,
            name: "origin",
        };
        let listen = (Ipv4Addr::LOCALHOST, 0).into();
        Self { listen, launch, idle: IDLE_DEFAULT, stamps: 0 }
    }
}

/// A test server that serves until it is stopped or dropped.
#[derive(Debug)]
pub struct TestServer {
    addr: SocketAddr,
    shared: Arc<ServerShared>,
    cores: Option<Running<io::Result<()>>>,
}

/// What runs on every core.
struct ServerProgram {
    shared: Arc<ServerShared>,
    /// One for each worker, until the worker takes it.
    listeners: Mutex<Vec<Option<TcpListener>>>,
}

impl ServerProgram {
    /// Takes the listener of the worker at `placement`.
    fn listener(&self, placement: Placement) -> TcpListener {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners[placement.idx].take().expect("each worker takes its own once")
    }
}

impl Program for ServerProgram {
    type Output = io::Result<()>;

    async fn run<I: Io>(self: Arc<Self>, io: I, placement: Placement) -> io::Result<()> {
        let listener = io.listen(self.listener(placement))?;
        let worker = ServerWorker::new(io, Arc::clone(&self.shared), placement.idx);
        accept::run(worker, listener).await;
        Ok(())
    }
}

impl TestServer {
    /// Starts a test server. It accepts connections once this returns.
    ///
    /// # Errors
    ///
    /// Where the address cannot be bound, the engine or a thread cannot be started, no core is
    /// named, or more arrival times are to be kept than [`STAMPS_MAX`].
    pub fn start(settings: &TestServerSettings) -> io::Result<Self> {
        let count = settings.launch.cpus.len();
        if settings.stamps > STAMPS_MAX {
            let why = "more arrival times than a core keeps";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let listeners = system::listen_shared(settings.listen, count, BACKLOG)?;
        let Some(first) = listeners.first() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "an origin needs a core"));
        };
        let addr = first.local_addr()?;
        let shared = Arc::new(ServerShared::new(count, settings.idle, settings.stamps));
        let listeners = Mutex::new(listeners.into_iter().map(Some).collect());
        let program = Arc::new(ServerProgram { shared: Arc::clone(&shared), listeners });
        let cores = launch(&settings.launch, &program)?;
        Ok(Self { addr, shared, cores: Some(cores) })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many requests it has answered so far, without those for `/count` and `/stamps`.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.served().requests
    }

    /// What it has done so far.
    #[must_use]
    pub fn served(&self) -> Served {
        self.shared.served()
    }

    /// Whether a worker has ended by itself. Only a bug or a broken kernel does that.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.cores.as_ref().is_none_or(Running::is_over)
    }

    /// Closes the listeners and every connection, and waits for the threads. Returns what was done
    /// in all.
    ///
    /// # Errors
    ///
    /// Where a worker could not listen, or panicked.
    pub fn stop(mut self) -> io::Result<Served> {
        self.end()?;
        Ok(self.served())
    }

    fn end(&mut self) -> io::Result<()> {
        self.shared.stop.store(true, Relaxed);
        let Some(cores) = self.cores.take() else { return Ok(()) };
        let ended: Vec<Ended<io::Result<()>>> = cores.join()?;
        ended.into_iter().try_for_each(|core| core.output)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::warn!(%error, "the origin did not end in order");
        }
    }
}
