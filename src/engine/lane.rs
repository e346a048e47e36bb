//! The one lane loop: take a job, drive one exchange, judge it, hand it on.
//!
//! Knows neither sockets nor framing (`drive`), nor what makes a job startable (`shard`).
//!
//! Invariant: a job that a lane took ends in exactly one of a row, the shard and another core, also
//! where the lane's code panics.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use crate::engine::core::{Core, Task};
use crate::engine::drive::{self, Exchanged, Obstacle};
use crate::engine::watch::LaneId;
use crate::io::Io;
use crate::machines::policy::{Outcome, Verdict};
use crate::words::failure::{Cause, Failure, Kind, Stage};
use crate::words::instant::Instant;
use crate::words::job::{Fetched, Job, Progress, Times};
use crate::words::limits::{EXHAUSTED_PAUSE, EXHAUSTED_PAUSES_MAX};

/// Works on one job after the other until the run is over.
pub(super) async fn run<I: Io>(core: Rc<Core<I>>, lane: LaneId) {
    let task = Task::of(&core);
    let mut turn = None;
    while let Some((job, now)) = core.next(lane, &mut turn).await {
        if let Some(fetched) = work(&core, lane, job, now).await {
            core.emit(fetched).await;
        }
    }
    core.lane_ended(task);
}

/// Drives one exchange of `job`; its row, or none where the job goes on elsewhere or later.
async fn work<I: Io>(
    core: &Rc<Core<I>>,
    lane: LaneId,
    mut job: Job,
    now: Instant,
) -> Option<Fetched> {
    let timeout = core.shared.settings.timeout;
    let mut progress =
        job.progress.take().unwrap_or_else(|| begin(now, now + timeout, job.read_at));
    if now >= progress.deadline {
        let phrase = "the deadline passed before the next try could start; hint: --timeout";
        let exchanged = Exchanged::failed(Failure::new(Stage::Connect, Kind::Timeout, phrase));
        return Some(finished(job, *progress, exchanged, None, now));
    }
    let exchanged = match guarded(drive::exchange(core, lane, &job.target, &mut progress)).await {
        Some(Ok(exchanged)) => exchanged,
        Some(Err(Obstacle::Exhausted(errno))) => return wait_for_room(core, job, progress, errno),
        None => {
            core.watch.borrow_mut().disarm(lane);
            let phrase = "a bug in ringfetch: the lane panicked; please report it";
            Exchanged::failed(Failure::new(Stage::Head, Kind::Panic, phrase))
        }
    };
    judge(core, job, progress, exchanged)
}

/// What `exchanged` means for `job`.
fn judge<I: Io>(
    core: &Core<I>,
    mut job: Job,
    mut progress: Box<Progress>,
    exchanged: Exchanged,
) -> Option<Fetched> {
    let now = core.io.now();
    let outcome = Outcome {
        failure: exchanged.failure,
        status: exchanged.response.as_ref().map(|response| response.status),
        location: exchanged.location.as_deref(),
    };
    let chance = fastrand::u64(..);
    let verdict = core.shared.settings.policy.judge(&job, &progress, outcome, now, chance);
    let verdict = match verdict {
        Verdict::Retry(_) | Verdict::Redirect(_) if core.is_stopping() => {
            // There is no time left for what this fetch still needs; a later run does it.
            Verdict::Done(Some(interrupted("the run was stopped before the next request")))
        }
        verdict => verdict,
    };
    match verdict {
        Verdict::Done(failure) => return Some(finished(job, *progress, exchanged, failure, now)),
        Verdict::Refused(failure, target) => {
            progress.redirects.push(target.into_url());
            return Some(finished(job, *progress, exchanged, Some(failure), now));
        }
        Verdict::Retry(_) | Verdict::Redirect(_) => {}
    }
    let discarded = exchanged.response.map_or(0, |response| response.wire_bytes);
    core.tally.borrow_mut().discarded_bytes += discarded;
    match verdict {
        Verdict::Done(_) | Verdict::Refused(..) => unreachable!("handed on above"),
        Verdict::Retry(at) => {
            progress.retries += 1;
            core.tally.borrow_mut().retries += 1;
            job.progress = Some(progress);
            core.defer(job, at);
        }
        Verdict::Redirect(target) => {
            progress.redirects.push(target.url().into());
            let from = std::mem::replace(&mut job.target, target);
            if progress.first_url.is_none() {
                progress.first_url = Some(from.into_url());
            }
            job.progress = Some(progress);
            core.requeue(job);
        }
    }
    None
}

/// The kernel had no room for a connection: the job waits, and that costs it no try and no time.
fn wait_for_room<I: Io>(
    core: &Core<I>,
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
        return Some(finished(job, *progress, Exchanged::failed(failure), Some(failure), now));
    }
    progress.deadline = progress.deadline + EXHAUSTED_PAUSE;
    job.progress = Some(progress);
    core.defer(job, now + EXHAUSTED_PAUSE);
    None
}

/// The row of a job that had begun when the run was stopped.
pub(super) fn abandoned(mut job: Job, now: Instant) -> Fetched {
    let progress = job.progress.take().expect("only a job that has begun is abandoned");
    let failure = interrupted("the run was stopped between two requests");
    finished(job, *progress, Exchanged::failed(failure), Some(failure), now)
}

/// The failure of a fetch that a stop cut short.
fn interrupted(phrase: &'static str) -> Failure {
    Failure::new(Stage::Connect, Kind::Interrupted, phrase)
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

/// What came of `job`, whose last exchange was `exchanged`.
fn finished(
    job: Job,
    progress: Progress,
    exchanged: Exchanged,
    failure: Option<Failure>,
    now: Instant,
) -> Fetched {
    let line = job.line.or(progress.first_url).unwrap_or_else(|| job.target.into_url());
    let mut times = progress.times;
    times.total_ns = now.ns_since(progress.started_at);
    Fetched {
        n: job.n,
        line,
        failure: failure.or(exchanged.failure),
        response: exchanged.response,
        attempts: progress.attempts,
        redirects: progress.redirects,
        ip: exchanged.ip,
        times,
    }
}

/// What `work` comes to, or none where it panics: one job's bug must not end a core.
async fn guarded<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|context| {
        // After a panic the future is dropped, never polled again, and the cells that it shares
        // with other lanes are borrowed only between two awaits.
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Ready(value)) => Poll::Ready(Some(value)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}
