//! Connections between two requests.
//!
//! Knows nothing of what a connection is: it is a type parameter, and `now` is an argument.
//!
//! Invariant: a connection is either here or with the lane that uses it, never both.

use std::sync::{Arc, Mutex, PoisonError};

use crate::base::instant::Instant;
use crate::base::limits::IDLE_CONNECTION_MAX;
use crate::base::target::Target;
use crate::client::pool::Pool;
use crate::compare::clients::work::ClientWork;

/// Where a lane keeps its connections.
pub(super) enum IdleConnections<C> {
    /// One to each origin, for this lane alone: a load uses all of its connections.
    Own(Vec<Own<C>>),
    /// With the other lanes of its group: a list has more origins than lanes.
    Shared(Arc<Mutex<Pool<IdleConnection<C>>>>),
}

/// A lane's connection to one origin.
pub(super) struct Own<C> {
    origin: Box<str>,
    idle: Option<IdleConnection<C>>,
}

/// A connection that waits for a request.
pub(super) struct IdleConnection<C> {
    pub(super) connection: C,
    /// When it began to wait.
    pub(super) since: Instant,
}

impl<C> IdleConnections<C> {
    /// Makes the place of each lane of a group that does `work`. Lanes that share theirs keep up to
    /// `idle_max` connections in all.
    pub(super) fn maker(work: &ClientWork, idle_max: usize) -> impl Fn() -> Self + use<C> {
        let shared = match work {
            ClientWork::Bench(..) => None,
            ClientWork::Fetch(_) => {
                let pool = Pool::new(usize::MAX, idle_max, IDLE_CONNECTION_MAX);
                Some(Arc::new(Mutex::new(pool)))
            }
        };
        move || shared.clone().map_or(Self::Own(Vec::new()), Self::Shared)
    }

    /// Takes out a connection to the origin of `target`.
    pub(super) fn take(&mut self, target: &Target, now: Instant) -> Option<IdleConnection<C>> {
        match self {
            // A load has few origins, mostly one.
            Self::Own(list) => {
                list.iter_mut().find(|own| *own.origin == *target.origin())?.idle.take()
            }
            Self::Shared(pool) => {
                let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
                pool.checkout(target.route(), now)
            }
        }
    }

    /// Keeps `connection` for the next request to the origin of `target`.
    pub(super) fn put(&mut self, target: &Target, connection: C, now: Instant) {
        let idle = IdleConnection { connection, since: now };
        match self {
            Self::Own(list) => match list.iter_mut().find(|own| *own.origin == *target.origin()) {
                Some(own) => own.idle = Some(idle),
                None => list.push(Own { origin: target.origin().into(), idle: Some(idle) }),
            },
            Self::Shared(pool) => {
                let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
                let evicted = pool.checkin(target.route(), idle, now);
                // Closing it can wait until others may use the pool.
                drop(pool);
                drop(evicted);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_goes_to_its_own_origin_and_only_once() {
        let [a, b] = ["http://a/", "http://b/"].map(|url| Target::parse(url).unwrap());
        let now = Instant::from_ns(1);
        let pool = Arc::new(Mutex::new(Pool::new(2, 2, IDLE_CONNECTION_MAX)));
        for mut kept in [IdleConnections::Own(Vec::new()), IdleConnections::Shared(pool)] {
            kept.put(&a, 1, now);
            assert!(kept.take(&b, now).is_none());
            assert_eq!(kept.take(&a, now).map(|idle| idle.connection), Some(1));
            assert!(kept.take(&a, now).is_none());
            kept.put(&a, 2, now);
            assert_eq!(kept.take(&a, now).map(|idle| idle.connection), Some(2));
        }
    }
}
