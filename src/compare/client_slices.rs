//! Slices by other clients: of a load, whose connections stay open, and of a list, each a run of
//! its own.
//!
//! Invariant: an option that the client cannot honour and that would change what is measured is
//! refused; one that is ignored is noted.

use crate::bench::Trial;
use crate::bench::options::Bench;
use crate::bench::run::BenchError;
use crate::compare::clients::{
    ClientSettings, ClientWork, Load, OtherClient, Pages, RequestFields, fetch_list,
};
use crate::compare::protocol::{Means, SliceOrder};
use crate::compare::slice::Slice;
use crate::compare::slices::Slices;
use crate::fetch::options::{Extract, Fetch};
use crate::http::http1::Persistence;
use crate::input::Repeated;
use crate::runtime::allowed::affordable_connections;
use crate::runtime::{clock, cores};

/// A load by another client.
pub(super) struct ClientBenchSlices {
    load: Load,
}

impl ClientBenchSlices {
    /// Starts `client` on `cpus`, to do what `options` say.
    pub(super) fn start(
        options: Bench,
        client: OtherClient,
        cpus: Vec<usize>,
    ) -> Result<(Self, Means), String> {
        let mut options = options.cpus(cpus);
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
        let cpus = options.cpus_used();
        let targets = options.targets().map_err(text)?;
        let connections = affordable_connections(options.connections, cpus.len(), &mut notes)
            .map_err(|error| error.to_string())?;
        let connection = match options.keep_alive {
            true => Persistence::Persistent,
            false => Persistence::Close,
        };
        let Bench { method, headers, body, .. } = options;
        let cores = cpus.len();
        let load = Load::start(ClientSettings {
            client,
            cpus,
            connections,
            timeout: options.timeout,
            connect_timeout: options.connect_timeout,
            overrides: options.overrides,
            fields: RequestFields::new(method.as_deref(), &headers, body, connection)?,
            work: ClientWork::Bench(targets, pace),
        })?;
        notes.extend_from_slice(load.notes());
        let kept = if options.keep_alive { connections } else { 0 };
        Ok((Self { load }, Means { connections: kept, cores, notes }))
    }
}

impl Slices for ClientBenchSlices {
    fn run(&mut self, order: &SliceOrder) -> Result<Slice, String> {
        self.load.bench(order.round, order.lead_in, order.window)
    }
}

/// Runs over a list by another client.
pub(super) struct ClientFetchSlices {
    options: Fetch,
    settings: ClientSettings,
}

impl ClientFetchSlices {
    /// Gets `client` ready to fetch as `options` say, on `cpus`.
    pub(super) fn start(
        options: Fetch,
        client: OtherClient,
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
        let settings = ClientSettings {
            client,
            cpus,
            connections,
            timeout: options.timeout,
            connect_timeout: options.connect_timeout,
            overrides: options.overrides.clone(),
            fields: fields(&options)?,
            work: ClientWork::Fetch(Pages {
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

impl Slices for ClientFetchSlices {
    fn run(&mut self, order: &SliceOrder) -> Result<Slice, String> {
        let until = clock::now() + order.window;
        let (urls, files) = (self.options.urls.clone(), self.options.files.clone());
        let list = Repeated::open(urls, files, move || clock::now() >= until)
            .map_err(|error| format!("cannot read the list: {error}"))?;
        fetch_list(self.settings.clone(), list, order.window)
    }
}

/// What each request of a fetch says: the same as the own engine's.
fn fields(options: &Fetch) -> Result<RequestFields, String> {
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
    RequestFields::new(None, &headers, None, Persistence::KeepAlive)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why `client` does not do what `change` makes of a plain load.
    fn refusal(client: OtherClient, change: impl FnOnce(&mut Bench)) -> String {
        let mut options = Bench::new().urls(["http://127.0.0.1:9/"]).connections(2);
        change(&mut options);
        let started = ClientBenchSlices::start(options, client, cores::available());
        started.err().unwrap_or_default()
    }

    #[test]
    fn what_a_client_cannot_do_is_refused_and_why() {
        for client in OtherClient::ALL {
            let reason = refusal(client, |options| options.pipeline = 4);
            assert!(reason.contains("cannot pipeline: 4, hint:"), "{client:?}: {reason}");
        }
        let head = |options: &mut Bench| options.method = Some("HEAD".to_owned());
        assert_eq!(refusal(OtherClient::Hyper, head), "");
        // Where the kernel refuses io_uring, that is the reason.
        assert!(!refusal(OtherClient::MonoioHttp, head).is_empty());
    }

    #[test]
    fn a_list_is_not_fetched_without_the_pauses_that_were_asked_for() {
        let start = |options| ClientFetchSlices::start(options, OtherClient::Hyper, vec![0]);
        let rated = Fetch { starts_per_s: Some(10.0), ..Fetch::default() };
        assert!(start(rated).is_err_and(|reason| reason.contains("--rate")));
        let delayed = Fetch { delay: std::time::Duration::from_secs(1), ..Fetch::default() };
        assert!(start(delayed).is_err_and(|reason| reason.contains("--delay")));
        assert!(start(Fetch::default()).is_ok_and(|(_, means)| !means.notes.is_empty()));
    }
}
