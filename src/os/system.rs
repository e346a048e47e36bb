//! System calls besides reads and writes: limits, the process's own usage, timers, socket options,
//! listening, shutting down.
//!
//! Invariant: every `unsafe` here is one system call on values that this file owns.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::base::cpu_time::CpuTime;
use crate::os::counts::Switches;

/// CPU time of the whole process, threads that have ended included.
#[must_use]
pub fn process_cpu_time() -> CpuTime {
    cpu_time(libc::RUSAGE_SELF)
}

/// CPU time of the calling thread as of the kernel's last tick, a few milliseconds ago (4 at
/// 250 Hz): for spans that are much longer.
#[must_use]
pub fn thread_cpu_time() -> CpuTime {
    cpu_time(libc::RUSAGE_THREAD)
}

/// Context switches of the whole process, threads that have ended included.
#[must_use]
pub fn context_switches() -> Switches {
    let Some(usage) = usage(libc::RUSAGE_SELF) else { return Switches::default() };
    let count = |count: libc::c_long| u64::try_from(count).unwrap_or(0);
    Switches { voluntary: count(usage.ru_nvcsw), involuntary: count(usage.ru_nivcsw) }
}

/// How long the calling thread was ready to run and had to wait for a CPU (the second number of
/// /proc/thread-self/schedstat, see the kernel's Documentation/scheduler/sched-stats.rst); zero
/// where the kernel does not tell.
#[must_use]
pub fn thread_run_queue_wait() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let wait_ns = stat.split_ascii_whitespace().nth(1).and_then(|ns| ns.parse().ok());
    Duration::from_nanos(wait_ns.unwrap_or(0))
}

/// The most memory that the process has had resident, in bytes (`VmHWM` of proc(5)); zero where
/// /proc cannot be read.
#[must_use]
pub fn peak_rss_bytes() -> u64 {
    // getrusage's ru_maxrss survives exec, and so may tell of the parent; VmHWM does not.
    status_bytes("VmHWM:")
}

/// The memory that the process has resident now, in bytes (`VmRSS` of proc(5)); zero where /proc
/// cannot be read.
#[must_use]
pub fn rss_bytes() -> u64 {
    status_bytes("VmRSS:")
}

/// A size that proc(5) has under `name`.
fn status_bytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Raises the soft limit of open descriptors to the hard one; the limit that then holds.
///
/// # Errors
///
/// Where the limit cannot be read. One that cannot be raised stays as it is.
pub fn raise_descriptor_limit() -> io::Result<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let raised = libc::rlimit { rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max };
    // SAFETY: `raised` is a valid limit.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) } == 0 {
        limit = raised;
    }
    Ok(usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
}

