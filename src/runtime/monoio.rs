//! The engines on monoio: io_uring, and its epoll driver.
//!
//! One type serves both drivers: monoio asks at run time which one a thread has, which costs a
//! branch.
//!
//! Invariant: an operation owns its block until it ends, and a socket whose operation was dropped
//! is never read again.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use monoio::buf::{IoBuf, IoBufMut};
use monoio::io::{AsyncReadRent, AsyncWriteRent};

use crate::base::buf::Block;
use crate::base::instant::Instant;
use crate::os::system;
use crate::runtime::{Interrupt, Io, Listener, Sendable, Socket, Timer, WriteError, clock};

/// The machine as monoio shows it to the thread that built its runtime.
#[derive(Clone, Debug)]
pub(crate) struct MonoioIo(pub(super) Driver);

/// Which of monoio's drivers the thread has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    /// io_uring.
    Uring,
    /// epoll, "legacy" in monoio's words.
    Epoll,
}

/// A connection of monoio's.
#[derive(Debug)]
pub(crate) struct MonoioSocket(monoio::net::TcpStream);

/// A listener of monoio's.
pub(crate) struct MonoioListener(monoio::net::TcpListener);

/// A timerfd, which monoio takes for a stream and only ever asks whether it is readable.
pub(crate) struct MonoioTimer(monoio::net::TcpStream);

/// The descriptor of a live socket.
#[derive(Debug)]
pub(crate) struct Descriptor(pub(super) RawFd);

impl Io for MonoioIo {
    type Socket = MonoioSocket;
    type Listener = MonoioListener;
    type Timer = MonoioTimer;

    fn now(&self) -> Instant {
        clock::now()
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<MonoioSocket> {
        let stream = monoio::net::TcpStream::connect_addr(to).await?;
        stream.set_nodelay(true)?;
        Ok(MonoioSocket(stream))
    }

    fn listen(&self, on: TcpListener) -> io::Result<MonoioListener> {
        // epoll wants it; io_uring would answer EAGAIN instead of waiting.
        on.set_nonblocking(self.0 == Driver::Epoll)?;
        Ok(MonoioListener(monoio::net::TcpListener::from_std(on)?))
    }

    async fn sleep_until(&self, at: Instant) {
        let left = at.since(clock::now());
        // The timer wheel spans about two years; NEVER is further away than that.
        monoio::time::sleep(left.min(Duration::from_secs(365 * 86_400))).await;
    }

    fn timer(&self) -> io::Result<MonoioTimer> {
        let descriptor = std::net::TcpStream::from(system::timer()?);
        Ok(MonoioTimer(monoio::net::TcpStream::from_std(descriptor)?))
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        drop(monoio::spawn(task));
    }
}

impl Socket for MonoioSocket {
    type Interrupter = Descriptor;

    async fn read(&mut self, into: Block) -> (io::Result<usize>, Block) {
        assert!(into.spare() > 0, "a read needs room");
        let (result, Incoming(block)) = self.0.read(Incoming(into)).await;
        (result, block)
    }

    async fn write_all<B: Sendable>(&mut self, bytes: B) -> (Result<(), WriteError>, B) {
        let mut rest = Outgoing { bytes, sent: 0 };
        while rest.sent < rest.bytes.bytes().len() {
            let result;
            (result, rest) = self.0.write(rest).await;
            let error = match result {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(sent) => {
                    rest.sent += sent;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            return (Err(WriteError { error, sent: rest.sent }), rest.bytes);
        }
        (Ok(()), rest.bytes)
    }

    fn is_quiet(&self) -> bool {
        system::is_quiet(self.0.as_raw_fd())
    }

    fn end_writes(&self) {
        system::end_writes(self.0.as_raw_fd());
    }

    fn abort(self) {
        system::reset_on_close(self.0.as_raw_fd());
    }

    fn interrupter(&self) -> Descriptor {
        Descriptor(self.0.as_raw_fd())
    }
}

impl Timer for MonoioTimer {
    fn arm(&self, at: Instant) -> io::Result<()> {
        system::arm_timer(self.0.as_raw_fd(), at.since(clock::now()))
    }

    async fn fired(&self) -> io::Result<()> {
        // Not relaxed: an earlier readiness that was never read must not count.
        self.0.readable(false).await
    }
}

impl Interrupt for Descriptor {
    fn interrupt(&self) {
        system::shut_down(self.0);
    }
}

impl Listener for MonoioListener {
    type Socket = MonoioSocket;

    async fn accept(&self) -> io::Result<MonoioSocket> {
        let (stream, _) = self.0.accept().await?;
        stream.set_nodelay(true)?;
        Ok(MonoioSocket(stream))
    }

    fn interrupter(&self) -> Descriptor {
        Descriptor(self.0.as_raw_fd())
    }
}

/// A block whose spare room the kernel fills.
struct Incoming(Block);

// SAFETY: the pointer is into the block's heap memory, which does not move while the operation owns
// the block, and `bytes_total` bytes from it are within the block's capacity.
unsafe impl IoBufMut for Incoming {
    fn write_ptr(&mut self) -> *mut u8 {
        self.0.as_mut_vec().spare_capacity_mut().as_mut_ptr().cast()
    }

    fn bytes_total(&mut self) -> usize {
        self.0.spare()
    }

    unsafe fn set_init(&mut self, count: usize) {
        let bytes = self.0.as_mut_vec();
        let filled = bytes.len() + count;
        assert!(filled <= bytes.capacity(), "the kernel filled more than there was room for");
        // SAFETY: the caller vouches that `count` bytes from `write_ptr` were written.
        unsafe { bytes.set_len(filled) };
    }
}

/// Bytes of which the first `sent` are on their way.
struct Outgoing<B> {
    bytes: B,
    sent: usize,
}

// SAFETY: the pointer is into heap memory that `Sendable`, which only this folder implements, keeps
// in its place while the operation owns the value, and all of it is initialised.
unsafe impl<B: Sendable> IoBuf for Outgoing<B> {
    fn read_ptr(&self) -> *const u8 {
        self.bytes.bytes()[self.sent..].as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.bytes.bytes().len() - self.sent
    }
}
