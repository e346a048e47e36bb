//! An `Io` whose sockets are memory: whatever is written is a request, and whatever is read is
//! its answer.
//!
//! Invariant: a socket gives as many answers as it was sent requests, and not a byte more.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;

use ringfetch::base::buf::Block;
use ringfetch::base::instant::Instant;
use ringfetch::runtime::{Interrupt, Io, Listener, Sendable, Socket, Timer, WriteError, clock};

use crate::executor::{Alarm, Executor, give_turn};

/// What all sockets of a run do.
#[derive(Clone)]
pub(crate) struct Script {
    /// Length of a request.
    pub(crate) request_bytes: usize,
    /// Length of an answer.
    pub(crate) answer_bytes: usize,
    /// As many answers in a row as are ever asked for at a time.
    pub(crate) answers: Vec<u8>,
    /// Reads of a socket, the last of which gives the other tasks their turn.
    pub(crate) reads_per_turn: u32,
}

/// The machine: its sockets follow the script, and its time is the real one.
#[derive(Clone)]
pub(crate) struct Memory {
    executor: Rc<Executor>,
    script: Rc<Script>,
}

impl Memory {
    /// An `Io` whose tasks run on `executor`.
    pub(crate) fn new(executor: Rc<Executor>, script: Script) -> Self {
        Self { executor, script: Rc::new(script) }
    }
}

impl Io for Memory {
    type Socket = MemorySocket;
    type Listener = NoListener;
    type Timer = MemoryTimer;

    fn now(&self) -> Instant {
        clock::now()
    }

    async fn connect(&self, _: SocketAddr) -> io::Result<MemorySocket> {
        let script = Rc::clone(&self.script);
        Ok(MemorySocket { left: 0, reads_left: script.reads_per_turn, script })
    }

    fn listen(&self, _: TcpListener) -> io::Result<NoListener> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn sleep_until(&self, at: Instant) {
        let alarm = self.executor.alarm();
        alarm.set(at);
        alarm.gone_off().await;
    }

    fn timer(&self) -> io::Result<MemoryTimer> {
        Ok(MemoryTimer(self.executor.alarm()))
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.executor.spawn(task);
    }
}

/// A connection to nobody.
pub(crate) struct MemorySocket {
    script: Rc<Script>,
    /// Bytes of answers still to come.
    left: usize,
    /// Reads until the other tasks have their turn.
    reads_left: u32,
}

impl Socket for MemorySocket {
    type Interrupter = Nothing;

    async fn read(&mut self, mut into: Block) -> (io::Result<usize>, Block) {
        assert!(self.left > 0, "who reads has asked for something");
        assert!(into.spare() > 0, "a read needs room");
        self.reads_left -= 1;
        if self.reads_left == 0 {
            self.reads_left = self.script.reads_per_turn;
            give_turn().await;
        }
        let answers = &self.script.answers;
        let answers = &answers[answers.len() - self.left..];
        let count = answers.len().min(into.spare());
        into.extend(&answers[..count]);
        self.left -= count;
        (Ok(count), into)
    }

    async fn write_all<B: Sendable>(&mut self, bytes: B) -> (Result<(), WriteError>, B) {
        let Script { request_bytes, answer_bytes, .. } = *self.script;
        let sent_bytes = bytes.bytes().len();
        assert!(sent_bytes.is_multiple_of(request_bytes), "requests are sent whole");
        self.left += sent_bytes / request_bytes * answer_bytes;
        (Ok(()), bytes)
    }

    fn end_writes(&self) {}

    fn abort(self) {}

    fn is_quiet(&self) -> bool {
        self.left == 0
    }

    fn interrupter(&self) -> Nothing {
        Nothing
    }
}

/// Ends nothing: no operation waits for anything but its turn.
pub(crate) struct Nothing;

impl Interrupt for Nothing {
    fn interrupt(&self) {}
}

/// A timer as exact as the executor's look at the clock.
pub(crate) struct MemoryTimer(Rc<Alarm>);

impl Timer for MemoryTimer {
    fn arm(&self, at: Instant) -> io::Result<()> {
        self.0.set(at);
        Ok(())
    }

    async fn fired(&self) -> io::Result<()> {
        self.0.gone_off().await;
        Ok(())
    }
}

/// A listener, of which there are none.
pub(crate) enum NoListener {}

impl Listener for NoListener {
    type Socket = MemorySocket;

    async fn accept(&self) -> io::Result<MemorySocket> {
        match *self {}
    }

    fn interrupter(&self) -> Nothing {
        match *self {}
    }
}
