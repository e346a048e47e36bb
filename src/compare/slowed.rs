//! Which contestant is slowed down on purpose, to see whether a comparison finds it. Without the
//! feature `slowed` there is nothing here.
//!
//! Invariant: only the contestant that the variable names is slowed, by the share that it names;
//! and only ringfetch's own engines can be.

/// Slows this process down where the environment says so for `label`: `RINGFETCH_SLOWED=uring#2=5`
/// has each request of the contestant `uring#2` spin for 5 % of the CPU time that it takes besides.
#[cfg(feature = "slowed")]
pub(super) fn slow_down(label: &str) {
    let setting = std::env::var("RINGFETCH_SLOWED").unwrap_or_default();
    let Some((name, percent)) = setting.rsplit_once('=') else { return };
    if let (true, Ok(percent)) = (name == label, percent.parse()) {
        crate::runtime::slowed::slow_down(percent);
    }
}

/// Does nothing: this build does not have the feature.
#[cfg(not(feature = "slowed"))]
pub(super) fn slow_down(_: &str) {}
