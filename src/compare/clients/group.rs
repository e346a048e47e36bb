//! The lanes of one CPU, or of all of them where a runtime has several threads: one order after the
//! other.
//!
//! How a client is made and how a lane is started are arguments, so no client and no runtime is
//! named here.
//!
//! Invariant: a slice is reported once all of its lanes are gone; their clients, and with them the
//! connections, stay for the next.

use std::convert::Infallible;
use std::mem;
use std::ops::Range;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};

use crate::bench::Loop;
use crate::bench::arrivals::Arrivals;
use crate::compare::clients::client::{Client, ClientFault};
use crate::compare::clients::feed::{Feed, RoundRobin, Schedule, SharedList};
use crate::compare::clients::lane::{Cut, Lane, SharedSlice};
use crate::compare::clients::page::ClientPlan;
use crate::compare::clients::settings::ClientSettings;
use crate::compare::clients::tally::{SliceTally, Span};
use crate::compare::clients::work::ClientWork;
use crate::runtime::Io;

/// The order for one slice, which every group gets.
#[derive(Clone)]
pub(super) struct GroupOrder {
    /// An open loop draws its arrivals by this number.
    pub(super) round: u64,
    pub(super) span: Span,
    /// The list to be fetched, where that is the work.
    pub(super) list: Option<SharedList>,
}

/// What a group counted in its slice, or why it cannot begin.
pub(super) type GroupResult = Result<SliceTally, ClientFault>;

/// A group's own end of the channels between it and the one that gives the orders.
pub(super) struct GroupEnd {
    pub(super) orders: flume::Receiver<GroupOrder>,
    pub(super) tallies: flume::Sender<GroupResult>,
}

/// The end of the one that gives the orders.
pub(super) struct GroupHandle {
    pub(super) orders: flume::Sender<GroupOrder>,
    pub(super) tallies: flume::Receiver<GroupResult>,
}

/// Makes the channels between a group and the one that gives the orders. Each group has its own, so
/// that one that is gone is noticed.
pub(super) fn group_channel() -> (GroupHandle, GroupEnd) {
    let ((orders, given), (tallies, heard)) = (flume::bounded(1), flume::bounded(1));
    (GroupHandle { orders, tallies: heard }, GroupEnd { orders: given, tallies })
}

/// The lanes of one CPU, or of all.
pub(super) struct Group<I> {
    pub(super) io: I,
    pub(super) settings: Arc<ClientSettings>,
    pub(super) end: GroupEnd,
    /// The CPUs, by their indices, whose starts of an open loop these lanes make.
    pub(super) cpu_idxs: Range<usize>,
    /// How many clients there are.
    pub(super) clients: usize,
}

impl<I: Io> Group<I> {
    /// Has lanes work as the orders say, until there are none. Each lane has a client that `make`
    /// makes; `start` starts it as a task.
    pub(super) async fn serve<C: Client>(self, make: impl Fn() -> C, start: impl Fn(Lane<I, C>)) {
        let plan = match ClientPlan::new(&self.settings.work, &make()) {
            Ok(plan) => plan,
            Err(fault) => return drop(self.end.tallies.send(Err(fault))),
        };
        let mut clients = Vec::new();
        while let Ok(order) = self.end.orders.recv_async().await {
            // Lanes that were cut off took their clients with them.
            clients.resize_with(self.clients, &make);
            // The sleep also gives the runtime its turn: what servers closed meanwhile is known.
            self.io.sleep_until(order.span.start_at).await;
            let tally = self.work(&order, &plan, &mut clients, &start).await;
            if self.end.tallies.send(Ok(tally)).is_err() {
                return;
            }
        }
    }

    /// Has the `clients` work for one slice.
    async fn work<C: Client>(
        &self,
        order: &GroupOrder,
        plan: &Arc<ClientPlan<C::Request>>,
        clients: &mut Vec<C>,
        start: &impl Fn(Lane<I, C>),
    ) -> SliceTally {
        let span = order.span;
        let shared = Arc::new(SharedSlice {
            tally: Mutex::new(SliceTally::new(span)),
            clients: Mutex::default(),
            cut: Cut::default(),
            timeout: self.timeout(span),
        });
        let schedule =
            self.schedule(span, order.round).map(|s| Arc::new(tokio::sync::Mutex::new(s)));
        let (alive, gone) = flume::bounded(1);
        for (idx, client) in mem::take(clients).into_iter().enumerate() {
            let feed = match (&order.list, &schedule) {
                (Some(list), _) => Feed::List(Arc::clone(list)),
                (None, schedule) => {
                    let targets = RoundRobin::new(self.cpu_idxs.start + idx, plan.target_count());
                    match schedule {
                        Some(schedule) => Feed::Open { targets, schedule: Arc::clone(schedule) },
                        None => Feed::Closed { targets, end_at: span.end_at },
                    }
                }
            };
            let (plan, shared) = (Arc::clone(plan), Arc::clone(&shared));
            start(Lane { io: self.io.clone(), client, feed, plan, shared, alive: alive.clone() });
        }
        drop(alive);
        self.wait(span, &shared.cut, &gone).await;
        if let Some(schedule) = schedule {
            schedule.lock().await.count_untaken(&mut shared.tally());
        }
        *clients = mem::take(&mut *shared.clients.lock().unwrap_or_else(PoisonError::into_inner));
        shared.tally().take()
    }

    /// Waits for the last lane, and has those cut off that take too long.
    async fn wait(&self, span: Span, cut: &Cut, gone: &flume::Receiver<Infallible>) {
        let sleep = self.io.sleep_until(span.cut_at);
        if let Either::Right((_, gone)) = select(gone.recv_async(), pin!(sleep)).await {
            cut.cut();
            // Nothing is sent, so this waits for the end.
            let _ = gone.await;
        }
    }

    /// Time for one request, where that can pass within the slice: what is under way at its end is
    /// cut off anyway, and a timer for each request would be work for nothing.
    fn timeout(&self, span: Span) -> Option<Duration> {
        Some(self.settings.timeout).filter(|timeout| *timeout < span.until.since(span.start_at))
    }

    /// The starts of these lanes in an open loop.
    fn schedule(&self, span: Span, round: u64) -> Option<Schedule<I>> {
        let ClientWork::Bench(_, Loop::Open(profile, law)) = &self.settings.work else {
            return None;
        };
        let (law, count) = (law.of_round(round), self.settings.cpus.len());
        let stream = |idx| Arrivals::new(Arc::clone(profile), law, idx, count, span.start_at);
        Some(Schedule::new(&self.io, self.cpu_idxs.clone().map(stream).collect(), span.end_at))
    }
}

/// Waits until every sender of `alive` is gone, but no longer than `patience`.
pub(super) async fn wait_for<I: Io>(
    io: &I,
    alive: flume::Receiver<Infallible>,
    patience: Duration,
) {
    let sleep = pin!(io.sleep_until(io.now() + patience));
    select(alive.into_recv_async(), sleep).await;
}
