//! One exchange of a fetch, as the driver sees it.
//!
//! Does not know what is sent for it nor what is kept of the answer: that is the same for all.
//!
//! Invariant: a call has begun: its job's progress is in it, and nowhere else.

use std::time::Duration;

use crate::base::instant::Instant;
use crate::base::target::Target;
use crate::client::workload::Call;
use crate::fetch::job::{Job, Progress, Times};

/// A job and what its exchanges came to so far.
pub(super) struct FetchCall {
    pub(super) job: Job,
    pub(super) progress: Box<Progress>,
}

impl FetchCall {
    /// The next exchange of `job`, which begins at `now` where it has not before.
    pub(super) fn new(mut job: Job, timeout: Duration, now: Instant) -> Self {
        let progress =
            job.progress.take().unwrap_or_else(|| begin(now, now + timeout, job.read_at));
        Self { job, progress }
    }
}

impl Call for FetchCall {
    fn target(&self) -> &Target {
        &self.job.target
    }

    fn deadline(&self) -> Instant {
        self.progress.deadline
    }

    fn count_attempt(&mut self, step: i32) {
        let attempts = &mut self.progress.attempts;
        *attempts = attempts.checked_add_signed(step).expect("only what was begun is taken back");
    }

    fn add_dns_ns(&mut self, ns: u64) {
        self.progress.times.dns_ns += ns;
    }

    fn add_connect_ns(&mut self, ns: u64) {
        self.progress.times.connect_ns += ns;
    }

    fn handle_first_byte(&mut self, ns: u64) {
        self.progress.times.first_byte_ns = ns;
    }
}

/// The progress of a job that begins now.
fn begin(now: Instant, deadline: Instant, read_at: Instant) -> Box<Progress> {
    Box::new(Progress {
        started_at: now,
        deadline,
        first_url: None,
        attempts: 0,
        retries: 0,
        redirects: Vec::new(),
        times: Times { queue_ns: now.ns_since(read_at), ..Times::default() },
        exhausted_pauses: 0,
    })
}
