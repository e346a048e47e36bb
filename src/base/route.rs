//! The way to a server: what two targets must have in common to share a connection.
//!
//! Invariant: equal routes have equal hashes in one process.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::LazyLock;

/// One seed for the whole process: a list cannot be written so that all its routes collide.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);

// LIMIT: the longest host whose allocation is kept for the next one. Names have at most 253 bytes
// (RFC 1035 section 2.3.4), but the URL Standard allows longer ones.
const KEPT_HOST_BYTES_MAX: usize = 512;

/// The scheme of a URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP over TCP (RFC 9110 section 4.2.1).
    #[default]
    Http,
    /// HTTP over TLS (RFC 9110 section 4.2.2).
    Https,
}

impl Scheme {
    /// The scheme called `word`, in lower case, if it is one of these.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|scheme| scheme.word() == word)
    }

    /// What a URL begins with, up to the colon.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port where a URL names none.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The way to a server: scheme, host and port.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    scheme: Scheme,
    host: &'a str,
    port: u16,
    hash: u64,
}

impl<'a> Route<'a> {
    /// The route to `host`, a name, an IPv4 address or an IPv6 address in brackets, at `port`.
    #[must_use]
    pub fn new(scheme: Scheme, host: &'a str, port: u16) -> Self {
        let hash = SEED.hash_one((scheme, host, port));
        Self { scheme, host, port, hash }
    }

    /// The same as [`Route::new`] where its hash was computed before.
    pub(crate) const fn hashed(scheme: Scheme, host: &'a str, port: u16, hash: u64) -> Self {
        Self { scheme, host, port, hash }
    }

    /// The host: a name, an IPv4 address, or an IPv6 address in brackets.
    #[must_use]
    pub const fn host(&self) -> &'a str {
        self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The route's hash, the same all through one process.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }
}

impl PartialEq for Route<'_> {
    /// The hashes first: they tell nearly all routes apart.
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && (self.port, self.scheme) == (other.port, other.scheme)
            && self.host == other.host
    }
}

impl Eq for Route<'_> {}

impl Hash for Route<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// A route that owns its host.
#[derive(Clone, Debug, Default)]
pub struct RouteBuf {
    scheme: Scheme,
    host: String,
    port: u16,
    hash: u64,
}

impl RouteBuf {
    /// The route.
    #[must_use]
    pub fn as_route(&self) -> Route<'_> {
        Route::hashed(self.scheme, &self.host, self.port, self.hash)
    }

    /// Becomes `route`, in the memory that it has.
    pub fn set(&mut self, route: Route<'_>) {
        (self.scheme, self.port, self.hash) = (route.scheme, route.port, route.hash);
        self.host.clear();
        self.host.push_str(route.host);
    }

    /// Forgets the route and keeps its memory, unless that is large.
    pub fn clear(&mut self) {
        self.host.clear();
        self.host.shrink_to(KEPT_HOST_BYTES_MAX);
    }

    /// Bytes of memory that the host has.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.host.capacity()
    }
}

impl From<Route<'_>> for RouteBuf {
    fn from(route: Route<'_>) -> Self {
        let (scheme, port, hash) = (route.scheme, route.port, route.hash);
        Self { scheme, host: route.host.to_owned(), port, hash }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_differ_by_scheme_host_and_port() {
        let route = Route::new(Scheme::Http, "a", 80);
        assert_eq!(route, Route::new(Scheme::Http, "a", 80));
        assert_eq!(route.hash(), RouteBuf::from(route).as_route().hash());
        for other in [
            Route::new(Scheme::Https, "a", 80),
            Route::new(Scheme::Http, "b", 80),
            Route::new(Scheme::Http, "a", 81),
        ] {
            assert_ne!(route, other);
            // One hash does not make them equal.
            assert_ne!(route, Route { hash: route.hash, ..other });
        }
    }

    #[test]
    fn a_route_that_is_cleared_keeps_little_memory() {
        let mut kept = RouteBuf::default();
        kept.set(Route::new(Scheme::Http, &"x".repeat(100_000), 80));
        kept.clear();
        assert!(kept.capacity() <= KEPT_HOST_BYTES_MAX);
        kept.set(Route::new(Scheme::Http, "a", 80));
        assert_eq!(kept.as_route(), Route::new(Scheme::Http, "a", 80));
    }
}
