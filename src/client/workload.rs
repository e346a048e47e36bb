//! What the lanes of a core work on, as the lane loop and the driver see it.
//!
//! Knows neither shards nor schedules: `fetch` and `bench` implement these traits, and everything
//! else in this folder is written against them alone.
//!
//! Invariant: there is one lane loop and one driver; what differs between two kinds of run is a
//! value of these types.

use std::pin::Pin;
use std::rc::Rc;

use crate::base::buf::{Block, FreeBlocks};
use crate::base::instant::Instant;
use crate::base::target::Target;
use crate::client::exchange::{Exchanged, Obstacle};
use crate::client::pool::IdleOrder;
use crate::client::worker::Core;
use crate::http::http1::{Observer, RequestKind};
use crate::runtime::{Io, Sendable};

/// One kind of run, as one core does it.
///
/// Every cell of it is borrowed for a moment, never across an await.
pub(crate) trait Work: Sized + 'static {
    /// What one lane does at a time.
    type Job: Call;
    /// What a lane keeps between two jobs.
    type Turn: Default;
    /// What is noted of one response.
    type Reading: Reading;
    /// What is sent.
    type Request: Sendable;
    /// What tells the origin of a connection that a lane keeps between two jobs.
    type Key: 'static;

    /// Which idle connection of an origin is used next.
    const IDLE_ORDER: IdleOrder;
    /// Whether the head of the last response is remembered, for readings that are content with its
    /// status.
    const REMEMBERS_HEADS: bool;

    /// Starts what the work needs besides lanes.
    fn start<I: Io>(core: &Rc<Core<I, Self>>);

    /// The next job that may start at `now`.
    fn take<I: Io>(
        core: &Rc<Core<I, Self>>,
        turn: &mut Self::Turn,
        now: Instant,
    ) -> Option<Self::Job>;

    /// Whether a job may start; true at times where none may. Also the moment to ask for more.
    fn has_ready<I: Io>(core: &Core<I, Self>) -> bool;

    /// Takes notice of what came of `job`; how the lane goes on.
    fn settle<I: Io>(
        core: &Rc<Core<I, Self>>,
        job: Self::Job,
        exchanged: Result<Exchanged<Self::Reading>, Obstacle>,
    ) -> Next;

    /// What is done every few milliseconds, and for no request in particular.
    fn sweep<I: Io>(core: &Rc<Core<I, Self>>, now: Instant);

    /// Whether nothing is left to do on this core, and nothing will come.
    fn may_end<I: Io>(core: &Core<I, Self>) -> bool;

    /// Takes notice of the end: whoever waits besides lanes must end as well.
    fn end<I: Io>(core: &Core<I, Self>);

    /// What the requests mean for the framing of their responses.
    fn kind(&self) -> RequestKind;

    /// Whether a request may be sent a second time where a reused connection turns out to be
    /// closed.
    fn may_repeat(&self) -> bool;

    /// Whether the requests say that they are their connection's last.
    fn closes(&self) -> bool;

    /// The bytes to send for `job`.
    fn request(&self, job: &mut Self::Job, blocks: &mut FreeBlocks) -> Self::Request;

    /// Takes the bytes back that were sent; the block to read the response of `job` into.
    fn read_block(&self, job: &Self::Job, request: Self::Request, blocks: &mut FreeBlocks)
    -> Block;

    /// The key of a connection to the target of `job`, where the lane keeps it; none where it goes
    /// to the pool at once.
    fn key_of(&self, job: &Self::Job) -> Option<Self::Key>;

    /// A target of the origin that `key` tells.
    fn target_of(key: &Self::Key) -> &Target;

    /// Notes for a response of which nothing was read.
    fn reading(&self) -> Self::Reading;

    /// Takes notice of a whole response to `job`; whether one more is to come on the same
    /// connection.
    fn handle_answer(&self, _job: &mut Self::Job, _noted: &Self::Reading, _answer: Answer) -> bool {
        false
    }
}

/// How a lane goes on when its job is settled.
pub(crate) enum Next {
    /// With its next job; the time now, where it is known.
    Job(Option<Instant>),
    /// With its next job after a wait. Boxed, since it is rare: a lane that never waits stays
    /// small.
    Wait(Pin<Box<dyn Future<Output = ()>>>),
}

/// One request, or several in a row to one target, as the driver sees them.
pub(crate) trait Call {
    /// Where it goes.
    fn target(&self) -> &Target;

    /// What it is for.
    fn purpose(&self) -> Purpose {
        Purpose::Ask
    }

    /// When it must be over.
    fn deadline(&self) -> Instant;

    /// Counts an exchange that is begun; -1 takes one back.
    fn count_attempt(&mut self, _step: i32) {}

    /// Adds time spent looking a name up.
    fn add_dns_ns(&mut self, _ns: u64) {}

    /// Adds time spent opening a connection.
    fn add_connect_ns(&mut self, ns: u64);

    /// Takes notice that the request is handed to the kernel at `now`.
    fn handle_sent(&mut self, _now: Instant) {}

    /// Takes notice that sending failed when the kernel had taken the first `_bytes` of the
    /// request.
    fn handle_cut(&mut self, _bytes: usize) {}

    /// Takes notice that the first byte of a response came `_ns` after the request was handed over.
    fn handle_first_byte(&mut self, _ns: u64) {}
}

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A request and its response.
    Ask,
    /// A connection that waits in the pool.
    Open,
}

/// When and how large a response was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// When its first byte was seen.
    pub(crate) first_byte_at: Instant,
    /// When its last byte was seen.
    pub(crate) ended_at: Instant,
    /// Bytes of head, framing and body.
    pub(crate) wire_bytes: u64,
}

/// What is noted of one response while it is read.
pub(crate) trait Reading: Observer {
    /// Whether the body is kept, so that it can be read to where it stays.
    fn keeps_body(&self) -> bool {
        false
    }

    /// The body so far, for who reads more of it in place.
    fn take_body(&mut self) -> Block {
        unreachable!("a body that is read in place is kept")
    }

    /// Takes the body back, with what was read in place.
    fn give_body(&mut self, _body: Block) {
        unreachable!("a body that is read in place is kept")
    }
}
