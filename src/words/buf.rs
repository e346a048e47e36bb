//! Blocks of bytes that travel by value, and one core's free list of them.
//!
//! A block does not know what it holds nor who fills it: a socket appends to its spare room and
//! hands it back.
//!
//! Invariant: a block is owned by exactly one of a lane, a socket operation and the free list.

use crate::words::limits::{FREE_BLOCK_BYTES_MAX, FREE_BLOCKS_MAX};

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

    /// The bytes as a vector, for those who append to it.
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

/// Blocks of one core that wait to be used again, newest first: its memory is the warmest.
#[derive(Debug, Default)]
pub struct FreeBlocks(Vec<Block>);

impl FreeBlocks {
    /// An empty block with room for at least `bytes`.
    pub fn take(&mut self, bytes: usize) -> Block {
        match self.0.pop() {
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
        if self.0.len() < FREE_BLOCKS_MAX && room > 0 && room <= FREE_BLOCK_BYTES_MAX {
            self.0.push(block);
        }
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
        assert_eq!(free.0.len(), 0);
        for _ in 0..FREE_BLOCKS_MAX + 10 {
            free.give(Block::with_capacity(16));
        }
        assert_eq!(free.0.len(), FREE_BLOCKS_MAX);
        assert!(free.take(64).spare() >= 64);
    }
}
