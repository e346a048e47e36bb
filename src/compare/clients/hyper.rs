//! hyper: its client connections, on Tokio's runtimes and on monoio's.
//!
//! At this level hyper keeps no connections by itself, so a lane does; and each connection is
//! driven by a task of its own, as hyper's documentation shows.
//!
//! Invariant: a connection is used again only where hyper says that it is ready.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::hyper::client::conn::http1::{self, Connection, SendRequest};
use ::hyper::rt::{Read, Write};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use monoio_compat::StreamWrapper;

use crate::base::target::Target;
use crate::compare::clients::client::{Client, ClientFault, ResponseReading};
use crate::compare::clients::connector::Connector;
use crate::compare::clients::idle::IdleConnections;
use crate::runtime::{Io, clock};

/// The runtime of hyper's connections: their sockets, and the tasks that drive them.
pub(super) trait HyperRuntime: 'static {
    /// A socket as hyper takes it.
    type Stream: Read + Write + Unpin + 'static;

    /// Opens a TCP connection to `to`, with TCP_NODELAY set.
    fn connect(to: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Drives a connection to its end, in a task of its own.
    fn drive(driver: HyperDriver<Self::Stream>);
}

/// Tokio's runtime of several threads.
#[derive(Debug)]
pub(super) struct SharedTokio;

/// Tokio's runtime of one thread.
#[derive(Debug)]
pub(super) struct OwnTokio;

/// monoio, whatever its driver.
#[derive(Debug)]
pub(super) struct Monoio;

impl HyperRuntime for SharedTokio {
    type Stream = TokioIo<tokio::net::TcpStream>;

    async fn connect(to: SocketAddr) -> io::Result<Self::Stream> {
        let stream = tokio::net::TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(TokioIo::new(stream))
    }

    fn drive(driver: HyperDriver<Self::Stream>) {
        drop(tokio::spawn(driver));
    }
}

impl HyperRuntime for OwnTokio {
    type Stream = TokioIo<tokio::net::TcpStream>;

    async fn connect(to: SocketAddr) -> io::Result<Self::Stream> {
        SharedTokio::connect(to).await
    }

    fn drive(driver: HyperDriver<Self::Stream>) {
        drop(tokio::task::spawn_local(driver));
    }
}

impl HyperRuntime for Monoio {
    type Stream = TokioIo<StreamWrapper<monoio::net::TcpStream>>;

    async fn connect(to: SocketAddr) -> io::Result<Self::Stream> {
        let stream = monoio::net::TcpStream::connect_addr(to).await?;
        stream.set_nodelay(true)?;
        Ok(TokioIo::new(StreamWrapper::new(stream)))
    }

    fn drive(driver: HyperDriver<Self::Stream>) {
        drop(monoio::spawn(driver));
    }
}

/// The task that drives a connection to its end.
pub(super) struct HyperDriver<S: Read + Write> {
    connection: Connection<S, Full<Bytes>>,
    /// Nothing is ever sent: the other end learns when the last connection is gone.
    _alive: flume::Sender<Infallible>,
}

impl<S: Read + Write + Unpin> Future for HyperDriver<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // An error also goes to the lane that waits for the response.
        Pin::new(&mut self.connection).poll(context).map(drop)
    }
}

/// hyper, as one lane has it.
pub(super) struct Hyper<I, C> {
    pub(super) connector: Arc<Connector<I>>,
    pub(super) runtime: PhantomData<C>,
    pub(super) idle: IdleConnections<SendRequest<Full<Bytes>>>,
}

impl<I: Io, C: HyperRuntime> Hyper<I, C> {
    /// A connection to the origin of `target` that takes a request.
    async fn ready(&mut self, target: &Target) -> Result<SendRequest<Full<Bytes>>, ClientFault> {
        // Bounded by the connections that are kept.
        while let Some(mut idle) = self.idle.take(target, clock::now()) {
            // The server may have closed it.
            if idle.connection.ready().await.is_ok() {
                return Ok(idle.connection);
            }
        }
        let stream = self.connector.connect(target, C::connect).await?;
        let (sender, connection) = http1::handshake(stream).await.map_err(ClientFault::new)?;
        C::drive(HyperDriver { connection, _alive: self.connector.alive.clone() });
        Ok(sender)
    }
}

impl<I: Io, C: HyperRuntime> Client for Hyper<I, C> {
    type Request = http::Request<Full<Bytes>>;

    fn request(&self, target: &Target) -> Result<Self::Request, ClientFault> {
        self.connector.fields.request(target, Full::new)
    }

    async fn ask(
        &mut self,
        target: &Target,
        request: &Self::Request,
        reading: &mut ResponseReading,
    ) -> Result<(), ClientFault> {
        let mut sender = self.ready(target).await?;
        let response = sender.send_request(request.clone()).await.map_err(ClientFault::new)?;
        reading.handle_head(response.status().as_u16(), response.headers());
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            if let Ok(piece) = frame.map_err(ClientFault::new)?.into_data() {
                reading.handle_body(&piece)?;
            }
        }
        if !self.connector.fields.closes {
            self.idle.put(target, sender, clock::now());
        }
        Ok(())
    }
}
