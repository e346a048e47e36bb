//! Tests of the crate from outside, in one binary: they link once.

#![expect(clippy::unwrap_used, reason = "what a test needs and cannot have fails the test")]

mod bench_ends;
mod bench_faults;
mod bench_ledger;
mod bench_loads;
mod bench_pipelines;
mod bench_reports;
mod bench_requests;
mod bench_searches;
#[path = "../support/benches.rs"]
mod benches;
#[path = "../support/binary.rs"]
mod binary;
#[path = "../support/client.rs"]
mod client;
mod command_line;
mod compare;
mod compare_ends;
#[cfg(feature = "peers")]
mod compare_peers;
mod connections;
#[path = "../support/corpus.rs"]
mod corpus;
#[path = "../support/engines.rs"]
mod engines;
mod failures;
mod library;
mod limits;
mod lines;
mod moves;
mod nginx;
mod origin;
mod origin_faults;
mod pages;
#[cfg(feature = "peers")]
mod peers;
#[path = "../support/places.rs"]
mod places;
mod redirects;
#[path = "../support/runs.rs"]
mod runs;
mod serve_command;
#[path = "../support/served.rs"]
mod served;
#[path = "../support/server.rs"]
mod server;
mod signals;
mod wire_corpus;
mod wire_sockets;
