//! What a lane asks for next, and when it is due.
//!
//! Of an open loop one lane at a time waits for the next start, and lets the next lane wait once it
//! goes. If all are busy, the first that ends takes what is due.
//!
//! Invariant: a start is handed out once, in the order of the schedule, and none after the end.

use std::sync::{Arc, Mutex, PoisonError};

use crate::base::instant::Instant;
use crate::bench::arrivals::Arrivals;
use crate::compare::clients::tally::SliceTally;
use crate::input::source::{Line, Source};
use crate::runtime::{Io, Timer};

/// A list of URLs that lanes share.
pub(super) type SharedList = Arc<Mutex<Box<dyn Source>>>;

/// Where a lane's requests come from.
pub(super) enum Feed<I: Io> {
    /// The end of one request makes the next one due.
    Closed { targets: RoundRobin, end_at: Instant },
    /// A schedule makes it due.
    Open { targets: RoundRobin, schedule: Arc<tokio::sync::Mutex<Schedule<I>>> },
    /// The end of one request makes the next one due, as long as there are lines.
    List(SharedList),
}

/// A request to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// When it was to be sent.
    pub(super) at: Instant,
    pub(super) what: What,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The target of this index.
    Target(usize),
    /// This line of a list.
    Line(String),
}

impl<I: Io> Feed<I> {
    /// The next request, once it is due; none where the slice is over.
    pub(super) async fn next(&mut self, io: &I) -> Option<Due> {
        let now = io.now();
        match self {
            Self::Closed { targets, end_at } => {
                (now < *end_at).then(|| Due { at: now, what: What::Target(targets.take()) })
            }
            Self::Open { targets, schedule } => {
                let at = schedule.lock().await.take(io).await?;
                Some(Due { at, what: What::Target(targets.take()) })
            }
            Self::List(list) => {
                let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
                let line = match list.next_line() {
                    Ok(line) => line?,
                    Err(error) => {
                        tracing::warn!(%error, "the list ends early");
                        return None;
                    }
                };
                let (Line::Text(text) | Line::TooLong(text)) = line;
                Some(Due { at: now, what: What::Line(text.to_owned()) })
            }
        }
    }
}

/// Targets in turn, by their indices.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoundRobin {
    idx: usize,
    count: usize,
}

impl RoundRobin {
    /// The turns of lane `lane` among `count` targets. Lanes begin at different places, so that a
    /// short list is not asked for in step.
    pub(super) fn new(lane: usize, count: usize) -> Self {
        Self { idx: lane % count, count }
    }

    fn take(&mut self) -> usize {
        let idx = self.idx;
        self.idx = if idx + 1 == self.count { 0 } else { idx + 1 };
        idx
    }
}

/// The starts of an open loop, as far as one group of lanes makes them.
pub(super) struct Schedule<I: Io> {
    /// The same streams that the cores of the own engine would have; at least one.
    streams: Vec<Arrivals>,
    /// None where the kernel has none: then starts are late by up to a millisecond.
    timer: Option<I::Timer>,
    end_at: Instant,
}

impl<I: Io> Schedule<I> {
    /// The starts of `streams` before `end_at`.
    pub(super) fn new(io: &I, streams: Vec<Arrivals>, end_at: Instant) -> Self {
        assert!(!streams.is_empty(), "a group has the starts of one core at least");
        Self { streams, timer: io.timer().ok(), end_at }
    }

    /// Waits for the next start and takes it; none after the last one before the end.
    async fn take(&mut self, io: &I) -> Option<Instant> {
        let at = self.next_at();
        if at >= self.end_at {
            return None;
        }
        while io.now() < at {
            let is_armed = self.timer.as_ref().is_some_and(|timer| timer.arm(at).is_ok());
            match &self.timer {
                Some(timer) if is_armed && timer.fired().await.is_ok() => {}
                _ => io.sleep_until(at).await,
            }
        }
        if io.now() >= self.end_at {
            return None;
        }
        self.pop();
        Some(at)
    }

    /// Counts every start before the end that no lane took.
    pub(super) fn count_untaken(&mut self, tally: &mut SliceTally) {
        while self.next_at() < self.end_at {
            tally.count_untaken(self.next_at());
            self.pop();
        }
    }

    /// When the next start is due.
    fn next_at(&self) -> Instant {
        let next = self.streams.iter().map(Arrivals::next_at).min();
        next.expect("there is a stream")
    }

    /// Goes on to the start after it.
    fn pop(&mut self) {
        let earliest = self.streams.iter_mut().min_by_key(|stream| stream.next_at());
        earliest.expect("there is a stream").advance();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_take_turns_from_another_place_for_each_lane() {
        let take = |lane| {
            let mut targets = RoundRobin::new(lane, 3);
            [targets.take(), targets.take(), targets.take(), targets.take()]
        };
        assert_eq!((take(0), take(1)), ([0, 1, 2, 0], [1, 2, 0, 1]));
        assert_eq!(take(5), [2, 0, 1, 2]);
    }
}
