//! Floor 4: where jobs come from, one input line at a time.
//!
//! Knows files, standard input and their compression, but not what a line means: whether it is a
//! URL is for the reader of the lines to say.
//!
//! Invariant: every line that is neither empty nor a comment is handed out exactly once and in
//! order, whatever its length and its bytes.

mod input;
mod lines;
mod repeated;

pub use input::Input;
pub use lines::Lines;
pub use repeated::Repeated;
