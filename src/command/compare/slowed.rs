//! A contestant that is slowed down on purpose, to see whether a comparison finds it.
//!
//! Knows nothing of what the contestant does. Without the feature `slowed` there is nothing here:
//! such a build is for tests, and what it measures is wrong by intention.
//!
//! Invariant: only the contestant that the variable names is slowed, by the share that it names.

/// Slows this process down where the environment says so for `label`: `RINGFETCH_SLOWED=uring#2=5`
/// makes the contestant `uring#2` use 5 % more CPU time than it would.
#[cfg(not(feature = "slowed"))]
pub(super) fn slow_down(_: &str) {}

/// Slows this process down where the environment says so for `label`: `RINGFETCH_SLOWED=uring#2=5`
/// makes the contestant `uring#2` use 5 % more CPU time than it would.
#[cfg(feature = "slowed")]
pub(super) fn slow_down(label: &str) {
    let Ok(setting) = std::env::var("RINGFETCH_SLOWED") else { return };
    let Some((name, percent)) = setting.rsplit_once('=') else { return };
    let Ok(percent) = percent.parse::<f64>() else { return };
    if name == label && percent > 0.0 {
        let burn = move || burn(percent / 100.0);
        let thread = std::thread::Builder::new().name("slowed".to_owned());
        thread.spawn(burn).expect("a thread can be started");
    }
}

/// Uses `share` of the CPU time that the rest of the process uses, a millisecond at a time.
#[cfg(feature = "slowed")]
fn burn(share: f64) {
    use std::time::Duration;

    use crate::io::{clock, system};

    let total = || {
        let (process, own) = (system::process_cpu_time(), system::thread_cpu_time());
        let own = own.user + own.system;
        ((process.user + process.system).saturating_sub(own), own)
    };
    let (others_before, own_before) = total();
    loop {
        clock::pause(Duration::from_millis(1));
        let (others, _) = total();
        let wanted = others.saturating_sub(others_before).mul_f64(share);
        while total().1.saturating_sub(own_before) < wanted {
            std::hint::spin_loop();
        }
    }
}
