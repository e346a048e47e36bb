//! What an exchange gave, as a workload settles it.

use std::net::IpAddr;

use crate::base::failure::Failure;
use crate::base::instant::Instant;

/// What the exchange of one question gave.
#[derive(Debug)]
pub(crate) struct Exchanged<A> {
    /// How it ended.
    pub(crate) end: End,
    /// What was noted of the last answer; none where there was no connection.
    pub(crate) answer: Option<A>,
    /// Bytes received for the last answer.
    pub(crate) wire_bytes: u64,
    /// What was connected to.
    pub(crate) ip: Option<IpAddr>,
    /// Where the time of opening a connection went.
    pub(crate) opening: OpeningTimes,
    /// How many of its requests were handed to the kernel, the last one perhaps in part.
    pub(crate) sent: usize,
    /// When that was, where it was.
    pub(crate) sent_at: Instant,
    /// From then to the first byte of the last answer; zero where none came.
    pub(crate) first_byte_ns: u64,
    /// When it was over.
    pub(crate) ended_at: Instant,
}

/// Where the time of opening a connection went, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OpeningTimes {
    /// Looking the name up.
    pub(crate) dns_ns: u64,
    /// Connecting.
    pub(crate) connect_ns: u64,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With every answer, or with the connection where no request was to be sent.
    Complete,
    /// It was begun and failed.
    Failed(Failure),
    /// Its deadline had passed before it was begun.
    NotBegun(Failure),
    /// The kernel had no room for a connection; this is its error number.
    NoRoom(i32),
}

impl<A> Exchanged<A> {
    /// An exchange without any answer that ended so.
    pub(super) fn without_answer(end: End, ended_at: Instant) -> Self {
        Self {
            end,
            answer: None,
            wire_bytes: 0,
            ip: None,
            opening: OpeningTimes::default(),
            sent: 0,
            sent_at: ended_at,
            first_byte_ns: 0,
            ended_at,
        }
    }

    /// Why it failed, if it did.
    pub(crate) fn failure(&self) -> Option<Failure> {
        match self.end {
            End::Failed(failure) | End::NotBegun(failure) => Some(failure),
            End::Complete | End::NoRoom(_) => None,
        }
    }
}
