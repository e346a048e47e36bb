//! How large a block the answers of a call are read into.
//!
//! Many connections wait at once, so small blocks are more than thrift: they stay in the cache.

use std::cell::Cell;

use crate::base::limits::BLOCK_BYTES;

/// Memory that one core's connections of a bench may hold together while they wait for responses:
/// each has its share of it, within the next two bounds.
const BLOCKS_BYTES: usize = 4 * 1024 * 1024;
/// The least that a connection of a bench reads a response into: most heads fit.
const ANSWER_BLOCK_BYTES_MIN: usize = 1024;
/// The most that a connection of a bench reads a response into at first, before its head has said
/// how large it is.
const ANSWER_BLOCK_BYTES_MAX: usize = 64 * 1024;

const _: () = assert!(ANSWER_BLOCK_BYTES_MIN < BLOCK_BYTES, "who waits must hold a small block");

/// How large the blocks of one core are: as large as answers have been lately.
pub(super) struct BlockSize {
    /// The most that a lane reads an answer into at first, in bytes.
    most: usize,
    /// How large answers have been lately, in bytes.
    expected: Cell<usize>,
}

impl BlockSize {
    /// Small blocks, until answers have come, for a core with `lanes`.
    pub(super) fn new(lanes: usize) -> Self {
        let most = BLOCKS_BYTES / lanes;
        Self {
            most: most.clamp(ANSWER_BLOCK_BYTES_MIN, ANSWER_BLOCK_BYTES_MAX),
            expected: Cell::new(ANSWER_BLOCK_BYTES_MIN),
        }
    }

    /// Has answers expected to be as large as this one was; what is less changes that slowly.
    pub(super) fn expect(&self, wire_bytes: u64) {
        let bytes = usize::try_from(wire_bytes).unwrap_or(usize::MAX);
        let before = self.expected.get();
        self.expected.set(bytes.max(before - before / 256));
    }

    /// How large a block `answers` answers are read into, in bytes.
    ///
    /// One byte more shows whether that was all. All answers of a pipeline go into one: a head that
    /// the end of a block cuts is parsed in full, and was every fourth where a block had room for
    /// one answer (16 answers of 64 B: 0.34 us of CPU a request, 0.50 so).
    pub(super) fn for_answers(&self, answers: usize) -> usize {
        let bytes = self.expected.get().saturating_mul(answers).saturating_add(1);
        bytes.clamp(ANSWER_BLOCK_BYTES_MIN, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_holds_all_answers_of_a_pipeline_within_its_bounds() {
        let check = |expected: usize, answers: usize, bytes: usize| {
            let size = BlockSize { most: ANSWER_BLOCK_BYTES_MAX, expected: Cell::new(expected) };
            assert_eq!(size.for_answers(answers), bytes, "{answers} of {expected}");
        };
        check(150, 1, ANSWER_BLOCK_BYTES_MIN);
        check(150, 16, 2401);
        check(usize::MAX, 16, ANSWER_BLOCK_BYTES_MAX);
    }
}
