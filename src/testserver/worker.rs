//! What the connections of one worker share: its blocks, its counters, its clock.
//!
//! Invariant: everything here belongs to one thread; only the counters are read by others.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::base::buf::{Block, FreeBlocks};
use crate::base::instant::Instant;
use crate::base::limits::BLOCK_BYTES;
use crate::runtime::{Io, Socket};
use crate::testserver::deadlines::WatchedConnections;
use crate::testserver::route;
use crate::testserver::shared::{ServerShared, WorkerCounters};
use crate::testserver::stamps::Stamps;
use crate::testserver::stream::pattern;

/// LIMIT: blocks full of the pattern that one worker keeps for reuse.
const PATTERN_BLOCKS_MAX: usize = 64;

/// What runs on one core, as its connections see it.
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
    /// The time of the last look at the clock. Deadlines need no better one, so that a request
    /// costs no look of its own.
    looked_at: Cell<Instant>,
}

impl<I: Io> ServerWorker<I> {
    /// The worker `idx`, which has no connection yet.
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
        })
    }

    /// Whether the server is to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.shared.stop.load(Relaxed)
    }

    /// The time of the last look at the clock.
    pub(super) fn now(&self) -> Instant {
        self.looked_at.get()
    }

    /// Looks at the clock.
    pub(super) fn look_at_clock(&self) {
        self.looked_at.set(self.io.now());
    }

    /// The counters of this worker.
    pub(super) fn counters(&self) -> &WorkerCounters {
        self.shared.counters(self.idx)
    }

    /// Keeps the time at which a request for `target` arrived. Questions about the server itself
    /// are left out, so that asking changes nothing.
    pub(super) fn stamp(&self, target: &str) {
        let Some(stamps) = &self.stamps else { return };
        let now = self.io.now();
        if !route::parse(target).is_ok_and(|asked| asked.route.is_about_server()) {
            stamps.borrow_mut().keep(now);
        }
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
        if patterns.len() < PATTERN_BLOCKS_MAX {
            patterns.push(block);
        }
    }
}
