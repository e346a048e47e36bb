//! Open loops: how many requests a rate, a seed or stages schedule, and what becomes of those that
//! the target is too slow for.
//!
//! Invariant: a schedule depends on what was asked for, never on what the target does.

use crate::benches::{Benched, bench, benched};
use crate::engines::engines;
use crate::server::{Act, Server, ok};

/// A server that answers, each time, after a little while.
fn slow() -> Server {
    Server::start(|_| [vec![Act::Linger; 5], vec![Act::Send(ok("x"))]].concat())
}

/// Runs a bench with `args` on every engine against a server that answers at once.
fn on_every_engine(args: &str, check: impl Fn(&Benched)) {
    let server = Server::answering(ok("x"));
    for engine in engines() {
        check(&benched(&format!("--engine {engine} {args} {}", server.url("/"))));
    }
}

// A rate below the number of threads breaks wrk2 (wrk2#147).
#[test]
fn a_rate_below_the_number_of_connections_and_of_cores_is_kept() {
    on_every_engine("-R 5 -c 64 -d 2s --arrivals even", |benched| {
        assert_eq!((benched.ledger(), benched.code), ([10, 0, 10, 0, 0], Some(0)), "{benched:?}");
        for name in ["wanted_per_s", "rate_per_s"] {
            let rate = benched.report[name].as_f64().unwrap();
            assert!((rate - 5.0).abs() < 1e-9, "{name}: {benched:?}");
        }
    });
    // One every two seconds: the first is due at once.
    on_every_engine("-R 0.5 -c 64 -d 300ms --arrivals even", |benched| {
        assert_eq!((benched.ledger(), benched.code), ([1, 0, 1, 0, 0], Some(0)), "{benched:?}");
    });
}

#[test]
fn the_seed_alone_decides_how_many_arrivals_there_are() {
    let scheduled = |seed: u64| {
        let mut counts = Vec::new();
        on_every_seed(seed, &mut counts);
        assert!(counts.windows(2).all(|pair| pair[0] == pair[1]), "{seed}: {counts:?}");
        counts[0]
    };
    // Poisson arrivals of 200 on average: eight in a thousand seeds are further off than this.
    let counts = [7, 8, 9].map(scheduled);
    assert!(counts.iter().all(|count| (163..=237).contains(count)), "{counts:?}");
    assert!(counts[0] != counts[1] || counts[1] != counts[2], "{counts:?}");
}

/// Adds how many requests `seed` schedules, on each engine, whether the target is fast or slow.
fn on_every_seed(seed: u64, counts: &mut Vec<u64>) {
    for server in [Server::answering(ok("x")), slow()] {
        for engine in engines() {
            let load = format!("-R 2k -d 100ms -t 1 -c 4 --seed {seed}");
            let benched = benched(&format!("--engine {engine} {load} {}", server.url("/")));
            counts.push(benched.count("/ledger/scheduled"));
        }
    }
}

// Ramps were asked for: vegeta#163, #418, #724.
#[test]
fn stages_schedule_what_is_under_their_line() {
    for (stages, scheduled, span_s) in
        [("1s:0-100,1s:100", 150, 2.0), ("500ms:200,500ms:0,500ms:200-0", 150, 1.5)]
    {
        on_every_engine(&format!("--stages {stages} --arrivals even -c 16"), |benched| {
            let [found, _, completed, failed, _] = benched.ledger();
            assert_eq!((found, failed, benched.code), (scheduled, 0, Some(0)), "{benched:?}");
            // The last one is due just before the end.
            assert!(completed > scheduled / 2, "{benched:?}");
            assert_eq!(benched.report["mode"], "open", "{benched:?}");
            assert_eq!(benched.report["duration_s"], span_s, "{benched:?}");
        });
    }
}

