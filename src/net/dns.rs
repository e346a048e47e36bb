//! Host names to addresses: a small cache on each core, blocking lookups on threads of their own.
//!
//! The system's resolver (`getaddrinfo`) hides a record's time to live, so an answer is kept for a
//! fixed, short time.
//!
//! Invariant: a core never blocks on a lookup, and has at most one lookup of a name in flight.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::failure::{Cause, Failure, Kind, Stage};
use crate::base::instant::Instant;
use crate::base::limits::EXHAUSTED_PAUSE;
use crate::os::system;
use crate::runtime::Io;

/// How long a resolved name is believed: the blocking resolver hides the record's own TTL.
const RESOLVED_NAME_TTL: Duration = Duration::from_secs(60);
/// How long it is believed that a name does not resolve.
const UNRESOLVED_NAME_TTL: Duration = Duration::from_secs(5);
// LIMIT: names that one core's address cache holds.
const RESOLVED_NAMES_MAX: usize = 10_000;
// LIMIT: threads that look names up.
const RESOLVER_THREADS: usize = 8;
// LIMIT: lookups waiting for a resolver thread.
const LOOKUPS_QUEUED_MAX: usize = 4096;
/// Descriptors that one lookup has open at a time: a file, and sockets to name servers.
const LOOKUP_DESCRIPTORS: usize = 4;

/// The addresses that a lookup found, or why there are none.
type Addresses = Result<Arc<[IpAddr]>, Failure>;

/// One fixed answer: what `--resolve HOST:PORT:ADDR` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The host, or none for every host.
    pub host: Option<String>,
    /// The port, or none for every port.
    pub port: Option<u16>,
    /// The address to connect to.
    pub ip: IpAddr,
    /// The port to connect to, where it is not the URL's.
    pub to_port: Option<u16>,
}

/// A lookup on its way to a resolver thread.
struct Lookup {
    host: Box<str>,
    reply: flume::Sender<Addresses>,
}

/// The resolver's threads and the fixed answers, shared by all cores.
#[derive(Clone)]
pub struct Resolver {
    lookups: flume::Sender<Lookup>,
    overrides: Arc<[Override]>,
}

impl Resolver {
    /// Starts the resolver's threads; they end when the last clone of the resolver is gone.
    ///
    /// # Errors
    ///
    /// Where a thread cannot be started.
    pub fn start(overrides: Vec<Override>) -> io::Result<Self> {
        let (lookups, waiting) = flume::bounded::<Lookup>(LOOKUPS_QUEUED_MAX);
        for idx in 0..RESOLVER_THREADS {
            let waiting = waiting.clone();
            let run = move || {
                while let Ok(lookup) = waiting.recv() {
                    // A core that has ended wants no answer.
                    let _ = lookup.reply.send(look_up(&lookup.host));
                }
            };
            std::thread::Builder::new().name(format!("resolver-{idx}")).spawn(run)?;
        }
        Ok(Self { lookups, overrides: overrides.into() })
    }

    /// The fixed answers.
    #[must_use]
    pub fn overrides(&self) -> &[Override] {
        &self.overrides
    }

    /// Where to connect to for `host` and `port`, for callers without an [`AddressCache`]: a name
    /// is looked up each time.
    ///
    /// # Errors
    ///
    /// A failure of stage `dns`.
    pub async fn look_up(&self, host: &str, port: u16) -> Result<SocketAddr, Failure> {
        if let Some(addr) = fixed(&self.overrides, host, port) {
            return Ok(addr);
        }
        if let Some(ip) = literal(host) {
            return Ok(SocketAddr::new(ip, port));
        }
        self.ask(host.into()).await.map(|ips| SocketAddr::new(ips[0], port))
    }

    /// Has a resolver thread look `host` up.
    async fn ask(&self, host: Box<str>) -> Addresses {
        let (reply, answered) = flume::bounded(1);
        let gone = Failure::new(Stage::Dns, Kind::Other, "the resolver's threads have ended");
        match self.lookups.send_async(Lookup { host, reply }).await {
            Ok(()) => answered.recv_async().await.unwrap_or(Err(gone)),
            Err(_) => Err(gone),
        }
    }
}

