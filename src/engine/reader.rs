//! The thread that reads the input, and gives each line to a core.
//!
//! Knows neither lanes nor connections. It may block, on its input and on full queues; that is the
//! back-pressure that keeps memory the same however long the input is.
//!
//! Invariant: a line that was counted is in exactly one batch, and a batch is counted only once a
//! core's inbox has it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use flume::SendTimeoutError;

use crate::engine::shard::Politeness;
use crate::engine::shared::Shared;
use crate::io::clock;
use crate::words::failure::{Failure, Kind, Stage};
use crate::words::instant::Instant;
use crate::words::job::{Intake, Job, Line, Source, SourceSize};
use crate::words::limits::{JOB_BATCH, READER_PATIENCE};
use crate::words::target::Target;

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
        });
        Self { source, shared, batches, next_n: 0, pace, size }
    }

    /// Reads to the end of the input, or until the run is stopped.
    ///
    /// # Errors
    ///
    /// Where the input cannot be read to its end; the lines before that are handed over.
    pub(super) fn run(mut self) -> io::Result<()> {
        let result = self.read_all();
        // Nothing is left here unless the input could not be read: what came before still counts.
        let _ = self.hand_over_all();
        self.shared.end_input();
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
                let _ = self.hand_over_all();
                return Ok(());
            };
            let n = self.next_n;
            self.next_n += 1;
            if self.shared.settings.done.contains(n) {
                continue;
            }
            let (core, intake) = take_in(line, n, &self.shared);
            self.batches[core].push(intake);
            let is_full = self.batches[core].len() >= JOB_BATCH;
            let stopped = match &mut self.pace {
                Some(_) => self.wait_for_start().and_then(|()| self.hand_over(core)).is_err(),
                None => is_full && self.hand_over(core).is_err(),
            };
            if stopped {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Waits until the next start is due.
    fn wait_for_start(&mut self) -> Result<(), Stopped> {
        let Some(pace) = &mut self.pace else { return Ok(()) };
        loop {
            let left = pace.next_at.since(clock::now());
            if left.is_zero() {
                break;
            }
            if self.shared.stop.is_requested() {
                return Err(Stopped);
            }
            clock::pause(left.min(READER_PATIENCE));
        }
        // A reader that was held up does not make up for it in a burst.
        let late = clock::now().since(pace.next_at);
        pace.next_at = pace.next_at + pace.gap + late.saturating_sub(READER_PATIENCE);
        Ok(())
    }

    fn hand_over_all(&mut self) -> Result<(), Stopped> {
        (0..self.batches.len()).try_for_each(|core| self.hand_over(core))
    }

    /// Hands the batch of `core` over; where its inbox is full and jobs belong to no core in
    /// particular, to another that has room.
    fn hand_over(&mut self, core: usize) -> Result<(), Stopped> {
        if self.batches[core].is_empty() {
            return Ok(());
        }
        let mut batch = std::mem::replace(&mut self.batches[core], Vec::with_capacity(JOB_BATCH));
        let count = batch.len();
        self.shared.begin(count);
        let others = match self.shared.settings.politeness.is_by_host() {
            true => 1,
            false => self.batches.len(),
        };
        for turn in 0.. {
            let inbox = &self.shared.inboxes[(core + turn % others) % self.batches.len()];
            // Without another choice it waits at this inbox, else it looks at each in turn.
            let patience = match turn % others == others - 1 {
                true => READER_PATIENCE,
                false => Duration::ZERO,
            };
            match inbox.send_timeout(batch, patience) {
                Ok(()) => break,
                Err(SendTimeoutError::Timeout(back)) if !self.shared.stop.is_requested() => {
                    batch = back;
                }
                Err(_) => {
                    self.shared.finish(count);
                    return Err(Stopped);
                }
            }
        }
        self.shared.count_handed_over(count);
        Ok(())
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
