//! Lists of URLs, one input line at a time: files, standard input, gzip and zstd. Whether a line is
//! a URL is decided by its reader.
//!
//! Invariant: every line that is neither empty nor a comment is handed out exactly once and in
//! order, whatever its length and its bytes.

mod lines;
mod list;
mod repeated;
pub mod source;

pub use lines::Lines;
pub use list::Input;
pub use repeated::Repeated;
