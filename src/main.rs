//! The `ringfetch` binary: an allocator and the command line.

use std::process::ExitCode;

/// Most of its speed is in freeing on one thread what another allocated: bodies and rows do that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ringfetch::cli::main()
}
