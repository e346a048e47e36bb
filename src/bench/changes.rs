//! The word from a core's lanes to its pacer that what is due next has changed.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Poll, Waker};

/// Says to the pacer that what is due next has changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    is_changed: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Changes {
    /// What is due next has changed.
    pub(super) fn tell(&self) {
        self.is_changed.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Waits for a change, or for `other` to end; whether it was that.
    pub(super) async fn or(&self, other: impl Future<Output = io::Result<()>>) -> io::Result<bool> {
        let mut other = pin!(other);
        poll_fn(|context| {
            if self.is_changed.replace(false) {
                return Poll::Ready(Ok(false));
            }
            if let Poll::Ready(result) = other.as_mut().poll(context) {
                return Poll::Ready(result.map(|()| true));
            }
            *self.waker.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}
