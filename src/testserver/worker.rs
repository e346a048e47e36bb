//! One core of the origin: accepts connections, and looks after them.
//!
//! Does not read requests (`connection`) or know what is served (`reply`).
//!
//! Invariant: only this core writes its counters and touches its blocks; others read the counters.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::base::buf::{Block, FreeBlocks};
use crate::base::instant::Instant;
use crate::base::limits::{
    BLOCK_BYTES, EXHAUSTED_PAUSE, ORIGIN_PATTERN_BLOCKS_MAX, ORIGIN_STOP_SWEEPS_MAX,
    ORIGIN_SWEEP_INTERVAL, ORIGIN_SWEEPS_PER_CHECK,
};
use crate::runtime::{Interrupt, Io, Listener, Socket};
use crate::testserver::connection;
use crate::testserver::deadlines::WatchedConnections;
use crate::testserver::route;
use crate::testserver::stamps::Stamps;
use crate::testserver::stream::pattern;

/// What all cores of one origin share.
#[derive(Debug)]
pub(super) struct ServerShared {
    /// Whether the origin is to end.
    pub(super) stop: AtomicBool,
    /// How long a connection may wait for its peer.
    pub(super) idle: Duration,
    /// How many arrival times each core keeps.
    stamps_max: usize,
    counters: Vec<Counters>,
}

/// What one core counts, on a cache line that it shares with nobody.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counters {
    requests: AtomicU64,
    refused: AtomicU64,
    connections: AtomicU64,
}

/// What an origin has done, all cores together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Requests that were read and are answered, whatever the answer, faults included; those for
    /// `/count` and `/stamps` are not among them, so that asking changes nothing.
    pub requests: u64,
    /// Requests that were no HTTP, or too large, and ended their connection.
    pub refused: u64,
    /// Connections that were accepted.
    pub connections: u64,
}

impl ServerShared {
    /// What `cores` cores share that have done nothing yet.
    pub(super) fn new(cores: usize, idle: Duration, stamps_max: usize) -> Self {
        let counters = (0..cores).map(|_| Counters::default()).collect();
        Self { stop: AtomicBool::new(false), idle, stamps_max, counters }
    }

    /// What was done so far.
    pub(super) fn served(&self) -> Served {
        let mut served = Served::default();
        for counters in &self.counters {
            served.requests += counters.requests.load(Relaxed);
            served.refused += counters.refused.load(Relaxed);
            served.connections += counters.connections.load(Relaxed);
        }
        served
    }
}

/// What the connections of one core share.
pub(super) struct ServerWorker<I: Io> {
    pub(super) io: I,
    pub(super) shared: Arc<ServerShared>,
    pub(super) connections: WatchedConnections<<I::Socket as Socket>::Interrupter>,
    /// Where small bodies are composed before their length is known.
    pub(super) scratch: RefCell<Vec<u8>>,
    /// When the last requests arrived, where that is kept.
    pub(super) stamps: Option<RefCell<Stamps>>,
    idx: usize,
    blocks: RefCell<FreeBlocks>,
    patterns: RefCell<Vec<Block>>,
    /// The time of the last look; a deadline needs none more exact, and no clock is read for it.
    looked_at: Cell<Instant>,
    is_accepting: Cell<bool>,
}

impl<I: Io> ServerWorker<I> {
    /// A core without a connection.
    pub(super) fn new(io: I, shared: Arc<ServerShared>, idx: usize) -> Rc<Self> {
        let looked_at = Cell::new(io.now());
        let stamps = Stamps::with_room(shared.stamps_max).map(RefCell::new);
        Rc::new(Self {
            io,
            shared,
            connections: WatchedConnections::default(),
            scratch: RefCell::default(),
            stamps,
            idx,
            blocks: RefCell::default(),
            patterns: RefCell::default(),
            looked_at,
            is_accepting: Cell::new(false),
        })
    }

