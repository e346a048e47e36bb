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

use crate::base::limits::DESCRIPTORS_KEPT;
use crate::base::units;
use crate::client::Stop;
use crate::compare::contestant::{Contestant, labels};
use crate::compare::contestant_process::{ContestantProcess, Loss};
use crate::compare::measurements::{ContestantRecord, Measurements};
use crate::compare::order::turns;
use crate::compare::protocol::{Assignment, SliceOrder};
use crate::compare::server_process::TestServerProcess;
use crate::compare::slice::Slice;
use crate::compare::subject::Subject;
use crate::compare::testbed::Testbed;
use crate::compare::workload::Workload;
use crate::os::host;
use crate::os::system;
use crate::testserver::IDLE_DEFAULT;

/// Default rounds of a comparison.
pub const ROUNDS_DEFAULT: usize = 10;
/// Most rounds of a comparison.
const ROUNDS_MAX: usize = 10_000;
/// Shortest slice: below it the steps in which the kernel counts CPU time show.
const SLICE_MIN: Duration = Duration::from_millis(50);
/// Longest slice.
const SLICE_MAX: Duration = Duration::from_secs(3600);
/// How long one turn of a closed loop is, roughly; a slice is spread over as many turns as it holds.
/// What others do on the machine comes in bursts, and a median hides those that few turns see: a
/// hundred turns of 100 ms told a ratio to 2 %, ten of a second to 5 to 10 %, on a shared virtual
/// machine.
const TURN: Duration = Duration::from_millis(50);
// LIMIT: turns of each contestant: the slice of every one is kept.
const TURNS_MAX: usize = 100_000;
/// Most contestants of a comparison.
const CONTESTANTS_MAX: usize = 32;
/// How long a contestant works before its turn is measured: caches are warm again by then.
const LEAD_IN: Duration = Duration::from_millis(10);
/// Longest slice in which system calls are counted: counts need no more.
const COUNTED_MAX: Duration = Duration::from_millis(500);

/// A comparison to be run. Each field is an option.
#[derive(Clone, Debug)]
pub struct Compare {
    /// The file of this program, which the contestants run as well.
    pub program: PathBuf,
    /// Who is compared; the first is the baseline.
    pub contestants: Vec<Contestant>,
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
struct RunningContestant {
    process: ContestantProcess,
    record: ContestantRecord,
}

impl Compare {
    /// Checks the options, as every run does.
    ///
    /// # Errors
    ///
    /// [`CompareError::Option`], for a person to read.
    pub fn check(&self) -> Result<(), CompareError> {
        let bad = |text: String| Err(CompareError::Option(text));
        let (rounds, slice, count) = (self.rounds, self.slice, self.contestants.len());
        if !(1..=ROUNDS_MAX).contains(&rounds) {
            return bad(format!(
                "rounds must be from 1 to {ROUNDS_MAX}: {rounds}, hint: --rounds 10"
            ));
        }
        if !(SLICE_MIN..=SLICE_MAX).contains(&slice) {
            let (least, most) = (SLICE_MIN.as_millis(), SLICE_MAX.as_secs());
            return bad(format!(
                "a slice must be from {least} ms to {most} s: {} s, hint: --slice 1s",
                slice.as_secs_f64()
            ));
        }
        if !(1..=CONTESTANTS_MAX).contains(&count) {
            return bad(format!(
                "from 1 to {CONTESTANTS_MAX} engines can be compared: {count}, hint: \
                 --engines uring,epoll"
            ));
        }
        if self.turns_per_slice().saturating_mul(rounds) > TURNS_MAX {
            return bad(format!(
                "rounds and slices make more than {TURNS_MAX} turns, hint: fewer --rounds"
            ));
        }
        self.workload.check().map_err(CompareError::Option)
    }

    /// What the comparison is of, on `testbed`, as the lists of URLs are now.
    ///
    /// # Errors
    ///
    /// [`CompareError::Option`], where a list cannot be read.
    pub fn subject(&self, testbed: &Testbed) -> Result<Subject, CompareError> {
        // Without the URLs of the built-in origin, whose port is another one each time.
        let mut options = self.workload.fingerprint().map_err(CompareError::Option)?;
        let server_cpus = testbed.server().map(|server| server.cpus().to_vec());
        if server_cpus.is_some() {
            options["body_bytes"] = self.body_bytes.into();
        }
        let workload = match server_cpus.is_some() && matches!(self.workload, Workload::Bench(_)) {
            true => format!("{}, bodies of {}", self.workload, units::bytes(self.body_bytes)),
            false => self.workload.to_string(),
        };
        let cpus = testbed.cpus().to_vec();
        let own = server_cpus.iter().flatten().copied();
        let share_core = host::share_core(&cpus, &own.collect::<Vec<_>>());
        let machine = host::machine();
        Ok(Subject { machine, workload, options, cpus, server_cpus, share_core })
    }

