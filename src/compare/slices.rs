//! One way for a contestant to work: a slice at a time, by ringfetch itself or by another client.

use crate::compare::protocol::SliceOrder;
use crate::compare::slice::Slice;
use crate::runtime::launch::Engine;

/// Works for one slice at a time.
pub(super) trait Slices {
    /// Works for one slice. The counts that a meter takes of the process are left at zero.
    ///
    /// # Errors
    ///
    /// For a person to read; there will be no further slice.
    fn run(&mut self, order: &SliceOrder) -> Result<Slice, String>;
}

/// Refuses an engine that the kernel does not allow. Elsewhere epoll serves instead, but here it
/// would be compared with itself.
pub(super) fn check_engine(engine: Engine) -> Result<(), String> {
    match engine.refusal() {
        Some(reason) => Err(format!("the kernel refuses the engine: {reason}")),
        None => Ok(()),
    }
}