/// The fixed answer of `overrides` for `host` and `port`, if there is one.
#[must_use]
pub fn fixed(overrides: &[Override], host: &str, port: u16) -> Option<SocketAddr> {
    let fits = |o: &&Override| {
        o.host.as_deref().is_none_or(|name| name.eq_ignore_ascii_case(host))
            && o.port.is_none_or(|number| number == port)
    };
    let found = overrides.iter().find(fits)?;
    Some(SocketAddr::new(found.ip, found.to_port.unwrap_or(port)))
}

/// The addresses that one core knows.
pub struct AddressCache<I: Io> {
    io: I,
    resolver: Resolver,
    known: Rc<RefCell<HashMap<Box<str>, CachedName>>>,
}

/// What a core knows of one name.
enum CachedName {
    /// Being looked up; these wait for it.
    Pending(Vec<Waker>),
    /// Answered, and believed until then.
    Answered(Addresses, Instant),
}

impl<I: Io> AddressCache<I> {
    /// A core's empty cache in front of `resolver`.
    #[must_use]
    pub fn new(io: I, resolver: Resolver) -> Self {
        Self { io, resolver, known: Rc::default() }
    }

    /// Where to connect to for `host` (a name, or an address as URLs write it) and `port`, without
    /// asking anyone; none where the name has to be looked up.
    #[must_use]
    pub fn at_hand(
        &self,
        host: &str,
        port: u16,
        now: Instant,
    ) -> Option<Result<SocketAddr, Failure>> {
        if let Some(addr) = fixed(&self.resolver.overrides, host, port) {
            return Some(Ok(addr));
        }
        if let Some(ip) = literal(host) {
            return Some(Ok(SocketAddr::new(ip, port)));
        }
        match self.known.borrow().get(host) {
            Some(CachedName::Answered(answer, until)) if *until > now => {
                Some(answer.as_ref().map(|ips| SocketAddr::new(ips[0], port)).map_err(|f| *f))
            }
            _ => None,
        }
    }

    /// Where to connect to for `host` and `port`, looked up where need be. Dropping the future ends
    /// the wait, not the lookup.
    ///
    /// # Errors
    ///
    /// A failure of stage `dns`.
    pub async fn look_up(&self, host: &str, port: u16) -> Result<SocketAddr, Failure> {
        poll_fn(|context| {
            let now = self.io.now();
            if let Some(answer) = self.at_hand(host, port, now) {
                return Poll::Ready(answer);
            }
            match self.known.borrow_mut().entry(host.into()) {
                Entry::Occupied(mut entry) => {
                    if let CachedName::Pending(waiting) = entry.get_mut() {
                        waiting.push(context.waker().clone());
                        return Poll::Pending;
                    }
                    entry.insert(CachedName::Pending(vec![context.waker().clone()]));
                }
                Entry::Vacant(entry) => {
                    entry.insert(CachedName::Pending(vec![context.waker().clone()]));
                }
            }
            self.ask(host.into());
            Poll::Pending
        })
        .await
    }

    /// Starts the one lookup of `host` that is in flight.
    fn ask(&self, host: Box<str>) {
        let (io, known) = (self.io.clone(), Rc::clone(&self.known));
        let resolver = self.resolver.clone();
        self.io.spawn(async move {
            let answer = resolver.ask(host.clone()).await;
            let now = io.now();
            let ttl = match &answer {
                Ok(_) => RESOLVED_NAME_TTL,
                Err(failure) if failure.kind == Kind::NotFound => UNRESOLVED_NAME_TTL,
                // That says nothing of the name: a retry must not meet it in the cache.
                Err(_) => EXHAUSTED_PAUSE,
            };
            let mut known = known.borrow_mut();
            if let Some(CachedName::Pending(waiting)) =
                known.insert(host, CachedName::Answered(answer, now + ttl))
            {
                waiting.into_iter().for_each(Waker::wake);
            }
            make_room(&mut known, now);
        });
    }
}

