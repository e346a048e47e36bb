//! What is made of a fetch: extraction threads read the pages and give each document to an output.
//!
//! Invariant: every line that comes out of the queue becomes exactly one document, or the run is
//! told to stop.

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