// What a slow target does to a schedule: wrk2#78, wrk2#89, oha#100.
#[test]
fn a_rate_that_the_target_cannot_serve_is_missed_and_said_to_be() {
    let server = slow();
    for engine in engines() {
        let args = format!("--engine {engine} -c 1 -R 1k --arrivals even -d 500ms");
        let benched = benched(&format!("{args} {}", server.url("/")));
        let [scheduled, skipped, completed, failed, _] = benched.ledger();
        assert_eq!((scheduled, failed, benched.code), (500, 0, Some(0)), "{benched:?}");
        // Ten milliseconds for each answer on one connection: no more than fifty of them.
        assert!((1..=50).contains(&completed) && skipped >= 449, "{benched:?}");
        assert_eq!(benched.verdict(), "target-missed", "{benched:?}");
        assert_eq!(benched.count("/censored/skipped"), skipped);
        // All 500 are in the response time, those that never started as their age.
        assert_eq!(benched.count("/latency_us/response/n"), 500);
        assert!(benched.count("/connections_detail/waited") >= 449, "{benched:?}");
        let why = benched.report["verdict"]["why"].as_str().unwrap();
        assert!(why.contains("of 1000.0 a second were completed"), "{why}");
        let [strict, lax] = ["--strict", "-q"]
            .map(|flag| bench(&format!("{flag} {args} {}", server.url("/"))).code);
        assert_eq!((strict, lax), (Some(1), Some(0)), "{engine}");
    }
}

#[test]
fn a_closed_loop_corrects_nothing_and_an_open_one_tells_both_times() {
    on_every_engine("-c 4 -n 1000", |benched| {
        let times = &benched.report["latency_us"];
        assert_eq!(benched.report["mode"], "closed");
        assert_eq!(times["response"], times["service"], "{times}");
        assert_eq!(
            (&times["send_lag"]["n"], &benched.report["wanted_per_s"]),
            (&0.into(), &().into())
        );
    });
    on_every_engine("-c 4 -n 1000 -R 10k", |benched| {
        let counts = ["response", "service", "send_lag", "first_byte"];
        let counts = counts.map(|name| benched.count(&format!("/latency_us/{name}/n")));
        assert_eq!((&benched.report["mode"], counts), (&"open".into(), [1000; 4]));
    });
}

// A slow answer must not thin out what an open loop sends; only a closed loop waits.
#[test]
fn one_connection_that_hangs_does_not_stop_the_schedule_of_the_others() {
    for engine in engines() {
        let server = Server::start(|request| match request.connection {
            0 => vec![Act::Hold],
            _ => vec![Act::Send(ok("x"))],
        });
        let args = format!("--engine {engine} -c 8 -t 1 -R 1k --arrivals even -d 300ms");
        let benched = benched(&format!("{args} {}", server.url("/")));
        let [scheduled, skipped, _, failed, in_flight] = benched.ledger();
        assert_eq!((scheduled, failed), (300, 0), "{benched:?}");
        // The last of them may be due just before the end.
        assert!(in_flight >= 1 && skipped + in_flight < 100, "{benched:?}");
    }
}

#[test]
fn a_core_that_spins_before_starts_keeps_the_schedule_and_says_how_much_it_spun() {
    on_every_engine("-R 1k --arrivals even -c 8 -d 300ms -t 1 --spin", |benched| {
        assert_eq!((benched.ledger()[0], benched.failures().as_str()), (300, "{}"), "{benched:?}");
        assert_eq!(benched.code, Some(0), "{benched:?}");
        let spun = benched.report["cost"]["spun_share_per_core"][0].as_f64().unwrap();
        // For the last 200 us of each millisecond, where nothing else has the CPU.
        assert!(spun > 0.0 && spun < 1.0, "{benched:?}");
    });
    on_every_engine("-R 1k --arrivals even -c 8 -d 100ms -t 1", |benched| {
        assert_eq!(benched.report["cost"]["spun_share_per_core"][0], 0.0, "{benched:?}");
    });
}
