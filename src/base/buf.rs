//! Blocks of bytes that travel by value, and one core's free list of them.
//!
//! A socket operation takes a block, appends to its spare room and hands it back.
//!
//! Invariant: a block is owned by exactly one of a lane, a socket operation and the free list.

use std::rc::Rc;

use crate::base::limits::{BLOCK_BYTES, HEAD_BYTES_MAX};

// LIMIT: blocks that a core keeps for reuse; more than that go back to the allocator.
const FREE_BLOCKS_MAX: usize = 1024;
// LIMIT: larger blocks are not kept for reuse.
const FREE_BLOCK_BYTES_MAX: usize = HEAD_BYTES_MAX;

/// A growable run of bytes with spare room at its end, owned by one party at a time.
#[derive(Debug, Default)]
pub struct Block(Vec<u8>);

impl Block {
    /// An empty block with room for `bytes`.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// The bytes that were filled.
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes were filled.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was filled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes that can still be filled without moving the block.
    #[must_use]
    pub fn spare(&self) -> usize {
        self.0.capacity() - self.0.len()
    }

    /// Makes room for at least `bytes` more.
    pub fn reserve(&mut self, bytes: usize) {
        self.0.reserve_exact(bytes);
    }

    /// Makes room for at least `bytes` more, and for more than that where it grows again and again.
    pub fn grow(&mut self, bytes: usize) {
        self.0.reserve(bytes);
    }

    /// Keeps the first `count` filled bytes.
    pub fn truncate(&mut self, count: usize) {
        self.0.truncate(count);
    }

    /// Appends `bytes`, growing where there is no room.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Drops the first `count` filled bytes and moves the rest to the front.
    ///
    /// # Panics
    ///
    /// Where fewer than `count` bytes were filled.
    pub fn consume(&mut self, count: usize) {
        if count == self.0.len() {
            self.0.clear();
        } else if count > 0 {
            self.0.drain(..count);
        }
    }

    /// Forgets what was filled and keeps the room.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The bytes as a vector, to append to.
    pub fn as_mut_vec(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// The bytes as a vector of their own.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl From<Vec<u8>> for Block {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

/// Bytes that several owners on one thread share and none changes: a request that is sent many
/// times.
#[derive(Clone, Debug)]
pub struct SharedBytes {
    bytes: Rc<[u8]>,
    count: usize,
}

impl SharedBytes {
    /// All of `bytes`.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { count: bytes.len(), bytes: bytes.into() }
    }

    /// The first `count` of the same bytes.
    ///
    /// # Panics
    ///
    /// Where there are fewer.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        assert!(count <= self.bytes.len(), "more bytes are asked for than there are");
        Self { bytes: Rc::clone(&self.bytes), count }
    }

    /// The bytes.
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        &self.bytes[..self.count]
    }
}

/// Bytes on their way out.
#[derive(Debug)]
pub enum Outgoing {
    /// In a block of their own.
    Block(Block),
    /// Shared with whoever sends them again.
    Shared(SharedBytes),
}

impl Outgoing {
    /// The bytes.
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        match self {
            Self::Block(block) => block.filled(),
            Self::Shared(bytes) => bytes.filled(),
        }
    }
}

/// Blocks of one core that wait to be used again, newest first: its memory is the warmest.
///
/// Blocks of less than [`BLOCK_BYTES`] are kept apart from the others, so that a connection that
/// only waits does not get a block that a body once needed.
#[derive(Debug, Default)]
pub struct FreeBlocks {
    small: Vec<Block>,
    large: Vec<Block>,
}

impl FreeBlocks {
    /// An empty block with room for at least `bytes`.
    pub fn take(&mut self, bytes: usize) -> Block {
        match self.of_size(bytes).pop() {
            Some(mut block) => {
                if block.spare() < bytes {
                    block.reserve(bytes);
                }
                block
            }
            None => Block::with_capacity(bytes),
        }
    }

    /// Takes `block` back, or frees it where enough are kept or it has grown large.
    pub fn give(&mut self, mut block: Block) {
        block.clear();
        let room = block.spare();
        let kept = self.of_size(room);
        if kept.len() < FREE_BLOCKS_MAX && room > 0 && room <= FREE_BLOCK_BYTES_MAX {
            kept.push(block);
        }
    }

    /// The list that a block with room for `bytes` belongs to.
    fn of_size(&mut self, bytes: usize) -> &mut Vec<Block> {
        if bytes < BLOCK_BYTES { &mut self.small } else { &mut self.large }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consuming_keeps_the_rest_in_order() {
        let mut block = Block::with_capacity(8);
        block.extend(b"abcdef");
        block.consume(2);
        assert_eq!(block.filled(), b"cdef");
        block.consume(4);
        assert!(block.is_empty());
        assert!(block.spare() >= 8);
    }

    #[test]
    fn the_free_list_keeps_neither_large_blocks_nor_many() {
        let mut free = FreeBlocks::default();
        free.give(Block::with_capacity(FREE_BLOCK_BYTES_MAX * 2));
        assert_eq!(free.large.len(), 0);
        for _ in 0..FREE_BLOCKS_MAX + 10 {
            free.give(Block::with_capacity(16));
        }
        assert_eq!(free.small.len(), FREE_BLOCKS_MAX);
        assert!(free.take(64).spare() >= 64);
    }

    #[test]
    fn who_wants_a_small_block_never_gets_a_large_one() {
        let mut free = FreeBlocks::default();
        free.give(Block::with_capacity(BLOCK_BYTES));
        assert!(free.take(512).spare() < BLOCK_BYTES);
        let large = free.take(BLOCK_BYTES);
        assert!(large.spare() >= BLOCK_BYTES && free.large.is_empty());
    }

    #[test]
    fn shared_bytes_are_the_same_bytes_and_not_copies() {
        let all = SharedBytes::new(b"abcabc".to_vec());
        let half = all.first(3);
        assert_eq!((half.filled(), all.filled().len()), (&b"abc"[..], 6));
        assert_eq!(half.filled().as_ptr(), all.filled().as_ptr());
    }
}
