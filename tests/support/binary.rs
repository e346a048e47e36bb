//! Short ways to run the binary and to read what it wrote.
//!
//! Knows nothing of servers.
//!
//! Invariant: no child outlives its test.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use serde_json::Value;

/// What a run of the binary came to.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit code.
    pub(crate) code: Option<i32>,
    /// What it wrote to standard output.
    pub(crate) stdout: String,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
}

impl Ran {
    /// Standard output as JSON Lines; every line of it must be an object.
    pub(crate) fn rows(&self) -> Vec<Value> {
        self.stdout.lines().map(parsed).collect()
    }

    /// The exit code that `status` holds, and what was written.
    fn new(status: ExitStatus, stdout: &[u8], stderr: &[u8]) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }
}

/// `line` as a JSON object.
pub(crate) fn parsed(line: &str) -> Value {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
    assert!(value.is_object(), "{line}");
    value
}

/// A child that is killed where its test ends before it does.
pub(crate) struct Running(Child);

impl Running {
    /// Starts `command` with all three standard streams piped.
    pub(crate) fn start(mut command: Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().expect("the binary starts"))
    }

    /// Sends it the signal `name`, such as INT, and waits until it has begun to handle it: a second
    /// one would be lost while the first is pending.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill is there").success());
        while self.has_pending_signal() {
            std::thread::yield_now();
        }
    }

    /// Its process number.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("a child can be waited for").is_some()
    }

    /// Whether it has begun to catch SIGINT (bit 1 of `SigCgt` in proc(5)).
    pub(crate) fn catches_interrupts(&self) -> bool {
        self.signal_mask("SigCgt:") & 2 > 0
    }

    /// Whether a signal waits for the process.
    fn has_pending_signal(&self) -> bool {
        self.signal_mask("ShdPnd:") > 0
    }

    /// The set of signals that proc(5) has under `name`.
    fn signal_mask(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()));
        let status = status.expect("a child that was not waited for has a status");
        let mask = status.lines().find_map(|line| line.strip_prefix(name));
        mask.map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).expect("it is hexadecimal"))
    }

    /// Its standard input, to write to or to close.
    pub(crate) fn stdin(&mut self) -> impl Write + use<> {
        self.0.stdin.take().expect("taken once")
    }

    /// Its standard output, to read from or to close.
    pub(crate) fn stdout(&mut self) -> ChildStdout {
        self.0.stdout.take().expect("taken once")
    }

    /// Waits for its end, and gives what it wrote to the streams that were not taken.
    pub(crate) fn end(mut self) -> Ran {
        let stderr = self.0.stderr.take();
        let reading = std::thread::spawn(move || all_of(stderr));
        let stdout = all_of(self.0.stdout.take());
        let status = self.0.wait().expect("a child can be waited for");
        Ran::new(status, &stdout, &reading.join().expect("reading does not panic"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended cannot be killed, which is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn all_of(stream: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        stream.read_to_end(&mut bytes).expect("a pipe can be read");
    }
    bytes
}

/// The binary with `args`.
pub(crate) fn ringfetch<A: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringfetch"));
    command.args(args);
    command
}

/// Runs `ringfetch fetch` with `args`, its arguments separated by blanks, and with nothing on
/// standard input.
pub(crate) fn fetch(args: &str) -> Ran {
    fetch_from(b"", args)
}

/// Runs `ringfetch fetch` with `args`, its arguments separated by blanks, and `input` on standard
/// input.
pub(crate) fn fetch_from(input: &[u8], args: &str) -> Ran {
    run_with(input, ringfetch(["fetch"].into_iter().chain(args.split_whitespace())))
}

/// Runs `command` with `input` on standard input.
pub(crate) fn run_with(input: &[u8], command: Command) -> Ran {
    let mut running = Running::start(command);
    let (mut stdin, input) = (running.stdin(), input.to_vec());
    let writing = std::thread::spawn(move || {
        // A child that reads no more has its reasons.
        let _ = stdin.write_all(&input);
    });
    let ran = running.end();
    writing.join().expect("writing does not panic");
    ran
}

/// The summary that was written to `path`; it must be one line.
pub(crate) fn summary_in(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("the summary was written");
    assert_eq!(text.lines().count(), 1, "{text}");
    parsed(&text)
}
