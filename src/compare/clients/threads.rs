//! The threads of a client: a runtime for each CPU, built as the own engine's are, or Tokio's
//! runtime of several threads.
//!
//! Invariant: the threads end with the value that stands for them, and the connections with them.

use std::convert::Infallible;
use std::io;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::compare::clients::client::ClientFault;
use crate::compare::clients::connector::Connector;
use crate::compare::clients::group::{Group, GroupEnd, GroupHandle, group_channel, wait_for};
use crate::compare::clients::hyper::{Hyper, HyperRuntime, Monoio, OwnTokio, SharedTokio};
use crate::compare::clients::idle::IdleConnections;
use crate::compare::clients::lane::Lane;
use crate::compare::clients::monoio_http::MonoioHttp;
use crate::compare::clients::other_client::OtherClient;
use crate::compare::clients::reqwest::Reqwest;
use crate::compare::clients::settings::ClientSettings;
use crate::net::dns::Resolver;
use crate::os::system;
use crate::runtime::launch::{Engine, Launch, Pinning, Placement, Program, Running, launch};
use crate::runtime::{Io, TokioIo};

/// How long connections may take to close at the end.
const CLOSING_MAX: Duration = Duration::from_secs(1);

// LIMIT: idle connections to the hosts of a list that one group keeps, so that hosts that alternate
// are not connected to again each time.
const IDLE_MAX: usize = 4096;

/// The threads of a client.
pub(super) struct Threads {
    /// One for each group of lanes.
    pub(super) groups: Vec<GroupHandle>,
    /// The runtimes, where there is one for each CPU.
    pinned: Option<Running<()>>,
    /// The runtime, where there is one for all CPUs. Dropping it ends what it runs.
    _shared: Option<Runtime>,
}

/// Starts the threads of the client that `settings` name. They inherit the CPUs of this one, and
/// those of a runtime for each CPU are pinned besides.
pub(super) fn start(settings: &Arc<ClientSettings>) -> io::Result<Threads> {
    let resolver = Resolver::start(settings.overrides.clone())?;
    match settings.client.engine() {
        Some(engine) => start_pinned(settings, resolver, engine),
        None => start_shared(settings, resolver),
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Without orders the groups end.
        self.groups.clear();
        if let Some(Err(error)) = self.pinned.take().map(Running::join) {
            tracing::warn!(%error, "a thread of the peer did not end in order");
        }
    }
}

fn start_pinned(
    settings: &Arc<ClientSettings>,
    resolver: Resolver,
    engine: Engine,
) -> io::Result<Threads> {
    let (groups, ends): (Vec<_>, Vec<_>) = settings.cpus.iter().map(|_| group_channel()).unzip();
    let ends = Mutex::new(ends.into_iter().map(Some).collect());
    let program = Arc::new(Pinned { settings: Arc::clone(settings), resolver, ends });
    let launched = Launch {
        engine,
        cpus: settings.cpus.clone(),
        pinning: Pinning::Pinned,
        operations: settings.connections.div_ceil(settings.cpus.len()),
        name: "peer",
    };
    let pinned = Some(launch(&launched, &program)?);
    Ok(Threads { groups, pinned, _shared: None })
}

fn start_shared(settings: &Arc<ClientSettings>, resolver: Resolver) -> io::Result<Threads> {
    let count = settings.cpus.len();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(count).enable_all().build()?;
    let mut groups = Vec::new();
    let mut group = |cpu_idxs: Range<usize>, clients| {
        let (handle, end) = group_channel();
        groups.push(handle);
        Group { io: TokioIo, settings: Arc::clone(settings), end, cpu_idxs, clients }
    };
    if settings.client == OtherClient::Reqwest {
        let refused = |fault: ClientFault| io::Error::other(fault.to_string());
        let client = Reqwest::new(settings, resolver).map_err(refused)?;
        let width = settings.connections;
        let start = move |lane: Lane<_, _>| drop(tokio::spawn(lane.unordered(width)));
        drop(runtime.spawn(group(0..count, 1).serve(move || client.clone(), start)));
    } else {
        for idx in 0..count {
            let placement = Placement { idx, count, cpu: settings.cpus[idx], pinned: false };
            let group = group(idx..idx + 1, placement.share_of(settings.connections));
            // Dropping the runtime ends the connections, so nobody listens for the last of them.
            let (alive, _) = flume::bounded(1);
            let make = hypers::<_, SharedTokio>(&group, resolver.clone(), alive);
            let start = |lane: Lane<_, _>| drop(tokio::spawn(lane.one_by_one()));
            drop(runtime.spawn(group.serve(make, start)));
        }
    }
    Ok(Threads { groups, pinned: None, _shared: Some(runtime) })
}

