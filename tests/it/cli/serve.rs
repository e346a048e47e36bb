//! `ringfetch serve` as a process: what it says, and how it ends.
//!
//! What is served has tests of its own.
//!
//! Invariant: every process that is started here has ended when its test has.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A process that serves; killed where a test fails before its end.
struct Server {
    process: Child,
    stdout: BufReader<ChildStdout>,
}

/// How a process ended, and what it had said by then beside what was read.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfetch"));
        command.arg("serve").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the binary was built");
        let stdout = BufReader::new(process.stdout.take().expect("it is a pipe"));
        Self { process, stdout }
    }

    /// The address of the next line that it says.
    fn address(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the line is text");
        let address = line.trim_end().strip_prefix("listening on http://");
        address.unwrap_or_else(|| panic!("{line:?}")).to_owned()
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.process.id());
        let status = Command::new("sh").args(["-c", &kill]).status();
        assert!(status.expect("there is a shell").success());
    }

    fn end(mut self) -> Ended {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).expect("it says text");
        let pipe = self.process.stderr.as_mut().expect("it is a pipe");
        pipe.read_to_string(&mut stderr).expect("it says text");
        let status = self.process.wait().expect("it is our child");
        Ended { code: status.code(), stdout, stderr }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Has no effect on one that has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn it_says_where_it_listens_and_a_signal_is_its_normal_end() {
    for name in ["INT", "TERM"] {
        let mut server = Server::start(&["--listen", "127.0.0.1:0", "--no-pin"]);
        let mut socket = TcpStream::connect(server.address()).unwrap();
        socket.write_all(b"GET /bytes/3 HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
        server.signal(name);
        let ended = server.end();
        let told = ended.stderr;
        assert_eq!(ended.code, Some(0), "{told}");
        assert!(told.contains("1 requests on 1 connections, 0 refused"), "{told}");
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn an_address_that_is_taken_or_not_ours_is_named_with_a_hint() {
    let mut first = Server::start(&["--listen", "127.0.0.1:0", "--no-pin"]);
    let address = first.address();
    // TEST-NET-1 (RFC 5737) is nobody's.
    for listen in [&address, "192.0.2.1:80"] {
        let Ended { code, stdout, stderr } = Server::start(&["--listen", listen]).end();
        assert_eq!((code, &*stdout), (Some(2), ""), "{stderr}");
        assert!(stderr.contains(listen) && stderr.contains("hint: --listen"), "{stderr}");
    }
    first.signal("INT");
    assert_eq!(first.end().code, Some(0));
}

#[test]
fn its_numbers_are_one_json_object() {
    let options = ["--listen", "127.0.0.1:0", "--no-pin", "-q", "--summary-json", "-"];
    let mut server = Server::start(&options);
    server.address();
    server.signal("INT");
    let Ended { code, stdout, stderr } = server.end();
    let summary: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(summary["requests"], 0);
    assert!(summary["engine"].is_string());
    assert_eq!((code, &*stderr), (Some(0), ""));
}
