//! What to do after one attempt: keep what it gave, try again, or follow a redirect.
//!
//! Chance and time are arguments.
//!
//! Invariant: every fetch ends, since tries, redirects and the deadline are all bounded.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::failure::{Failure, Kind, Stage};
use crate::base::instant::Instant;
use crate::base::target::Target;
use crate::fetch::job::{Job, JobProgress};

/// First pause before a retry; each further one doubles it, with jitter.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
// LIMIT: longest pause before a retry.
const BACKOFF_MAX: Duration = Duration::from_secs(10);

const _: () = assert!(BACKOFF_FIRST.as_millis() <= BACKOFF_MAX.as_millis(), "backoff grows");

/// The bounds that a run puts on each of its fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Failures of one fetch that are tried again.
    pub retries_max: u32,
    /// Redirects that one fetch follows; 0 leaves the redirect's own response as the result.
    pub redirects_max: usize,
    /// Whether a status of 400 or above counts as a failure.
    pub status: StatusPolicy,
}

/// What a status of 400 or above means to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StatusPolicy {
    /// A response like any other.
    Accept,
    /// A failed fetch.
    Fail,
}

/// What one attempt gave, as far as the policy needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// The response's status, where its head was read.
    pub status: Option<u16>,
    /// The response's Location field, if it has one.
    pub location: Option<&'a [u8]>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The fetch is over, with this failure if any.
    Done(Option<Failure>),
    /// The same request again, not before this instant.
    Retry(Instant),
    /// A request for another URL.
    Redirect(Target),
    /// The fetch is over, since this redirect is not followed.
    Refused(Failure, Target),
}

impl Policy {
    /// What to do after `attempt` at `job`; `progress` does not count it yet. `chance` is a random
    /// number from all of u64.
    #[must_use]
    pub fn judge(
        &self,
        job: &Job,
        progress: &JobProgress,
        attempt: Attempt<'_>,
        now: Instant,
        chance: u64,
    ) -> Decision {
        let passing = match (attempt.failure, attempt.status) {
            (Some(failure), _) => may_pass(failure),
            (None, Some(status)) => is_passing_status(status),
            (None, None) => false,
        };
        if passing && progress.retries < self.retries_max {
            let at = now + backoff(progress.retries, chance);
            // A retry after the deadline would never be sent.
            if at < progress.deadline {
                return Decision::Retry(at);
            }
        }
        if attempt.failure.is_some() {
            return Decision::Done(attempt.failure);
        }
        match (attempt.status, attempt.location) {
            (Some(301 | 302 | 303 | 307 | 308), Some(location)) if self.redirects_max > 0 => {
                self.follow(job, progress, location)
            }
            (Some(400..), _) if self.status == StatusPolicy::Fail => Decision::Done(Some(
                Failure::new(Stage::Head, Kind::Status, "the status is 400 or above"),
            )),
            _ => Decision::Done(None),
        }
    }

    /// Where `location` leads, or why it is not followed. The method stays GET whatever the status
    /// (RFC 9110 section 15.4).
    fn follow(&self, job: &Job, progress: &JobProgress, location: &[u8]) -> Decision {
        let refused = |kind, phrase| Failure::new(Stage::Redirect, kind, phrase);
        let Ok(location) = std::str::from_utf8(location) else {
            return Decision::Done(Some(refused(Kind::Invalid, "the Location field is not UTF-8")));
        };
        let target = match job.target.join(location.trim()) {
            Ok(target) => target,
            Err(failure) => return Decision::Done(Some(failure)),
        };
        let was_there = |url: &str| url == target.url();
        if was_there(job.target.url())
            || progress.first_url.as_deref().is_some_and(was_there)
            || progress.redirects.iter().any(|url| was_there(url))
        {
            // No cookies are kept, so the same request would get the same answer for ever.
            let phrase = "the redirects lead back to a URL already fetched";
            return Decision::Refused(refused(Kind::Loop, phrase), target);
        }
        if progress.redirects.len() >= self.redirects_max {
            let phrase = "more redirects than allowed (hint: --redirects), the next one to";
            return Decision::Refused(refused(Kind::TooMany, phrase), target);
        }
        Decision::Redirect(target)
    }
}

/// Whether the same request may succeed later: failures of the network and of the peer may pass,
/// those of syntax, size and policy do not.
fn may_pass(failure: Failure) -> bool {
    let passing_kind = matches!(
        failure.kind,
        Kind::Timeout
            | Kind::Refused
            | Kind::Reset
            | Kind::Closed
            | Kind::Unreachable
            | Kind::Other
    );
    passing_kind && !matches!(failure.stage, Stage::Url | Stage::Policy | Stage::Redirect)
}

