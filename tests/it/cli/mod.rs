//! The binary as its users meet it.

mod command_line;
mod serve;
mod signals;
