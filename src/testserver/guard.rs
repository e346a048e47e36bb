//! The connections of one core: their deadlines, and their end when the core stops.
//!
//! Does not know what a connection is doing: it shuts its socket down and wakes its task.
//!
//! Invariant: a connection is guarded only while its socket lives, so no descriptor of another is
//! ever shut down.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use crate::base::instant::Instant;
use crate::runtime::Interrupt;

/// The guarded connections of one core.
#[derive(Debug)]
pub(super) struct Guards<T>(Rc<RefCell<Vec<Rc<Guard<T>>>>>);

/// What is known of one connection.
#[derive(Debug)]
pub(super) struct Guard<T> {
    interrupter: T,
    deadline: Cell<Instant>,
    is_over: Cell<bool>,
    pausing: RefCell<Option<Waker>>,
    /// Where it stands among the others.
    place: Cell<usize>,
}

/// Keeps a connection guarded; to be dropped before its socket.
#[derive(Debug)]
pub(super) struct Entry<T> {
    guards: Guards<T>,
    guard: Rc<Guard<T>>,
}

impl<T> Clone for Guards<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> Default for Guards<T> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<T: Interrupt> Guards<T> {
    /// Guards one more connection, which `interrupter` ends.
    pub(super) fn enter(&self, interrupter: T) -> Entry<T> {
        let mut guards = self.0.borrow_mut();
        let guard = Rc::new(Guard {
            interrupter,
            deadline: Cell::new(Instant::NEVER),
            is_over: Cell::new(false),
            pausing: RefCell::new(None),
            place: Cell::new(guards.len()),
        });
        guards.push(Rc::clone(&guard));
        Entry { guards: self.clone(), guard }
    }

    /// Ends every connection whose deadline has come at `now`; all of them at [`Instant::NEVER`].
    pub(super) fn sweep(&self, now: Instant) {
        for guard in self.0.borrow().iter().filter(|guard| guard.deadline.get() <= now) {
            guard.is_over.set(true);
            guard.interrupter.interrupt();
            if let Some(waker) = guard.pausing.take() {
                waker.wake();
            }
        }
    }

    /// Whether there is no connection.
    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }
}

impl<T> Entry<T> {
    /// Ends the connection's operations at `deadline`, if they have not ended by then.
    pub(super) fn set_deadline(&self, deadline: Instant) {
        self.guard.deadline.set(deadline);
    }

    /// Whether the connection shall end.
    pub(super) fn is_over(&self) -> bool {
        self.guard.is_over.get()
    }

    /// Has `waker` woken when the connection shall end.
    pub(super) fn wake_at_end(&self, waker: &Waker) {
        *self.guard.pausing.borrow_mut() = Some(waker.clone());
    }
}

impl<T> Drop for Entry<T> {
    fn drop(&mut self) {
        let mut guards = self.guards.0.borrow_mut();
        let place = self.guard.place.get();
        guards.swap_remove(place);
        if let Some(moved) = guards.get(place) {
            moved.place.set(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Rung(Rc<Cell<u32>>);

    impl Interrupt for Rung {
        fn interrupt(&self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn only_the_late_are_ended_and_those_that_left_never() {
        let guards = Guards::default();
        let rungs: Vec<Rung> = (0..4).map(|_| Rung::default()).collect();
        let mut entries: Vec<_> = rungs.iter().map(|rung| guards.enter(rung.clone())).collect();
        for (entry, ns) in entries.iter().zip([10, 20, 30, 40]) {
            entry.set_deadline(Instant::from_ns(ns));
        }
        // The last takes the place of the one that leaves.
        drop(entries.remove(0));
        guards.sweep(Instant::from_ns(20));
        let rung = |idx: usize| rungs[idx].0.get();
        assert_eq!([rung(0), rung(1), rung(2), rung(3)], [0, 1, 0, 0]);
        assert!(entries[0].is_over() && !entries[1].is_over());
        drop(entries.remove(0));
        drop(entries.remove(1));
        guards.sweep(Instant::NEVER);
        assert_eq!([rung(0), rung(1), rung(2), rung(3)], [0, 1, 1, 0]);
        drop(entries);
        assert!(guards.is_empty());
    }
}
