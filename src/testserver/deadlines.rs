//! The deadlines of one worker's connections: one sweep for all instead of a timer each.
//!
//! A connection whose time is over has its socket shut down and its task woken, whatever it does.
//!
//! Invariant: a connection is watched only while its socket lives, so no descriptor is shut down
//! that the kernel has given away since.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use crate::base::instant::Instant;
use crate::runtime::Interrupt;

/// The watched connections of one worker.
#[derive(Debug)]
pub(super) struct WatchedConnections<T>(Rc<RefCell<Vec<Rc<WatchedConnection<T>>>>>);

/// What is known of one connection.
#[derive(Debug)]
struct WatchedConnection<T> {
    interrupter: T,
    deadline: Cell<Instant>,
    is_over: Cell<bool>,
    pausing: RefCell<Option<Waker>>,
    /// Its index among the watched connections.
    place: Cell<usize>,
}

/// Keeps a connection watched. It must be dropped before the socket is.
#[derive(Debug)]
pub(super) struct ConnectionWatch<T> {
    connections: WatchedConnections<T>,
    watched: Rc<WatchedConnection<T>>,
}

impl<T> Clone for WatchedConnections<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> Default for WatchedConnections<T> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<T: Interrupt> WatchedConnections<T> {
    /// Watches one more connection, which `interrupter` ends.
    pub(super) fn enter(&self, interrupter: T) -> ConnectionWatch<T> {
        let mut connections = self.0.borrow_mut();
        let watched = Rc::new(WatchedConnection {
            interrupter,
            deadline: Cell::new(Instant::NEVER),
            is_over: Cell::new(false),
            pausing: RefCell::new(None),
            place: Cell::new(connections.len()),
        });
        connections.push(Rc::clone(&watched));
        ConnectionWatch { connections: self.clone(), watched }
    }

    /// Ends every connection whose deadline is not after `now`; at [`Instant::NEVER`] that is all.
    pub(super) fn sweep(&self, now: Instant) {
        for watched in self.0.borrow().iter().filter(|watched| watched.deadline.get() <= now) {
            watched.is_over.set(true);
            watched.interrupter.interrupt();
            if let Some(waker) = watched.pausing.take() {
                waker.wake();
            }
        }
    }

    /// Whether there is no connection.
    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }
}

impl<T> ConnectionWatch<T> {
    /// Ends the connection at `deadline`, unless a later one is set before.
    pub(super) fn set_deadline(&self, deadline: Instant) {
        self.watched.deadline.set(deadline);
    }

    /// Whether the connection is to end.
    pub(super) fn is_over(&self) -> bool {
        self.watched.is_over.get()
    }

    /// Has `waker` woken when the connection is to end.
    pub(super) fn wake_at_end(&self, waker: &Waker) {
        *self.watched.pausing.borrow_mut() = Some(waker.clone());
    }
}

impl<T> Drop for ConnectionWatch<T> {
    fn drop(&mut self) {
        let mut connections = self.connections.0.borrow_mut();
        let place = self.watched.place.get();
        connections.swap_remove(place);
        if let Some(moved) = connections.get(place) {
            moved.place.set(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Counted(Rc<Cell<u32>>);

    impl Interrupt for Counted {
        fn interrupt(&self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn only_the_late_are_ended_and_those_that_left_never() {
        let connections = WatchedConnections::default();
        let counts: Vec<Counted> = (0..4).map(|_| Counted::default()).collect();
        let mut watches: Vec<_> =
            counts.iter().map(|count| connections.enter(count.clone())).collect();
        for (watch, ns) in watches.iter().zip([10, 20, 30, 40]) {
            watch.set_deadline(Instant::from_ns(ns));
        }
        // The last takes the place of the one that leaves.
        drop(watches.remove(0));
        connections.sweep(Instant::from_ns(20));
        let count = |idx: usize| counts[idx].0.get();
        assert_eq!([count(0), count(1), count(2), count(3)], [0, 1, 0, 0]);
        assert!(watches[0].is_over() && !watches[1].is_over());
        drop(watches.remove(0));
        drop(watches.remove(1));
        connections.sweep(Instant::NEVER);
        assert_eq!([count(0), count(1), count(2), count(3)], [0, 1, 1, 0]);
        drop(watches);
        assert!(connections.is_empty());
    }
}
