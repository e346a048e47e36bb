//! The hidden command that a comparison starts for each of its contestants.
//!
//! Invariant: standard output carries answers alone.

use std::io;

use anyhow::Context;

use crate::cli::exit::DONE;
use crate::compare::contestant_main;

/// Works as standard input says; the exit code.
pub(super) fn run() -> anyhow::Result<u8> {
    contestant_main::run(io::stdin().lock(), io::stdout().lock())
        .context("a comparison starts this by itself, hint: ringfetch compare")?;
    Ok(DONE)
}
