//! The `ringfetch` binary.

fn main() {}
