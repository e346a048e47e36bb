//! The one lane loop: take a job, drive its exchange, settle it.
//!
//! Invariant: a job that a lane took is settled exactly once, also where its exchange panics.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use crate::base::failure::{Failure, Kind, Stage};
use crate::client::connection::Berth;
use crate::client::deadlines::LaneId;
use crate::client::exchange::exchange;
use crate::client::exchanged::{End, Exchanged};
use crate::client::worker::{Task, Worker};
use crate::client::workload::{Next, Work};
use crate::runtime::Io;

/// Starts `lane` on its core.
pub(crate) fn start<I: Io, W: Work>(worker: &Rc<Worker<I, W>>, lane: LaneId) {
    worker.lanes.core.io.spawn(run(Rc::clone(worker), lane));
}

/// Works on one job after the other until the run is over.
async fn run<I: Io, W: Work>(worker: Rc<Worker<I, W>>, lane: LaneId) {
    let task = Task::of(&worker);
    let (mut turn, mut berth, mut now) = (W::Turn::default(), Berth::default(), None);
    loop {
        // A match lets go of what it took apart; a `while let` would keep a second copy of the job
        // in every lane that waits for an answer.
        let (job, taken_at) = match worker.next(lane, &mut turn, &mut berth, now).await {
            Some(next) => next,
            None => break,
        };
        let exchanged = {
            // Pinned where it is: a future of this size is not moved for nothing.
            let exchange = pin!(exchange(&worker, lane, &job, &mut berth, taken_at));
            guarded(exchange).await
        };
        let exchanged = exchanged.unwrap_or_else(|| {
            worker.lanes.core.unwatch(lane);
            berth.clear();
            let phrase = "a bug in ringfetch: the lane panicked; please report it";
            let end = End::Failed(Failure::new(Stage::Head, Kind::Panic, phrase));
            // It may have been sent: how it ended at the server is not known.
            let (sent, sent_at) = (worker.work.question(&job).count, taken_at);
            let now = worker.lanes.core.io.now();
            Exchanged { sent, sent_at, ..Exchanged::without_answer(end, now) }
        });
        now = match worker.work.settle(&worker.lanes, job, exchanged) {
            Next::Job(now) => now,
            Next::Wait(wait) => {
                wait.await;
                None
            }
            Next::Hold(wait) => {
                worker.lanes.hold_while(wait).await;
                None
            }
        };
    }
    worker.lanes.count_end();
    task.ended();
}

/// What `work` gives, or none where it panics: one job's bug must not end a core.
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
