//! The thread that reads the input, and gives each line to a core.
//!
//! It may block, on its input and on full queues: that is the back-pressure which keeps memory the
//! same however long the input is.
//!
//! Invariant: a line that was counted is in exactly one batch, and a batch is counted only once a
//! core's inbox has it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use flume::SendTimeoutError;

use crate::base::failure::{Failure, Kind, Stage};
use crate::base::instant::Instant;
use crate::base::target::Target;
use crate::fetch::job::{Intake, Job};
use crate::fetch::scheduler::Politeness;
use crate::fetch::shared::{JOB_BATCH, READER_HELD_MAX, Shared};
use crate::input::source::{Line, Source, SourceSize};
use crate::runtime::clock;

/// How long the reader waits for room where it looks at several places in turn.
pub(super) const READER_PAUSE: Duration = Duration::from_millis(1);
/// How long the reader waits at a full queue, or for its next start, before it looks for a stop.
pub(super) const READER_PATIENCE: Duration = Duration::from_millis(50);

/// Reads a source and deals its lines.
pub(super) struct Reader<S> {
    source: S,
    shared: Arc<Shared>,
    /// What each core's next batch holds so far.
    batches: Vec<Vec<Intake>>,
    next_n: u64,
    pace: Option<Pace>,
    /// Where the source's size is shown.
    size: flume::Sender<SourceSize>,
}

/// Starts that are so far apart.
struct Pace {
    gap: Duration,
    next_at: Instant,
    /// Lines that may be handed over and not begun: what a stall can turn into a burst.
    behind_max: u64,
}

/// What a twentieth of a second has of starts, and one at least.
fn behind_max(starts_per_s: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is positive, and a float saturates"
    )]
    let starts = (starts_per_s / 20.0) as u64;
    starts.max(1)
}

/// Nobody takes lines any more: the run was stopped, or its cores have ended.
struct Stopped;

impl<S: Source> Reader<S> {
    /// A reader of `source` for the cores of `shared`.
    pub(super) fn new(source: S, shared: Arc<Shared>, size: flume::Sender<SourceSize>) -> Self {
        let batches = shared.inboxes.iter().map(|_| Vec::with_capacity(JOB_BATCH)).collect();
        let pace = shared.settings.starts_per_s.map(|starts_per_s| Pace {
            gap: Duration::from_secs_f64(1.0 / starts_per_s),
            next_at: clock::now(),
            behind_max: behind_max(starts_per_s),
        });
        Self { source, shared, batches, next_n: 0, pace, size }
    }

    /// Reads to the end of the input, or until the run is stopped.
    ///
    /// # Errors
    ///
    /// Where the input cannot be read to its end; the lines before that are handed over.
    pub(super) fn run(mut self) -> io::Result<()> {
        let _end = EndOfInput(Arc::clone(&self.shared));
        let result = self.read_all();
        // Also where the input could not be read to its end: what came before still counts.
        let _ = self.hand_over_all();
        result
    }

