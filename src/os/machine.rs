//! The machine that figures were measured on. `host` fills it in.
//!
//! Invariant: two machines are the same only where all fields are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A machine, as far as it changes what system calls cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The kernel's release and architecture.
    pub kernel: String,
    /// The name of the CPU.
    pub cpu: String,
    /// CPUs that are online.
    pub cpus: usize,
    /// Whether it runs under a hypervisor.
    pub is_virtual: bool,
    /// What the kernel does about each flaw of the CPU that it has, by the flaw's name.
    pub mitigations: BTreeMap<String, String>,
    /// The governor of the CPUs' frequency; none where the kernel has no say in it.
    pub governor: Option<String>,
    /// Whether CPUs share cores (simultaneous multithreading); none where it is not known.
    pub shares_cores: Option<bool>,
}

impl Machine {
    /// What is different on the other machine, for a person to read; empty where nothing is.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let text = |what: &str, own: &str, other: &str| {
            (own != other).then(|| format!("{what}: {own}, not {other}"))
        };
        let governor =
            |machine: &Self| machine.governor.clone().unwrap_or_else(|| "none".to_owned());
        let mut differences: Vec<String> = [
            text("kernel", &self.kernel, &other.kernel),
            text("CPU", &self.cpu, &other.cpu),
            text("CPUs", &self.cpus.to_string(), &other.cpus.to_string()),
            text("governor", &governor(self), &governor(other)),
        ]
        .into_iter()
        .flatten()
        .collect();
        if self.mitigations != other.mitigations {
            differences.push("mitigations of the CPU's flaws".to_owned());
        }
        if (self.is_virtual, self.shares_cores) != (other.is_virtual, other.shares_cores) {
            differences.push("a hypervisor, or CPUs that share cores".to_owned());
        }
        differences
    }

    /// The machine in one line, for notes.
    #[must_use]
    pub fn line(&self) -> String {
        let kind = if self.is_virtual { ", virtual" } else { "" };
        let governor = match &self.governor {
            Some(governor) => format!("governor {governor}"),
            None => "no frequency governor".to_owned(),
        };
        format!("Linux {}, {} x {}{kind}, {governor}", self.kernel, self.cpus, self.cpu)
    }

    /// The mitigations in one line: those that are on, and those that the CPU would need.
    #[must_use]
    pub fn mitigations_line(&self) -> String {
        let first_word = |text: &str| text.split([':', ';']).next().unwrap_or("").trim().to_owned();
        let named = |word: &str| -> Vec<&str> {
            let found = self.mitigations.iter().filter(|(_, text)| first_word(text) == word);
            found.map(|(name, _)| name.as_str()).collect()
        };
        let (on, off) = (named("Mitigation"), named("Vulnerable"));
        match (on.is_empty(), off.is_empty()) {
            (true, true) => "mitigations: none needed, or none told".to_owned(),
            (false, true) => format!("mitigations: {}", on.join(", ")),
            (true, false) => format!("no mitigations; vulnerable: {}", off.join(", ")),
            (false, false) => {
                format!("mitigations: {}; vulnerable: {}", on.join(", "), off.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            kernel: "6.18 x86_64".to_owned(),
            cpu: "Some CPU".to_owned(),
            cpus: 2,
            is_virtual: true,
            mitigations: BTreeMap::from([
                ("spectre_v2".to_owned(), "Mitigation: Retpolines".to_owned()),
                ("meltdown".to_owned(), "Not affected".to_owned()),
                ("vmscape".to_owned(), "Vulnerable".to_owned()),
            ]),
            governor: None,
            shares_cores: Some(true),
        }
    }

    #[test]
    fn only_machines_that_tell_the_same_are_the_same() {
        assert!(machine().differences(&machine()).is_empty());
        let other = Machine { kernel: "6.19 x86_64".to_owned(), ..machine() };
        assert_eq!(machine().differences(&other), ["kernel: 6.18 x86_64, not 6.19 x86_64"]);
        for other in [
            Machine { cpu: String::new(), ..machine() },
            Machine { cpus: 4, ..machine() },
            Machine { governor: Some("performance".to_owned()), ..machine() },
            Machine { mitigations: BTreeMap::new(), ..machine() },
            Machine { is_virtual: false, ..machine() },
            Machine { shares_cores: None, ..machine() },
        ] {
            assert_eq!(machine().differences(&other).len(), 1, "{other:?}");
        }
    }

    #[test]
    fn a_machine_is_told_in_a_line() {
        let expected = "Linux 6.18 x86_64, 2 x Some CPU, virtual, no frequency governor";
        assert_eq!(machine().line(), expected);
        assert_eq!(machine().mitigations_line(), "mitigations: spectre_v2; vulnerable: vmscape");
        let healthy = Machine { mitigations: BTreeMap::new(), ..machine() };
        assert_eq!(healthy.mitigations_line(), "mitigations: none needed, or none told");
    }
}
