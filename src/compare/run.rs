//! The rounds of a comparison: who works when, and what is kept of it.
//!
//! Invariant: every contestant works once in each round that is kept; a round that was cut short is
//! dropped as a whole.

use std::time::Duration;

use crate::client::Stop;
use crate::compare::comparison::Comparison;
use crate::compare::contestant::{Contestant, labels};
use crate::compare::contestant_process::{ContestantProcess, Loss};
use crate::compare::error::CompareError;
use crate::compare::measurements::{ContestantRecord, Measurements};
use crate::compare::options::Compare;
use crate::compare::order::turns;
use crate::compare::protocol::{Assignment, SliceOrder};
use crate::compare::server_process::TestServerProcess;
use crate::compare::slice::Slice;
use crate::compare::subject::Subject;
use crate::compare::testbed::Testbed;
use crate::compare::workload::Workload;
use crate::testserver::IDLE_DEFAULT;

/// How long a contestant works before its turn is measured: caches are warm again by then.
const LEAD_IN: Duration = Duration::from_millis(10);
/// Longest slice in which system calls are counted: counts need no more.
const COUNTED_MAX: Duration = Duration::from_millis(500);

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

impl Compare {
    /// Runs every round on a testbed of its own, and compares.
    ///
    /// # Errors
    ///
    /// See [`CompareError`].
    pub fn run(&self) -> Result<Comparison, CompareError> {
        self.check()?;
        let measurements = self.run_on(&self.testbed()?, &Stop::default(), |_| ())?;
        Ok(Comparison::new(&measurements))
    }

    /// Runs every round, or as many as `stop` allows, on `testbed`; `watch` is told of each turn as
    /// it begins.
    ///
    /// # Errors
    ///
    /// See [`CompareError`].
    #[doc(hidden)]
    pub fn run_on(
        &self,
        testbed: &Testbed,
        stop: &Stop,
        mut watch: impl FnMut(Turn<'_>),
    ) -> Result<Measurements, CompareError> {
        self.check_on(testbed)?;
        let subject = self.subject(testbed)?;
        let mut notes = self.notes(testbed);
        let mut contestants = self.start_contestants(testbed, stop, &mut notes)?;
        let server = testbed.test_server();
        let mut rounds = Rounds { server, stop, count: self.rounds, watch: &mut watch };
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

    /// Notes on the testbed and on this build.
    fn notes(&self, testbed: &Testbed) -> Vec<String> {
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
        if testbed.test_server().is_some() && resting >= IDLE_DEFAULT {
            notes.push(format!(
                "connections rest for {} s between two slices, and the built-in origin closes them \
                 after {} s: they are opened anew, hint: a shorter --slice",
                resting.as_secs(),
                IDLE_DEFAULT.as_secs()
            ));
        }
        notes
    }

    /// Starts the contestants in their order, and last the baseline's twin; all of them rest. Those
    /// that cannot do the work are left out.
    fn start_contestants(
        &self,
        testbed: &Testbed,
        stop: &Stop,
        notes: &mut Vec<String>,
    ) -> Result<Vec<RunningContestant>, CompareError> {
        let workload = testbed.workload(self.workload.clone(), self.body_bytes);
        let mut starter =
            Starter { compare: self, testbed, workload, stop, notes, reasons: Vec::new() };
        let (mut contestants, mut baseline) = (Vec::new(), None);
        for (label, contestant) in labels(&self.contestants).into_iter().zip(&self.contestants) {
            if let Some(running) = starter.start(label, *contestant)? {
                contestants.push(running);
                baseline.get_or_insert(*contestant);
            }
        }
        let twin = match baseline {
            Some(baseline) => starter.start(format!("{baseline} (twin)"), baseline)?,
            None => None,
        };
        match twin {
            Some(twin) => contestants.push(twin),
            None => return Err(CompareError::Contestant(starter.reasons.join("; "))),
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

/// A contestant's process, with what is kept of its work.
struct RunningContestant {
    process: ContestantProcess,
    record: ContestantRecord,
}

/// Starts the contestants of one comparison.
struct Starter<'a> {
    compare: &'a Compare,
    testbed: &'a Testbed,
    workload: Workload,
    stop: &'a Stop,
    notes: &'a mut Vec<String>,
    /// Why contestants were left out.
    reasons: Vec<String>,
}

impl Starter<'_> {
    /// Starts `contestant`; none where it cannot do the work, which is noted.
    fn start(
        &mut self,
        label: String,
        contestant: Contestant,
    ) -> Result<Option<RunningContestant>, CompareError> {
        let assignment = Assignment {
            label: label.clone(),
            contestant,
            cpus: self.testbed.cpus().to_vec(),
            workload: self.workload.clone(),
        };
        let process = match ContestantProcess::start(&self.compare.program, &assignment, self.stop)
        {
            Ok(process) => process,
            Err(Loss::Unable(reason)) => {
                self.notes.push(format!("{label} is left out: {reason}"));
                self.reasons.push(reason);
                return Ok(None);
            }
            Err(loss) => return Err(loss.of(&label)),
        };
        let ready = process.ready();
        let means = &ready.means;
        self.notes.extend(means.notes.iter().map(|note| format!("{label}: {note}")));
        let wanted = self.workload.connections();
        if means.connections > 0 && means.connections < wanted {
            self.notes.push(format!(
                "{label} has {} of {wanted} connections: it does not do what the others do",
                means.connections,
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
}

/// What all rounds of one comparison have in common.
struct Rounds<'a, W> {
    server: Option<&'a TestServerProcess>,
    stop: &'a Stop,
    count: usize,
    watch: &'a mut W,
}

impl<W: FnMut(Turn<'_>)> Rounds<'_, W> {
    /// Has every contestant work for its slice of round `idx`, in so many turns, and keeps their
    /// slices; where that fails, nothing of the round.
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

    /// Has every contestant work for one turn; their slices, in the order of `contestants`. `place`
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
            (self.watch)(Turn { label, round: place.map(|_| round + 1), rounds: self.count });
            let before = self.server.and_then(TestServerProcess::cpu_time);
            let worked = running.process.work(&order, self.stop);
            let mut slice = worked.map_err(|loss| loss.of(label))?;
            let after = self.server.and_then(TestServerProcess::cpu_time);
            slice.server_busy_share = self.server_busy_share(&slice, before, after);
            slices[idx] = Some(slice);
        }
        Ok(slices.into_iter().map(|slice| slice.expect("everyone had a turn")).collect())
    }

    /// Share of its time that the test server was busy in the window of `slice`: the CPU time that
    /// a request took of it, times their rate.
    fn server_busy_share(
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
    /// The error of a comparison that lost contestant `label`.
    fn of(self, label: &str) -> CompareError {
        match self {
            Self::Unable(reason) => CompareError::Contestant(format!("{label}: {reason}")),
            Self::Gone(error) => CompareError::Contestant(format!("{label}: {error}")),
            Self::Stopped => CompareError::Stopped,
        }
    }
}
