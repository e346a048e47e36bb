//! What a person, or a script, is told of a run.
//!
//! Makes strings and knows no numbers of its own: they come from a summary or a snapshot. Only the
//! progress line draws by itself, since where it may draw is for the terminal to say.
//!
//! Invariant: nothing here changes what is measured, nor what goes to stdout as data.

pub mod bench;
pub mod compare;
pub mod json;
mod lines;
pub mod paint;
pub mod progress;
mod table;
pub mod text;
pub mod warning;
