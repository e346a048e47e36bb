//! What a contestant's process does: it works for one slice at a time, when it is told to.
//!
//! Invariant: it answers each thing that it hears once, and ends with its input.

use std::io::{self, BufRead, Write};

use crate::compare::bench_slices::BenchSlices;
#[cfg(feature = "peers")]
use crate::compare::client_slices::{ClientBenchSlices, ClientFetchSlices};
use crate::compare::contestant::Contestant;
use crate::compare::fetch_slices::FetchSlices;
use crate::compare::protocol::{Assignment, ContestantReply, Means, Ready, SliceOrder, hear, say};
use crate::compare::slice::Slice;
use crate::compare::slices::Slices;
use crate::compare::slowed::slow_down;
use crate::compare::workload::Workload;
use crate::os::meter::{Meter, Metered, SyscallCount};
use crate::os::process;
use crate::os::system;
use crate::runtime::cores;

/// Works as the lines of `input` say, until they end; the answers go to `output`.
///
/// # Errors
///
/// Where nobody reads the answers any more, or a line is no order.
pub fn run(mut input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    process::end_with_parent()?;
    let Some(assignment) = hear::<Assignment>(&mut input)? else { return Ok(()) };
    // This thread and all that it starts may not work on the test server's CPUs.
    if !cores::confine(&assignment.cpus) {
        let reason = format!("it cannot be kept on its CPUs: {:?}", assignment.cpus);
        return say(&mut output, &ContestantReply::Failed(reason));
    }
    let rss_before_bytes = system::rss_bytes();
    let (mut slices, means) = match start(assignment) {
        Ok(started) => started,
        Err(reason) => return say(&mut output, &ContestantReply::Failed(reason)),
    };
    say(&mut output, &ContestantReply::Ready(Ready { means, rss_before_bytes }))?;
    while let Some(order) = hear::<SliceOrder>(&mut input)? {
        match metered(slices.as_mut(), &order) {
            Ok(slice) => say(&mut output, &ContestantReply::Slice(order.number, Box::new(slice)))?,
            Err(reason) => return say(&mut output, &ContestantReply::Failed(reason)),
        }
    }
    Ok(())
}

/// What works, and what it works with.
type Started = (Box<dyn Slices>, Means);

/// Gets ready for the first slice.
fn start(assignment: Assignment) -> Result<Started, String> {
    fn boxed<S: Slices + 'static>((slices, means): (S, Means)) -> Started {
        (Box::new(slices), means)
    }
    let Assignment { label, contestant, cpus, workload } = assignment;
    slow_down(&label);
    match (contestant, workload) {
        (Contestant::Own(engine), Workload::Bench(options)) => {
            BenchSlices::start(*options, engine, cpus).map(boxed)
        }
        (Contestant::Own(engine), Workload::Fetch(options)) => {
            FetchSlices::start(*options, engine, cpus).map(boxed)
        }
        #[cfg(feature = "peers")]
        (Contestant::Other(client), Workload::Bench(options)) => {
            ClientBenchSlices::start(*options, client, cpus).map(boxed)
        }
        #[cfg(feature = "peers")]
        (Contestant::Other(client), Workload::Fetch(options)) => {
            ClientFetchSlices::start(*options, client, cpus).map(boxed)
        }
    }
}

/// Works for one slice, and adds what the meter counted of the process.
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
