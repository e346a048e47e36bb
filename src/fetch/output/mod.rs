//! Where results go. Extraction threads turn what was fetched into rows; sinks take those.
//!
//! Knows neither cores nor lanes: batches come out of a queue.
//!
//! Invariant: whatever comes out of the queue becomes exactly one row, or the run is told to stop.

mod finish;
mod json_line;
mod jsonl;
mod resume;
pub mod row;
mod row_of;
mod rows;

pub use finish::{Finished, Finishers, Finishing};
pub use jsonl::{JsonLines, Writer};
pub use resume::{Resumed, resume};
pub use rows::{Callback, Queue};
