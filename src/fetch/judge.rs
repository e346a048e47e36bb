//! What an exchange means for its job: a row, another try, or another URL.
//!
//! Decides nothing that the policy does not; it carries the decision out on the job itself.

use std::net::IpAddr;

use crate::base::failure::{Cause, Failure, Kind, Stage};
use crate::base::instant::Instant;
use crate::base::limits::{EXHAUSTED_PAUSE, EXHAUSTED_PAUSES_MAX};
use crate::client::exchanged::{End, Exchanged};
use crate::fetch::call::FetchCall;
use crate::fetch::job::{Fetched, Job, JobProgress, Response};
use crate::fetch::policy::{Attempt, Decision, Policy};
use crate::fetch::response::FetchAnswer;

/// What is left of an exchange once its response is complete or lost.
struct Came {
    failure: Option<Failure>,
    response: Option<Response>,
    location: Option<Box<[u8]>>,
    ip: Option<IpAddr>,
}

impl Came {
    fn of(exchanged: Exchanged<FetchAnswer>) -> Self {
        let failure = exchanged.failure();
        let Exchanged { answer, wire_bytes, ip, .. } = exchanged;
        let (response, location) = answer.map_or((None, None), |answer| answer.finish(wire_bytes));
        Self { failure, response, location, ip }
    }

    fn failed(failure: Failure) -> Self {
        Self { failure: Some(failure), response: None, location: None, ip: None }
    }
}

/// What a job's exchange means for it.
pub(super) enum JobOutcome {
    /// The fetch is over.
    Over(Fetched),
    /// It is tried again at this time; so many bytes came for nothing.
    Retry(Job, Instant, u64),
    /// It goes on with another URL; so many bytes came for the redirect.
    Redirect(Job, u64),
    /// It waits until this time for the kernel's room, which costs it no try.
    Wait(Job, Instant),
}

/// When a job is judged, and by what.
pub(super) struct JobJudge<'a> {
    pub(super) policy: &'a Policy,
    pub(super) now: Instant,
    pub(super) is_stopping: bool,
    /// Random bits, for the jitter of a retry.
    pub(super) chance: u64,
}

impl JobJudge<'_> {
    /// What `exchanged` means for `call`.
    pub(super) fn judge(&self, call: FetchCall, exchanged: Exchanged<FetchAnswer>) -> JobOutcome {
        let FetchCall { mut job, mut progress } = call;
        note_times(&mut progress, &exchanged);
        if let End::NoRoom(errno) = exchanged.end {
            return self.wait_for_room(job, progress, errno);
        }
        let came = Came::of(exchanged);
        let attempt = Attempt {
            failure: came.failure,
            status: came.response.as_ref().map(|response| response.status),
            location: came.location.as_deref(),
        };
        let decision = match self.policy.judge(&job, &progress, attempt, self.now, self.chance) {
            Decision::Retry(_) | Decision::Redirect(_) if self.is_stopping => {
                // There is no time left for what this fetch still needs; a later run does it.
                Decision::Done(Some(interrupted("the run was stopped before the next request")))
            }
            decision => decision,
        };
        let discarded = came.response.as_ref().map_or(0, |response| response.wire_bytes);
        match decision {
            Decision::Done(failure) => {
                JobOutcome::Over(finished(job, *progress, came, failure, self.now))
            }
            Decision::Refused(failure, target) => {
                progress.redirects.push(target.into_url());
                JobOutcome::Over(finished(job, *progress, came, Some(failure), self.now))
            }
            Decision::Retry(at) => {
                progress.retries += 1;
                job.progress = Some(progress);
                JobOutcome::Retry(job, at, discarded)
            }
            Decision::Redirect(target) => {
                progress.redirects.push(target.url().into());
                let from = std::mem::replace(&mut job.target, target);
                if progress.first_url.is_none() {
                    progress.first_url = Some(from.into_url());
                }
                job.progress = Some(progress);
                JobOutcome::Redirect(job, discarded)
            }
        }
    }

    /// The kernel had no room for a connection: the job waits, and that costs it no try and no
    /// time.
    fn wait_for_room(
        &self,
        mut job: Job,
        mut progress: Box<JobProgress>,
        errno: i32,
    ) -> JobOutcome {
        progress.exhausted_pauses += 1;
        if progress.exhausted_pauses > EXHAUSTED_PAUSES_MAX || self.is_stopping {
            let failure = match self.is_stopping {
                true => {
                    interrupted("the run was stopped while the kernel had no descriptor or port")
                }
                false => {
                    let cause = Cause::Os(errno);
                    Failure { stage: Stage::Connect, kind: Kind::Exhausted, cause }
                }
            };
            let came = Came::failed(failure);
            return JobOutcome::Over(finished(job, *progress, came, Some(failure), self.now));
        }
        progress.deadline = progress.deadline + EXHAUSTED_PAUSE;
        job.progress = Some(progress);
        JobOutcome::Wait(job, self.now + EXHAUSTED_PAUSE)
    }
}

/// Adds where the time of `exchanged` went, and counts it where it was begun.
fn note_times(progress: &mut JobProgress, exchanged: &Exchanged<FetchAnswer>) {
    if matches!(exchanged.end, End::Complete | End::Failed(_)) {
        progress.attempts += 1;
    }
    progress.times.dns_ns += exchanged.opening.dns_ns;
    progress.times.connect_ns += exchanged.opening.connect_ns;
    if exchanged.first_byte_ns > 0 {
        progress.times.first_byte_ns = exchanged.first_byte_ns;
    }
}

/// The row of a job that had begun when the run was stopped.
pub(super) fn abandoned(mut job: Job, now: Instant) -> Fetched {
    let progress = job.progress.take().expect("only a job that has begun is abandoned");
    let failure = interrupted("the run was stopped between two requests");
    finished(job, *progress, Came::failed(failure), Some(failure), now)
}

/// The failure of a fetch that a stop cut short.
fn interrupted(phrase: &'static str) -> Failure {
    Failure::new(Stage::Connect, Kind::Interrupted, phrase)
}

/// The result of `job`, whose last exchange gave `came`.
fn finished(
    job: Job,
    progress: JobProgress,
    came: Came,
    failure: Option<Failure>,
    now: Instant,
) -> Fetched {
    let line = job.line.or(progress.first_url).unwrap_or_else(|| job.target.into_url());
    let mut times = progress.times;
    times.total_ns = now.ns_since(progress.started_at);
    Fetched {
        n: job.n,
        line,
        failure: failure.or(came.failure),
        response: came.response,
        attempts: progress.attempts,
        redirects: progress.redirects,
        ip: came.ip,
        times,
    }
}
