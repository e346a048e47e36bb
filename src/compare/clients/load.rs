//! A client at work: its threads, its slices, and the CPU time of the process.
//!
//! Invariant: the client's threads are confined to the CPUs that it was given, and rest between two
//! slices.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::base::cpu_time::CpuTime;
use crate::base::instant::Instant;
use crate::base::limits::BENCH_START_LEAD;
use crate::compare::clients::group::GroupOrder;
use crate::compare::clients::settings::ClientSettings;
use crate::compare::clients::tally::{SliceTally, Span};
use crate::compare::clients::threads::{self, Threads};
use crate::compare::clients::work::ClientWork;
use crate::compare::protocol::{DRAIN, PATIENCE};
use crate::compare::slice::Slice;
use crate::input::source::Source;
use crate::net::dns::{Override, first_address, fixed, literal};
use crate::os::system;
use crate::runtime::{clock, cores};

/// A client whose threads wait for orders.
pub struct Load {
    threads: Threads,
    notes: Vec<String>,
}

impl Load {
    /// Starts the threads of the client that `settings` name. Connections are opened as they are
    /// needed, and stay.
    ///
    /// # Errors
    ///
    /// Where the client cannot do what it is told, or a thread cannot be started. For a person.
    pub fn start(mut settings: ClientSettings) -> Result<Self, String> {
        settings.check()?;
        // A CPU without a connection could only wait.
        settings.cpus.truncate(settings.connections);
        let notes = settings.notes();
        look_up_ahead(&mut settings);
        let cpus = settings.cpus.clone();
        let settings = Arc::new(settings);
        let threads = cores::start_on(&cpus, || threads::start(&settings))
            .map_err(|error| format!("cannot start: {error}"))?;
        Ok(Self { threads, notes })
    }

    /// Notes for a reader of its numbers.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Has the client ask for its targets for `lead_in`, and then for `window`, which is measured.
    /// Each `round` of an open loop has other arrivals.
    ///
    /// # Errors
    ///
    /// Where it could not begin, or a thread has ended. For a person.
    pub fn bench(
        &mut self,
        round: u64,
        lead_in: Duration,
        window: Duration,
    ) -> Result<Slice, String> {
        let start_at = clock::now() + BENCH_START_LEAD;
        let measure_at = start_at + lead_in;
        let end_at = measure_at + window;
        let cut_at = end_at + DRAIN;
        self.give(&GroupOrder {
            round,
            span: Span { start_at, measure_at, end_at, until: end_at, cut_at },
            list: None,
        });
        pause_until(measure_at);
        let began = ProcessUsage::now();
        pause_until(end_at);
        let ended = ProcessUsage::now();
        let tally = self.collect()?;
        let (user_s, sys_s) = began.until(ended, window);
        Ok(Slice { user_s, sys_s, ..tally.into_slice(window.as_secs_f64()) })
    }

    /// Gives every group `order`.
    fn give(&self, order: &GroupOrder) {
        // A group that has ended is found out when its tally is taken.
        self.threads.groups.iter().for_each(|group| drop(group.orders.send(order.clone())));
    }

    /// Adds up what all groups counted.
    fn collect(&self) -> Result<SliceTally, String> {
        let mut sum: Option<SliceTally> = None;
        for group in &self.threads.groups {
            let gone = |_| "a thread of the peer has ended by itself".to_owned();
            let tally = group.tallies.recv().map_err(gone)?.map_err(|fault| fault.to_string())?;
            match &mut sum {
                Some(sum) => sum.add(&tally),
                None => sum = Some(tally),
            }
        }
        Ok(sum.expect("there is a group"))
    }
}

/// Has a client fetch the URLs of `list`, for about `window`. Threads and connections are its own,
/// as those of every fetch are, and what is under way at the end is finished.
///
/// # Errors
///
/// See [`Load::start`] and [`Load::bench`].
pub fn fetch_list(
    settings: ClientSettings,
    list: impl Source + 'static,
    window: Duration,
) -> Result<Slice, String> {
    let patience = settings.timeout.min(PATIENCE);
    let began = ProcessUsage::now();
    let load = Load::start(settings)?;
    let until = began.at + window;
    load.give(&GroupOrder {
        round: 0,
        span: Span {
            start_at: began.at,
            measure_at: began.at,
            end_at: Instant::NEVER,
            until,
            cut_at: until + patience,
        },
        list: Some(Arc::new(Mutex::new(Box::new(list)))),
    });
    let tally = load.collect()?;
    drop(load);
    let ended = ProcessUsage::now();
    let elapsed = ended.at.since(began.at);
    let (user_s, sys_s) = began.until(ended, elapsed);
    Ok(Slice { user_s, sys_s, ..tally.into_slice(elapsed.as_secs_f64()) })
}

/// The CPU time that the process had used at one instant.
#[derive(Clone, Copy, Debug)]
struct ProcessUsage {
    at: Instant,
    process: CpuTime,
}

impl ProcessUsage {
    fn now() -> Self {
        Self { at: clock::now(), process: system::process_cpu_time() }
    }

    /// CPU seconds in the program and in the kernel from `self` to `later`, scaled to `window`: the
    /// two instants are a little off its ends.
    fn until(self, later: Self, window: Duration) -> (f64, f64) {
        let looked_s = later.at.since(self.at).as_secs_f64();
        if looked_s == 0.0 {
            return (0.0, 0.0);
        }
        let scale = window.as_secs_f64() / looked_s;
        let used = later.process.since(self.process).scaled(scale);
        (used.user.as_secs_f64(), used.system.as_secs_f64())
    }
}

fn pause_until(at: Instant) {
    clock::pause(at.since(clock::now()));
}

/// Looks the hosts of a load up once, as the own engine does. A client without a cache of its own
/// would look them up for each connection.
fn look_up_ahead(settings: &mut ClientSettings) {
    let ClientWork::Bench(targets, _) = &settings.work else { return };
    for target in targets {
        let (host, port) = (target.host(), target.port());
        if literal(host).is_some() || fixed(&settings.overrides, host, port).is_some() {
            continue;
        }
        // If that fails, every request will say so.
        if let Some(ip) = first_address(host) {
            let host = Some(host.to_owned());
            settings.overrides.push(Override { host, port: Some(port), ip, to_port: None });
        }
    }
}
