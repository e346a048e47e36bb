//! One exchange of one job: on an idle connection or a new one, all under one deadline.

use crate::base::failure::{Failure, Kind, Stage};
use crate::base::instant::Instant;
use crate::client::answer::{Arrival, Receiver};
use crate::client::connection::Berth;
use crate::client::connections::NotOpened;
use crate::client::deadlines::LaneId;
use crate::client::exchanged::{End, Exchanged, OpeningTimes};
use crate::client::http1::Carried;
use crate::client::lanes::Lanes;
use crate::client::question::Question;
use crate::client::workload::Workload;
use crate::runtime::Io;

/// Who the answers to one job are for.
struct JobReceiver<'a, W: Workload> {
    work: &'a W,
    job: &'a W::Job,
}

impl<W: Workload> Receiver for JobReceiver<'_, W> {
    type Answer = W::Answer;

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
pub(super) async fn exchange<I: Io, W: Workload>(
    lanes: &Lanes<I>,
    work: &W,
    lane: LaneId,
    job: &W::Job,
    berth: &mut Berth<I::Socket>,
    now: Instant,
) -> Exchanged<W::Answer> {
    let (connections, question) = (&lanes.connections, work.question(job));
    let receiver = JobReceiver { work, job };
    if now >= question.deadline {
        let phrase = "the deadline passed before the next try could start; hint: --timeout";
        let failure = Failure::new(Stage::Connect, Kind::Timeout, phrase);
        return Exchanged::without_answer(End::NotBegun(failure), now);
    }
    let is_asked = question.count > 0;
    if is_asked && connections.dock_idle(berth, question.target.route(), now) {
        connections.count(|counts| counts.reused += 1);
        let (exchanged, is_unanswered) = ask(lanes, lane, &question, &receiver, berth, now).await;
        // The server may close an idle socket at any moment, so the first failure on a *reused*
        // connection says nothing about the server. Retry once on a fresh one; never twice.
        if !(is_unanswered && question.may_repeat) || lanes.core.is_stopping() {
            return exchanged;
        }
        tracing::trace!(url = question.target.url(), "a reused connection was closed");
        connections.count(|counts| counts.stale_retries += 1);
    }
    let mut opening = OpeningTimes::default();
    // Boxed, since it is rare and large: a lane that only asks stays small.
    let in_flight = lanes.in_flight();
    let open = connections.open(&lanes.core, lane, &question, in_flight, &mut opening);
    let connection = match Box::pin(open).await {
        Ok(connection) => connection,
        Err(NotOpened::NoRoom(errno)) => {
            let none = Exchanged::without_answer(End::NoRoom(errno), lanes.core.io.now());
            return Exchanged { opening, ..none };
        }
        Err(NotOpened::Failed(failure, ip)) => {
            let none = Exchanged::without_answer(End::Failed(failure), lanes.core.io.now());
            return Exchanged { opening, ip, ..none };
        }
    };
    let now = connection.idle_since();
    if !is_asked {
        connections.check_in(connection);
        return Exchanged { opening, ..Exchanged::without_answer(End::Complete, now) };
    }
    berth.dock(connection);
    let (exchanged, _) = ask(lanes, lane, &question, &receiver, berth, now).await;
    Exchanged { opening, ..exchanged }
}

/// Asks `question` on the lane's connection; also whether that failed, by itself, before the first
/// byte of an answer.
async fn ask<I: Io, W: Workload>(
    lanes: &Lanes<I>,
    lane: LaneId,
    question: &Question<'_>,
    receiver: &JobReceiver<'_, W>,
    berth: &mut Berth<I::Socket>,
    now: Instant,
) -> (Exchanged<W::Answer>, bool) {
    let connection = berth.used();
    let had_served = connection.has_served();
    let carried = connection.carry(&lanes.core, lane, question, receiver, now).await;
    let Carried { failure, answer, wire_bytes, sent, first_byte_ns, ended_at, .. } = carried;
    if connection.has_served() && !had_served {
        lanes.connections.count(|counts| counts.served += 1);
    }
    let ip = Some(connection.ip());
    if carried.is_clean {
        berth.keep();
        if !W::KEEPS_CONNECTIONS {
            lanes.connections.release(berth);
        }
    } else {
        berth.clear();
    }
    let exchanged = Exchanged {
        end: failure.map_or(End::Complete, End::Failed),
        answer: Some(answer),
        wire_bytes,
        ip,
        opening: OpeningTimes::default(),
        sent_at: Some(now),
        sent,
        first_byte_ns,
        ended_at,
    };
    (exchanged, carried.is_unanswered)
}