/// Keeps the cache within its bound: first what is no longer believed goes, then all that is.
fn make_room(known: &mut HashMap<Box<str>, CachedName>, now: Instant) {
    if known.len() <= RESOLVED_NAMES_MAX {
        return;
    }
    known.retain(|_, entry| {
        matches!(entry, CachedName::Answered(_, until) if *until > now) || is_pending(entry)
    });
    if known.len() > RESOLVED_NAMES_MAX {
        known.retain(|_, entry| is_pending(entry));
    }
}

fn is_pending(entry: &CachedName) -> bool {
    matches!(entry, CachedName::Pending(_))
}

/// The address that `host`, as URLs write it, spells out, if it is one.
#[must_use]
pub fn literal(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inside) => inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        // Names start with a digit too, but the last label of none is a number.
        None if host.ends_with(|c: char| c.is_ascii_digit()) => {
            host.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
        }
        None => None,
    }
}

/// The first address of `host`, looked up here and now, if there is one.
#[must_use]
pub fn first_address(host: &str) -> Option<IpAddr> {
    look_up(host).ok().map(|ips| ips[0])
}

/// Asks the system's resolver, blocking. IPv4 goes first: there is one attempt per fetch, and a
/// host without an IPv6 route would fail it.
fn look_up(host: &str) -> Addresses {
    let exhausted =
        |errno| Failure { stage: Stage::Dns, kind: Kind::Exhausted, cause: Cause::Os(errno) };
    // Without a descriptor for /etc/hosts and for a name server, getaddrinfo says that there is no
    // such name. Others may come and go while it looks, so both ends of the lookup are checked.
    if let Some(errno) = exhaustion() {
        return Err(exhausted(errno));
    }
    let found = (host, 0u16).to_socket_addrs().map_err(|error| {
        if let Some(errno) = exhaustion() {
            return exhausted(errno);
        }
        // std gives getaddrinfo's own errors no kind; this is the text for EAI_AGAIN.
        let kind = match error.to_string() {
            text if text.contains("Temporary failure") => Kind::Other,
            _ => Kind::NotFound,
        };
        let phrase = match kind {
            Kind::NotFound => "the name does not resolve to an address",
            _ => "the name server gave no answer for now",
        };
        Failure::new(Stage::Dns, kind, phrase)
    })?;
    let mut ips: Vec<IpAddr> = found.map(|addr| addr.ip()).collect();
    ips.sort_by_key(IpAddr::is_ipv6);
    if ips.is_empty() {
        return Err(Failure::new(Stage::Dns, Kind::NotFound, "the name has no address"));
    }
    Ok(ips.into())
}

/// The error number of the kernel where it is out of the descriptors that a lookup needs.
fn exhaustion() -> Option<i32> {
    let probes: io::Result<Vec<File>> =
        (0..LOOKUP_DESCRIPTORS).map(|_| File::open("/dev/null")).collect();
    probes.err()?.raw_os_error().filter(|errno| system::is_exhaustion(*errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_from_a_name() {
        for (host, is_address) in [
            ("127.0.0.1", true),
            ("[::1]", true),
            ("::1", false),
            ("a", false),
            ("a1", false),
            ("1.2.3.4.example", false),
        ] {
            assert_eq!(literal(host).is_some(), is_address, "{host}");
        }
    }

    #[test]
    fn fixed_answers_match_by_host_and_port() {
        let ip = IpAddr::from([127, 0, 0, 1]);
        let only = Override { host: Some("a".to_owned()), port: Some(80), ip, to_port: None };
        let only = [only];
        assert_eq!(fixed(&only, "A", 80), Some(SocketAddr::new(ip, 80)));
        assert_eq!(fixed(&only, "a", 81), None);
        assert_eq!(fixed(&only, "b", 80), None);
        let every = [Override { host: None, port: None, ip, to_port: Some(9) }];
        assert_eq!(fixed(&every, "b", 1), Some(SocketAddr::new(ip, 9)));
    }

    #[test]
    fn localhost_resolves_and_nonsense_does_not() {
        assert!(look_up("localhost").unwrap().iter().all(IpAddr::is_loopback));
        let failure = look_up("no-such-host.invalid").unwrap_err();
        assert_eq!(failure.stage, Stage::Dns);
    }
}
