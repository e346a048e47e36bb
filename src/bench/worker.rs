//! One core's part of a bench, as its lanes see it: what is asked next, and how it is settled.
//!
//! Does not decide when a request is due (`trial`) nor what is noted of it (`recorder`).
//!
//! Invariant: a request is in exactly one place of its trial's ledger, whatever becomes of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::base::failure::{Cause, Failure, Kind, Stage};
use crate::base::instant::Instant;
use crate::base::limits::CONNECTIONS_MAX;
use crate::bench::block_size::BlockSize;
use crate::bench::call::{BenchCall, Prepared, Purpose};
use crate::bench::events::Ways;
use crate::bench::recorder::{BenchAnswer, Start};
use crate::bench::session::Session;
use crate::bench::shared::Shared;
use crate::bench::trial::TrialStage;
use crate::bench::verdict::Mode;
use crate::client::answer::{Answer, AnswerHead, Arrival};
use crate::client::exchanged::{End, Exchanged};
use crate::client::lanes::Lanes;
use crate::client::pool::IdleOrder;
use crate::client::question::Question;
use crate::client::worker::WorkerSettings;
use crate::client::workload::{Next, Work};
use crate::runtime::Io;
use crate::runtime::launch::Placement;

/// How long a lane of a closed loop pauses after it could not connect.
const RECONNECT_PAUSE: Duration = Duration::from_millis(1);

/// One core's part of a bench.
pub(super) struct BenchWork {
    pub(super) session: Session,
    shared: Arc<Shared>,
    targets: Targets,
    block_size: BlockSize,
    /// Lists of due times that wait to be used again.
    lists: RefCell<Vec<Vec<Instant>>>,
}

/// Every target, in the order of its turns.
struct Targets {
    all: Vec<Rc<Prepared>>,
    turn: Cell<usize>,
}

impl Targets {
    fn next(&self) -> Rc<Prepared> {
        let turn = self.turn.get();
        self.turn.set(if turn + 1 == self.all.len() { 0 } else { turn + 1 });
        Rc::clone(&self.all[turn])
    }
}

impl Answer for BenchAnswer {
    const KNOWS_HEADS: bool = true;

    fn handle_head(&mut self, head: &AnswerHead<'_>) -> Result<(), Failure> {
        self.status = head.status;
        Ok(())
    }

    fn handle_known_head(&mut self, status: u16) {
        self.status = status;
    }

    fn handle_body(&mut self, part: &[u8]) -> Result<(), Failure> {
        self.body_bytes += part.len() as u64;
        Ok(())
    }
}

impl Work for BenchWork {
    type Job = BenchCall;
    type Turn = ();
    type Answer = BenchAnswer;

    // Whoever asks for a number of connections wants that number to be used.
    const IDLE_ORDER: IdleOrder = IdleOrder::OldestFirst;
    const KEEPS_CONNECTIONS: bool = true;

    fn take<I: Io>(&self, lanes: &Lanes<I>, (): &mut (), now: Instant) -> Option<BenchCall> {
        let call = self.next_call(now)?;
        lanes.set_in_flight(lanes.in_flight() + 1);
        Some(call)
    }

    fn has_ready(&self) -> bool {
        self.session.has_ready()
    }

    /// Never to be repeated: the server may have seen the first one, and its count must equal ours.
    fn question<'a>(&'a self, call: &'a BenchCall) -> Question<'a> {
        Question {
            target: &call.prepared.target,
            request: &self.shared.settings.request,
            rendered: Some(&call.prepared.rendered),
            count: call.count(),
            may_repeat: false,
            deadline: call.deadline,
            block_bytes: self.block_size.for_answers(call.count()),
        }
    }

    fn answer(&self) -> BenchAnswer {
        BenchAnswer::default()
    }

    fn handle_answer(&self, call: &BenchCall, idx: usize, answer: &BenchAnswer, arrival: Arrival) {
        let start = Start { due: call.due(idx), sent_at: Some(arrival.sent_at) };
        self.session.recorder.borrow_mut().handle_answer(start, *answer, arrival);
        self.block_size.expect(arrival.wire_bytes);
        call.count_answer(idx);
    }

    fn settle<I: Io>(
        &self,
        lanes: &Lanes<I>,
        mut call: BenchCall,
        exchanged: Exchanged<BenchAnswer>,
    ) -> Next {
        let in_flight = lanes.in_flight();
        lanes.set_in_flight(in_flight - 1);
        let failure = match exchanged.end {
            End::Complete => None,
            End::Failed(failure) | End::NotBegun(failure) => Some(failure),
            End::NoRoom(errno) => {
                lanes.pause_for_room();
                if call.count_pause() {
                    self.put_back(call);
                    return Next::Job(None);
                }
                let (stage, cause) = (Stage::Connect, Cause::Os(errno));
                Some(Failure { stage, kind: Kind::Exhausted, cause })
            }
        };
        let ended_at = exchanged.ended_at;
        if in_flight == lanes.most() {
            self.session.with_trial(|trial| trial.saturated_at = ended_at);
        }
        let connect_ns = exchanged.opening.connect_ns;
        if connect_ns > 0 && failure.is_none_or(is_behind_connect) {
            self.session.recorder.borrow_mut().handle_connected(connect_ns);
        }
        if call.purpose == Purpose::Open {
            if let Some(opening) = &mut *self.session.opening.borrow_mut() {
                opening.handle_opened(failure);
            }
            return Next::Job(None);
        }
        let Some(failure) = failure else {
            self.keep_list(call.into_list());
            return Next::Job(Some(ended_at));
        };
        self.handle_failure(&call, failure, &exchanged);
        self.keep_list(call.into_list());
        if !is_behind_connect(failure) && self.session.is_closed_loop() {
            // A host that refuses at once would be asked as fast as the core can.
            let (io, until) = (lanes.core.io.clone(), ended_at + RECONNECT_PAUSE);
            return Next::Wait(Box::pin(async move { io.sleep_until(until).await }));
        }
        Next::Job(None)
    }