/// A client that has a runtime for each CPU.
struct Pinned {
    settings: Arc<ClientSettings>,
    resolver: Resolver,
    /// One for each core, until that core takes it.
    ends: Mutex<Vec<Option<GroupEnd>>>,
}

impl Program for Pinned {
    type Output = ();

    async fn run<I: Io>(self: Arc<Self>, io: I, placement: Placement) {
        let end = self.ends.lock().unwrap_or_else(PoisonError::into_inner)[placement.idx].take();
        let group = Group {
            io: io.clone(),
            settings: Arc::clone(&self.settings),
            end: end.expect("each core takes its own once"),
            cpu_idxs: placement.idx..placement.idx + 1,
            clients: placement.share_of(self.settings.connections),
        };
        let (alive, gone) = flume::bounded(1);
        let resolver = self.resolver.clone();
        let spawner = io.clone();
        match self.settings.client {
            OtherClient::UringHyper | OtherClient::EpollHyper => {
                let make = hypers::<_, Monoio>(&group, resolver, alive);
                group.serve(make, |lane| spawner.spawn(lane.one_by_one())).await;
            }
            OtherClient::TokioHyper => {
                let make = hypers::<_, OwnTokio>(&group, resolver, alive);
                group.serve(make, |lane| spawner.spawn(lane.one_by_one())).await;
            }
            OtherClient::MonoioHttp => {
                let connector = connector(&group, resolver, alive);
                let idle = IdleConnections::maker(&group.settings.work, idle_max(&group.settings));
                let make = move || MonoioHttp { connector: Arc::clone(&connector), idle: idle() };
                group.serve(make, |lane| spawner.spawn(lane.one_by_one())).await;
            }
            OtherClient::Hyper | OtherClient::Reqwest => {
                unreachable!("they have a runtime of several threads")
            }
        }
        // A runtime that is dropped while tasks hold connections leaks their descriptors.
        wait_for(&io, gone, CLOSING_MAX).await;
    }
}

/// What the clients of `group` have in common.
fn connector<I: Io>(
    group: &Group<I>,
    resolver: Resolver,
    alive: flume::Sender<Infallible>,
) -> Arc<Connector<I>> {
    let settings = &group.settings;
    Arc::new(Connector {
        io: group.io.clone(),
        fields: settings.fields.clone(),
        resolver,
        connect_timeout: settings.connect_timeout,
        alive,
    })
}

/// Makes the clients of `group` by hyper.
fn hypers<I: Io, C: HyperRuntime>(
    group: &Group<I>,
    resolver: Resolver,
    alive: flume::Sender<Infallible>,
) -> impl Fn() -> Hyper<I, C> + use<I, C> {
    let connector = connector(group, resolver, alive);
    let idle = IdleConnections::maker(&group.settings.work, idle_max(&group.settings));
    move || Hyper { connector: Arc::clone(&connector), runtime: PhantomData, idle: idle() }
}

/// How many idle connections a group may keep: half of the descriptors that may be open are for
/// them, shared by all groups.
fn idle_max(settings: &ClientSettings) -> usize {
    let limit = system::raise_descriptor_limit().unwrap_or(0);
    (limit / 2 / settings.cpus.len()).clamp(1, IDLE_MAX)
}
