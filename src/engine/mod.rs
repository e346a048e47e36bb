//! What fetch and bench make of the client.

pub mod bench;
