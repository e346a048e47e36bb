//! The connections of one core that are opened before the first trial.

use std::rc::Rc;
use std::time::Duration;

use crate::base::failure::{Failure, FailureCounts};
use crate::base::instant::Instant;
use crate::bench::call::{BenchCall, Prepared};

/// Connections that one core of a bench opens at a time: well under what listeners commonly let
/// wait (511 for nginx, 4096 for the kernel's own bound), beyond which a connect takes a second.
const OPENING_MAX: usize = 128;

/// Connections that are opened before the first trial.
#[derive(Debug)]
pub(super) struct Opening {
    /// One target of each origin.
    origins: Vec<Rc<Prepared>>,
    /// Connections that were not begun.
    left: usize,
    /// Those that were begun and have not ended.
    under_way: usize,
    until: Instant,
    /// Why some could not be opened.
    pub(super) failures: FailureCounts,
}

impl Opening {
    /// `count` connections, as many to each of `origins`, to be begun before `until`.
    pub(super) fn new(origins: Vec<Rc<Prepared>>, count: usize, until: Instant) -> Self {
        Self { left: count, origins, under_way: 0, until, failures: FailureCounts::default() }
    }

    /// The next connection to open, while not too many are being opened.
    pub(super) fn take(&mut self, now: Instant) -> Option<BenchCall> {
        if now >= self.until {
            self.left = 0;
        }
        if !self.has_ready() {
            return None;
        }
        self.left -= 1;
        self.under_way += 1;
        let prepared = &self.origins[self.left % self.origins.len()];
        // The connect's own timeout is shorter; this is the bound of the whole.
        Some(BenchCall::open(Rc::clone(prepared), self.until + Duration::from_secs(1)))
    }

    /// Whether another one may be begun.
    pub(super) fn has_ready(&self) -> bool {
        self.left > 0 && self.under_way < OPENING_MAX
    }

    /// Begins one again whose attempt found no room.
    pub(super) fn put_back(&mut self) {
        self.under_way -= 1;
        self.left += 1;
    }

    /// Counts the end of one of them.
    pub(super) fn handle_opened(&mut self, failure: Option<Failure>) {
        self.under_way -= 1;
        if let Some(failure) = failure {
            self.failures.count(failure);
        }
    }

    /// Begins no more, where `now` is too late.
    pub(super) fn observe(&mut self, now: Instant) {
        if now >= self.until {
            self.give_up();
        }
    }

    /// Begins no more.
    pub(super) fn give_up(&mut self) {
        self.left = 0;
    }

    /// Whether all of them have ended.
    pub(super) fn is_done(&self) -> bool {
        self.left == 0 && self.under_way == 0
    }
}
