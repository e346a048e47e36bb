//! The testbed of a comparison: the CPUs of the contestants, and the server that they ask.
//!
//! Invariant: contestants and the test server share a CPU only where there is no other.

use std::io;
use std::path::Path;

use crate::compare::server_process::TestServerProcess;
use crate::compare::workload::Workload;
use crate::runtime::cores;

/// The CPUs of the contestants, and the server that they ask.
#[derive(Debug)]
pub struct Testbed {
    cpus: Vec<usize>,
    test_server: Option<TestServerProcess>,
}

impl Testbed {
    /// A test server, started from `program` on `server_cpus`, and contestants on `cpus`; where
    /// they are not named, each has half of what there is.
    ///
    /// # Errors
    ///
    /// Where the server cannot be started.
    pub fn with_test_server(
        program: &Path,
        cpus: Option<Vec<usize>>,
        server_cpus: Option<Vec<usize>>,
    ) -> io::Result<Self> {
        let (server_cpus, cpus) = match (server_cpus, cpus) {
            (Some(server), Some(own)) => (server, own),
            (Some(server), None) => (server.clone(), cores::rest(&server)),
            (None, Some(own)) => (cores::rest(&own), own),
            (None, None) => cores::halves(),
        };
        let server = TestServerProcess::start(program, &server_cpus)?;
        Ok(Self { cpus, test_server: Some(server) })
    }

    /// A server that is there already, which the URLs name, and contestants on `cpus` or on all
    /// that there are.
    #[must_use]
    pub fn with_other_server(cpus: Option<Vec<usize>>) -> Self {
        Self { cpus: cpus.unwrap_or_else(cores::available), test_server: None }
    }

    /// The CPUs of the contestants.
    #[must_use]
    pub fn cpus(&self) -> &[usize] {
        &self.cpus
    }

    /// The test server; none where another server is asked.
    #[must_use]
    pub fn test_server(&self) -> Option<&TestServerProcess> {
        self.test_server.as_ref()
    }

    /// `workload`, with URLs of the test server if there is one: bodies of `body_bytes` for a load,
    /// generated pages for a list.
    #[must_use]
    pub fn workload(&self, workload: Workload, body_bytes: u64) -> Workload {
        let Some(server) = &self.test_server else { return workload };
        match workload {
            Workload::Bench(_) => {
                workload.with_urls(vec![format!("http://{}/bytes/{body_bytes}", server.addr())])
            }
            Workload::Fetch(mut fetch) => {
                fetch.urls = server.pages();
                fetch.overrides.push(server.override_for_all());
                Workload::Fetch(fetch)
            }
        }
    }
}
