//! Where a comparison takes place: the CPUs of the contestants, and the origin that they ask.
//!
//! Knows the built-in origin's routes; a foreign origin is whatever the URLs name.
//!
//! Invariant: contestants and the built-in origin share a CPU only where there is no other.

use std::io;
use std::path::Path;

use crate::compare::server_process::TestServerProcess;
use crate::compare::workload::Workload;
use crate::runtime::cores;

/// Where a comparison takes place.
#[derive(Debug)]
pub struct Testbed {
    cpus: Vec<usize>,
    server: Option<TestServerProcess>,
}

impl Testbed {
    /// A built-in origin, started from `program` on `server_cpus`, and contestants on `cpus`; where
    /// they are not named, each has half of what there is.
    ///
    /// # Errors
    ///
    /// Where the origin cannot be started.
    pub fn built_in(
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
        Ok(Self { cpus, server: Some(server) })
    }

    /// An origin that is there already, and contestants on `cpus` or on all that there are.
    #[must_use]
    pub fn foreign(cpus: Option<Vec<usize>>) -> Self {
        Self { cpus: cpus.unwrap_or_else(cores::available), server: None }
    }

    /// The CPUs of the contestants.
    #[must_use]
    pub fn cpus(&self) -> &[usize] {
        &self.cpus
    }

    /// The built-in origin, if that is what is asked.
    #[must_use]
    pub fn server(&self) -> Option<&TestServerProcess> {
        self.server.as_ref()
    }

    /// `workload`, asked of the built-in origin where it names nothing: bodies of `body_bytes` for
    /// a load, generated pages for a list.
    #[must_use]
    pub fn workload(&self, workload: Workload, body_bytes: u64) -> Workload {
        let Some(server) = &self.server else { return workload };
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
