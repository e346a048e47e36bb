//! Bytes into messages and back, without I/O: what arrives is an argument, what follows a result.

pub mod http1;
