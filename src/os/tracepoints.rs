//! Counts the system calls of this process by the kernel's own tracepoints (perf_event_open(2)).
//!
//! Invariant: while counters are open every system call of the machine is a little slower, so they
//! live only as long as a slice that is not timed.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::Path;

use crate::os::counts::Syscalls;

/// Where the kernel shows its tracepoints, the newer place first.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// System calls that are counted one by one; others are in the total alone.
const KINDS: &[(&str, libc::c_long)] = &[
    ("io_uring_enter", libc::SYS_io_uring_enter),
    #[cfg(target_arch = "x86_64")]
    ("epoll_wait", libc::SYS_epoll_wait),
    ("epoll_pwait", libc::SYS_epoll_pwait),
    ("epoll_pwait2", libc::SYS_epoll_pwait2),
    ("epoll_ctl", libc::SYS_epoll_ctl),
    ("read", libc::SYS_read),
    ("write", libc::SYS_write),
    ("readv", libc::SYS_readv),
    ("writev", libc::SYS_writev),
    ("recvfrom", libc::SYS_recvfrom),
    ("recvmsg", libc::SYS_recvmsg),
    ("sendto", libc::SYS_sendto),
    ("sendmsg", libc::SYS_sendmsg),
    #[cfg(target_arch = "x86_64")]
    ("poll", libc::SYS_poll),
    ("ppoll", libc::SYS_ppoll),
    ("socket", libc::SYS_socket),
    ("connect", libc::SYS_connect),
    ("close", libc::SYS_close),
    ("shutdown", libc::SYS_shutdown),
    ("setsockopt", libc::SYS_setsockopt),
    ("getsockopt", libc::SYS_getsockopt),
    ("getsockname", libc::SYS_getsockname),
    ("getpeername", libc::SYS_getpeername),
    ("futex", libc::SYS_futex),
    ("timerfd_settime", libc::SYS_timerfd_settime),
    ("clock_nanosleep", libc::SYS_clock_nanosleep),
    ("sched_yield", libc::SYS_sched_yield),
    ("mmap", libc::SYS_mmap),
    ("munmap", libc::SYS_munmap),
    ("madvise", libc::SYS_madvise),
];

/// `PERF_TYPE_TRACEPOINT` of perf_event_open(2).
const TYPE_TRACEPOINT: u32 = 2;
/// The flag `disabled`: nothing is counted before it is enabled.
const DISABLED: u64 = 1;
/// The flag `inherit`: threads that are started later count as well.
const INHERIT: u64 = 1 << 1;
/// `PERF_FLAG_FD_CLOEXEC`.
const CLOSE_ON_EXEC: libc::c_ulong = 1 << 3;
/// `PERF_EVENT_IOC_SET_FILTER`: only events that a condition holds for are counted.
const SET_FILTER: libc::c_ulong = 0x4008_2406;

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
    /// Where tracefs cannot be read, or the kernel does not let this user count.
    pub(super) fn open() -> io::Result<Self> {
        let threads = threads()?;
        let tracepoint = tracepoint()?;
        let open = |thread: &i32| open(tracepoint, *thread);
        let total = threads.iter().map(open).collect::<io::Result<_>>()?;
        let mut kinds = Vec::with_capacity(KINDS.len());
        for (kind, number) in KINDS {
            // One tracepoint and many conditions: the kernel takes some 30 ms to let go of each
            // tracepoint.
            let counters: Vec<File> = threads.iter().map(open).collect::<io::Result<_>>()?;
            counters.iter().try_for_each(|counter| restrict(counter, *number))?;
            kinds.push((*kind, counters));
        }
        let counters = Self { total, kinds };
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

/// The number of the tracepoint that every system call passes.
fn tracepoint() -> io::Result<u64> {
    let path = |top: &str| Path::new(top).join("events/raw_syscalls/sys_enter/id");
    let read = |top: &str| fs::read_to_string(path(top));
    let text = read(TRACEFS[0]).or_else(|_| read(TRACEFS[1]))?;
    text.trim().parse().map_err(|_| io::Error::other("tracefs has no number for a tracepoint"))
}

/// Makes `counter` count the system call `number` alone.
fn restrict(counter: &File, number: libc::c_long) -> io::Result<()> {
    let condition = CString::new(format!("id == {number}")).expect("it has no zero byte");
    // SAFETY: the condition is a string that outlives the call.
    let result = unsafe { libc::ioctl(counter.as_raw_fd(), SET_FILTER, condition.as_ptr()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
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