/// Statuses that say "not now": the same that curl's `--retry` tries again.
fn is_passing_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// The pause before retry `retries + 1`: doubled each time, then a random part between its half and
/// its whole, so that fetches that failed together do not come back together.
fn backoff(retries: u32, chance: u64) -> Duration {
    let whole = BACKOFF_FIRST.saturating_mul(1 << retries.min(16)).min(BACKOFF_MAX);
    let half_ns = u64::try_from(whole.as_nanos() / 2).unwrap_or(u64::MAX);
    Duration::from_nanos(half_ns + chance % (half_ns + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::job::Times;

    const POLICY: Policy =
        Policy { retries_max: 2, redirects_max: 3, status: StatusPolicy::Accept };

    fn job(url: &str) -> Job {
        Job::new(0, url, Target::parse(url).unwrap(), Instant::from_ns(0))
    }

    fn progress() -> JobProgress {
        JobProgress {
            started_at: Instant::from_ns(0),
            deadline: Instant::from_ns(30_000_000_000),
            first_url: None,
            attempts: 1,
            retries: 0,
            redirects: Vec::new(),
            times: Times::default(),
            exhausted_pauses: 0,
        }
    }

    fn judge(
        policy: Policy,
        progress: &JobProgress,
        status: u16,
        location: Option<&str>,
    ) -> Decision {
        let location = location.map(str::as_bytes);
        let attempt = Attempt { failure: None, status: Some(status), location };
        policy.judge(&job("http://a/b/c"), progress, attempt, Instant::from_ns(0), 0)
    }

    fn refused(decision: &Decision) -> Kind {
        match decision {
            Decision::Done(Some(failure)) | Decision::Refused(failure, _) => failure.kind,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn redirects_are_followed_and_bounded_and_loops_are_seen() {
        let mut progress = progress();
        for status in [301, 302, 303, 307, 308] {
            let wanted = Decision::Redirect(Target::parse("http://a/b/d").unwrap());
            assert_eq!(judge(POLICY, &progress, status, Some("d")), wanted);
        }
        assert_eq!(judge(POLICY, &progress, 304, Some("d")), Decision::Done(None));
        assert_eq!(judge(POLICY, &progress, 301, None), Decision::Done(None));
        assert_eq!(refused(&judge(POLICY, &progress, 302, Some("c"))), Kind::Loop);
        assert_eq!(refused(&judge(POLICY, &progress, 302, Some("gopher://x"))), Kind::Unsupported);
        progress.first_url = Some("http://a/first".into());
        assert_eq!(refused(&judge(POLICY, &progress, 302, Some("/first"))), Kind::Loop);
        progress.redirects = vec!["http://a/1".into(), "http://a/2".into(), "http://a/3".into()];
        assert_eq!(refused(&judge(POLICY, &progress, 302, Some("/4"))), Kind::TooMany);
        let none = Policy { redirects_max: 0, ..POLICY };
        assert_eq!(judge(none, &progress, 302, Some("/4")), Decision::Done(None));
    }

    #[test]
    fn passing_failures_are_tried_again_until_tries_or_time_run_out() {
        let reset = Some(Failure::new(Stage::Head, Kind::Reset, ""));
        let attempt = Attempt { failure: reset, status: None, location: None };
        let job = job("http://a/");
        let mut progress = progress();
        let now = Instant::from_ns(1_000);
        let decision = POLICY.judge(&job, &progress, attempt, now, 0);
        assert_eq!(decision, Decision::Retry(now + BACKOFF_FIRST / 2));
        progress.retries = 2;
        assert_eq!(POLICY.judge(&job, &progress, attempt, now, 0), Decision::Done(reset));
        progress.retries = 0;
        progress.deadline = Instant::from_ns(1_001);
        assert_eq!(POLICY.judge(&job, &progress, attempt, now, 0), Decision::Done(reset));
    }

    #[test]
    fn what_will_not_pass_is_not_tried_again() {
        for (stage, kind) in [
            (Stage::Head, Kind::Invalid),
            (Stage::Body, Kind::TooLarge),
            (Stage::Dns, Kind::NotFound),
            (Stage::Redirect, Kind::Loop),
        ] {
            let failure = Some(Failure::new(stage, kind, ""));
            let attempt = Attempt { failure, status: None, location: None };
            let decision =
                POLICY.judge(&job("http://a/"), &progress(), attempt, Instant::from_ns(0), 7);
            assert_eq!(decision, Decision::Done(failure));
        }
    }

    #[test]
    fn a_busy_server_is_asked_again_and_its_last_answer_stands() {
        let mut progress = progress();
        assert!(matches!(judge(POLICY, &progress, 503, None), Decision::Retry(_)));
        progress.retries = 2;
        assert_eq!(judge(POLICY, &progress, 503, None), Decision::Done(None));
        let strict = Policy { status: StatusPolicy::Fail, ..POLICY };
        assert_eq!(refused(&judge(strict, &progress, 503, None)), Kind::Status);
        assert_eq!(refused(&judge(strict, &progress, 404, None)), Kind::Status);
    }

    #[test]
    fn backoff_doubles_within_its_bounds() {
        for retries in 0..40 {
            for chance in [0, 1, u64::MAX] {
                let pause = backoff(retries, chance);
                assert!(pause >= BACKOFF_FIRST / 2 && pause <= BACKOFF_MAX);
            }
        }
        assert_eq!(backoff(1, 0), BACKOFF_FIRST);
    }
}
