//! Tests of the crate from outside, in one binary: they link once.

#[path = "../support/client.rs"]
mod client;
#[path = "../support/corpus.rs"]
mod corpus;
mod origin;
mod origin_faults;
mod serve_command;
mod wire_corpus;
