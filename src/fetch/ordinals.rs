//! A set of line numbers, kept as ranges.
//!
//! Invariant: ranges neither overlap nor touch, so that numbers which come nearly in order take
//! memory only for the gaps between them.

use std::collections::BTreeMap;

/// A set of numbers that come nearly in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ordinals {
    /// The first number of each range, and the one behind its last.
    ranges: BTreeMap<u64, u64>,
    len: u64,
}

impl Ordinals {
    /// Adds `n`; whether it was not there before.
    ///
    /// # Panics
    ///
    /// For the number `u64::MAX`, which no line has.
    pub fn insert(&mut self, n: u64) -> bool {
        assert!(n < u64::MAX, "no line has this number");
        if self.contains(n) {
            return false;
        }
        // The range behind `n` joins it, and both join the one before.
        let end = self.ranges.remove(&(n + 1)).unwrap_or(n + 1);
        match self.ranges.range_mut(..=n).next_back() {
            Some((_, before)) if *before == n => *before = end,
            _ => {
                self.ranges.insert(n, end);
            }
        }
        self.len += 1;
        true
    }

    /// Whether `n` is in the set.
    #[must_use]
    pub fn contains(&self, n: u64) -> bool {
        self.ranges.range(..=n).next_back().is_some_and(|(_, end)| n < *end)
    }

    /// How many numbers are in the set.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether no number is in the set.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_set_that_it_stands_for(numbers in prop::collection::vec(0_u64..60, 0..80)) {
            let (mut ordinals, mut model) = (Ordinals::default(), BTreeSet::new());
            for n in numbers {
                prop_assert_eq!(ordinals.insert(n), model.insert(n));
            }
            prop_assert_eq!(ordinals.len(), model.len() as u64);
            for n in 0..61 {
                prop_assert_eq!(ordinals.contains(n), model.contains(&n));
            }
            let gaps = model.iter().filter(|n| !model.contains(&(**n + 1))).count();
            prop_assert_eq!(ordinals.ranges.len(), gaps);
        }
    }
}
