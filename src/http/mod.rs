//! Bytes into messages and back, without I/O: bytes are arguments, events are results.

pub mod http1;
