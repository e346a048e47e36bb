//! The engine on Tokio's current-thread runtime.
//!
//! Reads are tried when Tokio says that a socket is ready; a short read makes Tokio wait for the
//! next edge without a further system call.
//!
//! Invariant: the runtime is the thread's own, so tasks need not be `Send`.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::task::ready;
use std::time::Duration;

use ::tokio::io::unix::AsyncFd;
use ::tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use crate::base::buf::Block;
use crate::base::instant::Instant;
use crate::os::system;
use crate::runtime::monoio::Descriptor;
use crate::runtime::{Io, Listener, Sendable, Socket, Timer, WriteError, clock};

/// The machine as Tokio shows it to the thread that built its runtime.
#[derive(Clone, Debug)]
pub(crate) struct TokioIo;

/// A connection of Tokio's.
#[derive(Debug)]
pub(crate) struct TokioSocket(::tokio::net::TcpStream);

/// A listener of Tokio's.
#[derive(Debug)]
pub(crate) struct TokioListener(::tokio::net::TcpListener);

/// A timerfd.
#[derive(Debug)]
pub(crate) struct TokioTimer(AsyncFd<OwnedFd>);

impl Io for TokioIo {
    type Socket = TokioSocket;
    type Listener = TokioListener;
    type Timer = TokioTimer;

    fn now(&self) -> Instant {
        clock::now()
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<TokioSocket> {
        let stream = ::tokio::net::TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(TokioSocket(stream))
    }

    fn listen(&self, on: TcpListener) -> io::Result<TokioListener> {
        on.set_nonblocking(true)?;
        Ok(TokioListener(::tokio::net::TcpListener::from_std(on)?))
    }

    async fn sleep_until(&self, at: Instant) {
        let left = at.since(clock::now());
        ::tokio::time::sleep(left.min(Duration::from_secs(365 * 86_400))).await;
    }

    fn timer(&self) -> io::Result<TokioTimer> {
        let descriptor = system::timer()?;
        // SAFETY: an `OwnedFd` names one open descriptor until it is dropped, and it is dropped
        // with its registration.
        let watched = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
        Ok(TokioTimer(watched?))
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        drop(::tokio::task::spawn_local(task));
    }
}

impl Socket for TokioSocket {
    type Interrupter = Descriptor;

    async fn read(&mut self, mut into: Block) -> (io::Result<usize>, Block) {
        assert!(into.spare() > 0, "a read needs room");
        let result = poll_fn(|context| {
            let bytes = into.as_mut_vec();
            let mut room = ReadBuf::uninit(bytes.spare_capacity_mut());
            ready!(Pin::new(&mut self.0).poll_read(context, &mut room))?;
            let count = room.filled().len();
            let filled = bytes.len() + count;
            // SAFETY: `ReadBuf` vouches that its filled bytes, the first of the spare room, are
            // initialised.
            unsafe { bytes.set_len(filled) };
            std::task::Poll::Ready(io::Result::Ok(count))
        })
        .await;
        (result, into)
    }

    async fn write_all<B: Sendable>(&mut self, bytes: B) -> (Result<(), WriteError>, B) {
        let mut sent = 0;
        while sent < bytes.bytes().len() {
            let rest = &bytes.bytes()[sent..];
            let written = poll_fn(|context| Pin::new(&mut self.0).poll_write(context, rest)).await;
            let error = match written {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(count) => {
                    sent += count;
                    continue;
                }
                Err(error) => error,
            };
            return (Err(WriteError { error, sent }), bytes);
        }
        (Ok(()), bytes)
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

impl Timer for TokioTimer {
    fn arm(&self, at: Instant) -> io::Result<()> {
        system::arm_timer(self.0.as_raw_fd(), at.since(clock::now()))
    }

    async fn fired(&self) -> io::Result<()> {
        // The next expiry is a new edge; an older readiness only ends the wait too early.
        self.0.readable().await?.clear_ready();
        Ok(())
    }
}

impl Listener for TokioListener {
    type Socket = TokioSocket;

    async fn accept(&self) -> io::Result<TokioSocket> {
        let (stream, _) = self.0.accept().await?;
        stream.set_nodelay(true)?;
        Ok(TokioSocket(stream))
    }

    fn interrupter(&self) -> Descriptor {
        Descriptor(self.0.as_raw_fd())
    }
}
