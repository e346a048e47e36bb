//! The test server, as any client meets it.

mod faults;
mod routes;
