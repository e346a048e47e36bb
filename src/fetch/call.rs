//! A job that has begun, on its way through one exchange.
//!
//! Invariant: its job's progress is in it, and nowhere else.

use std::time::Duration;

use crate::base::instant::Instant;
use crate::fetch::job::{Job, JobProgress, Times};

/// A job and what its attempts gave so far.
pub(super) struct FetchCall {
    pub(super) job: Job,
    pub(super) progress: Box<JobProgress>,
}

impl FetchCall {
    /// The next exchange of `job`, which begins at `now` where it has not before.
    pub(super) fn new(mut job: Job, timeout: Duration, now: Instant) -> Self {
        let progress =
            job.progress.take().unwrap_or_else(|| begin(now, now + timeout, job.read_at));
        Self { job, progress }
    }
}

/// The progress of a job that begins now.
fn begin(now: Instant, deadline: Instant, read_at: Instant) -> Box<JobProgress> {
    Box::new(JobProgress {
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
