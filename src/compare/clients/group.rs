//! The lanes of one CPU, or of all of them where a runtime has several threads: one order after the
//! other.
//!
//! Knows neither peers nor runtimes: how a client is made and a lane is started is handed in.
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

use crate::bench::arrivals::Arrivals;
use crate::compare::clients::client::{Client, Fault};
use crate::compare::clients::feed::{Feed, List, Schedule, Turns};
use crate::compare::clients::lane::{Cut, Lane, Shift};
use crate::compare::clients::page::Plan;
use crate::compare::clients::settings::{Pace, PeerSettings, Work};
use crate::compare::clients::tally::{Span, Tally};
use crate::runtime::Io;

/// One slice, as every group is told of it.
#[derive(Clone)]
pub(super) struct Order {
    /// Which round it belongs to: each draws its arrivals anew.
    pub(super) round: u64,
    pub(super) span: Span,
    /// The list to be fetched, where that is the work.
    pub(super) list: Option<List>,
}

/// What a group says once its slice is over, or why it cannot begin.
pub(super) type Told = Result<Tally, Fault>;

/// A group's own end of the way between it and whoever gives the orders.
pub(super) struct Post {
    pub(super) orders: flume::Receiver<Order>,
    pub(super) told: flume::Sender<Told>,
}

/// The other end.
pub(super) struct Way {
    pub(super) orders: flume::Sender<Order>,
    pub(super) told: flume::Receiver<Told>,
}

/// A way between a group and whoever gives the orders, by both its ends. Each group has one of its
/// own, so that one which is gone is missed.
pub(super) fn way() -> (Way, Post) {
    let ((orders, given), (told, heard)) = (flume::bounded(1), flume::bounded(1));
    (Way { orders, told: heard }, Post { orders: given, told })
}

/// The lanes of one CPU, or of all.
pub(super) struct Group<I> {
    pub(super) io: I,
    pub(super) settings: Arc<PeerSettings>,
    pub(super) post: Post,
    /// The CPUs whose starts of an open loop these lanes make, by their indices.
    pub(super) seats: Range<usize>,
    /// How many clients there are.
    pub(super) clients: usize,
}

impl<I: Io> Group<I> {
    /// Has lanes work as the orders say, until there are none. Each lane has a client that `make`
    /// makes; `start` starts it as a task.
    pub(super) async fn serve<C: Client>(self, make: impl Fn() -> C, start: impl Fn(Lane<I, C>)) {
        let plan = match Plan::new(&self.settings.work, &make()) {
            Ok(plan) => plan,
            Err(fault) => return drop(self.post.told.send(Err(fault))),
        };
        let mut clients = Vec::new();
        while let Ok(order) = self.post.orders.recv_async().await {
            // Those of lanes that were cut off went with their lanes.
            clients.resize_with(self.clients, &make);
            // The sleep also gives the runtime its turn: what servers closed meanwhile is known.
            self.io.sleep_until(order.span.start_at).await;
            let tally = self.work(&order, &plan, &mut clients, &start).await;
            if self.post.told.send(Ok(tally)).is_err() {
                return;
            }
        }
    }

    /// Has the `clients` work for one slice.
    async fn work<C: Client>(
        &self,
        order: &Order,
        plan: &Arc<Plan<C::Request>>,
        clients: &mut Vec<C>,
        start: &impl Fn(Lane<I, C>),
    ) -> Tally {
        let span = order.span;
        let shift = Arc::new(Shift {
            tally: Mutex::new(Tally::new(span)),
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
                    let turns = Turns::new(self.seats.start + idx, plan.target_count());
                    match schedule {
                        Some(schedule) => Feed::Open { turns, schedule: Arc::clone(schedule) },
                        None => Feed::Closed { turns, end_at: span.end_at },
                    }
                }
            };
            let (plan, shift) = (Arc::clone(plan), Arc::clone(&shift));
            start(Lane { io: self.io.clone(), client, feed, plan, shift, alive: alive.clone() });
        }
        drop(alive);
        self.wait(span, &shift.cut, &gone).await;
        if let Some(schedule) = schedule {
            schedule.lock().await.count_untaken(&mut shift.tally());
        }
        *clients = mem::take(&mut *shift.clients.lock().unwrap_or_else(PoisonError::into_inner));
        shift.tally().take()
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
        let Work::Bench(_, Pace::Open(profile, law)) = &self.settings.work else { return None };
        let (law, count) = (law.of_round(round), self.settings.cpus.len());
        let stream = |idx| Arrivals::new(Arc::clone(profile), law, idx, count, span.start_at);
        Some(Schedule::new(&self.io, self.seats.clone().map(stream).collect(), span.end_at))
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
