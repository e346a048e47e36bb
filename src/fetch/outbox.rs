//! Results of one core that were not handed on yet.
//!
//! Invariant: rows leave in the order in which they came, and a batch that could not be handed on
//! goes before those that came after it.

use crate::fetch::job::Fetched;

/// Rows handed from a core at once.
const ROW_BATCH: usize = 64;
/// Body bytes in one batch of rows; a batch goes when it holds more.
const ROW_BATCH_BODY_BYTES: usize = 512 * 1024;

/// Rows that were not handed on yet.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    rows: Vec<Fetched>,
    body_bytes: usize,
}

impl Outbox {
    /// Whether there is no row.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds one row; the batch where it is full.
    pub(super) fn push(&mut self, fetched: Fetched) -> Option<Vec<Fetched>> {
        let body = fetched.response.as_ref().and_then(|response| response.body.as_ref());
        self.body_bytes += body.map_or(0, Vec::capacity);
        self.rows.push(fetched);
        let is_full = self.rows.len() >= ROW_BATCH || self.body_bytes >= ROW_BATCH_BODY_BYTES;
        is_full.then(|| self.take())
    }

    /// Takes the batch as it is.
    pub(super) fn take(&mut self) -> Vec<Fetched> {
        self.body_bytes = 0;
        if self.rows.is_empty() {
            return Vec::new();
        }
        std::mem::replace(&mut self.rows, Vec::with_capacity(ROW_BATCH))
    }

    /// Puts back a batch that could not be handed on.
    pub(super) fn put_back(&mut self, batch: Vec<Fetched>) {
        if batch.is_empty() {
            return;
        }
        let bodies = batch.iter().filter_map(|f| f.response.as_ref()?.body.as_ref());
        self.body_bytes += bodies.map(Vec::capacity).sum::<usize>();
        let newer = std::mem::replace(&mut self.rows, batch);
        self.rows.extend(newer);
    }
}
