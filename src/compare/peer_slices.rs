//! Slices by other people's clients: of a load, whose connections stay open, and of a list, whose
//! runs begin anew.
//!
//! Knows the options of `bench` and of `fetch`, and what of them a peer can be told.
//!
//! Invariant: an option that a peer cannot honour and that would change what is measured is
//! refused; one that is passed over is told of.

use crate::bench::options::BenchOptions;
use crate::bench::run::BenchError;
use crate::bench::{Loop, Trial};
use crate::compare::clients::{Fields, Load, Pace, Pages, Peer, PeerSettings, Work, fetch};
use crate::compare::contestant::Slices;
use crate::compare::protocol::{Means, SliceOrder};
use crate::compare::slice::Slice;
use crate::fetch::options::{Extract, Fetch};
use crate::http::http1::Persistence;
use crate::input::Repeated;
use crate::runtime::allowed::affordable_connections;
use crate::runtime::{clock, cores};

/// A load by a peer.
pub(super) struct PeerSlices {
    load: Load,
}

impl PeerSlices {
    /// Starts `peer` on `cpus`, to do what `options` say.
    pub(super) fn start(
        options: BenchOptions,
        peer: Peer,
        cpus: Vec<usize>,
    ) -> Result<(Self, Means), String> {
        let mut options = BenchOptions { cpus: Some(cpus), ..options };
        let text = |error: BenchError| error.to_string();
        options.check().map_err(text)?;
        if options.pipeline > 1 {
            let depth = options.pipeline;
            return Err(format!("it cannot pipeline: {depth}, hint: leave --pipeline out"));
        }
        let mut notes = Vec::new();
        if options.spin {
            notes.push("it does not spin before a request is due".to_owned());
        }
        let Trial { pace, .. } = options.trial().map_err(text)?;
        let pace = match pace {
            Loop::Closed => Pace::Closed,
            Loop::Open(profile, law) => Pace::Open(profile, law),
        };
        let cpus = options.cpus();
        let targets = options.targets().map_err(text)?;
        let connections = affordable_connections(options.connections, cpus.len(), &mut notes)
            .map_err(|error| error.to_string())?;
        let connection = match options.keep_alive {
            true => Persistence::Persistent,
            false => Persistence::Close,
        };
        let BenchOptions { method, headers, body, .. } = options;
        let cores = cpus.len();
        let load = Load::start(PeerSettings {
            peer,
            cpus,
            connections,
            timeout: options.timeout,
            connect_timeout: options.connect_timeout,
            overrides: options.overrides,
            fields: Fields::new(method.as_deref(), &headers, body, connection)?,
            work: Work::Bench(targets, pace),
        })?;
        notes.extend_from_slice(load.notes());
        let kept = if options.keep_alive { connections } else { 0 };
        Ok((Self { load }, Means { connections: kept, cores, notes }))
    }
}

impl Slices for PeerSlices {
    fn run(&mut self, order: &SliceOrder) -> Result<Slice, String> {
        self.load.bench(order.round, order.lead_in, order.window)
    }
}

/// Runs over a list by a peer.
pub(super) struct PeerFetchSlices {
    options: Fetch,
    settings: PeerSettings,
}

impl PeerFetchSlices {
    /// Gets `peer` ready to fetch as `options` say, on `cpus`.
    pub(super) fn start(
        options: Fetch,
        peer: Peer,
        cpus: Vec<usize>,
    ) -> Result<(Self, Means), String> {
        options.check().map_err(|error| error.to_string())?;
        if options.starts_per_s.is_some() {
            return Err("it has no limit of starts a second, hint: leave --rate out".to_owned());
        }
        if !options.delay.is_zero() {
            return Err("it keeps no pause for each host, hint: leave --delay out".to_owned());
        }
        let mut notes = Vec::new();
        let cpus = if cpus.is_empty() { cores::available() } else { cpus };
        let connections = affordable_connections(options.connections, cpus.len(), &mut notes)
            .map_err(|error| error.to_string())?;
        let settings = PeerSettings {
            peer,
            cpus,
            connections,
            timeout: options.timeout,
            connect_timeout: options.connect_timeout,
            overrides: options.overrides.clone(),
            fields: fields(&options)?,
            work: Work::Fetch(Pages {
                redirects_max: options.redirects,
                body_bytes_max: options.body_bytes_max,
                selectors: match options.extract {
                    Extract::Page => Some(options.selectors.clone()),
                    Extract::Nothing => None,
                },
                status: options.status,
            }),
        };
        settings.check()?;
        notes.extend(settings.notes());
        let cores = settings.cpus.len().min(connections);
        Ok((Self { options, settings }, Means { connections: 0, cores, notes }))
    }
}

impl Slices for PeerFetchSlices {
    fn run(&mut self, order: &SliceOrder) -> Result<Slice, String> {
        let until = clock::now() + order.window;
        let (urls, files) = (self.options.urls.clone(), self.options.files.clone());
        let list = Repeated::open(urls, files, move || clock::now() >= until)
            .map_err(|error| format!("cannot read the list: {error}"))?;
        fetch(self.settings.clone(), list, order.window)
    }
}

/// What each request of a fetch says, which is what the own engine's say.
fn fields(options: &Fetch) -> Result<Fields, String> {
    let mut headers = options.headers.clone();
    let mut add = |name: &str, value: &str| {
        if !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
            headers.push((name.to_owned(), value.to_owned()));
        }
    };
    // Without the field a server may choose any coding (RFC 9110 section 12.5.3).
    add("Accept-Encoding", "identity");
    if let Some(agent) = &options.user_agent {
        add("User-Agent", agent);
    }
    Fields::new(None, &headers, None, Persistence::KeepAlive)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why `peer` does not do what `change` makes of a plain load.
    fn refusal(peer: Peer, change: impl FnOnce(&mut BenchOptions)) -> String {
        let mut options = BenchOptions {
            urls: vec!["http://127.0.0.1:9/".to_owned()],
            connections: 2,
            ..BenchOptions::default()
        };
        change(&mut options);
        let started = PeerSlices::start(options, peer, cores::available());
        started.err().unwrap_or_default()
    }

    #[test]
    fn what_a_peer_cannot_do_is_refused_and_why() {
        for peer in Peer::ALL {
            let reason = refusal(peer, |options| options.pipeline = 4);
            assert!(reason.contains("cannot pipeline: 4, hint:"), "{peer:?}: {reason}");
        }
        let head = |options: &mut BenchOptions| options.method = Some("HEAD".to_owned());
        assert_eq!(refusal(Peer::Hyper, head), "");
        // Where the kernel refuses io_uring, that is the reason.
        assert!(!refusal(Peer::MonoioHttp, head).is_empty());
    }

    #[test]
    fn a_list_is_not_fetched_without_the_pauses_that_were_asked_for() {
        let start = |options| PeerFetchSlices::start(options, Peer::Hyper, vec![0]);
        let rated = Fetch { starts_per_s: Some(10.0), ..Fetch::default() };
        assert!(start(rated).is_err_and(|reason| reason.contains("--rate")));
        let delayed = Fetch { delay: std::time::Duration::from_secs(1), ..Fetch::default() };
        assert!(start(delayed).is_err_and(|reason| reason.contains("--delay")));
        assert!(start(Fetch::default()).is_ok_and(|(_, means)| !means.notes.is_empty()));
    }
}
