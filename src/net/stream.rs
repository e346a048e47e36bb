//! A byte stream to or from a peer, over a socket of an engine.
//!
//! Whoever drives a connection asks the stream, never the socket under it: with TLS, what is quiet
//! and how writes end is no longer the socket's to say.

use std::io;

use crate::base::buf::Block;
use crate::runtime::{Sendable, Socket, WriteError};

/// A byte stream over the socket `S`.
#[derive(Debug)]
pub(crate) enum Stream<S> {
    /// The socket's own bytes.
    Plain(S),
}

impl<S: Socket> Stream<S> {
    /// Appends what has arrived to the spare room of `into`; see [`Socket::read`].
    #[inline]
    pub(crate) fn read(&mut self, into: Block) -> impl Future<Output = (io::Result<usize>, Block)> {
        let Self::Plain(socket) = self;
        socket.read(into)
    }

    /// Sends all of `bytes`, and hands them back; see [`Socket::write_all`].
    #[inline]
    pub(crate) fn write_all<B: Sendable>(
        &mut self,
        bytes: B,
    ) -> impl Future<Output = (Result<(), WriteError>, B)> {
        let Self::Plain(socket) = self;
        socket.write_all(bytes)
    }

    /// Whether nothing came that was not read, and the peer has not closed. Never waits; costs a
    /// system call.
    pub(crate) fn is_quiet(&self) -> bool {
        let Self::Plain(socket) = self;
        socket.is_quiet()
    }

    /// Sends no more: the peer reads its end once it has read everything before.
    pub(crate) fn end_writes(&self) {
        let Self::Plain(socket) = self;
        socket.end_writes();
    }

    /// Closes at once with a reset, where dropping would close in order.
    pub(crate) fn abort(self) {
        let Self::Plain(socket) = self;
        socket.abort();
    }

    /// What ends this stream's operations from outside, as long as the stream lives.
    #[inline]
    pub(crate) fn interrupter(&self) -> S::Interrupter {
        let Self::Plain(socket) = self;
        socket.interrupter()
    }
}
