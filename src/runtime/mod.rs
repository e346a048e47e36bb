//! Everything that a worker may ask of the kernel, for each engine.
//!
//! Only here is a clock read, a socket opened, a pinned thread started; `unsafe` stands here and in
//! `os`.
//!
//! Invariant: a worker stays on the thread that built its runtime, so nothing here is `Send`;
//! everything is generic and compiled once for each engine.

pub(crate) mod allowed;
pub mod clock;
pub mod cores;
pub mod launch;
#[cfg(feature = "slowed")]
pub mod slowed;

mod monoio;
mod ring;
mod tokio;

/// For other clients, which also run on Tokio's runtime of several threads.
#[cfg(feature = "peers")]
pub(crate) use self::tokio::TokioIo;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};

use crate::base::buf::{Block, Outgoing, SharedBytes};
use crate::base::instant::Instant;

/// All that a worker may ask of the machine.
pub trait Io: Clone + 'static {
    /// A connected byte stream of this engine.
    type Socket: Socket;
    /// A listening socket of this engine.
    type Listener: Listener<Socket = Self::Socket>;
    /// A precise timer of this engine.
    type Timer: Timer;

    /// The time now.
    fn now(&self) -> Instant;

    /// Opens a TCP connection to `to`, with TCP_NODELAY set.
    ///
    /// Has no deadline of its own. Dropping the future cancels the attempt.
    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Self::Socket>>;

    /// Makes a listener of this engine from one that is bound and listening.
    ///
    /// # Errors
    ///
    /// Where the engine cannot take the descriptor.
    fn listen(&self, on: TcpListener) -> io::Result<Self::Listener>;

    /// Waits until `at` has passed; the engines' timers round up to whole milliseconds.
    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()>;

    /// A timer that is finer than whole milliseconds; it takes a descriptor.
    ///
    /// # Errors
    ///
    /// Where the kernel or the engine has no room for one.
    fn timer(&self) -> io::Result<Self::Timer>;

    /// Starts `task` on this thread. It runs to its end or ends with the runtime.
    fn spawn(&self, task: impl Future<Output = ()> + 'static);
}

/// A connected byte stream.
///
/// Buffers travel by value: under io_uring the kernel owns a buffer until the operation ends.
pub trait Socket: 'static {
    /// Ends this socket's operations from outside, as long as the socket lives.
    type Interrupter: Interrupt;

    /// Appends what has arrived to the spare room of `into`, waiting for at least one byte; 0 means
    /// that the peer has closed.
    ///
    /// The block that comes back holds the bytes; it need not be the one that went in. A socket
    /// whose read was dropped must not be used again: bytes may be lost.
    ///
    /// # Panics
    ///
    /// Where `into` has no room: a read of nothing would look like the end of the stream.
    fn read(&mut self, into: Block) -> impl Future<Output = (io::Result<usize>, Block)>;

    /// Sends all of `bytes`, and hands them back.
    fn write_all<B: Sendable>(
        &mut self,
        bytes: B,
    ) -> impl Future<Output = (Result<(), WriteError>, B)>;

    /// Sends no more: the peer reads its end once it has read everything before.
    fn end_writes(&self);

    /// Closes with a reset (RST) where dropping would close in order (FIN).
    fn abort(self);

    /// Whether the peer has neither sent anything that was not read nor closed. Never waits; costs
    /// a system call.
    fn is_quiet(&self) -> bool;

    /// What ends this socket's operations from outside.
    fn interrupter(&self) -> Self::Interrupter;
}

/// Why not all bytes were sent.
#[derive(Debug)]
pub struct WriteError {
    /// What the kernel said.
    pub error: io::Error,
    /// How many bytes it had taken before.
    pub sent: usize,
}

impl From<WriteError> for io::Error {
    fn from(failed: WriteError) -> Self {
        failed.error
    }
}

/// A timer as exact as the kernel's own (timerfd_create(2)): it fires some tens of microseconds
/// late.
pub trait Timer: 'static {
    /// Makes the timer fire once, at `at`; earlier firings are forgotten.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses to arm it.
    fn arm(&self, at: Instant) -> io::Result<()>;

    /// Waits until the timer has fired since it was last armed. A wait may go on while the timer is
    /// armed anew, which is cheaper than beginning another. It may also end too early, so the
    /// caller looks at the clock.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses to watch it.
    fn fired(&self) -> impl Future<Output = io::Result<()>>;
}

/// Bytes that a socket can send.
///
/// Sealed: the kernel reads them while the value itself may move, so they must be on the heap and
/// stay there, unchanged, as long as the value lives. Only this folder may promise that.
pub trait Sendable: sealed::Stable + Unpin + 'static {
    /// The bytes.
    fn bytes(&self) -> &[u8];
}

impl Sendable for Block {
    fn bytes(&self) -> &[u8] {
        self.filled()
    }
}

impl Sendable for SharedBytes {
    fn bytes(&self) -> &[u8] {
        self.filled()
    }
}

impl Sendable for Outgoing {
    fn bytes(&self) -> &[u8] {
        self.filled()
    }
}

mod sealed {
    use crate::base::buf::{Block, Outgoing, SharedBytes};

    /// Bytes that do not move with their owner.
    pub trait Stable {}

    impl Stable for Block {}
    impl Stable for SharedBytes {}
    impl Stable for Outgoing {}
}

/// Ends a socket's operations: a read in flight returns 0 or an error, a write returns an error,
/// and both hand their buffers back.
pub trait Interrupt: 'static {
    /// Shuts the socket down in both directions. Must not be called once the socket is dropped.
    fn interrupt(&self);
}

/// A socket that accepts connections.
pub trait Listener: 'static {
    /// What it accepts.
    type Socket: Socket;

    /// Waits for one connection, and sets TCP_NODELAY on it.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Socket>>;

    /// What ends an accept in flight from outside, with an error.
    fn interrupter(&self) -> <Self::Socket as Socket>::Interrupter;
}
