//! What an exchange means for its job: a row, another try, or another URL.
//!
//! Decides nothing that the policy does not; it carries the verdict out.
//!
//! Invariant: a job that is judged ends in exactly one of a row, the shard and another core.

use crate::base::failure::{Cause, Failure, Kind, Stage};
use crate::base::instant::Instant;
use crate::base::limits::{EXHAUSTED_PAUSE, EXHAUSTED_PAUSES_MAX};
use crate::client::exchange::{Exchanged, Obstacle};
use crate::client::worker::Core;
use crate::fetch::call::FetchCall;
use crate::fetch::job::{Fetched, Job, Progress, Response};
use crate::fetch::policy::{Outcome, Verdict};
use crate::fetch::response::Noted;
use crate::fetch::worker::Fetching;
use crate::runtime::Io;

/// What is left of an exchange once its response is complete or lost.
struct Came {
    failure: Option<Failure>,
    response: Option<Response>,
    location: Option<Box<[u8]>>,
    ip: Option<std::net::IpAddr>,
}

impl Came {
    fn of(exchanged: Exchanged<Noted>) -> Self {
        let Exchanged { failure, reading, wire_bytes, ip, .. } = exchanged;
        let (response, location) =
            reading.map_or((None, None), |reading| reading.finish(wire_bytes));
        Self { failure, response, location, ip }
    }

    fn failed(failure: Failure) -> Self {
        Self { failure: Some(failure), response: None, location: None, ip: None }
    }
}

/// What `exchanged` means for `call`; the row, or none where the job goes on elsewhere or later.
pub(super) fn judge<I: Io>(
    core: &Core<I, Fetching>,
    call: FetchCall,
    exchanged: Result<Exchanged<Noted>, Obstacle>,
) -> Option<Fetched> {
    let FetchCall { mut job, mut progress } = call;
    let came = match exchanged {
        Ok(exchanged) => Came::of(exchanged),
        Err(Obstacle::Exhausted(errno)) => return wait_for_room(core, job, progress, errno),
    };
    let now = core.io.now();
    let outcome = Outcome {
        failure: came.failure,
        status: came.response.as_ref().map(|response| response.status),
        location: came.location.as_deref(),
    };
    let chance = fastrand::u64(..);
    let policy = &core.work.shared.settings.policy;
    let verdict = match policy.judge(&job, &progress, outcome, now, chance) {
        Verdict::Retry(_) | Verdict::Redirect(_) if core.is_stopping() => {
            // There is no time left for what this fetch still needs; a later run does it.
            Verdict::Done(Some(interrupted("the run was stopped before the next request")))
        }
        verdict => verdict,
    };
    match verdict {
        Verdict::Done(failure) => return Some(finished(job, *progress, came, failure, now)),
        Verdict::Refused(failure, target) => {
            progress.redirects.push(target.into_url());
            return Some(finished(job, *progress, came, Some(failure), now));
        }
        Verdict::Retry(_) | Verdict::Redirect(_) => {}
    }
    let mut tally = core.work.tally.borrow_mut();
    tally.discarded_bytes += came.response.map_or(0, |response| response.wire_bytes);
    match verdict {
        Verdict::Done(_) | Verdict::Refused(..) => unreachable!("handed on above"),
        Verdict::Retry(at) => {
            progress.retries += 1;
            tally.retries += 1;
            job.progress = Some(progress);
            core.work.defer(job, at);
        }
        Verdict::Redirect(target) => {
            progress.redirects.push(target.url().into());
            let from = std::mem::replace(&mut job.target, target);
            if progress.first_url.is_none() {
                progress.first_url = Some(from.into_url());
            }
            job.progress = Some(progress);
            core.work.requeue(job, core.placement);
        }
    }
    None
}

/// The kernel had no room for a connection: the job waits, and that costs it no try and no time.
fn wait_for_room<I: Io>(
    core: &Core<I, Fetching>,
    mut job: Job,
    mut progress: Box<Progress>,
    errno: i32,
) -> Option<Fetched> {
    core.pause_for_room();
    let now = core.io.now();
    progress.exhausted_pauses += 1;
    if progress.exhausted_pauses > EXHAUSTED_PAUSES_MAX || core.is_stopping() {
        let failure = match core.is_stopping() {
            true => interrupted("the run was stopped while the kernel had no descriptor or port"),
            false => {
                let cause = Cause::Os(errno);
                Failure { stage: Stage::Connect, kind: Kind::Exhausted, cause }
            }
        };
        return Some(finished(job, *progress, Came::failed(failure), Some(failure), now));
    }
    progress.deadline = progress.deadline + EXHAUSTED_PAUSE;
    job.progress = Some(progress);
    core.work.defer(job, now + EXHAUSTED_PAUSE);
    None
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

/// The row of `job`, whose last exchange came to `came`.
fn finished(
    job: Job,
    progress: Progress,
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
