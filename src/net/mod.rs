//! From a name to a byte stream.

pub mod dns;
pub(crate) mod stream;
