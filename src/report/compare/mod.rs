//! A comparison for a person: the same tables and notes as text and as Markdown.
//!
//! It computes nothing that is not in the comparison, so that no form of it says another thing.

pub mod markdown;
mod tables;
pub mod text;

#[cfg(test)]
mod tests;
