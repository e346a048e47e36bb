//! The test server: an HTTP/1.1 server that every other command can be tried against.
//!
//! It runs on the same engines as the fetches do, with one listener for each worker, and shares
//! nothing with them: no pool, no lane, no settings. What it serves is made from numbers in the
//! path, so it is the same for everyone and costs no file. `/` lists every route and every fault.
//!
//! Invariant: no request, no peer and no body makes a connection hold more than a few blocks, or
//! stay for ever.
//!
//! ```text
//! serve       options -> a running server   route    target -> what is asked for
//! server      listeners, threads, stop      reply    what is asked for -> bytes, or more to do
//! accept      one worker's loop             stream   long bodies in pieces
//! worker      what its connections share    page     generated HTML
//! deadlines   of its connections            fault    broken answers
//! connection  bytes in, bytes out           stamps   when requests arrived
//! shared      counters, the stop flag
//! ```
//!
//! Programs start it by [`Serve`]. [`TestServer`] is what that starts: tests and benchmarks use it
//! to choose how its threads are launched.

mod accept;
mod connection;
mod deadlines;
mod fault;
mod page;
mod reply;
mod route;
mod serve;
mod server;
mod shared;
mod stamps;
mod stream;
mod worker;

pub use serve::{LISTEN_DEFAULT, Serve, ServeError, ServeSummary, Serving};
pub use server::{IDLE_DEFAULT, TestServer, TestServerSettings};
pub use shared::Served;
pub use stamps::STAMPS_MAX;
