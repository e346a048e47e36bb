//! The built-in test server, an HTTP/1.1 server that every other command can be tried against.
//!
//! Runs on the same engines as the fetches do, on one listener for each core, and shares nothing
//! with them: no pool, no lane, no settings. What it serves is made from numbers in the path, the
//! same for everyone, and costs no file. `/` lists every route and every fault.
//!
//! Invariant: no request, no peer and no body makes a connection of it hold more than a few blocks,
//! or for ever.
//!
//! ```text
//! server      listeners, threads, stop      route    target -> what is asked for
//! worker      accepts, counts, sweeps       reply    what is asked for -> bytes, or more to do
//! deadlines   deadlines of connections      stream   long bodies in pieces
//! connection  bytes in, bytes out           page     generated HTML       fault    broken answers
//! stamps      when requests arrived
//! ```
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! use ringfetch::testserver::{TestServer, TestServerSettings};
//!
//! let origin = TestServer::start(&TestServerSettings::local())?;
//! println!("http://{}/page/1", origin.addr());
//! let served = origin.stop()?;
//! println!("{} requests", served.requests);
//! # Ok(())
//! # }
//! ```

mod connection;
mod deadlines;
mod fault;
mod page;
mod reply;
mod route;
pub mod serve;
mod server;
mod stamps;
mod stream;
mod worker;

pub use server::{TestServer, TestServerSettings};
pub use worker::Served;
