//! The one lane loop: take a job, drive it, and hand on what came of it.
//!
//! Knows neither sockets nor framing (`drive`), nor which job is next and what its end means
//! (`work`).
//!
//! Invariant: a job that a lane took is settled exactly once, also where the driving of it panics.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use crate::base::failure::{Failure, Kind, Stage};
use crate::client::deadlines::LaneId;
use crate::client::exchange::{self, Berth, Exchanged};
use crate::client::worker::{Core, Task};
use crate::client::workload::{Next, Work};
use crate::runtime::Io;

/// Works on one job after the other until the run is over.
pub(crate) async fn run<I: Io, W: Work>(core: Rc<Core<I, W>>, lane: LaneId) {
    let task = Task::of(&core);
    let (mut turn, mut berth, mut now) = (W::Turn::default(), Berth::default(), None);
    loop {
        // A match lets go of what it took apart; a `while let` would keep a second copy of the job
        // in every lane that waits for an answer.
        let (mut job, taken_at) = match core.next(lane, &mut turn, &mut berth, now).await {
            Some(next) => next,
            None => break,
        };
        let exchanged = {
            // Pinned where it is: a future of this size is not moved for nothing.
            let exchange = pin!(exchange::exchange(&core, lane, &mut job, &mut berth, taken_at));
            guarded(exchange).await
        };
        let exchanged = exchanged.unwrap_or_else(|| {
            core.watch.borrow_mut().disarm(lane);
            berth.clear();
            let phrase = "a bug in ringfetch: the lane panicked; please report it";
            let failure = Failure::new(Stage::Head, Kind::Panic, phrase);
            Ok(Exchanged::failed(failure, core.io.now()))
        });
        now = match W::settle(&core, job, exchanged) {
            Next::Job(now) => now,
            Next::Wait(wait) => {
                wait.await;
                None
            }
        };
    }
    core.lane_ended(task);
}

/// What `work` comes to, or none where it panics: one job's bug must not end a core.
async fn guarded<T>(mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    poll_fn(|context| {
        // After a panic the future is dropped, never polled again, and the cells that it shares
        // with other lanes are borrowed only between two awaits.
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Ready(value)) => Poll::Ready(Some(value)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}
