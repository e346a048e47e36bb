//! CPUs: which there are, which were asked for, and keeping a thread on one.
//!
//! Invariant: a thread counts as pinned only where the kernel, asked afterwards, says so.

use std::fmt;
use std::io;

use core_affinity::CoreId;

/// A list of CPUs that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoresError {
    /// The text is no list such as `0,2-5`.
    Syntax(String),
    /// This process may not run on the CPU.
    NotAllowed(usize),
    /// The list names no CPU.
    Empty,
}

impl fmt::Display for CoresError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(text) => {
                write!(f, "no list of CPUs: {text}, hint: --cores takes 0,2-5")
            }
            Self::NotAllowed(cpu) => {
                let allowed = available();
                write!(f, "this process may not use CPU {cpu}, hint: --cores can name {allowed:?}")
            }
            Self::Empty => f.write_str("no CPU is named, hint: --cores takes 0,2-5"),
        }
    }
}

impl std::error::Error for CoresError {}

/// The CPUs that the calling thread may use, in ascending order.
#[must_use]
pub fn available() -> Vec<usize> {
    let ids = core_affinity::get_core_ids().unwrap_or_default();
    let mut cpus: Vec<usize> = ids.into_iter().map(|core| core.id).collect();
    if cpus.is_empty() {
        cpus.push(0);
    }
    cpus
}

/// The CPUs that the calling thread may use in two halves, the first one the smaller; both the same
/// where there is only one.
#[must_use]
pub fn halves() -> (Vec<usize>, Vec<usize>) {
    let cpus = available();
    let half = cpus.len() / 2;
    if half == 0 {
        return (cpus.clone(), cpus);
    }
    (cpus[..half].to_vec(), cpus[half..].to_vec())
}

/// The CPUs that the calling thread may use without `taken`; all of them where none would be left.
#[must_use]
pub fn rest(taken: &[usize]) -> Vec<usize> {
    let rest: Vec<usize> = available().into_iter().filter(|cpu| !taken.contains(cpu)).collect();
    if rest.is_empty() { available() } else { rest }
}

/// Reads a list such as `0,2-5` of CPUs that this thread may use; repeats count once.
///
/// # Errors
///
/// Where the text is no such list or names a CPU that may not be used.
pub fn parse(text: &str) -> Result<Vec<usize>, CoresError> {
    let syntax = || CoresError::Syntax(text.to_owned());
    let allowed = available();
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: usize = first.trim().parse().map_err(|_| syntax())?;
        let last: usize = last.trim().parse().map_err(|_| syntax())?;
        if first > last {
            return Err(syntax());
        }
        for cpu in first..=last {
            if !allowed.contains(&cpu) {
                return Err(CoresError::NotAllowed(cpu));
            }
            if !cpus.contains(&cpu) {
                cpus.push(cpu);
            }
        }
    }
    if cpus.is_empty() { Err(CoresError::Empty) } else { Ok(cpus) }
}

/// Keeps the calling thread on `cpu`; whether the kernel, asked afterwards, says that it is so.
#[must_use]
pub fn pin(cpu: usize) -> bool {
    core_affinity::set_for_current(CoreId { id: cpu }) && available() == [cpu]
}

/// Keeps the calling thread, and the threads that it starts from now on, on `cpus`; whether the
/// kernel, asked afterwards, says that it is so.
#[must_use]
pub fn confine(cpus: &[usize]) -> bool {
    // SAFETY: `cpu_set_t` is an array of bits, for which all zeroes are a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let bits = 8 * size_of::<libc::cpu_set_t>();
    for cpu in cpus.iter().filter(|cpu| **cpu < bits) {
        // SAFETY: the index is within the set.
        unsafe { libc::CPU_SET(*cpu, &mut set) };
    }
    // SAFETY: `set` is a valid set of the size given; 0 is the calling thread.
    unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    let mut wanted = cpus.to_vec();
    wanted.sort_unstable();
    available() == wanted
}

/// Runs `start` on a thread that is confined to `cpus`, and hands on what it gives: threads inherit
/// the CPUs of the one that starts them, and the caller's own stay as they are.
///
/// # Errors
///
/// Those of `start`, or where it panics.
pub fn start_on<T: Send>(
    cpus: &[usize],
    start: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    let confined = || {
        if !confine(cpus) {
            tracing::warn!(?cpus, "the helping threads could not be kept on these CPUs");
        }
        start()
    };
    let started = std::thread::scope(|scope| scope.spawn(confined).join());
    started.unwrap_or_else(|_| Err(io::Error::other("the starting thread panicked")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_cpus_is_read_as_taskset_reads_it() {
        let all = available();
        let first = all[0];
        assert_eq!(parse(&first.to_string()), Ok(vec![first]));
        assert_eq!(parse(&format!("{first},{first}")), Ok(vec![first]));
        assert_eq!(parse(&format!("{first}-{first}")), Ok(vec![first]));
        assert_eq!(parse("99999"), Err(CoresError::NotAllowed(99999)));
        for text in ["", "a", "1-", "-1", "3-2", "0;1"] {
            assert!(matches!(parse(text), Err(CoresError::Syntax(_))), "{text}");
        }
    }

    #[test]
    fn a_pinned_thread_is_where_the_kernel_says() {
        let cpu = *available().last().unwrap();
        let pinned = std::thread::spawn(move || (pin(cpu), available())).join().unwrap();
        assert_eq!(pinned, (true, vec![cpu]));
    }
}
