//! Counts by status, and counts by name.

use serde::{Serialize, Serializer};

/// Highest status code: three digits (RFC 9112 section 4).
const STATUS_MAX: u16 = 999;

/// How many responses had each status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusCounts(Box<[u64]>);

impl StatusCounts {
    /// Counts one response.
    ///
    /// # Panics
    ///
    /// Where `status` has more than three digits.
    pub fn count(&mut self, status: u16) {
        assert!(status <= STATUS_MAX, "a status has three digits: {status}");
        self.0[usize::from(status)] += 1;
    }

    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += theirs;
        }
    }

    /// All responses together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The statuses that were seen, in ascending order, each with its count.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        (0..=STATUS_MAX).zip(self.0.iter().copied()).filter(|(_, count)| *count > 0)
    }
}

impl Default for StatusCounts {
    fn default() -> Self {
        Self(vec![0; usize::from(STATUS_MAX) + 1].into_boxed_slice())
    }
}

/// Counts by name, in a fixed order; a JSON object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedCounts(pub Vec<(String, u64)>);

impl NamedCounts {
    /// All of them together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }
}

impl Serialize for NamedCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, count)| (name, count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "three digits")]
    fn a_status_of_four_digits_is_a_bug() {
        StatusCounts::default().count(1000);
    }
}