    fn sweep<I: Io>(&self, lanes: &Lanes<I>, now: Instant) {
        self.session.sweep(lanes, now);
    }

    fn may_end<I: Io>(&self, lanes: &Lanes<I>) -> bool {
        lanes.in_flight() == 0 && self.session.may_end()
    }

    fn end(&self) {
        self.session.changes.tell();
    }
}

/// Whether the connection was there when it failed.
fn is_behind_connect(failure: Failure) -> bool {
    !matches!(failure.stage, Stage::Dns | Stage::Connect)
}

impl BenchWork {
    /// The part of the core at `placement`.
    pub(super) fn new(shared: Arc<Shared>, placement: Placement, ways: Ways) -> Self {
        let settings = &shared.settings;
        let prepare = |target| Prepared::new(target, &settings.request, settings.pipeline);
        let all = settings.targets.iter().cloned().map(|t| Rc::new(prepare(t))).collect();
        // Cores begin at different places, so that a short list is not asked for in step.
        let turn = placement.idx * settings.targets.len() / placement.count;
        let lanes = placement.share_of(settings.connections);
        Self {
            session: Session::new(Arc::clone(&shared), placement, ways),
            targets: Targets { all, turn: Cell::new(turn) },
            block_size: BlockSize::new(lanes),
            lists: RefCell::default(),
            shared,
        }
    }

    /// What the core at `placement` is told of such a run.
    pub(super) fn settings(shared: &Shared, placement: Placement) -> WorkerSettings {
        let settings = &shared.settings;
        let lanes_max = placement.share_of(settings.connections);
        WorkerSettings {
            lanes_max,
            connections_max: lanes_max.saturating_mul(shared.origins.len()).min(CONNECTIONS_MAX),
            idle_per_route_max: lanes_max,
            // Only the server may close a connection of a bench.
            idle_max: Duration::MAX,
            connect_timeout: settings.connect_timeout,
        }
    }

    /// Begins to open connections for `lanes`.
    pub(super) fn open(&self, now: Instant, lanes: usize) {
        let origins = self.shared.origins.iter().map(|idx| Rc::clone(&self.targets.all[*idx]));
        self.session.open(origins.collect(), now, lanes);
    }

    fn next_call(&self, now: Instant) -> Option<BenchCall> {
        if let Some(opening) = &mut *self.session.opening.borrow_mut() {
            return opening.take(now);
        }
        let settings = &self.shared.settings;
        let deadline = now + settings.timeout;
        let list = || if settings.pipeline > 1 { self.lists.borrow_mut().pop() } else { None };
        let taken = self.session.with_trial(|trial| {
            if let Some(mut call) = trial.returned.pop() {
                call.put_off(deadline);
                return Some(call);
            }
            let mut more = list().unwrap_or_default();
            let recorder = &mut *self.session.recorder.borrow_mut();
            let Some(first) = trial.take_due(now, settings.pipeline, recorder, &mut more) else {
                self.keep_list(more);
                return None;
            };
            if trial.mode() == Mode::Open && trial.next_due() > now {
                // What the pacer waits for was taken, and what comes next is not due yet.
                self.session.changes.tell();
            }
            Some(BenchCall::ask(self.targets.next(), first, more, deadline))
        });
        taken.flatten()
    }

    /// Keeps `call` until the kernel has room for its connection.
    fn put_back(&self, call: BenchCall) {
        if let Some(opening) = &mut *self.session.opening.borrow_mut() {
            opening.put_back();
            return;
        }
        let kept = self.session.with_trial(|trial| {
            trial.returned.push(call);
            if trial.stage == TrialStage::Draining {
                trial.skip_returned(&mut self.session.recorder.borrow_mut());
            }
        });
        kept.expect("a trial waits for its requests");
    }

    fn keep_list(&self, mut list: Vec<Instant>) {
        // Without a pipeline the list never got any memory.
        if list.capacity() > 0 {
            list.clear();
            self.lists.borrow_mut().push(list);
        }
    }

    fn handle_failure(
        &self,
        call: &BenchCall,
        failure: Failure,
        exchanged: &Exchanged<BenchAnswer>,
    ) {
        let mut recorder = self.session.recorder.borrow_mut();
        // A stop interrupts what is in flight just after the end that it names.
        let now = match failure.kind {
            Kind::Interrupted => exchanged.ended_at.max(recorder.planned_end()),
            _ => exchanged.ended_at,
        };
        for start in call.unanswered(exchanged.sent, exchanged.sent_at) {
            recorder.handle_failure(start, failure, now);
        }
    }
}
