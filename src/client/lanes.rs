//! The lanes of one core: how many there are, who waits, and what holds them back.
//!
//! Does not know what they work on.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::task::{Context, Waker};

use crate::base::instant::Instant;
use crate::base::limits::EXHAUSTED_PAUSE;
use crate::client::connections::Connections;
use crate::client::core::Core;
use crate::client::deadlines::LaneId;
use crate::runtime::Io;

/// What the lanes of one core share.
pub(crate) struct Lanes<I: Io> {
    pub(crate) core: Core<I>,
    pub(crate) connections: Connections<I>,
    most: usize,
    /// Lanes that were started and have not ended.
    count: Cell<usize>,
    in_flight: Cell<usize>,
    /// Lanes that wait with what keeps any job from starting.
    holds: Cell<usize>,
    exhausted_until: Cell<Instant>,
    /// Whether a lane waits because of one of those two.
    has_held_back: Cell<bool>,
    is_over: Cell<bool>,
    waiting: RefCell<Waiting>,
}

/// Lanes that wait for a change of the core's state.
#[derive(Default)]
struct Waiting {
    lanes: Vec<Option<Waker>>,
    /// Lanes with a waker, the latest last: it is the one whose memory is warm.
    idle: Vec<usize>,
}

/// What a job that may start needs.
pub(super) enum Started {
    /// Nothing: a lane was woken, or none is free.
    Nothing,
    /// A new lane.
    Lane(LaneId),
}

impl<I: Io> Lanes<I> {
    /// No lane yet, and `most` of them at the most.
    pub(super) fn new(core: Core<I>, connections: Connections<I>, most: usize) -> Self {
        Self {
            core,
            connections,
            most,
            count: Cell::new(0),
            in_flight: Cell::new(0),
            holds: Cell::new(0),
            exhausted_until: Cell::default(),
            has_held_back: Cell::new(false),
            is_over: Cell::new(false),
            waiting: RefCell::default(),
        }
    }

    /// How many there may be.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// How many have a job, or a turn that goes on.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    /// Says how many have a job, or a turn that goes on.
    pub(crate) fn set_in_flight(&self, count: usize) {
        self.in_flight.set(count);
    }

    /// Starts no job until `wait` is over.
    pub(crate) async fn hold_while(&self, wait: impl Future<Output = ()>) {
        self.holds.set(self.holds.get() + 1);
        wait.await;
        self.holds.set(self.holds.get() - 1);
        self.let_go(self.core.io.now());
    }

    /// Whether some lane holds the others back.
    pub(crate) fn is_holding(&self) -> bool {
        self.holds.get() > 0
    }

    /// Starts no job for a while: the kernel has no room for a connection.
    pub(crate) fn pause_for_room(&self) {
        self.exhausted_until.set(self.core.io.now() + EXHAUSTED_PAUSE);
        self.connections.give_up_one();
    }

    /// Ends whatever is in flight at `at`; NEVER takes that back.
    pub(crate) fn stop_at(&self, at: Instant) {
        self.core.stop_at(at);
        // Those that wait with a turn give it back.
        self.wake_all();
    }

    /// Whether the run is over for this core.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Whether no job may start at `now`, whichever it is. Whoever asks is woken once one may.
    pub(super) fn hold_back(&self, now: Instant) -> bool {
        let is_held_back = !self.core.is_stopping() && self.is_held_back(now);
        if is_held_back {
            self.has_held_back.set(true);
        }
        is_held_back
    }

    fn is_held_back(&self, now: Instant) -> bool {
        self.holds.get() > 0 || self.exhausted_until.get() > now
    }

    /// Wakes the lanes that were held back, once nothing holds them back any more.
    fn let_go(&self, now: Instant) {
        if !self.is_held_back(now) && self.has_held_back.replace(false) {
            self.wake_all();
        }
    }

    /// Lets `lane` wait until it is woken.
    pub(super) fn park(&self, lane: LaneId, context: &Context<'_>) {
        let waiting = &mut *self.waiting.borrow_mut();
        if waiting.lanes.len() <= lane.0 {
            waiting.lanes.resize(lane.0 + 1, None);
        }
        if waiting.lanes[lane.0].replace(context.waker().clone()).is_none() {
            waiting.idle.push(lane.0);
        }
    }

    /// Wakes one lane for a job that may start; where none waits, a new one is to be started if
    /// there may be more.
    pub(super) fn wake_one(&self) -> Started {
        let waiting = &mut *self.waiting.borrow_mut();
        if let Some(lane) = waiting.idle.pop() {
            waiting.lanes[lane].take().expect("an idle lane has a waker").wake();
            return Started::Nothing;
        }
        if self.count.get() == self.most {
            return Started::Nothing;
        }
        let lane = LaneId(self.count.get());
        self.count.set(lane.0 + 1);
        Started::Lane(lane)
    }

    /// Counts the end of a lane.
    pub(super) fn count_end(&self) {
        self.count.set(self.count.get() - 1);
    }

    /// Whether no lane is left.
    pub(super) fn have_ended(&self) -> bool {
        self.count.get() == 0
    }

    /// What is done every few milliseconds, and for no request in particular.
    pub(super) fn sweep(&self, now: Instant) {
        self.core.sweep(now);
        self.connections.expire(now);
        self.let_go(now);
    }

    /// Has every lane end.
    pub(super) fn end(&self) {
        self.is_over.set(true);
        self.wake_all();
    }

    fn wake_all(&self) {
        let waiting = &mut *self.waiting.borrow_mut();
        waiting.idle.clear();
        waiting.lanes.drain(..).flatten().for_each(Waker::wake);
    }
}
