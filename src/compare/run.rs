//! The rounds of a comparison: who works when, and what is kept of it.
//!
//! Knows contestants as processes, and the origin where it is the built-in one. What the numbers
//! mean is the machine's business (`machines/compare`).
//!
//! Invariant: every contestant works once in each round that is kept; a round that was cut short is
//! dropped as a whole.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::limits::{
    COMPARE_CONTESTANTS_MAX, COMPARE_COUNTED_MAX, COMPARE_LEAD_IN, COMPARE_ROUNDS_MAX,
    COMPARE_SLICE_MAX, COMPARE_SLICE_MIN, COMPARE_TURN, COMPARE_TURNS_MAX, DESCRIPTORS_KEPT,
};
use crate::base::units;
use crate::client::Stop;
use crate::compare::child::{Contestant, Loss};
use crate::compare::comparison::{Entry, Evidence, Subject};
use crate::compare::contender::{Contender, labels};
use crate::compare::ground::Ground;
use crate::compare::order::turns;
use crate::compare::protocol::{Assignment, SliceOrder};
use crate::compare::server_process::OriginProcess;
use crate::compare::slice::Slice;
use crate::compare::workload::Workload;
use crate::os::host;
use crate::os::system;
use crate::testserver::IDLE_DEFAULT;

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
        if self.turns_per_slice().saturating_mul(rounds) > COMPARE_TURNS_MAX {
            return bad(format!(
                "rounds and slices make more than {COMPARE_TURNS_MAX} turns, hint: fewer --rounds"
            ));
        }
        self.workload.check().map_err(CompareError::Option)
    }

    /// What the comparison is of, on `ground`, as the lists of URLs are now.
    ///
    /// # Errors
    ///
    /// [`CompareError::Option`], where a list cannot be read.
    pub fn subject(&self, ground: &Ground) -> Result<Subject, CompareError> {
        // Without the URLs of the built-in origin, whose port is another one each time.
        let mut options = self.workload.fingerprint().map_err(CompareError::Option)?;
        let origin_cpus = ground.origin().map(|origin| origin.cpus().to_vec());
        if origin_cpus.is_some() {
            options["body_bytes"] = self.body_bytes.into();
        }
        let workload = match origin_cpus.is_some() && matches!(self.workload, Workload::Bench(_)) {
            true => format!("{}, bodies of {}", self.workload, units::bytes(self.body_bytes)),
            false => self.workload.to_string(),
        };
        let cpus = ground.cpus().to_vec();
        let own = origin_cpus.iter().flatten().copied();
        let share_core = host::share_core(&cpus, &own.collect::<Vec<_>>());
        let machine = host::machine();
        Ok(Subject { machine, workload, options, cpus, origin_cpus, share_core })
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
        self.check_on(ground)?;
        let subject = self.subject(ground)?;
        let mut notes = self.ground_notes(ground);
        let mut seats = self.seats(ground, stop, &mut notes)?;
        let origin = ground.origin();
        let mut meeting = Meeting { origin, stop, rounds: self.rounds, watch: &mut watch };
        let turns = self.turns_per_slice();
        let turn = SliceOrder {
            number: 0,
            round: 0,
            lead_in: COMPARE_LEAD_IN,
            window: self.slice / u32::try_from(turns).unwrap_or(u32::MAX),
            counts_syscalls: false,
        };
        // Caches fill, connections grow their windows, the allocator its heaps: thrown away.
        meeting.turn(&mut seats, None, &SliceOrder { window: self.slice, ..turn })?;
        let mut is_stopped = false;
        for round in 0..self.rounds {
            match meeting.round(&mut seats, round, turns, &turn) {
                Ok(()) => {}
                Err(CompareError::Stopped) if round > 0 => {
                    is_stopped = true;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        if !is_stopped {
            let window = self.slice.min(COMPARE_COUNTED_MAX);
            let counted = SliceOrder { window, counts_syscalls: true, ..turn };
            match meeting.turn(&mut seats, None, &counted) {
                Ok(slices) => {
                    let kept = seats.iter_mut().zip(slices);
                    kept.for_each(|(seat, slice)| seat.entry.counted = Some(slice));
                }
                Err(CompareError::Stopped) => is_stopped = true,
                // What was timed is worth as much without the counts.
                Err(error) => notes.push(format!("system calls were not counted: {error}")),
            }
        }
        Ok(self.evidence(subject, seats, is_stopped, notes))
    }

    /// In how many turns each slice is worked: a closed loop in many short ones, so that what the
    /// machine does meanwhile is seen by all alike; other work in one, since a fetch takes its time
    /// to begin, and few requests know no percentiles.
    fn turns_per_slice(&self) -> usize {
        if self.workload.is_open_loop() || !matches!(self.workload, Workload::Bench(_)) {
            return 1;
        }
        let turns = self.slice.as_nanos() / COMPARE_TURN.as_nanos();
        usize::try_from(turns).unwrap_or(1).max(1)
    }

    /// Checks the options as [`Compare::check`], and what of them depends on the ground.
    ///
    /// # Errors
    ///
    /// [`CompareError::Option`], for a person to read.
    pub fn check_on(&self, ground: &Ground) -> Result<(), CompareError> {
        self.check()?;
        self.check_connections(ground)
    }

    /// Refuses more connections, of all contestants together, than the origin or the ports of this
    /// host allow: contestants with fewer than they were to have cannot be compared.
    fn check_connections(&self, ground: &Ground) -> Result<(), CompareError> {
        let contestants = self.contenders.len() + 1;
        let wanted = self.workload.connections().saturating_mul(contestants);
        let refused = |most: usize, of: &str| {
            Err(CompareError::Option(format!(
                "{contestants} contestants with {} connections each are more than the {most} {of}, \
                 hint: a smaller -c, or fewer --engines",
                self.workload.connections()
            )))
        };
        if ground.origin().is_none() || !matches!(self.workload, Workload::Bench(_)) {
            return Ok(());
        }
        let limit = system::raise_descriptor_limit().unwrap_or(usize::MAX);
        let open_max = limit.saturating_sub(DESCRIPTORS_KEPT);
        if wanted > open_max {
            return refused(open_max, "that the built-in origin may have open");
        }
        match host::ephemeral_ports() {
            Some(ports) if wanted > ports => refused(ports, "ports that this host has for them"),
            _ => Ok(()),
        }
    }

    /// What is to be said of the ground and of this build.
    fn ground_notes(&self, ground: &Ground) -> Vec<String> {
        let mut notes = Vec::new();
        if cfg!(debug_assertions) {
            notes.push(
                "this is a debug build: its figures are of no use, hint: cargo build --release"
                    .to_owned(),
            );
        }
        if cfg!(feature = "slowed") {
            notes.push("this build can slow contestants down on purpose, for tests".to_owned());
        }
        let resting = self.slice * u32::try_from(self.contenders.len()).unwrap_or(u32::MAX);
        if ground.origin().is_some() && resting >= IDLE_DEFAULT {
            notes.push(format!(
                "connections rest for {} s between two slices, and the built-in origin closes them \
                 after {} s: they are opened anew, hint: a shorter --slice",
                resting.as_secs(),
                IDLE_DEFAULT.as_secs()
            ));
        }
        notes
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
                    let means = &ready.means;
                    notes.extend(means.notes.iter().map(|note| format!("{label}: {note}")));
                    if means.connections > 0 && means.connections < workload.connections() {
                        notes.push(format!(
                            "{label} has {} of {} connections: it does not do what the others do",
                            means.connections,
                            workload.connections()
                        ));
                    }
                    let entry = Entry {
                        label,
                        slices: Vec::new(),
                        counted: None,
                        connections: means.connections,
                        cores: means.cores,
                        rss_before_bytes: ready.rss_before_bytes,
                    };
                    Ok(Some(Seat { contestant, entry }))
                }
                Err(Loss::Unable(reason)) => {
                    notes.push(format!("{label} is left out: {reason}"));
                    reasons.push(reason);
                    Ok(None)
                }
                Err(loss) => Err(loss.of(&label)),
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
        subject: Subject,
        mut seats: Vec<Seat>,
        interrupted: bool,
        notes: Vec<String>,
    ) -> Evidence {
        let twin = seats.pop().expect("the twin is the last").entry;
        Evidence {
            subject,
            is_open_loop: self.workload.is_open_loop(),
            wanted_per_s: self.workload.wanted_per_s(),
            slice_s: self.slice.as_secs_f64(),
            turns_per_slice: self.turns_per_slice(),
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
    /// Has every contestant work for its slice of round `idx`, in so many turns, and keeps what
    /// came of them; where that fails, nothing of the round.
    fn round(
        &mut self,
        seats: &mut [Seat],
        idx: usize,
        turns: usize,
        order: &SliceOrder,
    ) -> Result<(), CompareError> {
        let before = idx * turns;
        for turn in before..before + turns {
            let worked = self.turn(seats, Some((idx, turn)), order);
            if worked.is_err() {
                seats.iter_mut().for_each(|seat| seat.entry.slices.truncate(before));
            }
            let kept = seats.iter_mut().zip(worked?);
            kept.for_each(|(seat, slice)| seat.entry.slices.push(slice));
        }
        Ok(())
    }

    /// Has every contestant work for one turn; what came of it, in the order of the seats. `place`
    /// is the round and the turn, from 0, and none for what is not timed.
    fn turn(
        &mut self,
        seats: &mut [Seat],
        place: Option<(usize, usize)>,
        order: &SliceOrder,
    ) -> Result<Vec<Slice>, CompareError> {
        let (round, turn) = place.unwrap_or_default();
        // Each turn of an open loop has other arrivals, the same for everybody.
        let order = SliceOrder { round: turn as u64, ..*order };
        let mut slices: Vec<Option<Slice>> = seats.iter().map(|_| None).collect();
        for idx in turns(seats.len(), turn) {
            if self.stop.is_requested() {
                return Err(CompareError::Stopped);
            }
            let seat = &mut seats[idx];
            let label = seat.entry.label.as_str();
            (self.watch)(Turn { label, round: place.map(|_| round + 1), rounds: self.rounds });
            let before = self.origin.and_then(OriginProcess::cpu_time);
            let worked = seat.contestant.work(&order, self.stop);
            let mut slice = worked.map_err(|loss| loss.of(label))?;
            let after = self.origin.and_then(OriginProcess::cpu_time);
            slice.origin_busy_share = self.origin_busy(&slice, before, after);
            slices[idx] = Some(slice);
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

impl Loss {
    /// What it means that this happened to contestant `label`.
    fn of(self, label: &str) -> CompareError {
        match self {
            Self::Unable(reason) => CompareError::Contestant(format!("{label}: {reason}")),
            Self::Gone(error) => CompareError::Contestant(format!("{label}: {error}")),
            Self::Stopped => CompareError::Stopped,
        }
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
