//! Wire conversations, as bytes and over sockets.

mod corpus;
mod sockets;
