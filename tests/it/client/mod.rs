//! The engine that `fetch` and `bench` share, over real sockets.

mod connections;
mod failures;