    /// Runs every round, or as many as `stop` allows, on `testbed`; `watch` is told of each turn as
    /// it begins.
    ///
    /// # Errors
    ///
    /// See [`CompareError`].
    pub fn run(
        &self,
        testbed: &Testbed,
        stop: &Stop,
        mut watch: impl FnMut(Turn<'_>),
    ) -> Result<Measurements, CompareError> {
        self.check_on(testbed)?;
        let subject = self.subject(testbed)?;
        let mut notes = self.testbed_notes(testbed);
        let mut contestants = self.start_contestants(testbed, stop, &mut notes)?;
        let server = testbed.server();
        let mut rounds = Rounds { server, stop, rounds: self.rounds, watch: &mut watch };
        let turns = self.turns_per_slice();
        let turn = SliceOrder {
            number: 0,
            round: 0,
            lead_in: LEAD_IN,
            window: self.slice / u32::try_from(turns).unwrap_or(u32::MAX),
            counts_syscalls: false,
        };
        // Caches fill, connections grow their windows, the allocator its heaps: thrown away.
        rounds.turn(&mut contestants, None, &SliceOrder { window: self.slice, ..turn })?;
        let mut is_stopped = false;
        for round in 0..self.rounds {
            match rounds.round(&mut contestants, round, turns, &turn) {
                Ok(()) => {}
                Err(CompareError::Stopped) if round > 0 => {
                    is_stopped = true;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        if !is_stopped {
            let window = self.slice.min(COUNTED_MAX);
            let counted = SliceOrder { window, counts_syscalls: true, ..turn };
            match rounds.turn(&mut contestants, None, &counted) {
                Ok(slices) => {
                    let kept = contestants.iter_mut().zip(slices);
                    kept.for_each(|(running, slice)| running.record.counted = Some(slice));
                }
                Err(CompareError::Stopped) => is_stopped = true,
                // What was timed is worth as much without the counts.
                Err(error) => notes.push(format!("system calls were not counted: {error}")),
            }
        }
        Ok(self.measurements(subject, contestants, is_stopped, notes))
    }

    /// In how many turns each slice is worked: a closed loop in many short ones, so that what the
    /// machine does meanwhile is seen by all alike; other work in one, since a fetch takes its time
    /// to begin, and few requests know no percentiles.
    fn turns_per_slice(&self) -> usize {
        if self.workload.is_open_loop() || !matches!(self.workload, Workload::Bench(_)) {
            return 1;
        }
        let turns = self.slice.as_nanos() / TURN.as_nanos();
        usize::try_from(turns).unwrap_or(1).max(1)
    }

    /// Checks the options as [`Compare::check`], and what of them depends on the testbed.
    ///
    /// # Errors
    ///
    /// [`CompareError::Option`], for a person to read.
    pub fn check_on(&self, testbed: &Testbed) -> Result<(), CompareError> {
        self.check()?;
        self.check_connections(testbed)
    }

    /// Refuses more connections, of all contestants together, than the origin or the ports of this
    /// host allow: contestants with fewer than they were to have cannot be compared.
    fn check_connections(&self, testbed: &Testbed) -> Result<(), CompareError> {
        let contestants = self.contestants.len() + 1;
        let wanted = self.workload.connections().saturating_mul(contestants);
        let refused = |most: usize, of: &str| {
            Err(CompareError::Option(format!(
                "{contestants} contestants with {} connections each are more than the {most} {of}, \
                 hint: a smaller -c, or fewer --engines",
                self.workload.connections()
            )))
        };
        if testbed.server().is_none() || !matches!(self.workload, Workload::Bench(_)) {
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

    /// What is to be said of the testbed and of this build.
    fn testbed_notes(&self, testbed: &Testbed) -> Vec<String> {
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
        let resting = self.slice * u32::try_from(self.contestants.len()).unwrap_or(u32::MAX);
        if testbed.server().is_some() && resting >= IDLE_DEFAULT {
            notes.push(format!(
                "connections rest for {} s between two slices, and the built-in origin closes them \
                 after {} s: they are opened anew, hint: a shorter --slice",
                resting.as_secs(),
                IDLE_DEFAULT.as_secs()
            ));
        }
        notes
    }

    /// The contestants, ready and at rest: the contestants in their order, and last the twin.
    fn start_contestants(
        &self,
        testbed: &Testbed,
        stop: &Stop,
        notes: &mut Vec<String>,
    ) -> Result<Vec<RunningContestant>, CompareError> {
        let workload = testbed.workload(self.workload.clone(), self.body_bytes);
        let mut contestants: Vec<RunningContestant> = Vec::new();
        let mut reasons = Vec::new();
        let mut start = |label: String, contestant: Contestant, notes: &mut Vec<String>| {
            let assignment = Assignment {
                label: label.clone(),
                contestant,
                cpus: testbed.cpus().to_vec(),
                workload: workload.clone(),
            };
            match ContestantProcess::start(&self.program, &assignment, stop) {
                Ok(process) => {
                    let ready = process.ready();
                    let means = &ready.means;
                    notes.extend(means.notes.iter().map(|note| format!("{label}: {note}")));
                    if means.connections > 0 && means.connections < workload.connections() {
                        notes.push(format!(
                            "{label} has {} of {} connections: it does not do what the others do",
                            means.connections,
                            workload.connections()
                        ));
                    }
                    let record = ContestantRecord {
                        label,
                        slices: Vec::new(),
                        counted: None,
                        connections: means.connections,
                        cores: means.cores,
                        rss_before_bytes: ready.rss_before_bytes,
                    };
                    Ok(Some(RunningContestant { process, record }))
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
        for (label, contestant) in labels(&self.contestants).into_iter().zip(&self.contestants) {
            if let Some(running) = start(label, *contestant, notes)? {
                contestants.push(running);
                present.push(*contestant);
            }
        }
        let twin = match present.first() {
            Some(baseline) => start(format!("{baseline} (twin)"), *baseline, notes)?,
            None => None,
        };
        match twin {
            Some(twin) => contestants.push(twin),
            None => return Err(CompareError::Contestant(reasons.join("; "))),
        }
        Ok(contestants)
    }

    fn measurements(
        &self,
        subject: Subject,
        mut contestants: Vec<RunningContestant>,
        interrupted: bool,
        notes: Vec<String>,
    ) -> Measurements {
        let twin = contestants.pop().expect("the twin is the last").record;
        Measurements {
            subject,
            is_open_loop: self.workload.is_open_loop(),
            wanted_per_s: self.workload.wanted_per_s(),
            slice_s: self.slice.as_secs_f64(),
            turns_per_slice: self.turns_per_slice(),
            contestants: contestants.into_iter().map(|running| running.record).collect(),
            twin,
            interrupted,
            notes,
        }
    }
}

/// What all rounds of one comparison have in common.
struct Rounds<'a, W> {
    server: Option<&'a TestServerProcess>,
    stop: &'a Stop,
    rounds: usize,
    watch: &'a mut W,
}

impl<W: FnMut(Turn<'_>)> Rounds<'_, W> {
    /// Has every contestant work for its slice of round `idx`, in so many turns, and keeps what
    /// came of them; where that fails, nothing of the round.
    fn round(
        &mut self,
        contestants: &mut [RunningContestant],
        idx: usize,
        turns: usize,
        order: &SliceOrder,
    ) -> Result<(), CompareError> {
        let before = idx * turns;
        for turn in before..before + turns {
            let worked = self.turn(contestants, Some((idx, turn)), order);
            if worked.is_err() {
                contestants.iter_mut().for_each(|running| running.record.slices.truncate(before));
            }
            let kept = contestants.iter_mut().zip(worked?);
            kept.for_each(|(running, slice)| running.record.slices.push(slice));
        }
        Ok(())
    }

    /// Has every contestant work for one turn; what came of it, in the order of `contestants`. `place`
    /// is the round and the turn, from 0, and none for what is not timed.
    fn turn(
        &mut self,
        contestants: &mut [RunningContestant],
        place: Option<(usize, usize)>,
        order: &SliceOrder,
    ) -> Result<Vec<Slice>, CompareError> {
        let (round, turn) = place.unwrap_or_default();
        // Each turn of an open loop has other arrivals, the same for everybody.
        let order = SliceOrder { round: turn as u64, ..*order };
        let mut slices: Vec<Option<Slice>> = contestants.iter().map(|_| None).collect();
        for idx in turns(contestants.len(), turn) {
            if self.stop.is_requested() {
                return Err(CompareError::Stopped);
            }
            let running = &mut contestants[idx];
            let label = running.record.label.as_str();
            (self.watch)(Turn { label, round: place.map(|_| round + 1), rounds: self.rounds });
            let before = self.server.and_then(TestServerProcess::cpu_time);
            let worked = running.process.work(&order, self.stop);
            let mut slice = worked.map_err(|loss| loss.of(label))?;
            let after = self.server.and_then(TestServerProcess::cpu_time);
            slice.server_busy_share = self.server_busy(&slice, before, after);
            slices[idx] = Some(slice);
        }
        Ok(slices.into_iter().map(|slice| slice.expect("everyone had a turn")).collect())
    }

    /// Share of its time that the origin was busy in the window of `slice`: what a request took of
    /// its CPUs, times their rate.
    fn server_busy(
        &self,
        slice: &Slice,
        before: Option<Duration>,
        after: Option<Duration>,
    ) -> Option<f64> {
        let used_s = after?.saturating_sub(before?).as_secs_f64();
        let cpus = self.server?.cpus().len() as f64;
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
