//! The built-in origin as a process of its own, so that its CPU time is nobody else's.
//!
//! Knows how `serve` is started and what it says; not what it is asked for.
//!
//! Invariant: it listens on the loopback interface alone, and leaves nothing running: the origin
//! ends when the pipe to its standard input does.

use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::net::dns::Override;
use crate::os::process;

/// Pages that are asked for in all, and the virtual hosts that they are spread over.
const PAGES: usize = 10_000;
const PAGE_HOSTS: usize = 200;

/// The origin, as a process that ends with this one's interest in it.
#[derive(Debug)]
pub struct TestServerProcess {
    child: Child,
    addr: SocketAddr,
    cpus: Vec<usize>,
}

impl TestServerProcess {
    /// Starts `program`, a ringfetch, as an origin on `cpus`.
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
            // Ctrl-C is for whoever needs the origin, and needs it still while it ends.
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

    /// The CPUs of its cores.
    #[must_use]
    pub fn cpus(&self) -> &[usize] {
        &self.cpus
    }

    /// URLs of generated pages of many virtual hosts, which no resolver knows; hosts take turns, as
    /// they do in a list that was shuffled.
    #[must_use]
    pub fn pages(&self) -> Vec<String> {
        let page = |number| {
            let host = number % PAGE_HOSTS;
            format!("http://host-{host}.demo.test/page/{number}")
        };
        (0..PAGES).map(page).collect()
    }

    /// What leads every name and port to it.
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
