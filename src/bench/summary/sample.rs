//! Made-up trials for the tests of the summary, of its reports and of objectives.

use super::*;
use crate::base::failure::{Failure, Kind, Stage};
use crate::bench::record::TrialConnections;
use crate::bench::stability::{P99, RATE, Steadiness};

/// A core with 40 completed requests of 1 ms, one of them a 500, one failed, one in flight.
fn core(cpu: usize) -> BenchCore {
    let mut record = Record {
        warmup: Ledger { scheduled: 3, sent: 3, completed: 3, ..Ledger::default() },
        measured: Ledger {
            scheduled: 42,
            sent: 42,
            completed: 40,
            in_flight_at_stop: 1,
            wire_bytes: 4000,
            body_bytes: 2000,
            ..Ledger::default()
        },
        answered_in_window: 40,
        in_flight_ns: 1_500_000_000,
        connections: TrialConnections { wanted: 2, opened: 2, ..Default::default() },
        window_ns: 2_000_000_000,
        cpu_user_ns: 200_000_000,
        cpu_sys_ns: 800_000_000,
        run_queue_ns: 20_000_000,
        ..Record::default()
    };
    (0..3).for_each(|_| record.warmup.statuses.count(200));
    (0..39).for_each(|_| record.measured.statuses.count(200));
    record.measured.statuses.count(500);
    record.measured.failures.count(Failure::new(Stage::Head, Kind::Timeout, ""));
    (0..40).for_each(|_| record.service.record_ns(1_000_000));
    record.censored.record_ns(5_000_000);
    record.failed.record_ns(9_000_000);
    BenchCore { cpu, pinned: true, record }
}

/// A closed loop of two cores and two seconds.
pub(crate) fn closed() -> BenchInput {
    BenchInput {
        engine: "uring",
        cores: vec![core(1), core(3)],
        mode: Mode::Closed,
        connections: 4,
        pipeline: 1,
        wanted_per_s: None,
        window: Duration::from_secs(2),
        cpu_time: CpuTime { user: Duration::from_millis(400), system: Duration::from_millis(1600) },
        max_rss_bytes: 4096,
        points: vec![Point::default()],
        stability: Stability { steadiness: Steadiness::Steady, judged: vec![RATE, P99] },
        interrupted: false,
        notes: vec!["a note".into()],
    }
}

/// The same in an open loop, with one arrival skipped on each core.
pub(crate) fn open() -> BenchInput {
    let mut input = BenchInput { mode: Mode::Open, wanted_per_s: Some(43.0), ..closed() };
    for core in &mut input.cores {
        let record = &mut core.record;
        record.measured.scheduled += 1;
        record.measured.skipped += 1;
        record.censored.record_ns(2_000_000);
        (0..40).for_each(|_| record.response.record_ns(1_000_000));
        record.waited = 1;
    }
    input
}
