//! The rounds of a comparison: who works when, and what is kept of it.
//!
//! Knows contestants as processes, and the origin where it is the built-in one. What the numbers
//! mean is the machine's business (`machines/compare`).
//!
//! Invariant: every contestant works once in each round that is kept; a round that was cut short is
//! dropped as a whole.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::command::compare::child::{Contestant, Loss};
use crate::command::compare::contender::{Contender, labels};
use crate::command::compare::ground::Ground;
use crate::command::compare::protocol::{Assignment, Order};
use crate::command::compare::workload::Workload;
use crate::command::origin_process::OriginProcess;
use crate::engine::Stop;
use crate::io::host;
use crate::machines::compare::comparison::{Entry, Evidence, Subject};
use crate::machines::compare::order::turns;
use crate::machines::compare::slice::Slice;
use crate::words::limits::{
    COMPARE_CONTESTANTS_MAX, COMPARE_COUNTED_MAX, COMPARE_LEAD_IN, COMPARE_ROUNDS_MAX,
    COMPARE_SLICE_MAX, COMPARE_SLICE_MIN,
};
use crate::words::units;

/// A comparison to be run. Each field is an option.
#[derive(Clone, Debug)]
pub struct Compare {
    /// The file of this program, which the contestants run as well.
    pub program: PathBuf,
    /// Who is compared; the first is the baseline.
    pub contenders: Vec<Contender>,
    /// What each of them does; where it names no URL, the built-in origin's.
    pub workload: Workload,
    /// Size of the bodies that a load asks the built-in origin for.
    pub body_bytes: u64,
    /// How often each of them works.
    pub rounds: usize,
    /// How long each of them works in a round.
    pub slice: Duration,
}

/// How far a comparison has come.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// Who works now.
    pub label: &'a str,
    /// The round, from 1; none for a slice that is not timed.
    pub round: Option<usize>,
    /// How many rounds there are.
    pub rounds: usize,
}

/// Why there is no comparison.
#[derive(Debug)]
pub enum CompareError {
    /// An option has a value that cannot be used.
    Option(String),
    /// No contestant could begin, or one could not go on.
    Contestant(String),
    /// It was stopped before any round was complete.
    Stopped,
}

/// A contestant with what is kept of it.
struct Seat {
    contestant: Contestant,
    entry: Entry,
}

impl Compare {
    /// Checks the options, as every run does.
    ///
    /// # Errors
    ///
    /// [`CompareError::Option`], for a person to read.
    pub fn check(&self) -> Result<(), CompareError> {
        let bad = |text: String| Err(CompareError::Option(text));
        let (rounds, slice, count) = (self.rounds, self.slice, self.contenders.len());
        if !(1..=COMPARE_ROUNDS_MAX).contains(&rounds) {
            return bad(format!(
                "rounds must be from 1 to {COMPARE_ROUNDS_MAX}: {rounds}, hint: --rounds 10"
            ));
        }
        if !(COMPARE_SLICE_MIN..=COMPARE_SLICE_MAX).contains(&slice) {
            let (least, most) = (COMPARE_SLICE_MIN.as_millis(), COMPARE_SLICE_MAX.as_secs());
            return bad(format!(
                "a slice must be from {least} ms to {most} s: {} s, hint: --slice 1s",
                slice.as_secs_f64()
            ));
        }
        if !(1..=COMPARE_CONTESTANTS_MAX).contains(&count) {
            return bad(format!(
                "from 1 to {COMPARE_CONTESTANTS_MAX} engines can be compared: {count}, hint: \
                 --engines uring,epoll"
            ));
        }
        self.workload.check().map_err(CompareError::Option)
    }

