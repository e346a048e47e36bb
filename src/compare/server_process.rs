//! The test server as a process of its own, so that its CPU time is nobody else's.
//!
//! Invariant: it listens on the loopback interface alone, and ends when this process does, however
//! that ends: the pipe to its standard input closes.

use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::net::dns::Override;
use crate::os::process;

/// Generated pages that are asked for, and the virtual hosts that they are spread over.
const PAGES: usize = 10_000;
const PAGE_HOSTS: usize = 200;

/// A test server that runs, and ends when this is dropped.
#[derive(Debug)]
pub struct TestServerProcess {
    child: Child,
    addr: SocketAddr,
    cpus: Vec<usize>,
}

impl TestServerProcess {
    /// Starts `program`, a ringfetch, as a test server on `cpus`.
    ///
    /// # Errors
    ///
    /// Where it cannot be started, or does not say where it listens.
    pub fn start(program: &Path, cpus: &[usize]) -> io::Result<Self> {
        let list = cpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let mut child = Command::new(program)
            .arg0(env!("CARGO_PKG_NAME"))
            .args(["serve", "--listen", "127.0.0.1:0", "--quiet", "--until-stdin-ends"])
            .args(["--cores", &list])
            // The other end of this pipe closes with this process, however that ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for this process, which needs the server while it ends.
            .process_group(0)
            .spawn()?;
        let stdout = child.stdout.take().expect("it was asked for");
        let mut server = Self { child, addr: (Ipv4Addr::LOCALHOST, 0).into(), cpus: cpus.to_vec() };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let addr = line.trim().rsplit_once("http://").and_then(|(_, addr)| addr.parse().ok());
        match addr {
            Some(addr) => server.addr = addr,
            None => {
                let said = line.trim();
                let error = format!("the origin did not say where it listens: {said}");
                return Err(io::Error::other(error));
            }
        }
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The CPUs that it runs on.
    #[must_use]
    pub fn cpus(&self) -> &[usize] {
        &self.cpus
    }

    /// URLs of generated pages of many virtual hosts, which no resolver knows. Neighbours are of
    /// different hosts, as in a list that was shuffled.
    #[must_use]
    pub fn pages(&self) -> Vec<String> {
        let page = |number| {
            let host = number % PAGE_HOSTS;
            format!("http://host-{host}.demo.test/page/{number}")
        };
        (0..PAGES).map(page).collect()
    }

    /// The override that leads every name and port to it.
    #[must_use]
    pub fn override_for_all(&self) -> Override {
        let (ip, to_port) = (self.addr.ip(), Some(self.addr.port()));
        Override { host: None, port: None, ip, to_port }
    }

    /// CPU time that it has used so far; none where the kernel does not tell.
    #[must_use]
    pub fn cpu_time(&self) -> Option<Duration> {
        process::cpu_time(self.child.id())
    }
}

impl Drop for TestServerProcess {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
