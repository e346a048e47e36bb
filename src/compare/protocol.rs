//! What a comparison and its contestants say to each other: one JSON object a line.
//!
//! A contestant hears its assignment, then one order for each slice. It answers once when it is
//! ready, and once for each slice.
//!
//! Invariant: both sides are the same program, so a line that cannot be read is a bug.

use std::io::{self, BufRead, Write};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::compare::contestant::Contestant;
use crate::compare::slice::Slice;
use crate::compare::workload::Workload;

/// How long requests in flight at the end of a slice may go on, so that their connections stay.
pub(super) const DRAIN: Duration = Duration::from_secs(2);
/// How long a contestant may be silent beyond the time that it needs, before it is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What a contestant is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Assignment {
    /// What it is called in the report.
    pub(super) label: String,
    /// What it is.
    pub(super) contestant: Contestant,
    /// The CPUs that it may use.
    pub(super) cpus: Vec<usize>,
    /// What is to be done.
    pub(super) workload: Workload,
}

/// One slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SliceOrder {
    /// Which order it is; its answer has the same number.
    pub(super) number: u64,
    /// Which turn it belongs to. An open loop draws its arrivals by it, so that all contestants
    /// have the same ones in one turn, and others in the next.
    pub(super) round: u64,
    /// How long to work before anything is measured.
    pub(super) lead_in: Duration,
    /// How long to work while it is measured.
    pub(super) window: Duration,
    /// Whether system calls are counted, which makes the times of the slice useless.
    pub(super) counts_syscalls: bool,
}

/// What a contestant says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum ContestantReply {
    /// It is ready to begin.
    Ready(Ready),
    /// The slice of the order with this number.
    Slice(u64, Box<Slice>),
    /// It cannot go on; why.
    Failed(String),
}

/// A contestant that can begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ready {
    /// What it works with.
    pub(super) means: Means,
    /// Memory that was resident before any connection was open, in bytes.
    pub(super) rss_before_bytes: u64,
}

/// What a contestant works with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Means {
    /// Connections that it keeps; 0 where the work opens and closes them.
    pub(super) connections: usize,
    /// How many CPUs it uses of those that it may.
    pub(super) cores: usize,
    /// What differs from what the workload asks for.
    pub(super) notes: Vec<String>,
}

impl Ready {
    /// What stands for a contestant that has not said it yet.
    pub(super) const NONE: Self =
        Self { means: Means { connections: 0, cores: 0, notes: Vec::new() }, rss_before_bytes: 0 };
}

/// Writes `message` as one line, at once.
///
/// # Errors
///
/// Where nobody reads it any more.
pub(super) fn say(output: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message).map_err(io::Error::other)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}

/// The next message; none at the end of the input.
///
/// # Errors
///
/// Where the line is no message of this kind.
pub(super) fn hear<T: DeserializeOwned>(input: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    serde_json::from_str(&line).map(Some).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard() {
        let order = SliceOrder {
            number: 7,
            round: 3,
            lead_in: Duration::from_millis(50),
            window: Duration::from_secs(1),
            counts_syscalls: true,
        };
        let answers = [
            ContestantReply::Ready(Ready {
                means: Means { connections: 64, cores: 1, notes: vec!["a note".to_owned()] },
                rss_before_bytes: 7,
            }),
            ContestantReply::Slice(7, Box::default()),
            ContestantReply::Failed("two\nlines".to_owned()),
        ];
        let mut wire = Vec::new();
        say(&mut wire, &order).unwrap();
        answers.iter().for_each(|answer| say(&mut wire, answer).unwrap());
        let mut input = &wire[..];
        assert_eq!(hear::<SliceOrder>(&mut input).unwrap(), Some(order));
        for answer in answers {
            assert_eq!(hear::<ContestantReply>(&mut input).unwrap(), Some(answer));
        }
        assert_eq!(hear::<ContestantReply>(&mut input).unwrap(), None);
        assert!(hear::<ContestantReply>(&mut &b"{}\n"[..]).is_err());
    }
}
