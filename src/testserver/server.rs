//! The origin as a whole: its port, its threads, its end.
//!
//! Does not know how a connection is served (`core`).
//!
//! Invariant: every core listens before [`TestServer::start`] returns, and none lives after
//! [`TestServer::stop`].

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::base::limits::{ORIGIN_BACKLOG, ORIGIN_IDLE_MAX, ORIGIN_STAMPS_MAX};
use crate::os::system;
use crate::runtime::launch::{Ended, Engine, Launch, Pinning, Placement, Program, Running, launch};
use crate::runtime::{Io, cores};
use crate::testserver::worker::{Served, ServerShared, ServerWorker};

/// Where an origin listens, and on what it runs.
#[derive(Clone, Debug)]
pub struct TestServerSettings {
    /// The address to listen on; port 0 has the kernel pick one, the same for every core.
    pub listen: SocketAddr,
    /// The engine and the cores.
    pub launch: Launch,
    /// How long a connection may wait for its peer, whether for a request or for room to send.
    pub idle: Duration,
    /// How many arrival times each core keeps for `/stamps`; `ORIGIN_STAMPS_MAX` at most.
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
        Self { listen, launch, idle: ORIGIN_IDLE_MAX, stamps: 0 }
    }
}

/// An origin that serves until it is stopped or dropped.
#[derive(Debug)]
pub struct TestServer {
    addr: SocketAddr,
    shared: Arc<ServerShared>,
    cores: Option<Running<io::Result<()>>>,
}

/// What runs on each core.
struct ServerProgram {
    shared: Arc<ServerShared>,
    /// One for each core, until that core takes it.
    listeners: Mutex<Vec<Option<TcpListener>>>,
}

impl ServerProgram {
    /// The listener of the core at `placement`.
    fn listener(&self, placement: Placement) -> TcpListener {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners[placement.idx].take().expect("each core takes its own once")
    }
}

impl Program for ServerProgram {
    type Output = io::Result<()>;

    async fn run<I: Io>(self: Arc<Self>, io: I, placement: Placement) -> io::Result<()> {
        let listener = io.listen(self.listener(placement))?;
        ServerWorker::new(io, Arc::clone(&self.shared), placement.idx).run(listener).await;
        Ok(())
    }
}

impl TestServer {
    /// Starts an origin. Connections are accepted from now on.
    ///
    /// # Errors
    ///
    /// Where the address cannot be bound, the engine or a thread cannot be started, or more arrival
    /// times are to be kept than `ORIGIN_STAMPS_MAX`.
    pub fn start(settings: &TestServerSettings) -> io::Result<Self> {
        let count = settings.launch.cpus.len();
        if settings.stamps > ORIGIN_STAMPS_MAX {
            let why = "more arrival times than a core keeps";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let listeners = system::listen_shared(settings.listen, count, ORIGIN_BACKLOG)?;
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

    /// Requests that it has answered so far, without those for `/count` and `/stamps`.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.served().requests
    }

    /// What it has done so far.
    #[must_use]
    pub fn served(&self) -> Served {
        self.shared.served()
    }

    /// Whether a core has ended by itself, which only a bug or a broken kernel brings about.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.cores.as_ref().is_none_or(Running::is_over)
    }

    /// Closes the listeners and every connection, and waits for the threads; what was done in all.
    ///
    /// # Errors
    ///
    /// Where a core could not listen, or panicked.
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
