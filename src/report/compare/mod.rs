//! A comparison for a person: the same tables and notes as text and as Markdown.
//!
//! Computes nothing that is not in the comparison, so that no form of it says another thing.
//!
//! ```text
//! tables   what is told, cell by cell   text   for a terminal   markdown   to paste
//! ```

pub mod markdown;
mod tables;
pub mod text;

#[cfg(test)]
mod tests;