    /// Serves who connects to `listener` until the origin is stopped.
    pub(super) async fn run(self: Rc<Self>, listener: I::Listener) {
        let listener = Rc::new(listener);
        self.is_accepting.set(true);
        self.io.spawn(Rc::clone(&self).accept(Rc::clone(&listener)));
        let mut look_count = 0_u32;
        while !self.is_stopping() {
            self.look().await;
            look_count = look_count.wrapping_add(1);
            if look_count.is_multiple_of(ORIGIN_SWEEPS_PER_CHECK) {
                self.connections.sweep(self.looked_at.get());
            }
        }
        listener.interrupter().interrupt();
        // Sockets must be dropped while their runtime lives, and every connection ends at once; a
        // second round catches those that were being accepted.
        for _ in 0..ORIGIN_STOP_SWEEPS_MAX {
            self.connections.sweep(Instant::NEVER);
            if self.connections.is_empty() && !self.is_accepting.get() {
                break;
            }
            self.look().await;
        }
    }

    /// Whether the origin is to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.shared.stop.load(Relaxed)
    }

    /// The time, late by [`ORIGIN_SWEEP_INTERVAL`] at most while the core keeps up.
    pub(super) fn now(&self) -> Instant {
        self.looked_at.get()
    }

    /// An empty block to write answers into.
    pub(super) fn take_block(&self) -> Block {
        self.blocks.borrow_mut().take(BLOCK_BYTES)
    }

    /// Takes a block back.
    pub(super) fn give_block(&self, block: Block) {
        self.blocks.borrow_mut().give(block);
    }

    /// A block that holds the whole pattern.
    pub(super) fn take_pattern(&self) -> Block {
        let kept = self.patterns.borrow_mut().pop();
        kept.unwrap_or_else(|| Block::from(pattern().to_vec()))
    }

    /// Takes a block back that still holds the whole pattern.
    pub(super) fn give_pattern(&self, block: Block) {
        debug_assert_eq!(block.len(), pattern().len());
        let mut patterns = self.patterns.borrow_mut();
        if patterns.len() < ORIGIN_PATTERN_BLOCKS_MAX {
            patterns.push(block);
        }
    }

    /// Counts a request that is answered.
    pub(super) fn count_request(&self) {
        add_one(&self.shared.counters[self.idx].requests);
    }

    /// Keeps when a request for `target` arrived, its head having been read just now; questions
    /// about the origin itself are not kept, so that asking changes nothing.
    pub(super) fn stamp(&self, target: &str) {
        let Some(stamps) = &self.stamps else { return };
        let now = self.io.now();
        if !route::parse(target).is_ok_and(|asked| asked.route.is_about_server()) {
            stamps.borrow_mut().keep(now);
        }
    }

    /// Counts a request that is refused.
    pub(super) fn count_refused(&self) {
        add_one(&self.shared.counters[self.idx].refused);
    }

    /// Accepts connections until the listener is shut down.
    async fn accept(self: Rc<Self>, listener: Rc<I::Listener>) {
        while !self.is_stopping() {
            match listener.accept().await {
                Ok(socket) => {
                    add_one(&self.shared.counters[self.idx].connections);
                    self.io.spawn(connection::run(Rc::clone(&self), socket));
                }
                Err(_) if self.is_stopping() => break,
                // A peer that is gone before it was accepted is nothing; a kernel without room for
                // descriptors will have some when others close.
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be accepted");
                    self.io.sleep_until(self.io.now() + EXHAUSTED_PAUSE).await;
                }
            }
        }
        self.is_accepting.set(false);
    }

    /// Waits a moment, and looks at the clock.
    async fn look(&self) {
        self.io.sleep_until(self.io.now() + ORIGIN_SWEEP_INTERVAL).await;
        self.looked_at.set(self.io.now());
    }
}

/// Adds one to a counter that only the calling core writes, so a load and a store are enough.
fn add_one(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}
