//! One exchange of one job: on an idle connection or a new one, all under one deadline.

use std::pin::pin;

use crate::base::failure::{Failure, Kind, Stage};
use crate::base::instant::Instant;
use crate::client::answer::Arrival;
use crate::client::asker::Asker;
use crate::client::connection::Berth;
use crate::client::connections::NotOpened;
use crate::client::deadlines::LaneId;
use crate::client::exchanged::{End, Exchanged, OpeningTimes};
use crate::client::http1::Carried;
use crate::client::lanes::Lanes;
use crate::client::question::Question;
use crate::client::worker::Worker;
use crate::client::workload::Work;
use crate::runtime::Io;

/// A workload that asks for one of its jobs.
struct JobAsker<'a, W: Work> {
    work: &'a W,
    job: &'a W::Job,
}

impl<W: Work> Clone for JobAsker<'_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W: Work> Copy for JobAsker<'_, W> {}

impl<W: Work> Asker for JobAsker<'_, W> {
    type Answer = W::Answer;

    #[inline]
    fn question(&self) -> Question<'_> {
        self.work.question(self.job)
    }

    #[inline]
    fn answer(&self) -> W::Answer {
        self.work.answer()
    }

    #[inline]
    fn handle_answer(&self, idx: usize, answer: &W::Answer, arrival: Arrival) {
        self.work.handle_answer(self.job, idx, answer, arrival);
    }
}

/// Drives one exchange for `job`, and one more on a fresh connection where a reused one turns out
/// to be closed.
pub(super) async fn exchange<I: Io, W: Work>(
    worker: &Worker<I, W>,
    lane: LaneId,
    job: &W::Job,
    berth: &mut Berth<I::Socket>,
    mut now: Instant,
) -> Exchanged<W::Answer> {
    let Worker { lanes, work, .. } = worker;
    if now >= work.question(job).deadline {
        let phrase = "the deadline passed before the next try could start; hint: --timeout";
        let failure = Failure::new(Stage::Connect, Kind::Timeout, phrase);
        return Exchanged::without_answer(End::NotBegun(failure), now);
    }
    let mut opening = OpeningTimes::default();
    let mut is_reused = {
        let question = work.question(job);
        question.count > 0 && lanes.connections.dock_idle(berth, question.target.route(), now)
    };
    loop {
        if is_reused {
            lanes.connections.count(|counts| counts.reused += 1);
        } else {
            // Boxed, since it is rare and large: a lane that only asks stays small.
            let in_flight = || lanes.in_flight();
            let (core, question) = (&lanes.core, work.question(job));
            let open = lanes.connections.open(core, lane, question, in_flight, &mut opening);
            let connection = match Box::pin(open).await {
                Ok(connection) => connection,
                Err(why) => return not_opened(&why, opening, lanes.core.io.now()),
            };
            now = connection.idle_since();
            if work.question(job).count == 0 {
                lanes.connections.check_in(connection);
                let none = Exchanged::without_answer(End::Complete, now);
                return Exchanged { opening, ..none };
            }
            berth.dock(connection);
        }
        let carried = {
            // Pinned where it is, since an await moves a future once more.
            let connection = berth.used();
            pin!(connection.carry(&lanes.core, lane, JobAsker { work, job }, now)).await
        };
        let may_repeat = is_reused && carried.is_unanswered && work.question(job).may_repeat;
        let mut exchanged = put_away::<I, W>(lanes, berth, carried);
        // The server may close an idle socket at any moment, so the first failure on a *reused*
        // connection says nothing about the server. Retry once on a fresh one; never twice.
        if !may_repeat || lanes.core.is_stopping() {
            exchanged.opening = opening;
            return exchanged;
        }
        tracing::trace!(url = work.question(job).target.url(), "a reused connection was closed");
        lanes.connections.count(|counts| counts.stale_retries += 1);
        is_reused = false;
    }
}

/// Puts the connection of the lane away after an exchange: it is kept here or in the pool where it
/// is clean, else closed.
#[inline]
fn put_away<I: Io, W: Work>(
    lanes: &Lanes<I>,
    berth: &mut Berth<I::Socket>,
    mut carried: Carried<W::Answer>,
) -> Exchanged<W::Answer> {
    if berth.used().handle_carried(&mut carried) {
        lanes.connections.count(|counts| counts.served += 1);
    }
    if carried.is_clean {
        berth.keep();
        if !W::KEEPS_CONNECTIONS {
            lanes.connections.release(berth);
        }
    } else {
        berth.clear();
    }
    carried.exchanged
}

/// The exchange for which no connection could be opened, and `why`.
fn not_opened<A>(why: &NotOpened, opening: OpeningTimes, now: Instant) -> Exchanged<A> {
    let (end, ip) = match *why {
        NotOpened::NoRoom(errno) => (End::NoRoom(errno), None),
        NotOpened::Failed(failure, ip) => (End::Failed(failure), ip),
    };
    Exchanged { opening, ip, ..Exchanged::without_answer(end, now) }
}
