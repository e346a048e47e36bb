//! What the clients of one group of lanes have in common, and how they get connected.
//!
//! Invariant: a name leads to where the own engine's would, the fixed answers of `--resolve`
//! included.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use crate::base::target::Target;
use crate::compare::clients::client::ClientFault;
use crate::compare::clients::request_fields::RequestFields;
use crate::net::dns::Resolver;
use crate::runtime::Io;

/// What the clients of a group have in common.
pub(super) struct Connector<I> {
    pub(super) io: I,
    pub(super) fields: RequestFields,
    pub(super) resolver: Resolver,
    pub(super) connect_timeout: Duration,
    pub(super) alive: flume::Sender<Infallible>,
}

impl<I: Io> Connector<I> {
    /// Connects to the origin of `target` by `connect`.
    pub(super) async fn connect<S, F: Future<Output = io::Result<S>>>(
        &self,
        target: &Target,
        connect: impl FnOnce(SocketAddr) -> F,
    ) -> Result<S, ClientFault> {
        let attempt = async {
            let addr = self.resolver.look_up(target.host(), target.port()).await;
            let addr = addr.map_err(|failure| ClientFault::new(failure.to_string()))?;
            connect(addr).await.map_err(ClientFault::new)
        };
        let sleep = self.io.sleep_until(self.io.now() + self.connect_timeout);
        match select(pin!(attempt), pin!(sleep)).await {
            Either::Left((connected, _)) => connected,
            Either::Right(_) => Err(ClientFault::new("no connection in time")),
        }
    }
}