    /// What the comparison is of, on `ground`.
    ///
    /// # Panics
    ///
    /// Never: a workload is JSON.
    #[must_use]
    pub fn subject(&self, ground: &Ground) -> Subject {
        // Without the URLs of the built-in origin, whose port is another one each time.
        let mut options = serde_json::to_value(&self.workload).expect("a workload is JSON");
        let origin_cpus = ground.origin().map(|origin| origin.cpus().to_vec());
        if origin_cpus.is_some() {
            options["body_bytes"] = self.body_bytes.into();
        }
        let workload = match origin_cpus.is_some() && matches!(self.workload, Workload::Bench(_)) {
            true => format!("{}, bodies of {}", self.workload, units::bytes(self.body_bytes)),
            false => self.workload.to_string(),
        };
        let cpus = ground.cpus().to_vec();
        Subject { machine: host::machine(), workload, options, cpus, origin_cpus }
    }

    /// Runs every round, or as many as `stop` allows, on `ground`; `watch` is told of each turn as
    /// it begins.
    ///
    /// # Errors
    ///
    /// See [`CompareError`].
    pub fn run(
        &self,
        ground: &Ground,
        stop: &Stop,
        mut watch: impl FnMut(Turn<'_>),
    ) -> Result<Evidence, CompareError> {
        self.check()?;
        let mut notes = Vec::new();
        let mut seats = self.seats(ground, stop, &mut notes)?;
        let origin = ground.origin();
        let mut meeting = Meeting { origin, stop, rounds: self.rounds, watch: &mut watch };
        let timed = Order { lead_in: COMPARE_LEAD_IN, window: self.slice, counts_syscalls: false };
        // Caches fill, connections grow their windows, the allocator its heaps: thrown away.
        let warmed = meeting.round(&mut seats, 0, None, &timed).map(drop);
        let mut is_stopped = warmed.is_err_and(|loss| matches!(loss, Loss::Stopped));
        for round in 0..self.rounds {
            if is_stopped {
                break;
            }
            match meeting.round(&mut seats, round, Some(round + 1), &timed) {
                Ok(slices) => {
                    let kept = seats.iter_mut().zip(slices);
                    kept.for_each(|(seat, slice)| seat.entry.slices.push(slice));
                }
                Err(Loss::Stopped) => is_stopped = true,
                Err(loss) => return Err(loss.into()),
            }
        }
        if seats[0].entry.slices.is_empty() {
            return Err(CompareError::Stopped);
        }
        if !is_stopped {
            let counted = Order {
                window: self.slice.min(COMPARE_COUNTED_MAX),
                counts_syscalls: true,
                ..timed
            };
            match meeting.round(&mut seats, 0, None, &counted) {
                Ok(slices) => {
                    let kept = seats.iter_mut().zip(slices);
                    kept.for_each(|(seat, slice)| seat.entry.counted = Some(slice));
                }
                Err(Loss::Stopped) => is_stopped = true,
                Err(loss) => return Err(loss.into()),
            }
        }
        Ok(self.evidence(seats, ground, is_stopped, notes))
    }

    /// The contestants, ready and at rest: the contenders in their order, and last the twin.
    fn seats(
        &self,
        ground: &Ground,
        stop: &Stop,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Seat>, CompareError> {
        let workload = ground.workload(self.workload.clone(), self.body_bytes);
        let mut seats: Vec<Seat> = Vec::new();
        let mut reasons = Vec::new();
        let mut start = |label: String, contender: Contender, notes: &mut Vec<String>| {
            let assignment = Assignment {
                label: label.clone(),
                contender,
                cpus: ground.cpus().to_vec(),
                workload: workload.clone(),
            };
            match Contestant::start(&self.program, &assignment, stop) {
                Ok(contestant) => {
                    let ready = contestant.ready();
                    notes.extend(ready.notes.iter().map(|note| format!("{label}: {note}")));
                    let entry = Entry {
                        label,
                        slices: Vec::new(),
                        counted: None,
                        connections: ready.connections,
                        rss_before_bytes: ready.rss_before_bytes,
                    };
                    Ok(Some(Seat { contestant, entry }))
                }
                Err(Loss::Unable(reason)) => {
                    notes.push(format!("{label} is left out: {reason}"));
                    reasons.push(reason);
                    Ok(None)
                }
                Err(loss) => Err(CompareError::from(loss)),
            }
        };
        let mut present = Vec::new();
        for (label, contender) in labels(&self.contenders).into_iter().zip(&self.contenders) {
            if let Some(seat) = start(label, *contender, notes)? {
                seats.push(seat);
                present.push(*contender);
            }
        }
        let twin = match present.first() {
            Some(baseline) => start(format!("{baseline} (twin)"), *baseline, notes)?,
            None => None,
        };
        match twin {
            Some(twin) => seats.push(twin),
            None => return Err(CompareError::Contestant(reasons.join("; "))),
        }
        Ok(seats)
    }

    fn evidence(
        &self,
        mut seats: Vec<Seat>,
        ground: &Ground,
        interrupted: bool,
        notes: Vec<String>,
    ) -> Evidence {
        let twin = seats.pop().expect("the twin is the last").entry;
        Evidence {
            subject: self.subject(ground),
            is_open_loop: self.workload.is_open_loop(),
            slice_s: self.slice.as_secs_f64(),
            entries: seats.into_iter().map(|seat| seat.entry).collect(),
            twin,
            interrupted,
            notes,
        }
    }
}

/// What all rounds of one comparison have in common.
struct Meeting<'a, W> {
    origin: Option<&'a OriginProcess>,
    stop: &'a Stop,
    rounds: usize,
    watch: &'a mut W,
}

impl<W: FnMut(Turn<'_>)> Meeting<'_, W> {
    /// Has every contestant work for one slice, in the order of round `idx`; the slices in the
    /// order of the seats.
    fn round(
        &mut self,
        seats: &mut [Seat],
        idx: usize,
        shown: Option<usize>,
        order: &Order,
    ) -> Result<Vec<Slice>, Loss> {
        let mut slices: Vec<Option<Slice>> = seats.iter().map(|_| None).collect();
        for turn in turns(seats.len(), idx) {
            if self.stop.is_requested() {
                return Err(Loss::Stopped);
            }
            let seat = &mut seats[turn];
            let label = seat.entry.label.as_str();
            (self.watch)(Turn { label, round: shown, rounds: self.rounds });
            let before = self.origin.and_then(OriginProcess::cpu_time);
            let mut slice = seat.contestant.work(order, self.stop)?;
            let after = self.origin.and_then(OriginProcess::cpu_time);
            slice.origin_busy_share = self.origin_busy(&slice, before, after);
            slices[turn] = Some(slice);
        }
        Ok(slices.into_iter().map(|slice| slice.expect("everyone had a turn")).collect())
    }

    /// Share of its time that the origin was busy in the window of `slice`: what a request took of
    /// its CPUs, times their rate.
    fn origin_busy(
        &self,
        slice: &Slice,
        before: Option<Duration>,
        after: Option<Duration>,
    ) -> Option<f64> {
        let used_s = after?.saturating_sub(before?).as_secs_f64();
        let cpus = self.origin?.cpus().len() as f64;
        if slice.handled == 0 {
            return None;
        }
        Some(used_s / slice.handled as f64 * slice.rate_per_s()? / cpus)
    }
}

impl From<Loss> for CompareError {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::Unable(reason) => Self::Contestant(reason),
            Loss::Gone(error) => Self::Contestant(error.to_string()),
            Loss::Stopped => Self::Stopped,
        }
    }
}

impl From<io::Error> for CompareError {
    fn from(error: io::Error) -> Self {
        Self::Contestant(error.to_string())
    }
}

impl fmt::Display for CompareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(text) => f.write_str(text),
            Self::Contestant(text) => write!(f, "cannot compare: {text}"),
            Self::Stopped => f.write_str("stopped before any round was complete"),
        }
    }
}

impl std::error::Error for CompareError {}
