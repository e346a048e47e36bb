//! One request of a bench, or a pipeline of them, as the driver sees it.
//!
//! Knows when each should have started; what that means is the recorder's business.
//!
//! Invariant: the requests of one call have one target, and are answered in their order.

use std::rc::Rc;

use crate::base::buf::SharedBytes;
use crate::base::instant::Instant;
use crate::base::limits::EXHAUSTED_PAUSES_MAX;
use crate::base::target::Target;
use crate::bench::recorder::Start;
use crate::client::workload::{Call, Purpose};
use crate::http::http1::RequestTemplate;

/// A target and the bytes that ask for it, as often as a pipeline is deep.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) target: Target,
    bytes: SharedBytes,
    request_bytes: usize,
}

impl Prepared {
    /// Renders `depth` requests for `target`.
    pub(super) fn new(target: Target, request: &RequestTemplate, depth: usize) -> Self {
        let (authority, path) = (target.authority(), target.path_and_query());
        let request_bytes = request.len(authority, path);
        let mut bytes = Vec::with_capacity(request_bytes * depth);
        for _ in 0..depth {
            request.write(&mut bytes, authority, path);
        }
        Self { bytes: SharedBytes::new(bytes), request_bytes, target }
    }

    /// The bytes of `count` requests.
    pub(super) fn requests(&self, count: usize) -> SharedBytes {
        self.bytes.first(self.request_bytes * count)
    }
}

/// Requests that go out together on one connection, or none where only the connection is wanted.
#[derive(Debug)]
pub(super) struct BenchCall {
    pub(super) prepared: Rc<Prepared>,
    /// When the first should have started.
    first_due: Instant,
    /// When the others should have.
    more_due: Vec<Instant>,
    pub(super) purpose: Purpose,
    /// How many were answered.
    pub(super) answered: usize,
    /// How many were handed to the kernel, the last of them perhaps in part.
    begun: usize,
    /// When that was.
    sent_at: Instant,
    deadline: Instant,
    connect_ns: u64,
    /// Pauses made because the kernel was out of descriptors, buffers or ports.
    pauses: u32,
}

impl BenchCall {
    /// Requests that should have started at `first_due` and `more_due`.
    pub(super) fn ask(
        prepared: Rc<Prepared>,
        first_due: Instant,
        more_due: Vec<Instant>,
        deadline: Instant,
    ) -> Self {
        Self { first_due, more_due, purpose: Purpose::Ask, ..Self::open(prepared, deadline) }
    }

    /// A connection for later.
    pub(super) fn open(prepared: Rc<Prepared>, deadline: Instant) -> Self {
        Self {
            prepared,
            first_due: Instant::NEVER,
            more_due: Vec::new(),
            purpose: Purpose::Open,
            answered: 0,
            begun: 0,
            sent_at: Instant::default(),
            deadline,
            connect_ns: 0,
            pauses: 0,
        }
    }

    /// How many requests there are.
    pub(super) fn count(&self) -> usize {
        match self.purpose {
            Purpose::Open => 0,
            Purpose::Ask => 1 + self.more_due.len(),
        }
    }

    /// When request `idx` should have started.
    fn due(&self, idx: usize) -> Instant {
        if idx == 0 { self.first_due } else { self.more_due[idx - 1] }
    }

    /// When request `idx` should have started, and when it did.
    pub(super) fn start(&self, idx: usize) -> Start {
        Start { due: self.due(idx), sent_at: (idx < self.begun).then_some(self.sent_at) }
    }

    /// The starts of the requests that were not answered.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = Start> + '_ {
        (self.answered..self.count()).map(|idx| self.start(idx))
    }

    /// How long opening a connection took; zero where none was opened.
    pub(super) fn connect_ns(&self) -> u64 {
        self.connect_ns
    }

    /// Takes the list of due times back, for the next pipeline.
    pub(super) fn into_list(self) -> Vec<Instant> {
        self.more_due
    }

    /// Gives the call a new deadline, for another try.
    pub(super) fn put_off(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Counts a pause for want of the kernel's room; whether another one may be made.
    pub(super) fn count_pause(&mut self) -> bool {
        self.pauses += 1;
        self.pauses <= EXHAUSTED_PAUSES_MAX
    }
}

impl Call for BenchCall {
    fn target(&self) -> &Target {
        &self.prepared.target
    }

    fn purpose(&self) -> Purpose {
        self.purpose
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn add_connect_ns(&mut self, ns: u64) {
        self.connect_ns += ns;
    }

    fn handle_sent(&mut self, now: Instant) {
        self.begun = self.count();
        self.sent_at = now;
    }

    fn handle_cut(&mut self, bytes: usize) {
        // What was handed over in part may count as seen; what is behind it cannot.
        self.begun = bytes.div_ceil(self.prepared.request_bytes);
    }
}
