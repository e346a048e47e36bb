//! Tests of the crate from outside, in one binary: they link once.

#![expect(clippy::unwrap_used, reason = "what a test needs and cannot have fails the test")]

mod bench;
#[path = "../support/benches.rs"]
mod benches;
#[path = "../support/binary.rs"]
mod binary;
mod bounds;
mod cli;
mod client;
mod compare;
#[path = "../support/corpus.rs"]
mod corpus;
#[path = "../support/engines.rs"]
mod engines;
mod fetch;
mod http;
#[path = "../support/places.rs"]
mod places;
#[path = "../support/plain_client.rs"]
mod plain_client;
#[path = "../support/runs.rs"]
mod runs;
#[path = "../support/served.rs"]
mod served;
#[path = "../support/server.rs"]
mod server;
mod testserver;
