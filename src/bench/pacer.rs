//! Wakes a lane at the moment when the next request is due.
//!
//! Does not know which lane takes it. Where all lanes are busy nobody is woken: the lane that ends
//! first takes what is due.
//!
//! Invariant: the pacer sleeps until something is due or has changed, but for the last moments
//! before a start where the run was told to spin; and then too, the core's timers have their turn.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::base::instant::Instant;
use crate::bench::worker::Benching;
use crate::client::worker::{Core, Task};
use crate::runtime::{Io, Timer};

/// How long a core may spin before it has to look at its timers: some of its sweeps' interval.
const SPIN_MAX: Duration = Duration::from_millis(1);

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
    async fn or(&self, other: impl Future<Output = io::Result<()>>) -> io::Result<bool> {
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

/// Gives every other task, and what the kernel has completed, one turn.
async fn turn() -> io::Result<()> {
    let mut has_waited = false;
    poll_fn(|context| {
        if has_waited {
            return Poll::Ready(Ok(()));
        }
        has_waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// Wakes lanes when requests are due, until the run is over.
pub(super) async fn run<I: Io>(core: Rc<Core<I, Benching>>) {
    let task = Task::of(&core);
    if let Err(error) = pace(&core).await {
        core.work.break_off(error);
    }
    task.ended();
}

async fn pace<I: Io>(core: &Rc<Core<I, Benching>>) -> io::Result<()> {
    let timer = core.io.timer()?;
    let (changes, spin) = (&core.work.changes, core.work.spin());
    // One wait outlives many changes: a new one for each would be an operation to cancel.
    let mut fired = pin!(timer.fired());
    let mut slept_at = core.io.now();
    while !core.is_over() {
        let (due, now) = (core.work.next_due(), core.io.now());
        let left = due.since(now);
        if due == Instant::NEVER {
            changes.or(std::future::pending()).await?;
            slept_at = now;
        } else if left.is_zero() {
            core.work.observe(now);
            core.kick();
            if core.work.next_due() <= now {
                // Whoever takes it says what is due next.
                changes.or(std::future::pending()).await?;
            }
        } else if left <= spin && now.since(slept_at) < SPIN_MAX {
            changes.or(turn()).await?;
            core.work.count_spun(now, core.io.now());
        } else {
            // A core that spins all the time would never look at its timers, deadlines among them,
            // so it sleeps for the shortest time now and then.
            timer.arm(now + left.saturating_sub(spin))?;
            if changes.or(fired.as_mut()).await? {
                fired.set(timer.fired());
            }
            slept_at = now;
        }
    }
    Ok(())
}
