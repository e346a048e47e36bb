//! Lists of URLs, one input line at a time.
//!
//! Knows files, standard input and their compression, but not what a line means: whether it is a
//! URL is for the reader of the lines to say.
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
