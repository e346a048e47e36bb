//! An engine that panics on purpose, for tests: when it connects to some ports, or reads a word.
//!
//! Invariant: it panics within the operation, which the kernel may have carried out by then.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use crate::base::buf::Block;
use crate::base::instant::Instant;
use crate::runtime::{Io, Listener, Sendable, Socket, WriteError};

/// Connecting to this port panics; nothing listens there.
pub(crate) const PANICKING_PORT: u16 = 1;
/// Connecting to this port panics too, but only once it was waited for.
pub(crate) const LATE_PANICKING_PORT: u16 = 2;
/// A read that ends with this word panics.
pub(crate) const PANIC: &str = "panic";

/// An engine, a socket or a listener that panics on purpose.
#[derive(Clone)]
pub(crate) struct Panicking<T>(pub(crate) T);

impl<I: Io> Io for Panicking<I> {
    type Socket = Panicking<I::Socket>;
    type Listener = Panicking<I::Listener>;
    type Timer = I::Timer;

    fn now(&self) -> Instant {
        self.0.now()
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Self::Socket> {
        if to.port() == LATE_PANICKING_PORT {
            self.0.sleep_until(self.0.now() + Duration::from_millis(1)).await;
        }
        assert!(!matches!(to.port(), PANICKING_PORT | LATE_PANICKING_PORT), "on purpose");
        self.0.connect(to).await.map(Panicking)
    }

    fn listen(&self, on: TcpListener) -> io::Result<Self::Listener> {
        self.0.listen(on).map(Panicking)
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> {
        self.0.sleep_until(at)
    }

    fn timer(&self) -> io::Result<I::Timer> {
        self.0.timer()
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.spawn(task);
    }
}

impl<S: Socket> Socket for Panicking<S> {
    type Interrupter = S::Interrupter;

    async fn read(&mut self, into: Block) -> (io::Result<usize>, Block) {
        let (read, block) = self.0.read(into).await;
        assert!(!block.filled().ends_with(PANIC.as_bytes()), "on purpose");
        (read, block)
    }

    fn write_all<B: Sendable>(
        &mut self,
        bytes: B,
    ) -> impl Future<Output = (Result<(), WriteError>, B)> {
        self.0.write_all(bytes)
    }

    fn end_writes(&self) {
        self.0.end_writes();
    }

    fn abort(self) {
        self.0.abort();
    }

    fn is_quiet(&self) -> bool {
        self.0.is_quiet()
    }

    fn interrupter(&self) -> S::Interrupter {
        self.0.interrupter()
    }
}

impl<L: Listener> Listener for Panicking<L> {
    type Socket = Panicking<L::Socket>;

    async fn accept(&self) -> io::Result<Self::Socket> {
        self.0.accept().await.map(Panicking)
    }

    fn interrupter(&self) -> <L::Socket as Socket>::Interrupter {
        self.0.interrupter()
    }
}
