//! A contestant: a process of its own that works for one slice at a time, when it is told to.
//!
//! Knows neither the other contestants nor what its numbers are for.
//!
//! Invariant: it says one thing for each thing that it hears, and ends with its input.

use std::io::{self, BufRead, Write};

use crate::compare::bench_slices::BenchSlices;
use crate::compare::contender::Contender;
use crate::compare::fetch_slices::FetchSlices;
#[cfg(feature = "peers")]
use crate::compare::peer_slices::{PeerFetchSlices, PeerSlices};
use crate::compare::protocol::{Answer, Assignment, Means, Ready, SliceOrder, hear, say};
use crate::compare::slice::Slice;
use crate::compare::slowed::slow_down;
use crate::compare::workload::Workload;
use crate::os::meter::{Meter, Metered, SyscallCount};
use crate::os::process;
use crate::os::system;
use crate::runtime::cores;

/// One way to work for a slice at a time.
pub(super) trait Slices {
    /// Works for one slice. What a meter counts is left as it is.
    ///
    /// # Errors
    ///
    /// For a person to read; there will be no further slice.
    fn run(&mut self, order: &SliceOrder) -> Result<Slice, String>;
}

/// Works as `input` says, until it ends, and says on `output` what came of it.
///
/// # Errors
///
/// Where nobody listens any more, or what is heard makes no sense.
pub fn run(mut input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    process::end_with_parent()?;
    let Some(assignment) = hear::<Assignment>(&mut input)? else { return Ok(()) };
    // This thread and all that it starts: nothing of a contestant may work on the origin's CPUs.
    if !cores::confine(&assignment.cpus) {
        let reason = format!("it cannot be kept on its CPUs: {:?}", assignment.cpus);
        return say(&mut output, &Answer::Failed(reason));
    }
    let rss_before_bytes = system::rss_bytes();
    let (mut slices, means) = match start(assignment) {
        Ok(started) => started,
        Err(reason) => return say(&mut output, &Answer::Failed(reason)),
    };
    say(&mut output, &Answer::Ready(Ready { means, rss_before_bytes }))?;
    while let Some(order) = hear::<SliceOrder>(&mut input)? {
        match metered(slices.as_mut(), &order) {
            Ok(slice) => say(&mut output, &Answer::Slice(order.number, Box::new(slice)))?,
            Err(reason) => return say(&mut output, &Answer::Failed(reason)),
        }
    }
    Ok(())
}

/// Who works, and with what.
type Started = (Box<dyn Slices>, Means);

/// Gets ready for the first slice.
fn start(assignment: Assignment) -> Result<Started, String> {
    fn boxed<S: Slices + 'static>((slices, means): (S, Means)) -> Started {
        (Box::new(slices), means)
    }
    let Assignment { label, contender, cpus, workload } = assignment;
    slow_down(&label);
    match (contender, workload) {
        (Contender::Own(engine), Workload::Bench(options)) => {
            BenchSlices::start(*options, engine, cpus).map(boxed)
        }
        (Contender::Own(engine), Workload::Fetch(options)) => {
            FetchSlices::start(*options, engine, cpus).map(boxed)
        }
        #[cfg(feature = "peers")]
        (Contender::Peer(peer), Workload::Bench(options)) => {
            PeerSlices::start(*options, peer, cpus).map(boxed)
        }
        #[cfg(feature = "peers")]
        (Contender::Peer(peer), Workload::Fetch(options)) => {
            PeerFetchSlices::start(*options, peer, cpus).map(boxed)
        }
    }
}

/// Works for one slice, and counts what the process does meanwhile.
fn metered(slices: &mut dyn Slices, order: &SliceOrder) -> Result<Slice, String> {
    let meter = Meter::start(match order.counts_syscalls {
        true => SyscallCount::Wanted,
        false => SyscallCount::Unwanted,
    });
    let slice = slices.run(order)?;
    let Metered { switches, ring, syscalls } = meter.end();
    let (syscalls, uncounted) = match syscalls {
        Ok(syscalls) => (syscalls, None),
        Err(error) => (None, Some(error.to_string())),
    };
    let max_rss_bytes = system::peak_rss_bytes();
    Ok(Slice { switches, ring, syscalls, uncounted, max_rss_bytes, ..slice })
}
