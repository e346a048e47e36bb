//! The test server as a process of its own, so that it shares nothing with what loads it.
//!
//! Invariant: no server outlives its test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

/// How often a count is asked for until it is what it must come to; each asking takes a connection.
const ASKED_MAX: usize = 20_000;

/// A `ringfetch serve` that runs until it is dropped or ended.
pub(crate) struct Served {
    process: Child,
    stdout: BufReader<ChildStdout>,
    addr: SocketAddr,
}

impl Served {
    /// Starts it, and waits until it listens.
    pub(crate) fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfetch"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--no-pin", "-q"]);
        command.args(["--until-stdin-ends", "--summary-json", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the binary was built");
        let mut stdout = BufReader::new(process.stdout.take().expect("it is a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the line is text");
        let addr = line.trim_end().strip_prefix("listening on http://");
        let addr = addr.and_then(|addr| addr.parse().ok());
        Self { process, stdout, addr: addr.unwrap_or_else(|| panic!("{line:?}")) }
    }

    /// The URL of `path` on it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// How many requests it has answered.
    pub(crate) fn count(&self) -> u64 {
        let mut socket = TcpStream::connect(self.addr).expect("the server accepts");
        socket.write_all(b"GET /count HTTP/1.0\r\n\r\n").expect("the server reads");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("the server answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("the head has an end");
        let count: Value = serde_json::from_str(body).expect("the count is JSON");
        count["requests"].as_u64().expect("the count is a number")
    }

    /// Asks until it has answered at least `count` requests; how many they are then. What was in
    /// flight when a run ended may be read a moment later.
    pub(crate) fn count_once_at(&self, count: u64) -> u64 {
        let mut counts = (0..ASKED_MAX).map(|_| self.count());
        counts.find(|found| *found >= count).unwrap_or_else(|| self.count())
    }

    /// Ends it; its numbers.
    pub(crate) fn end(mut self) -> Value {
        drop(self.process.stdin.take());
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).expect("it says text");
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text:?}"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Has no effect on one that has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
