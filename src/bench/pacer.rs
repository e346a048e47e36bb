//! Wakes a lane at the moment when the next request is due.
//!
//! Where all lanes are busy none is woken: the lane that ends first takes what is due.
//!
//! Invariant: the pacer sleeps until something is due or has changed, but for the last moments
//! before a start where `--spin` is on; even then the core's timers have their turn.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::base::instant::Instant;
use crate::bench::worker::BenchWork;
use crate::client::worker::{Task, Worker};
use crate::runtime::{Io, Timer};

/// How long a core may spin before it has to look at its timers: some of its sweeps' interval.
const SPIN_MAX: Duration = Duration::from_millis(1);

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
pub(super) async fn run<I: Io>(worker: Rc<Worker<I, BenchWork>>) {
    let task = Task::of(&worker);
    if let Err(error) = pace(&worker).await {
        worker.work.session.break_off(error);
    }
    task.ended();
}

async fn pace<I: Io>(worker: &Rc<Worker<I, BenchWork>>) -> io::Result<()> {
    let (io, session) = (&worker.lanes.core.io, &worker.work.session);
    let timer = io.timer()?;
    let (changes, spin) = (&session.changes, session.shared.settings.spin);
    // One wait outlives many changes: a new one for each would be an operation to cancel.
    let mut fired = pin!(timer.fired());
    let mut slept_at = io.now();
    while !worker.lanes.is_over() {
        let (due, now) = (session.next_due(), io.now());
        let left = due.since(now);
        if due == Instant::NEVER {
            changes.or(std::future::pending()).await?;
            slept_at = now;
        } else if left.is_zero() {
            session.observe(now);
            worker.kick();
            if session.next_due() <= now {
                // Whoever takes it says what is due next.
                changes.or(std::future::pending()).await?;
            }
        } else if left <= spin && now.since(slept_at) < SPIN_MAX {
            changes.or(turn()).await?;
            session.recorder.borrow_mut().handle_spun(now, io.now());
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
