//! Other processes: stopping and waking those that this one has started, and the CPU time of any.
//!
//! Invariant: a process that rests is woken or killed by the process that made it rest, or dies
//! with it.

use std::io;
use std::process::Child;
use std::time::Duration;

/// Makes the kernel kill this process when the thread that started it ends, also while it rests
/// (PR_SET_PDEATHSIG of prctl(2)). Its work must be finished by then.
///
/// # Errors
///
/// Where the kernel refuses.
pub fn end_with_parent() -> io::Result<()> {
    // SAFETY: no memory is involved.
    let result = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Stops every thread of `child`: it uses no CPU until it is woken.
///
/// # Errors
///
/// Where the child is gone.
pub fn rest(child: &Child) -> io::Result<()> {
    signal(child, libc::SIGSTOP)
}

/// Lets a child that rests go on.
///
/// # Errors
///
/// Where the child is gone.
pub fn wake(child: &Child) -> io::Result<()> {
    signal(child, libc::SIGCONT)
}

/// CPU time that process `pid` has used so far, in all its threads (the sums of
/// /proc/PID/task/*/schedstat, in nanoseconds); none where the kernel does not tell.
#[must_use]
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let mut sum_ns = 0;
    for thread in threads {
        let stat = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        sum_ns += stat.split_ascii_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(sum_ns))
}

fn signal(child: &Child, signal: libc::c_int) -> io::Result<()> {
    let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    // SAFETY: no memory is involved. A child that was not waited for keeps its number.
    let result = unsafe { libc::kill(pid, signal) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_what_it_used() {
        let before = cpu_time(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while cpu_time(std::process::id()).unwrap() == before {
            sum = std::hint::black_box(sum + 1);
        }
        assert_eq!(cpu_time(u32::MAX), None);
    }
}
