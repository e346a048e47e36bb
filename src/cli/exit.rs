//! Exit codes, which are a contract with users' scripts.

/// Done.
pub(super) const DONE: u8 = 0;
/// Done, and something failed or did not hold.
pub(super) const SOME_FAILED: u8 = 1;
/// Could not run.
pub(super) const COULD_NOT_RUN: u8 = 2;
/// Stopped by a signal.
pub(super) const INTERRUPTED: u8 = 130;
