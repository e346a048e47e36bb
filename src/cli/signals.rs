//! What Ctrl-C and SIGTERM do.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::cli::exit::INTERRUPTED;

/// Has the first signal set `is_ending`, and the second end the process.
pub(super) fn listen_for_signals(is_ending: &Arc<AtomicBool>) -> anyhow::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // In this order: the second signal finds the flag that the first one set.
        let status = i32::from(INTERRUPTED);
        flag::register_conditional_shutdown(signal, status, Arc::clone(is_ending))
            .and_then(|_| flag::register(signal, Arc::clone(is_ending)))
            .context("cannot listen for signals")?;
    }
    Ok(())
}
