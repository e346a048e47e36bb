//! A contestant as the parent sees it: a process that works when it is told to, and rests.
//!
//! Invariant: a contestant that is not working rests, and one that is dropped is gone.

use std::io::{self, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::base::limits::PROGRESS_INTERVAL;
use crate::client::Stop;
use crate::compare::protocol::{
    Assignment, ContestantReply, DRAIN, PATIENCE, Ready, SliceOrder, hear, say,
};
use crate::compare::slice::Slice;
use crate::os::process;

/// A contestant's process.
pub(super) struct ContestantProcess {
    child: Child,
    orders: ChildStdin,
    answers: flume::Receiver<io::Result<Option<ContestantReply>>>,
    ready: Ready,
    /// How many orders it was given.
    ordered: u64,
}

/// Why a contestant cannot be started, or has no slice.
#[derive(Debug)]
pub(super) enum Loss {
    /// It cannot do what it is asked for; why.
    Unable(String),
    /// The comparison was stopped.
    Stopped,
    /// It is gone, or does not answer.
    Gone(io::Error),
}

impl ContestantProcess {
    /// Starts `program`, a ringfetch, as a contestant, waits until it can begin, and lets it rest.
    pub(super) fn start(
        program: &Path,
        assignment: &Assignment,
        stop: &Stop,
    ) -> Result<Self, Loss> {
        let mut child = Command::new(program)
            .arg0(env!("CARGO_PKG_NAME"))
            .arg("contestant")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for the comparison, which then ends its contestants.
            .process_group(0)
            .spawn()
            .map_err(Loss::Gone)?;
        let orders = child.stdin.take().expect("it was asked for");
        let mut stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
        let (teller, answers) = flume::bounded(1);
        let ready = Ready::NONE;
        let mut contestant = Self { child, orders, answers, ready, ordered: 0 };
        let listen = move || {
            loop {
                let answer = hear::<ContestantReply>(&mut stdout);
                let is_last = !matches!(answer, Ok(Some(_)));
                if teller.send(answer).is_err() || is_last {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("listener".to_owned());
        thread.spawn(listen).map_err(Loss::Gone)?;
        say(&mut contestant.orders, assignment).map_err(Loss::Gone)?;
        let patience = PATIENCE + assignment.workload.opening_max();
        match contestant.answer(patience, stop)? {
            ContestantReply::Ready(ready) => contestant.ready = ready,
            other => return Err(misunderstood(&other)),
        }
        process::rest(&contestant.child).map_err(Loss::Gone)?;
        Ok(contestant)
    }

    /// What it said when it was ready.
    pub(super) fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Has it work for one slice.
    pub(super) fn work(&mut self, order: &SliceOrder, stop: &Stop) -> Result<Slice, Loss> {
        process::wake(&self.child).map_err(Loss::Gone)?;
        self.ordered += 1;
        let order = SliceOrder { number: self.ordered, ..*order };
        say(&mut self.orders, &order).map_err(Loss::Gone)?;
        let patience = order.lead_in + order.window + DRAIN + PATIENCE;
        let answer = self.answer(patience, stop)?;
        process::rest(&self.child).map_err(Loss::Gone)?;
        match answer {
            ContestantReply::Slice(number, slice) if number == order.number => Ok(*slice),
            other => Err(misunderstood(&other)),
        }
    }

    /// The next thing that it says, waiting for it no longer than `patience`.
    fn answer(&self, patience: Duration, stop: &Stop) -> Result<ContestantReply, Loss> {
        let mut waited = Duration::ZERO;
        loop {
            match self.answers.recv_timeout(PROGRESS_INTERVAL) {
                Ok(Ok(Some(ContestantReply::Failed(reason)))) => return Err(Loss::Unable(reason)),
                Ok(Ok(Some(answer))) => return Ok(answer),
                Ok(Ok(None)) | Err(flume::RecvTimeoutError::Disconnected) => {
                    let error = "a contestant ended by itself; what it said is above";
                    return Err(Loss::Gone(io::Error::other(error)));
                }
                Ok(Err(error)) => return Err(Loss::Gone(error)),
                Err(flume::RecvTimeoutError::Timeout) => waited += PROGRESS_INTERVAL,
            }
            if stop.is_requested() {
                return Err(Loss::Stopped);
            }
            if waited >= patience {
                let error = format!("a contestant said nothing for {} s", waited.as_secs());
                return Err(Loss::Gone(io::Error::new(io::ErrorKind::TimedOut, error)));
            }
        }
    }
}

/// What it means that `answer` is not the one that was waited for.
fn misunderstood(answer: &ContestantReply) -> Loss {
    Loss::Gone(io::Error::other(format!("a contestant answers out of turn: {answer:?}")))
}

impl Drop for ContestantProcess {
    fn drop(&mut self) {
        // A kill needs no waking, so this ends one that rests, too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
