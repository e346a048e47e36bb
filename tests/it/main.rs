//! Tests of the crate from outside, in one binary: they link once.

#[path = "../support/corpus.rs"]
mod corpus;
mod wire_corpus;
