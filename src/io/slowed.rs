//! An engine that is slowed down on purpose, to see whether a comparison finds it.
//!
//! Knows nothing of what is done between two calls. Only the feature `slowed` builds it: what such
//! a build measures is wrong by intention.
//!
//! Invariant: a thread pays the share that was asked for of the CPU time that everything else
//! takes.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::io::{clock, system};

/// After how many calls the price of one is worked out anew.
const CALLS_PER_LOOK: u64 = 1024;

/// The share to be paid, in millionths; zero where nothing is slowed.
static SHARE_PPM: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static ACCOUNT: Cell<Account> = const { Cell::new(Account::NEW) };
}

/// What one thread has paid and has to pay.
#[derive(Clone, Copy)]
struct Account {
    calls: u64,
    /// CPU time of the thread when its price was worked out.
    looked_at: Duration,
    /// What was paid since then.
    paid_ns: u64,
    /// What each call pays.
    price_ns: u64,
}

impl Account {
    const NEW: Self = Self { calls: 0, looked_at: Duration::ZERO, paid_ns: 0, price_ns: 0 };
}

/// Has every thread of this process pay `percent` of its CPU time from now on.
pub fn slow_down(percent: u64) {
    SHARE_PPM.store(percent * 10_000, Relaxed);
}

/// Pays for one request: spins for the share of what a request has cost this thread lately.
pub fn pay() {
    let share_ppm = SHARE_PPM.load(Relaxed);
    if share_ppm == 0 {
        return;
    }
    let mut account = ACCOUNT.get();
    account.calls += 1;
    if account.calls == CALLS_PER_LOOK {
        let used = system::thread_cpu_time();
        let used = used.user + used.system;
        let since_ns = used.saturating_sub(account.looked_at).as_nanos();
        let others_ns = u64::try_from(since_ns).unwrap_or(0).saturating_sub(account.paid_ns);
        let price_ns = others_ns * share_ppm / 1_000_000 / CALLS_PER_LOOK;
        account = Account { calls: 0, looked_at: used, paid_ns: 0, price_ns };
    }
    let began = clock::now();
    let mut paid_ns = 0;
    while paid_ns < account.price_ns {
        std::hint::spin_loop();
        paid_ns = clock::now().ns_since(began);
    }
    account.paid_ns += paid_ns;
    ACCOUNT.set(account);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_pays_for_what_it_did() {
        slow_down(50);
        for _ in 0..3 * CALLS_PER_LOOK {
            std::hint::black_box((0..200).fold(0_u64, |sum, n| sum ^ std::hint::black_box(n)));
            pay();
        }
        assert!(ACCOUNT.get().price_ns > 0);
        slow_down(0);
    }
}
