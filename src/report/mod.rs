//! Results as text and JSON, for a person or a script.
//!
//! Numbers come from a summary or a snapshot and become strings. Only the progress line writes by
//! itself, since it depends on the terminal.
//!
//! Invariant: nothing here changes what is measured, nor the data on stdout.

pub mod bench;
pub mod compare;
pub mod json;
mod lines;
pub mod paint;
pub mod progress;
mod table;
pub mod text;
pub mod warning;