    fn read_all(&mut self) -> io::Result<()> {
        while !self.shared.stop.is_requested() {
            if !self.source.is_buffered() {
                // The next line may be a long time coming; nobody waits for it with work at hand.
                if self.hand_over_all().is_err() {
                    return Ok(());
                }
                if let Some(size) = self.source.size_hint() {
                    let _ = self.size.try_send(size);
                }
            }
            let Some(line) = self.source.next_line()? else {
                return Ok(());
            };
            let n = self.next_n;
            self.next_n += 1;
            if self.shared.settings.done.contains(n) {
                continue;
            }
            let (core, intake) = take_in(line, n, &self.shared);
            self.batches[core].push(intake);
            if self.go_on(core).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Hands over what `core` was given, if it is time for that.
    fn go_on(&mut self, core: usize) -> Result<(), Stopped> {
        let held = self.batches[core].len();
        if self.pace.is_some() {
            self.wait_for_start()?;
            return self.hand_over_all();
        }
        if held >= READER_HELD_MAX {
            // So much for one core: now it waits for that one.
            while !self.batches[core].is_empty() {
                self.hand_over(core, READER_PATIENCE)?;
            }
        } else if held.is_multiple_of(JOB_BATCH) {
            self.hand_over(core, Duration::ZERO)?;
        }
        Ok(())
    }

    /// Waits until the next start is due, and those before it have been made.
    fn wait_for_start(&mut self) -> Result<(), Stopped> {
        let Some(pace) = &mut self.pace else { return Ok(()) };
        loop {
            let left = pace.next_at.since(clock::now());
            let is_behind = self.shared.not_begun() > pace.behind_max;
            if left.is_zero() && !is_behind {
                break;
            }
            if self.shared.stop.is_requested() {
                return Err(Stopped);
            }
            let pause = if is_behind { READER_PAUSE } else { left.min(READER_PATIENCE) };
            clock::pause(pause);
        }
        // A reader that was held up does not make up for it in a burst.
        let late = clock::now().since(pace.next_at);
        pace.next_at = pace.next_at + pace.gap + late.saturating_sub(READER_PATIENCE);
        Ok(())
    }

    /// Hands over whatever is held, to each core as it has room.
    fn hand_over_all(&mut self) -> Result<(), Stopped> {
        loop {
            for core in 0..self.batches.len() {
                self.hand_over(core, Duration::ZERO)?;
            }
            let Some(core) = self.batches.iter().position(|batch| !batch.is_empty()) else {
                return Ok(());
            };
            self.hand_over(core, READER_PAUSE)?;
        }
    }

    /// Hands the batch of `core` over, if there is room within `patience`; where jobs belong to no
    /// core in particular, to another that has room.
    fn hand_over(&mut self, core: usize, patience: Duration) -> Result<(), Stopped> {
        let count = self.batches[core].len();
        if self.shared.stop.is_requested() {
            return Err(Stopped);
        }
        if count == 0 {
            return Ok(());
        }
        if self.shared.would_exceed_window(count) {
            clock::pause(patience.min(READER_PAUSE));
            return Ok(());
        }
        let mut batch = std::mem::replace(&mut self.batches[core], Vec::with_capacity(JOB_BATCH));
        self.shared.begin(count);
        let others = match self.shared.settings.politeness.is_by_host() {
            true => 0..0,
            false => 1..self.batches.len(),
        };
        // Its own, then the others without a wait, then its own with one.
        let own = std::iter::once((0, Duration::ZERO));
        let turns = own.chain(others.map(|turn| (turn, Duration::ZERO)));
        for (turn, patience) in turns.chain(std::iter::once((0, patience))) {
            let inbox = &self.shared.inboxes[(core + turn) % self.shared.inboxes.len()];
            match inbox.send_timeout(batch, patience) {
                Ok(()) => {
                    self.shared.count_handed_over(count);
                    return Ok(());
                }
                Err(SendTimeoutError::Timeout(back)) => batch = back,
                Err(SendTimeoutError::Disconnected(_)) => {
                    self.shared.finish(count);
                    return Err(Stopped);
                }
            }
        }
        self.shared.finish(count);
        self.batches[core] = batch;
        Ok(())
    }
}

/// Says that the input has ended, also where the reader panics.
struct EndOfInput(Arc<Shared>);

impl Drop for EndOfInput {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop.request();
        }
        self.0.end_input();
    }
}

/// What line `n` is, and which core it goes to.
fn take_in(line: Line<'_>, n: u64, shared: &Shared) -> (usize, Intake) {
    let cores = shared.inboxes.len();
    let in_turn = usize::try_from(n % cores as u64).unwrap_or(0);
    let refused =
        |line: &str, failure| (in_turn, Intake::Refused { n, line: line.into(), failure });
    match line {
        Line::TooLong(start) => {
            let phrase = "the line is longer than any URL may be";
            refused(start, Failure::new(Stage::Url, Kind::TooLarge, phrase))
        }
        Line::Text(text) => match Target::parse(text) {
            Err(failure) => refused(text, failure),
            Ok(target) => {
                let core = match shared.settings.politeness.is_by_host() {
                    true => Politeness::owner(target.origin_hash(), cores),
                    false => in_turn,
                };
                (core, Intake::Job(Job::new(n, text, target, clock::now())))
            }
        },
    }
}
