//! What a comparison is of: the machine, the workload and the CPUs.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::os::machine::Machine;

// LIMIT: characters of an option's value that are shown where two runs differ in it.
const VALUE_SHOWN_CHARS: usize = 80;

/// What a comparison is of. Two comparisons can be compared where this is the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The machine.
    pub machine: Machine,
    /// What is done, in one line.
    pub workload: String,
    /// The same with every option.
    pub options: Value,
    /// The CPUs of the contestants.
    pub cpus: Vec<usize>,
    /// The CPUs of the test server; none where another server is asked.
    #[serde(rename = "origin_cpus")]
    pub server_cpus: Option<Vec<usize>>,
    /// Whether the two share a core; none where that is not known.
    pub share_core: Option<bool>,
}

impl Subject {
    /// Why comparisons of this and of `other` cannot be compared: empty where they can.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut differences = self.machine.differences(&other.machine);
        if (&self.cpus, &self.server_cpus) != (&other.cpus, &other.server_cpus) {
            differences.push(format!(
                "CPUs: {:?} and the origin's {:?}, not {:?} and {:?}",
                self.cpus, self.server_cpus, other.cpus, other.server_cpus
            ));
        }
        if self.workload != other.workload {
            differences.push(format!("workload: {}, not {}", self.workload, other.workload));
        } else if self.options != other.options {
            let options = differing_options(&self.options, &other.options);
            differences.extend(options.iter().map(|option| format!("option {option}")));
        }
        differences
    }
}

/// Options by their names: the members of `options`, and in place of one that is an object its own
/// members, behind its name and a dot.
fn by_name(options: &Value) -> BTreeMap<String, &Value> {
    let mut found = BTreeMap::new();
    for (name, value) in options.as_object().into_iter().flatten() {
        match value {
            Value::Object(members) => {
                found.extend(members.iter().map(|(member, v)| (format!("{name}.{member}"), v)));
            }
            _ => {
                found.insert(name.clone(), value);
            }
        }
    }
    found
}

/// The options that are not the same in `one` and `other`, with their values.
fn differing_options(one: &Value, other: &Value) -> Vec<String> {
    let (own, others) = (by_name(one), by_name(other));
    let names: BTreeSet<&String> = own.keys().chain(others.keys()).collect();
    let value = |of: Option<&&Value>| {
        let text = of.map_or("none".to_owned(), ToString::to_string);
        text.chars().take(VALUE_SHOWN_CHARS).collect::<String>()
    };
    let differing = names.into_iter().filter(|name| own.get(*name) != others.get(*name));
    differing
        .map(|name| format!("{name} {}, not {}", value(own.get(name)), value(others.get(name))))
        .collect()
}
