//! Counts the system calls of this process by the kernel's own tracepoints (perf_event_open(2)).
//!
//! Knows which calls a network client makes; it does not know what they are made for.
//!
//! Invariant: while counters are open every system call of the machine is a little slower, so they
//! live only as long as a slice that is not timed.

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::FromRawFd;
use std::path::Path;

use crate::machines::compare::slice::Syscalls;

/// Where the kernel shows its tracepoints, the newer place first.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// What is counted by its name; the rest is in the total alone.
const KINDS: [&str; 30] = [
    "io_uring_enter",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_ctl",
    "read",
    "write",
    "readv",
    "writev",
    "recvfrom",
    "recvmsg",
    "sendto",
    "sendmsg",
    "poll",
    "ppoll",
    "socket",
    "connect",
    "close",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "getsockname",
    "getpeername",
    "futex",
    "timerfd_settime",
    "clock_nanosleep",
    "sched_yield",
    "mmap",
    "munmap",
    "madvise",
];

/// `PERF_TYPE_TRACEPOINT` of perf_event_open(2).
const TYPE_TRACEPOINT: u32 = 2;
/// The flag `disabled`: nothing is counted before it is enabled.
const DISABLED: u64 = 1;
/// The flag `inherit`: threads that are started later count as well.
const INHERIT: u64 = 1 << 1;
/// `PERF_FLAG_FD_CLOEXEC`.
const CLOSE_ON_EXEC: libc::c_ulong = 1 << 3;

/// `struct perf_event_attr` in its first version (`PERF_ATTR_SIZE_VER0`), which every kernel takes.
#[repr(C)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    config1: u64,
}

const _: () = assert!(size_of::<Attributes>() == 64, "the size that the kernel knows");

/// Open counters of every thread of this process, and of those that they start.
pub(super) struct SyscallCounters {
    total: Vec<File>,
    kinds: Vec<(&'static str, Vec<File>)>,
}

impl SyscallCounters {
    /// Begins to count.
    ///
    /// # Errors
    ///
    /// Where tracefs cannot be read, or the kernel lets this user not count.
    pub(super) fn open() -> io::Result<Self> {
        let threads = threads()?;
        let count = |id: u64| -> io::Result<Vec<File>> {
            threads.iter().map(|thread| open(id, *thread)).collect()
        };
        let mut kinds = Vec::with_capacity(KINDS.len());
        for kind in KINDS {
            // Not every architecture has every call.
            if let Ok(id) = id_of(&format!("syscalls/sys_enter_{kind}")) {
                kinds.push((kind, count(id)?));
            }
        }
        let counters = Self { total: count(id_of("raw_syscalls/sys_enter")?)?, kinds };
        // All at once, so that opening and reading them is not counted.
        control(libc::PR_TASK_PERF_EVENTS_ENABLE)?;
        Ok(counters)
    }

    /// What was counted.
    ///
    /// # Errors
    ///
    /// Where a counter cannot be read.
    pub(super) fn read(self) -> io::Result<Syscalls> {
        control(libc::PR_TASK_PERF_EVENTS_DISABLE)?;
        let mut kinds = BTreeMap::new();
        for (kind, counters) in self.kinds {
            let count = sum(counters)?;
            if count > 0 {
                kinds.insert(kind.to_owned(), count);
            }
        }
        Ok(Syscalls { total: sum(self.total)?, kinds })
    }
}

/// Switches every counter that this process has opened (prctl(2)).
fn control(operation: libc::c_int) -> io::Result<()> {
    // SAFETY: no memory is involved.
    let result = unsafe { libc::prctl(operation) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The number of a tracepoint.
fn id_of(name: &str) -> io::Result<u64> {
    let read = |top: &str| fs::read_to_string(Path::new(top).join("events").join(name).join("id"));
    let text = read(TRACEFS[0]).or_else(|_| read(TRACEFS[1]))?;
    text.trim().parse().map_err(|_| io::Error::other("tracefs has no number for a tracepoint"))
}

/// The threads of this process.
fn threads() -> io::Result<Vec<i32>> {
    let entries = fs::read_dir("/proc/self/task")?;
    let threads = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(threads.collect())
}

/// A counter of tracepoint `id` in `thread` and what it starts.
fn open(id: u64, thread: i32) -> io::Result<File> {
    let attributes = Attributes {
        kind: TYPE_TRACEPOINT,
        size: 64,
        config: id,
        sample_period: 0,
        sample_type: 0,
        read_format: 0,
        flags: DISABLED | INHERIT,
        wakeup_events: 0,
        breakpoint_type: 0,
        config1: 0,
    };
    const ANY_CPU: libc::c_int = -1;
    const NO_GROUP: libc::c_int = -1;
    // SAFETY: `attributes` is a valid structure of the size that it names.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            thread,
            ANY_CPU,
            NO_GROUP,
            CLOSE_ON_EXEC,
        )
    };
    let descriptor = i32::try_from(descriptor).unwrap_or(-1);
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made the descriptor, and nobody else knows of it.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

/// What counters have counted together.
fn sum(counters: Vec<File>) -> io::Result<u64> {
    let mut sum = 0;
    for mut counter in counters {
        let mut bytes = [0; 8];
        counter.read_exact(&mut bytes)?;
        sum += u64::from_ne_bytes(bytes);
    }
    Ok(sum)
}
