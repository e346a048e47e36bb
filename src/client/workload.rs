//! What the lanes of a core work on, as the lane loop sees it.
//!
//! `fetch` and `bench` implement the trait, and everything else in this folder is written against
//! it alone: there is one lane loop, and what differs between two kinds of run is a value.

use std::pin::Pin;

use crate::base::instant::Instant;
use crate::client::answer::{Answer, Arrival};
use crate::client::exchanged::Exchanged;
use crate::client::lanes::Lanes;
use crate::client::pool::IdleOrder;
use crate::client::question::Question;
use crate::runtime::Io;

/// One kind of run, as one core does it.
///
/// Every cell of it is borrowed for a moment, never across an await.
pub(crate) trait Work: Sized + 'static {
    /// What one lane does at a time.
    type Job;
    /// What a lane keeps between two jobs.
    type Turn: Default;
    /// What is noted of one answer.
    type Answer: Answer;

    /// Which idle connection by a route is used next.
    const IDLE_ORDER: IdleOrder;
    /// Whether a lane keeps its connection between two jobs, or gives it to the pool at once.
    const KEEPS_CONNECTIONS: bool;

    /// The next job that may start at `now`.
    fn take<I: Io>(
        &self,
        lanes: &Lanes<I>,
        turn: &mut Self::Turn,
        now: Instant,
    ) -> Option<Self::Job>;

    /// Whether a job may start; true at times where none may. Also the moment to ask for more.
    fn has_ready(&self) -> bool;

    /// What is to be asked for `job`.
    fn question<'a>(&'a self, job: &'a Self::Job) -> Question<'a>;

    /// Notes of an answer of which nothing was read.
    fn answer(&self) -> Self::Answer;

    /// Takes note of the whole answer to request `idx` of `job`.
    fn handle_answer(&self, job: &Self::Job, idx: usize, answer: &Self::Answer, arrival: Arrival);

    /// Settles `job`, whose exchange is over; how the lane goes on.
    fn settle<I: Io>(
        &self,
        lanes: &Lanes<I>,
        job: Self::Job,
        exchanged: Exchanged<Self::Answer>,
    ) -> Next;

    /// What is done every few milliseconds, and for no request in particular.
    fn sweep<I: Io>(&self, lanes: &Lanes<I>, now: Instant);

    /// Whether nothing is left to do on this core, and nothing will come.
    fn may_end<I: Io>(&self, lanes: &Lanes<I>) -> bool;

    /// Has everybody who waits besides lanes end as well.
    fn end(&self);
}

/// How a lane goes on when its job is settled.
pub(crate) enum Next {
    /// With its next job; the time now, where it is known.
    Job(Option<Instant>),
    /// With its next job after a wait.
    Wait(Wait),
    /// With its next job after a wait in which no job starts on this core.
    Hold(Wait),
}

/// What a lane waits for. Boxed, since it is rare: a lane that never waits stays small.
pub(crate) type Wait = Pin<Box<dyn Future<Output = ()>>>;
