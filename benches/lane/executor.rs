//! A single-threaded executor without a kernel: tasks take turns, alarms go off by the clock.
//!
//! Only alarms are waited for: a task that waits for anything else wakes itself.
//!
//! Invariant: a task has its next turn only after every task that was woken before it, and alarms
//! are looked at after `POLLS_MAX` polls and the end of their round.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use ringfetch::base::instant::Instant;
use ringfetch::runtime::clock;

/// Polls between two looks at the clock: often enough for sweeps every 5 ms, and too rare to be
/// seen beside a request.
const POLLS_MAX: usize = 64;
/// How long before an alarm the thread spins instead of sleeping: it would sleep in some 60 us.
const SPIN: Duration = Duration::from_micros(100);

/// What the tasks of one thread take turns on.
#[derive(Default)]
pub(crate) struct Executor {
    woken: Arc<Woken>,
    /// Tasks that have not had a turn.
    spawned: RefCell<Vec<Pin<Box<dyn Future<Output = ()>>>>>,
    alarms: RefCell<Vec<Rc<Alarm>>>,
}

/// Indices of tasks that want a turn, in the order of their waking.
#[derive(Default)]
struct Woken(Mutex<Vec<usize>>);

impl Woken {
    fn push(&self, task: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    /// Takes what is there, and leaves the room of `into`, which is empty.
    fn take(&self, into: &mut Vec<usize>) {
        assert!(into.is_empty(), "every task of the last round had its turn");
        std::mem::swap(into, &mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Wakes one task. An atomic count and a lock, since a waker may go anywhere; nobody contends.
struct Bell {
    task: usize,
    woken: Arc<Woken>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.push(self.task);
    }
}

/// A task that has not ended.
struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    waker: Waker,
}

impl Executor {
    /// Runs what `begin` makes, and whatever it spawns meanwhile, until it ends.
    pub(crate) fn run<T: 'static, F: Future<Output = T> + 'static>(
        begin: impl FnOnce(Rc<Self>) -> F,
    ) -> T {
        let executor = Rc::new(Self::default());
        let output = Rc::new(Cell::new(None));
        let (first, place) = (begin(Rc::clone(&executor)), Rc::clone(&output));
        executor.spawn(async move { place.set(Some(first.await)) });
        let (mut tasks, mut round, mut polls) = (Vec::new(), Vec::new(), 0);
        loop {
            executor.take_in(&mut tasks);
            executor.woken.take(&mut round);
            polls += round.len();
            if round.is_empty() {
                executor.wait();
            } else if polls >= POLLS_MAX {
                executor.ring(clock::now());
                polls = 0;
            }
            for idx in round.drain(..) {
                poll(&mut tasks[idx]);
            }
            if let Some(output) = output.take() {
                return output;
            }
        }
    }

    /// Gives `task` its turns from now on.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.spawned.borrow_mut().push(Box::pin(task));
    }

    /// An alarm that goes off once it is set. It is looked after until it is dropped.
    pub(crate) fn alarm(&self) -> Rc<Alarm> {
        let alarm = Rc::new(Alarm::default());
        self.alarms.borrow_mut().push(Rc::clone(&alarm));
        alarm
    }

    /// Makes tasks of what was spawned, and wakes them.
    fn take_in(&self, tasks: &mut Vec<Option<Task>>) {
        for future in self.spawned.borrow_mut().drain(..) {
            let bell = Bell { task: tasks.len(), woken: Arc::clone(&self.woken) };
            self.woken.push(tasks.len());
            tasks.push(Some(Task { future, waker: Waker::from(Arc::new(bell)) }));
        }
    }

    /// Lets alarms go off that are set for `now` or before, and forgets those that nobody has.
    fn ring(&self, now: Instant) {
        self.alarms.borrow_mut().retain(|alarm| {
            if alarm.at.get() <= now {
                alarm.go_off();
            }
            Rc::strong_count(alarm) > 1
        });
    }

    /// Sleeps until shortly before the next alarm, and looks whether it goes off.
    fn wait(&self) {
        let next = self.alarms.borrow().iter().map(|alarm| alarm.at.get()).min();
        let next = next.filter(|at| *at < Instant::NEVER);
        let next = next.expect("where every task waits, one of them waits for an alarm");
        let left = next.since(clock::now());
        if left > SPIN {
            clock::pause(left - SPIN);
        }
        self.ring(clock::now());
    }
}

/// Gives a task a turn, unless it has ended: it may have been woken more than once.
fn poll(task: &mut Option<Task>) {
    let Some(Task { future, waker }) = task else { return };
    if future.as_mut().poll(&mut Context::from_waker(waker)).is_ready() {
        *task = None;
    }
}

/// Lets every other task that is awake have its turn first.
pub(crate) async fn give_turn() {
    let mut has_waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Goes off at one instant; can be set again and again.
pub(crate) struct Alarm {
    /// When it goes off; NEVER where it is not set.
    at: Cell<Instant>,
    has_gone_off: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            at: Cell::new(Instant::NEVER),
            has_gone_off: Cell::default(),
            waker: RefCell::default(),
        }
    }
}

impl Alarm {
    /// Has it go off at `at`; what it did before is forgotten.
    pub(crate) fn set(&self, at: Instant) {
        self.at.set(at);
        self.has_gone_off.set(false);
    }

    /// Waits until it has gone off since it was set.
    pub(crate) async fn gone_off(&self) {
        poll_fn(|context| {
            if self.has_gone_off.replace(false) {
                return Poll::Ready(());
            }
            *self.waker.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn go_off(&self) {
        self.at.set(Instant::NEVER);
        self.has_gone_off.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}
