//! One request of a bench, or a pipeline of them, on their way.
//!
//! Invariant: the requests of one call have one target, and are answered in their order.

use std::cell::Cell;
use std::rc::Rc;

use crate::base::instant::Instant;
use crate::base::limits::EXHAUSTED_PAUSES_MAX;
use crate::base::target::Target;
use crate::bench::recorder::Start;
use crate::client::question::Rendered;
use crate::http::http1::RequestTemplate;

/// A target and the bytes that ask for it, as often as a pipeline is deep.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) target: Target,
    pub(super) rendered: Rendered,
}

impl Prepared {
    /// Renders `depth` requests for `target`.
    pub(super) fn new(target: Target, request: &RequestTemplate, depth: usize) -> Self {
        Self { rendered: Rendered::new(&target, request, depth), target }
    }
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Requests and their answers.
    Ask,
    /// A connection that waits in the pool.
    Open,
}

/// Requests that go out together on one connection, or none where only the connection is wanted.
#[derive(Debug)]
pub(super) struct BenchCall {
    pub(super) prepared: Rc<Prepared>,
    pub(super) purpose: Purpose,
    pub(super) deadline: Instant,
    /// When the first should have started.
    first_due: Instant,
    /// When the others should have.
    more_due: Vec<Instant>,
    /// How many were answered. Counted here, so that a panic between two answers loses none.
    answered: Cell<usize>,
    /// Pauses made because the kernel was out of descriptors, buffers or ports.
    pauses: u32,
}

impl BenchCall {
    /// Requests that should have started at `first_due` and `more_due`.
    pub(super) fn ask(
        prepared: Rc<Prepared>,
        first_due: Instant,
        more_due: Vec<Instant>,
        deadline: Instant,
    ) -> Self {
        Self { first_due, more_due, purpose: Purpose::Ask, ..Self::open(prepared, deadline) }
    }

    /// A connection for later.
    pub(super) fn open(prepared: Rc<Prepared>, deadline: Instant) -> Self {
        Self {
            prepared,
            purpose: Purpose::Open,
            deadline,
            first_due: Instant::NEVER,
            more_due: Vec::new(),
            answered: Cell::new(0),
            pauses: 0,
        }
    }

    /// How many requests there are.
    pub(super) fn count(&self) -> usize {
        match self.purpose {
            Purpose::Open => 0,
            Purpose::Ask => 1 + self.more_due.len(),
        }
    }

    /// When request `idx` should have started.
    pub(super) fn due(&self, idx: usize) -> Instant {
        if idx == 0 { self.first_due } else { self.more_due[idx - 1] }
    }

    /// Counts the answer to request `idx`, which is the next one.
    pub(super) fn count_answer(&self, idx: usize) {
        self.answered.set(idx + 1);
    }

    /// The starts of the requests that were not answered, where the first `sent` of all were handed
    /// to the kernel at `sent_at`.
    pub(super) fn unanswered(
        &self,
        sent: usize,
        sent_at: Instant,
    ) -> impl Iterator<Item = Start> + '_ {
        let start =
            move |idx| Start { due: self.due(idx), sent_at: (idx < sent).then_some(sent_at) };
        (self.answered.get()..self.count()).map(start)
    }

    /// Takes the list of due times back, for the next pipeline.
    pub(super) fn into_list(self) -> Vec<Instant> {
        self.more_due
    }

    /// Gives the call a new deadline, for another try.
    pub(super) fn put_off(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Counts a pause because the kernel had no room; whether another one may be made.
    pub(super) fn count_pause(&mut self) -> bool {
        self.pauses += 1;
        self.pauses <= EXHAUSTED_PAUSES_MAX
    }
}
