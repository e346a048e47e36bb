//! The loop that loads a client: takes what is due, has it asked for, and counts it.
//!
//! Invariant: a request that a lane has begun is counted, also where the lane is cut off.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::{StreamExt, stream};

use crate::base::instant::Instant;
use crate::compare::clients::client::Client;
use crate::compare::clients::feed::{Due, Feed};
use crate::compare::clients::page::ClientPlan;
use crate::compare::clients::tally::{Done, RequestOutcome, SliceTally};
use crate::runtime::Io;

// LIMIT: requests that a lane keeps before it adds them to the tally, which needs a lock; a
// kilobyte and a half for each lane.
const BATCH: usize = 64;

/// What the lanes of one group have in common in one slice.
pub(super) struct SharedSlice<C> {
    pub(super) tally: Mutex<SliceTally>,
    /// The clients of lanes that have ended, with their connections.
    pub(super) clients: Mutex<Vec<C>>,
    pub(super) cut: Cut,
    /// Time for one request, where a slice is long enough for it to pass.
    pub(super) timeout: Option<Duration>,
}

impl<C> SharedSlice<C> {
    pub(super) fn tally(&self) -> MutexGuard<'_, SliceTally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One lane in one slice.
pub(super) struct Lane<I: Io, C: Client> {
    pub(super) io: I,
    pub(super) client: C,
    pub(super) feed: Feed<I>,
    pub(super) plan: Arc<ClientPlan<C::Request>>,
    pub(super) shared: Arc<SharedSlice<C>>,
    /// Nothing is ever sent: the other end learns when the last lane is gone.
    pub(super) alive: flume::Sender<Infallible>,
}

impl<I: Io, C: Client> Lane<I, C> {
    /// Asks for one thing after the other, until the slice is over or cut short.
    pub(super) async fn one_by_one(self) {
        let Self { io, mut client, mut feed, plan, shared, alive } = self;
        let shared = &*shared;
        let work = async {
            let mut batch = Batch::new(shared);
            while let Some(due) = feed.next(&io).await {
                batch.add(ask(&io, &mut client, &plan, due, shared).await);
            }
            drop(batch);
            shared.clients.lock().unwrap_or_else(PoisonError::into_inner).push(client);
        };
        shared.cut.or(work).await;
        drop(alive);
    }

    /// Asks for `width` things at a time, all of them in this one task.
    pub(super) async fn unordered(self, width: usize)
    where
        C: Clone,
    {
        let Self { io, client, feed, plan, shared, alive } = self;
        let work = async {
            let mut batch = Batch::new(&shared);
            // Both closures own what they use: borrowed, it would keep the task from changing
            // threads, as far as the compiler can see.
            let due = stream::unfold((io.clone(), feed), |(io, mut feed)| async move {
                let due = feed.next(&io).await?;
                Some((due, (io, feed)))
            });
            let asks = due.map(|due| {
                let (io, mut client) = (io.clone(), client.clone());
                let (plan, shared) = (Arc::clone(&plan), Arc::clone(&shared));
                async move { ask(&io, &mut client, &plan, due, &shared).await }
            });
            let mut answers = pin!(asks.buffer_unordered(width));
            while let Some(done) = answers.next().await {
                batch.add(done);
            }
            drop(batch);
        };
        shared.cut.or(work).await;
        shared.clients.lock().unwrap_or_else(PoisonError::into_inner).push(client);
        drop(alive);
    }
}

/// Makes one request.
async fn ask<I: Io, C: Client>(
    io: &I,
    client: &mut C,
    plan: &ClientPlan<C::Request>,
    due: Due,
    shared: &SharedSlice<C>,
) -> Done {
    let begun = Begun { due: Some(due.at), shared, now: || io.now() };
    let exchange = plan.exchange(client, &due.what);
    let outcome = match shared.timeout {
        None => exchange.await,
        Some(timeout) => {
            let sleep = io.sleep_until(io.now() + timeout);
            match select(pin!(exchange), pin!(sleep)).await {
                Either::Left((outcome, _)) => outcome,
                Either::Right(_) => RequestOutcome::Failed,
            }
        }
    };
    begun.end();
    Done { due: due.at, ended_at: io.now(), outcome }
}

/// A request under way. If it is dropped before its end, it was cut off, and is counted so.
struct Begun<'a, C, N: Fn() -> Instant> {
    due: Option<Instant>,
    shared: &'a SharedSlice<C>,
    now: N,
}

impl<C, N: Fn() -> Instant> Begun<'_, C, N> {
    fn end(mut self) {
        self.due = None;
    }
}

impl<C, N: Fn() -> Instant> Drop for Begun<'_, C, N> {
    fn drop(&mut self) {
        if let Some(due) = self.due {
            self.shared.tally().count_cut(due, (self.now)());
        }
    }
}

/// The requests of a lane that are not in the tally yet.
struct Batch<'a, C> {
    done: Vec<Done>,
    shared: &'a SharedSlice<C>,
}

impl<'a, C> Batch<'a, C> {
    fn new(shared: &'a SharedSlice<C>) -> Self {
        Self { done: Vec::with_capacity(BATCH), shared }
    }

    fn add(&mut self, done: Done) {
        self.done.push(done);
        if self.done.len() == BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let mut tally = self.shared.tally();
        self.done.drain(..).for_each(|done| tally.count(&done));
    }
}

impl<C> Drop for Batch<'_, C> {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Ends lanes from outside, wherever they wait.
#[derive(Default)]
pub(super) struct Cut {
    is_cut: AtomicBool,
    /// One of each lane, whose waker never changes.
    wakers: Mutex<Vec<Waker>>,
}

impl Cut {
    /// Ends the lanes.
    pub(super) fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers.drain(..).for_each(Waker::wake);
    }

    /// Does `work`, all of a task, until it is done or cut off.
    async fn or(&self, work: impl Future<Output = ()>) {
        let mut work = pin!(work);
        let mut is_known = false;
        poll_fn(|context| {
            if !is_known {
                let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
                wakers.push(context.waker().clone());
                is_known = true;
            }
            if self.is_cut.load(Ordering::Acquire) {
                return Poll::Ready(());
            }
            work.as_mut().poll(context)
        })
        .await;
    }
}
