//! A client of the tests' own: a blocking socket and just enough HTTP/1.1 to read good answers.
//!
//! It shares nothing with the library's own client, so that no bug can hide on both sides.
//!
//! Invariant: nothing is read ahead of what was asked for and then forgotten.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use ringfetch::testserver::TestServer;

/// A connection, and what was read of it and not yet taken.
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    held: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn new(server: &TestServer) -> Self {
        Self {
            socket: TcpStream::connect(server.addr()).expect("the server accepts"),
            held: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).expect("the server reads");
    }

    /// Reads more; false at the end.
    pub(crate) fn more(&mut self) -> std::io::Result<bool> {
        let mut piece = vec![0; 64 * 1024];
        let count = self.socket.read(&mut piece)?;
        self.held.extend_from_slice(&piece[..count]);
        Ok(count > 0)
    }

    /// Takes bytes up to and with `mark`.
    pub(crate) fn until(&mut self, mark: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.held.windows(mark.len()).position(|window| window == mark) {
                return self.held.drain(..at + mark.len()).collect();
            }
            assert!(
                self.more().expect("the connection lasts"),
                "closed after {:?}",
                String::from_utf8_lossy(&self.held)
            );
        }
    }

    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        while self.held.len() < count {
            assert!(
                self.more().expect("the connection lasts"),
                "closed after {} bytes",
                self.held.len()
            );
        }
        self.held.drain(..count).collect()
    }

    /// Everything up to the end; whether that was in order.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, Result<(), ErrorKind>) {
        let end = loop {
            match self.more() {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error.kind()),
            }
        };
        (std::mem::take(&mut self.held), end)
    }

    pub(crate) fn head(&mut self) -> (u16, String) {
        let head = String::from_utf8(self.until(b"\r\n\r\n")).expect("heads are ASCII");
        assert!(head.starts_with("HTTP/1.1 "), "{head}");
        (head[9..12].parse().expect("a status is a number"), head)
    }

    pub(crate) fn response(&mut self) -> Response {
        let (status, head) = self.head();
        let body = if let Some(length) = field(&head, "Content-Length") {
            self.take(length.parse().expect("a length is a number"))
        } else if field(&head, "Transfer-Encoding").is_some() {
            self.chunks().0
        } else if matches!(status, 204 | 304) {
            Vec::new()
        } else {
            let (body, end) = self.rest();
            assert_eq!(end, Ok(()));
            body
        };
        Response { status, head, body }
    }

    /// A chunked body: its data, the lines of its sizes, its trailers.
    pub(crate) fn chunks(&mut self) -> (Vec<u8>, Vec<String>, String) {
        let (mut data, mut lines) = (Vec::new(), Vec::new());
        loop {
            let line = String::from_utf8(self.until(b"\r\n")).expect("sizes are ASCII");
            let digits = line.trim_end().split(';').next().expect("a line has a start");
            let size = usize::from_str_radix(digits, 16).expect("a size is a number");
            lines.push(line);
            if size == 0 {
                break;
            }
            data.extend(self.take(size));
            assert_eq!(self.take(2), b"\r\n");
        }
        let mut trailers = String::new();
        while !trailers.ends_with("\r\n\r\n") && trailers != "\r\n" {
            trailers.push_str(std::str::from_utf8(&self.until(b"\r\n")).expect("ASCII"));
        }
        (data, lines, trailers)
    }

    pub(crate) fn get(&mut self, target: &str) -> Response {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: site1.test\r\n\r\n"));
        self.response()
    }
}

pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