/// Lowers the calling thread's weight so that the threads of the cores come first.
///
/// Nothing is lost where the kernel refuses.
pub fn yield_to_cores() {
    const NICE: libc::c_int = 5;
    // SAFETY: no memory is involved; on Linux the nice value belongs to the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

/// A timer that is a descriptor (timerfd_create(2)), not armed.
pub(crate) fn timer() -> io::Result<OwnedFd> {
    let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
    // SAFETY: no memory is involved.
    let descriptor = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made the descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Makes a timer fire once, `left` from now; zero would disarm it, so it is one nanosecond. Earlier
/// firings are forgotten.
pub(crate) fn arm_timer(descriptor: RawFd, left: Duration) -> io::Result<()> {
    let left = left.max(Duration::from_nanos(1));
    let never = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let once = libc::itimerspec {
        it_interval: never,
        it_value: libc::timespec {
            tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: left.subsec_nanos().into(),
        },
    };
    // SAFETY: `once` is a valid time, and the old one is not asked for.
    let result =
        unsafe { libc::timerfd_settime(descriptor, 0, &raw const once, std::ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Shuts a socket down in both directions; its operations in flight end at once.
pub(crate) fn shut_down(descriptor: RawFd) {
    // SAFETY: no memory is involved; a descriptor that is no socket yields an error.
    unsafe { libc::shutdown(descriptor, libc::SHUT_RDWR) };
}

/// Whether there is nothing to read from a socket, not even its end.
pub(crate) fn is_quiet(descriptor: RawFd) -> bool {
    let mut poll = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
    // SAFETY: `poll` is one valid entry; a time of zero does not wait.
    unsafe { libc::poll(&raw mut poll, 1, 0) == 0 }
}

/// Ends a socket's sending side: the peer sees the end after the last byte.
pub(crate) fn end_writes(descriptor: RawFd) {
    // SAFETY: no memory is involved; a descriptor that is no socket yields an error.
    unsafe { libc::shutdown(descriptor, libc::SHUT_WR) };
}

/// Makes the close of a socket a reset (SO_LINGER of socket(7) with a time of zero).
pub(crate) fn reset_on_close(descriptor: RawFd) {
    // SAFETY: every caller owns the open socket, and the borrow ends with this function.
    let socket = unsafe { BorrowedFd::borrow_raw(descriptor) };
    // Where it fails the socket is closed in order, which is all that can be done.
    let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
}

/// A listening socket on `addr` that shares its port with the other cores' listeners: the kernel
/// deals connections to them by their addresses' hash (SO_REUSEPORT of socket(7)).
///
/// # Errors
///
/// Where the address cannot be bound.
fn listen(addr: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = unbound(addr)?;
    socket.set_reuse_port(true)?;
    socket.bind(&addr.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// `count` listening sockets that share one port: that of `addr`, or one that the kernel picks
/// where it is 0.
///
/// # Errors
///
/// Where the address cannot be bound, also where others listen there and would share it.
pub fn listen_shared(
    mut addr: SocketAddr,
    count: usize,
    backlog: i32,
) -> io::Result<Vec<TcpListener>> {
    // Another process of this user that shares its port would share it with us, and each would get
    // some of the other's connections. One that asks without sharing is refused.
    unbound(addr)?.bind(&addr.into())?;
    let mut listeners = Vec::with_capacity(count);
    for _ in 0..count {
        let listener = listen(addr, backlog)?;
        addr = listener.local_addr()?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// A TCP socket for `addr` that can be bound while earlier connections still linger.
fn unbound(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// Whether `errno` says that the kernel is out of something that will be free again later:
/// descriptors, buffers, memory for sockets, or ephemeral ports.
#[must_use]
pub fn is_exhaustion(errno: i32) -> bool {
    matches!(
        errno,
        libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::EADDRNOTAVAIL
    )
}

/// Whether `errno` says that no local address and port could be had for a connection.
#[must_use]
pub fn is_no_address(errno: i32) -> bool {
    errno == libc::EADDRNOTAVAIL
}

fn cpu_time(who: libc::c_int) -> CpuTime {
    let Some(usage) = usage(who) else { return CpuTime::default() };
    CpuTime { user: duration(usage.ru_utime), system: duration(usage.ru_stime) }
}

fn usage(who: libc::c_int) -> Option<libc::rusage> {
    // SAFETY: `rusage` is plain numbers, for which all zeroes are a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a valid place for the answer.
    let result = unsafe { libc::getrusage(who, &raw mut usage) };
    (result == 0).then_some(usage)
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_knows_its_own_usage() {
        let time = process_cpu_time();
        assert!(time.user + time.system > Duration::ZERO);
        assert!(peak_rss_bytes() > 100 * 1024);
        assert!(raise_descriptor_limit().unwrap() >= 64);
    }

    #[test]
    fn listeners_share_a_port_with_each_other_and_nobody_else() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = listen_shared(any, 3, 16).unwrap();
        let addr = listeners[0].local_addr().unwrap();
        assert!(addr.port() > 0);
        assert!(listeners.iter().all(|listener| listener.local_addr().unwrap() == addr));
        let refused = listen_shared(addr, 1, 16).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
    }
}
