//! The machine that this process runs on, as /proc and /sys describe it.
//!
//! Invariant: what cannot be read is none or empty; nothing here fails.

use std::collections::BTreeMap;
use std::fs;

use crate::os::machine::Machine;

/// Describes the machine.
#[must_use]
pub fn machine() -> Machine {
    let cpuinfo = text("/proc/cpuinfo").unwrap_or_default();
    let release = text("/proc/sys/kernel/osrelease").unwrap_or_default();
    Machine {
        kernel: format!("{release} {}", std::env::consts::ARCH),
        cpu: field(&cpuinfo, "model name").unwrap_or_else(|| "unnamed CPU".to_owned()),
        cpus: online().unwrap_or(0),
        is_virtual: field(&cpuinfo, "flags").is_some_and(|flags| has_word(&flags, "hypervisor")),
        mitigations: mitigations(),
        governor: text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        shares_cores: text("/sys/devices/system/cpu/smt/active").map(|active| active == "1"),
    }
}

/// Whether a CPU of `some` shares a core with a CPU of `others`; none where the kernel does not
/// tell, or where there are no others.
#[must_use]
pub fn share_core(some: &[usize], others: &[usize]) -> Option<bool> {
    let siblings = |cpu: &usize| {
        text(&format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"))
    };
    let some: Option<Vec<String>> = some.iter().map(siblings).collect();
    let others: Option<Vec<String>> = others.iter().map(siblings).collect();
    let (some, others) = (some?, others.filter(|others| !others.is_empty())?);
    Some(some.iter().any(|core| others.contains(core)))
}

/// How many ports there are for connections to one address (ip_local_port_range of ip(7)).
#[must_use]
pub fn ephemeral_ports() -> Option<usize> {
    let range = text("/proc/sys/net/ipv4/ip_local_port_range")?;
    let mut ends = range.split_whitespace().map(str::parse::<usize>);
    let (first, last) = (ends.next()?.ok()?, ends.next()?.ok()?);
    last.checked_sub(first).map(|more| more + 1)
}

/// The text of a small file, without white space around it.
fn text(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// The first value that /proc/cpuinfo has under `name`.
fn field(cpuinfo: &str, name: &str) -> Option<String> {
    let fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let mut found = fields.filter(|(key, _)| key.trim() == name);
    found.next().map(|(_, value)| value.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn has_word(text: &str, word: &str) -> bool {
    text.split_whitespace().any(|part| part == word)
}

/// How many CPUs are online: the kernel lists them as `0-3,6`.
fn online() -> Option<usize> {
    let list = text("/sys/devices/system/cpu/online")?;
    let mut count = 0;
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        count += last.checked_sub(first)? + 1;
    }
    Some(count)
}

/// What the kernel does about each flaw that the CPU has.
fn mitigations() -> BTreeMap<String, String> {
    let folder = "/sys/devices/system/cpu/vulnerabilities";
    let Ok(entries) = fs::read_dir(folder) else { return BTreeMap::new() };
    let flaw = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry.ok()?.file_name().to_str()?.to_owned();
        let state = text(&format!("{folder}/{name}"))?;
        (state != "Not affected").then_some((name, state))
    };
    entries.filter_map(flaw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_kernel_and_cpus() {
        let machine = machine();
        assert!(machine.kernel.len() > " x86_64".len(), "{machine:?}");
        assert!(machine.cpus >= 1 && !machine.cpu.is_empty(), "{machine:?}");
        assert!(machine.differences(&self::machine()).is_empty());
    }

    #[test]
    fn a_cpu_shares_its_core_with_itself() {
        assert_ne!(share_core(&[0], &[0]), Some(false));
        assert_eq!(share_core(&[0], &[]), None);
        assert_eq!(share_core(&[0], &[usize::MAX]), None);
        assert!(ephemeral_ports().is_none_or(|ports| ports > 0));
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let cpuinfo = "model\t\t: 7\nmodel name\t: Some  CPU\nflags : fpu hypervisor\n";
        assert_eq!(field(cpuinfo, "model name").as_deref(), Some("Some CPU"));
        assert_eq!(field(cpuinfo, "model").as_deref(), Some("7"));
        assert_eq!(field(cpuinfo, "name"), None);
        assert!(has_word("fpu hypervisor", "hypervisor") && !has_word("hypervisors", "hypervisor"));
    }
}
