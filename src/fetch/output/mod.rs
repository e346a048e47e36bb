//! What is made of a fetch. Extraction threads read the pages, and hand each document to an output.
//!
//! Invariant: each fetched line that comes out of the queue becomes exactly one document, or the
//! run is told to stop.

mod callback;
mod finishers;
mod jsonl;
mod queue;
mod resume;
pub mod row;
mod sink;

pub use callback::Callback;
pub use finishers::{FinisherCounts, FinisherSettings, Finishers};
pub use jsonl::{JsonLines, Writer};
pub use queue::Queue;
pub(super) use queue::ROWS_QUEUED_MAX;
pub use resume::{Resumed, resume};
pub use sink::{Document, Sink};
