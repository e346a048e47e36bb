//! The deadlines of one core's lanes: one sweep every few milliseconds instead of a timer each.
//!
//! Does not know what a lane waits for: it ends the socket's operation or wakes the lane, and the
//! lane then asks whether that was its deadline.
//!
//! Invariant: a lane is watched only while its socket lives, so no descriptor of another is ever
//! shut down.

use std::task::Waker;

use crate::base::instant::Instant;
use crate::runtime::Interrupt;

/// Which lane of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneId(pub(crate) usize);

/// How a late lane is told.
#[derive(Debug)]
pub(crate) enum Alarm<T> {
    /// Its socket is shut down, which ends the operation in flight.
    Socket(T),
    /// It is woken, to drop what it waits for.
    Task(Waker),
}

impl<T: Interrupt> Interrupt for Alarm<T> {
    fn interrupt(&self) {
        match self {
            Self::Socket(socket) => socket.interrupt(),
            Self::Task(waker) => waker.wake_by_ref(),
        }
    }
}

/// What each lane must have done by when.
#[derive(Debug)]
pub(crate) struct Deadlines<T> {
    lanes: Vec<LaneDeadline<T>>,
}

/// One lane's deadline.
#[derive(Debug)]
struct LaneDeadline<T> {
    deadline: Instant,
    interrupter: Option<T>,
    is_late: bool,
}

impl<T: Interrupt> Deadlines<T> {
    /// Watches nothing yet.
    pub(crate) fn new() -> Self {
        Self { lanes: Vec::new() }
    }

    /// Ends the operations of `lane`'s socket once `deadline` has passed.
    pub(crate) fn arm(&mut self, lane: LaneId, deadline: Instant, interrupter: T) {
        while self.lanes.len() <= lane.0 {
            self.lanes.push(LaneDeadline {
                deadline: Instant::NEVER,
                interrupter: None,
                is_late: false,
            });
        }
        self.lanes[lane.0] =
            LaneDeadline { deadline, interrupter: Some(interrupter), is_late: false };
    }

    /// Watches `lane` no longer; whether its deadline had passed. Must be called before its socket
    /// is dropped.
    pub(crate) fn disarm(&mut self, lane: LaneId) -> bool {
        let Some(watched) = self.lanes.get_mut(lane.0) else { return false };
        watched.deadline = Instant::NEVER;
        watched.interrupter = None;
        std::mem::take(&mut watched.is_late)
    }

    /// Whether the deadline of `lane` has passed since it was armed.
    pub(crate) fn is_late(&self, lane: LaneId) -> bool {
        self.lanes.get(lane.0).is_some_and(|watched| watched.is_late)
    }

    /// Ends what is late at `now`. With `stop_at`, every deadline is that instant at the latest.
    pub(crate) fn sweep(&mut self, now: Instant, stop_at: Instant) {
        for watched in &mut self.lanes {
            if now >= watched.deadline.min(stop_at)
                && let Some(interrupter) = watched.interrupter.take()
            {
                watched.is_late = true;
                interrupter.interrupt();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    struct Flag(Rc<Cell<u32>>);

    impl Interrupt for Flag {
        fn interrupt(&self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn a_late_lane_is_interrupted_once_and_knows_it() {
        let hits = Rc::new(Cell::new(0));
        let mut watch = Deadlines::new();
        let at = Instant::from_ns;
        watch.arm(LaneId(1), at(10), Flag(Rc::clone(&hits)));
        watch.sweep(at(9), Instant::NEVER);
        assert_eq!(hits.get(), 0);
        watch.sweep(at(10), Instant::NEVER);
        watch.sweep(at(11), Instant::NEVER);
        assert_eq!(hits.get(), 1);
        assert!(watch.disarm(LaneId(1)));
        assert!(!watch.is_late(LaneId(1)));
        watch.arm(LaneId(1), at(50), Flag(Rc::clone(&hits)));
        assert!(!watch.disarm(LaneId(1)));
        watch.sweep(at(99), at(0));
        assert_eq!(hits.get(), 1);
    }

    #[test]
    fn a_stop_comes_before_the_deadline() {
        let hits = Rc::new(Cell::new(0));
        let mut watch = Deadlines::new();
        watch.arm(LaneId(0), Instant::from_ns(100), Flag(Rc::clone(&hits)));
        watch.sweep(Instant::from_ns(20), Instant::from_ns(20));
        assert_eq!(hits.get(), 1);
        assert!(watch.disarm(LaneId(0)));
    }
}
