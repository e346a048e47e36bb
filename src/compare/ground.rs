//! Where a comparison takes place: the CPUs of the contestants, and the origin that they ask.
//!
//! Knows the built-in origin's routes; a foreign origin is whatever the URLs name.
//!
//! Invariant: contestants and the built-in origin share a CPU only where there is no other.

use std::io;
use std::path::Path;

use crate::compare::server_process::OriginProcess;
use crate::compare::workload::Workload;
use crate::runtime::cores;

/// Where a comparison takes place.
#[derive(Debug)]
pub struct Ground {
    cpus: Vec<usize>,
    origin: Option<OriginProcess>,
}

impl Ground {
    /// A built-in origin, started from `program` on `origin_cpus`, and contestants on `cpus`; where
    /// they are not named, each has half of what there is.
    ///
    /// # Errors
    ///
    /// Where the origin cannot be started.
    pub fn built_in(
        program: &Path,
        cpus: Option<Vec<usize>>,
        origin_cpus: Option<Vec<usize>>,
    ) -> io::Result<Self> {
        let (origin_cpus, cpus) = match (origin_cpus, cpus) {
            (Some(origin), Some(own)) => (origin, own),
            (Some(origin), None) => (origin.clone(), cores::rest(&origin)),
            (None, Some(own)) => (cores::rest(&own), own),
            (None, None) => cores::halves(),
        };
        let origin = OriginProcess::start(program, &origin_cpus)?;
        Ok(Self { cpus, origin: Some(origin) })
    }

    /// An origin that is there already, and contestants on `cpus` or on all that there are.
    #[must_use]
    pub fn foreign(cpus: Option<Vec<usize>>) -> Self {
        Self { cpus: cpus.unwrap_or_else(cores::available), origin: None }
    }

    /// The CPUs of the contestants.
    #[must_use]
    pub fn cpus(&self) -> &[usize] {
        &self.cpus
    }

    /// The built-in origin, if that is what is asked.
    #[must_use]
    pub fn origin(&self) -> Option<&OriginProcess> {
        self.origin.as_ref()
    }

    /// `workload`, asked of the built-in origin where it names nothing: bodies of `body_bytes` for
    /// a load, generated pages for a list.
    #[must_use]
    pub fn workload(&self, workload: Workload, body_bytes: u64) -> Workload {
        let Some(origin) = &self.origin else { return workload };
        match workload {
            Workload::Bench(_) => {
                workload.with_urls(vec![format!("http://{}/bytes/{body_bytes}", origin.addr())])
            }
            Workload::Fetch(mut fetch) => {
                fetch.urls = origin.pages();
                fetch.overrides.push(origin.everywhere());
                Workload::Fetch(fetch)
            }
        }
    }
}
