//! An engine that is slowed down on purpose, to see whether a comparison finds it.
//!
//! Only the feature `slowed` builds it: what such a build measures is wrong by intention.
//!
//! Invariant: a thread pays the share that was asked for of the CPU time that everything else
//! takes.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::runtime::clock;

/// After how many calls the price of one is worked out anew.
const CALLS_PER_LOOK: u64 = 1024;
/// Readings of the clock by which one is measured.
const READINGS: u64 = 10_000;

/// The share to be paid, in millionths; zero where nothing is slowed.
static SHARE_PPM: AtomicU64 = AtomicU64::new(0);
/// What one reading of the clock takes.
static READING_NS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static ACCOUNT: Cell<Account> = const { Cell::new(Account::NEW) };
}

/// What one thread has paid and has to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Account {
    calls: u64,
    /// CPU time of the thread when its price was worked out.
    looked_at: Duration,
    /// What was paid since then.
    paid_ns: u64,
    /// What each call pays.
    price_ns: u64,
    /// What was paid too much, and the next calls need not pay.
    credit_ns: u64,
}

/// Makes every thread of this process pay `percent` of its CPU time from now on.
pub fn slow_down(percent: u64) {
    // By the thread's own clock: others may take the CPU meanwhile.
    let began = clock::thread_cpu_now();
    for _ in 0..READINGS {
        std::hint::black_box(clock::now());
    }
    let took = (clock::thread_cpu_now() - began).as_nanos() / u128::from(READINGS);
    READING_NS.store(u64::try_from(took).unwrap_or(u64::MAX), Relaxed);
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
        account = account.priced(clock::thread_cpu_now(), share_ppm);
    }
    let due_ns = account.price_ns.saturating_sub(account.credit_ns);
    let mut spun_ns = 0;
    if due_ns > 0 {
        // The spin itself sees about one reading less than it takes.
        spun_ns = READING_NS.load(Relaxed);
        let began = clock::now();
        while spun_ns < due_ns {
            std::hint::spin_loop();
            spun_ns = clock::now().ns_since(began) + READING_NS.load(Relaxed);
        }
    }
    ACCOUNT.set(account.charged(spun_ns));
}

impl Account {
    const NEW: Self =
        Self { calls: 0, looked_at: Duration::ZERO, paid_ns: 0, price_ns: 0, credit_ns: 0 };

    /// The account from `used` on, the thread's CPU time up to now: each call will pay its part of
    /// the share of what everything but paying took since the last look.
    fn priced(self, used: Duration, share_ppm: u64) -> Self {
        let since_ns = used.saturating_sub(self.looked_at).as_nanos();
        let others_ns = u64::try_from(since_ns).unwrap_or(0).saturating_sub(self.paid_ns);
        let price_ns = others_ns * share_ppm / 1_000_000 / CALLS_PER_LOOK;
        Self { calls: 0, looked_at: used, paid_ns: 0, price_ns, ..self }
    }

    /// Books a call that spun for `spun_ns` on the wall's clock. A thread that lost its CPU
    /// meanwhile used none: what is beyond twice the price and a few readings is no payment.
    fn charged(self, spun_ns: u64) -> Self {
        let most_ns = 2 * self.price_ns + 4 * READING_NS.load(Relaxed);
        let paid_ns = spun_ns.min(most_ns);
        let credit_ns = (self.credit_ns + paid_ns).saturating_sub(self.price_ns);
        Self { paid_ns: self.paid_ns + paid_ns, credit_ns, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF_PPM: u64 = 500_000;

    #[test]
    fn a_call_pays_its_part_of_the_share_of_what_others_took() {
        let account = Account { calls: CALLS_PER_LOOK, paid_ns: 512_000, ..Account::NEW };
        let priced = account.priced(Duration::from_nanos(512_000 + 2_048_000), HALF_PPM);
        assert_eq!(priced.price_ns, 1000);
        assert_eq!((priced.calls, priced.paid_ns), (0, 0));
    }

    #[test]
    fn what_is_paid_too_much_is_not_paid_again() {
        let account = Account { price_ns: 1000, ..Account::NEW };
        let charged = account.charged(1040);
        assert_eq!((charged.paid_ns, charged.credit_ns), (1040, 40));
        let charged = charged.charged(970);
        assert_eq!((charged.paid_ns, charged.credit_ns), (2010, 10));
        assert_eq!(Account { credit_ns: 1500, ..account }.charged(0).credit_ns, 500);
    }

    #[test]
    fn the_time_without_a_cpu_is_no_payment() {
        let account = Account { price_ns: 1000, ..Account::NEW };
        assert!(account.charged(4_000_000).paid_ns < 10_000);
    }

    #[test]
    fn a_thread_pays_the_share_of_what_else_it_does() {
        let work = || {
            let began = clock::thread_cpu_now();
            for _ in 0..8 * CALLS_PER_LOOK {
                let work = (0..200).fold(0_u64, |sum, n| sum ^ std::hint::black_box(n));
                std::hint::black_box(work);
                pay();
            }
            (clock::thread_cpu_now() - began).as_secs_f64()
        };
        let plain = work();
        slow_down(100);
        // One look finds the price.
        work();
        let slowed = work();
        slow_down(0);
        let share = slowed / plain - 1.0;
        assert!((0.5..2.0).contains(&share), "{share} where 1 was asked for");
    }
}
