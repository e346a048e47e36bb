//! What an exchange needs of the core that it runs on: the engine, blocks of bytes, deadlines.
//!
//! Every cell here is borrowed for a moment, never across an await.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use crate::base::buf::FreeBlocks;
use crate::base::failure::{Failure, Kind, Stage};
use crate::base::instant::Instant;
use crate::client::deadlines::{Alarm, Deadlines, LaneId};
use crate::http::http1::HeadMemo;
use crate::runtime::{Io, Socket};

/// What ends the operations of an engine's socket.
type Interrupter<I> = <<I as Io>::Socket as Socket>::Interrupter;

/// What the exchanges of one core share.
pub(crate) struct Core<I: Io> {
    pub(crate) io: I,
    pub(super) blocks: RefCell<FreeBlocks>,
    pub(super) heads: RefCell<HeadMemo>,
    deadlines: RefCell<Deadlines<Alarm<Interrupter<I>>>>,
    /// When what is in flight must be over; NEVER while the run goes on.
    stop_at: Cell<Instant>,
}

impl<I: Io> Core<I> {
    /// A core on which nothing happens yet.
    pub(super) fn new(io: I, heads: HeadMemo) -> Self {
        Self {
            io,
            blocks: RefCell::default(),
            heads: RefCell::new(heads),
            deadlines: RefCell::new(Deadlines::new()),
            stop_at: Cell::new(Instant::NEVER),
        }
    }

    /// Has the operations of `lane`'s socket end once `deadline` has passed.
    #[inline]
    pub(super) fn watch(&self, lane: LaneId, deadline: Instant, interrupter: Interrupter<I>) {
        self.deadlines.borrow_mut().arm(lane, deadline, Alarm::Socket(interrupter));
    }

    /// Ends the watch over `lane`; whether its deadline had passed. Must be called before its
    /// socket is dropped.
    pub(super) fn unwatch(&self, lane: LaneId) -> bool {
        self.deadlines.borrow_mut().disarm(lane)
    }

    /// Whether the deadline of `lane` has passed since it was watched.
    pub(super) fn is_late(&self, lane: LaneId) -> bool {
        self.deadlines.borrow().is_late(lane)
    }

    /// Ends what is late at `now`.
    pub(super) fn sweep(&self, now: Instant) {
        self.deadlines.borrow_mut().sweep(now, self.stop_at.get());
    }

    /// What `operation` gave; none where `deadline` or the end of a stop's grace came first. The
    /// operation is then dropped.
    pub(super) async fn until<T>(
        &self,
        lane: LaneId,
        deadline: Instant,
        operation: impl Future<Output = T>,
    ) -> Option<T> {
        let mut operation = pin!(operation);
        let mut is_armed = false;
        poll_fn(|context| {
            if let Poll::Ready(value) = operation.as_mut().poll(context) {
                self.unwatch(lane);
                return Poll::Ready(Some(value));
            }
            let mut deadlines = self.deadlines.borrow_mut();
            if deadlines.is_late(lane) {
                deadlines.disarm(lane);
                return Poll::Ready(None);
            }
            if !is_armed {
                deadlines.arm(lane, deadline, Alarm::Task(context.waker().clone()));
                is_armed = true;
            }
            Poll::Pending
        })
        .await
    }

    /// What it means that a lane's operation was ended from outside.
    pub(super) fn lateness(&self, stage: Stage, deadline: Instant) -> Failure {
        if self.io.now() < deadline {
            return Failure::new(stage, Kind::Interrupted, "the run was stopped");
        }
        let phrase = match stage {
            Stage::Dns | Stage::Connect => {
                "no connection in time; hint: --connect-timeout, --timeout"
            }
            _ => "the deadline passed; hint: --timeout",
        };
        Failure::new(stage, Kind::Timeout, phrase)
    }

    /// Whether the run is being stopped.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop_at.get() < Instant::NEVER
    }

    /// Ends whatever is in flight at `at`; NEVER takes that back.
    pub(super) fn stop_at(&self, at: Instant) {
        self.stop_at.set(at);
    }
}
