//! Counts what the process does between two moments: context switches, entries of rings, and
//! system calls where the kernel allows it.
//!
//! Invariant: what could not be counted is none, never zero.

use std::collections::HashMap;
use std::io;

use crate::os::counts::{RingCounts, Switches, Syscalls};
use crate::os::system;
use crate::os::tracepoints::SyscallCounters;

/// Whether system calls are counted, which slows every one of them down a little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyscallCount {
    /// They are, where the kernel allows it.
    Wanted,
    /// They are not.
    Unwanted,
}

/// Where the counters of the process stood at one time.
pub struct Meter {
    switches: Switches,
    /// None where a ring could not be read.
    rings: Option<HashMap<u64, Tails>>,
    syscalls: io::Result<Option<SyscallCounters>>,
}

/// What the process did since.
#[derive(Debug)]
pub struct Metered {
    /// Context switches.
    pub switches: Switches,
    /// What went through its rings, where there are any.
    pub ring: Option<RingCounts>,
    /// System calls; none where they were not wanted, and the reason where they were not counted.
    pub syscalls: io::Result<Option<Syscalls>>,
}

/// How far the queues of one ring have come; both counters wrap around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tails {
    submitted: u32,
    completed: u32,
}

impl Meter {
    /// Begins to count. Threads that start later are counted as well.
    #[must_use]
    pub fn start(count: SyscallCount) -> Self {
        let (switches, rings) = (system::context_switches(), rings());
        // Last, so that what is done here is not counted.
        let syscalls = match count {
            SyscallCount::Wanted => SyscallCounters::open().map(Some),
            SyscallCount::Unwanted => Ok(None),
        };
        Self { switches, rings, syscalls }
    }

    /// What happened since the start.
    #[must_use]
    pub fn end(self) -> Metered {
        // First, for the same reason.
        let syscalls = self.syscalls.and_then(|counters| match counters {
            Some(counters) => counters.read().map(Some),
            None => Ok(None),
        });
        let (before, now) = (self.switches, system::context_switches());
        Metered {
            switches: Switches {
                voluntary: now.voluntary.saturating_sub(before.voluntary),
                involuntary: now.involuntary.saturating_sub(before.involuntary),
            },
            ring: self.rings.zip(rings()).and_then(|(before, now)| counts_since(&before, &now)),
            syscalls,
        }
    }
}

/// What went through the rings between two looks; a ring that is new counts from zero. None where
/// there is no ring.
fn counts_since(before: &HashMap<u64, Tails>, now: &HashMap<u64, Tails>) -> Option<RingCounts> {
    if now.is_empty() {
        return None;
    }
    let mut counts = RingCounts::default();
    for (descriptor, tails) in now {
        let from = before.get(descriptor).copied().unwrap_or_default();
        counts.sqes += u64::from(tails.submitted.wrapping_sub(from.submitted));
        counts.cqes += u64::from(tails.completed.wrapping_sub(from.completed));
    }
    Some(counts)
}

/// The rings of this process by descriptor, as /proc/self/fdinfo shows them; none where one cannot
/// be read, for example while its thread holds its lock.
fn rings() -> Option<HashMap<u64, Tails>> {
    let mut rings = HashMap::new();
    for entry in std::fs::read_dir("/proc/self/fd").ok()? {
        let entry = entry.ok()?;
        // A descriptor that is closed meanwhile is no ring.
        let Ok(target) = std::fs::read_link(entry.path()) else { continue };
        if target.to_str() != Some("anon_inode:[io_uring]") {
            continue;
        }
        let descriptor: u64 = entry.file_name().to_str()?.parse().ok()?;
        let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")).ok()?;
        rings.insert(descriptor, tails(&text)?);
    }
    Some(rings)
}

/// The tails of the queues in the text of a ring's fdinfo.
fn tails(text: &str) -> Option<Tails> {
    let field = |name: &str| -> Option<u32> {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.trim().parse().ok()
    };
    Some(Tails { submitted: field("SqTail:")?, completed: field("CqTail:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queues_of_a_ring_are_read_from_its_fdinfo() {
        let text = "pos:\t0\nSqMask:\t0xff\nSqHead:\t11\nSqTail:\t12\nCqHead:\t7\nCqTail:\t9\n";
        assert_eq!(tails(text), Some(Tails { submitted: 12, completed: 9 }));
        assert_eq!(tails("pos:\t0\n"), None);
    }

    #[test]
    fn a_queue_may_wrap_around_and_a_ring_may_be_new() {
        let before = HashMap::from([(3, Tails { submitted: u32::MAX, completed: 5 })]);
        let now = HashMap::from([
            (3, Tails { submitted: 1, completed: 7 }),
            (4, Tails { submitted: 10, completed: 10 }),
        ]);
        assert_eq!(counts_since(&before, &now), Some(RingCounts { sqes: 12, cqes: 12 }));
        assert_eq!(counts_since(&before, &HashMap::new()), None);
    }

    /// Waits for `us` microseconds in the kernel; `os` has no clock of its own.
    fn wait(us: libc::useconds_t) {
        // SAFETY: no memory is involved.
        unsafe { libc::usleep(us) };
    }

    #[test]
    fn waiting_is_a_voluntary_switch() {
        let meter = Meter::start(SyscallCount::Unwanted);
        for _ in 0..5 {
            wait(1000);
        }
        let metered = meter.end();
        assert!(metered.switches.voluntary >= 5, "{metered:?}");
        assert!(metered.syscalls.unwrap().is_none());
    }

    #[test]
    fn system_calls_are_counted_where_the_kernel_allows_it() {
        let meter = Meter::start(SyscallCount::Wanted);
        for _ in 0..100 {
            let _ = std::fs::metadata("/");
            wait(1);
        }
        match meter.end().syscalls {
            Ok(counted) => {
                let counted = counted.unwrap();
                assert!(counted.total >= 200, "{counted:?}");
                assert!(counted.kinds["clock_nanosleep"] >= 100, "{counted:?}");
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
