//! The lanes of one CPU, or of all of them where a runtime has several threads: one order after the
//! other.
//!
//! Knows neither clients nor runtimes: how a client is made and a lane is started is handed in.
//!
//! Invariant: a slice is told of once all of its lanes are gone; their clients, and with them the
//! connections, are there for the next.

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

/// One slice, as every group is told of it.
#[derive(Clone)]
pub(super) struct GroupOrder {
    /// Which round it belongs to: each draws its arrivals anew.
    pub(super) round: u64,
    pub(super) span: Span,
    /// The list to be fetched, where that is the work.
    pub(super) list: Option<SharedList>,
}

/// What a group says once its slice is over, or why it cannot begin.
pub(super) type GroupReply = Result<SliceTally, ClientFault>;

/// A group's own end of the channels between it and whoever gives the orders.
pub(super) struct GroupEnd {
    pub(super) orders: flume::Receiver<GroupOrder>,
    pub(super) told: flume::Sender<GroupReply>,
}

/// The other end.
pub(super) struct GroupHandle {
    pub(super) orders: flume::Sender<GroupOrder>,
    pub(super) told: flume::Receiver<GroupReply>,
}

/// Channels between a group and whoever gives the orders, by both its ends. Each group has one of its
/// own, so that one which is gone is missed.
pub(super) fn group_channel() -> (GroupHandle, GroupEnd) {
    let ((orders, given), (told, heard)) = (flume::bounded(1), flume::bounded(1));
    (GroupHandle { orders, told: heard }, GroupEnd { orders: given, told })
}

/// The lanes of one CPU, or of all.
pub(super) struct Group<I> {
    pub(super) io: I,
    pub(super) settings: Arc<ClientSettings>,
    pub(super) end: GroupEnd,
    /// The CPUs whose starts of an open loop these lanes make, by their indices.
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
            Err(fault) => return drop(self.end.told.send(Err(fault))),
        };
        let mut clients = Vec::new();
        while let Ok(order) = self.end.orders.recv_async().await {
            // Those of lanes that were cut off went with their lanes.
            clients.resize_with(self.clients, &make);
            // The sleep also gives the runtime its turn: what servers closed meanwhile is known.
            self.io.sleep_until(order.span.start_at).await;
            let tally = self.work(&order, &plan, &mut clients, &start).await;
            if self.end.told.send(Ok(tally)).is_err() {
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
            // It can only end.
            let _ = gone.await;
        }
    }

    /// Time for one request, where that can pass within the slice: what is under way at its end is
    /// cut off anyway, and a timer for each request would be work for nothing.
    fn timeout(&self, span: Span) -> Option<Duration> {
        Some(self.settings.timeout).filter(|timeout| *timeout < span.until.since(span.start_at))
    }

    /// The starts that are for these lanes, where the loop is open.
    fn schedule(&self, span: Span, round: u64) -> Option<Schedule<I>> {
        let ClientWork::Bench(_, Loop::Open(profile, law)) = &self.settings.work else {
            return None;
        };
        let (law, count) = (law.of_round(round), self.settings.cpus.len());
        let stream = |idx| Arrivals::new(Arc::clone(profile), law, idx, count, span.start_at);
        Some(Schedule::new(&self.io, self.cpu_idxs.clone().map(stream).collect(), span.end_at))
    }
}

/// Waits until what holds `alive`'s other ends is gone, but no longer than `patience`.
pub(super) async fn wait_for<I: Io>(
    io: &I,
    alive: flume::Receiver<Infallible>,
    patience: Duration,
) {
    let sleep = pin!(io.sleep_until(io.now() + patience));
    select(alive.into_recv_async(), sleep).await;
}
