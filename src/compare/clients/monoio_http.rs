//! monoio-http: its codec on monoio's sockets, which is what a user of monoio would reach for.
//!
//! The codec reads and writes messages and no more. Whether a connection goes on after a message is
//! decided here.
//!
//! Invariant: a connection whose exchange did not end cleanly is not used again.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use bytes::Bytes;
use http::Version;
use monoio::io::sink::SinkExt;
use monoio::io::stream::Stream;
use monoio::net::TcpStream;
use monoio_http::common::body::Body;
use monoio_http::h1::codec::ClientCodec;
use monoio_http::h1::payload::{FixedPayload, Payload};

use crate::base::limits::IDLE_UNCHECKED_MAX;
use crate::base::target::Target;
use crate::compare::clients::client::{Client, ClientFault, ResponseReading};
use crate::compare::clients::connector::Connector;
use crate::compare::clients::idle::IdleConnections;
use crate::compare::clients::request_fields::says_close;
use crate::os::system;
use crate::runtime::{Io, clock};

/// A connection with its codec.
pub(super) struct Coded {
    codec: ClientCodec<TcpStream>,
    /// That of the codec's own socket.
    descriptor: RawFd,
}

/// monoio-http, as one lane has it.
pub(super) struct MonoioHttp<I> {
    pub(super) connector: Arc<Connector<I>>,
    pub(super) idle: IdleConnections<Coded>,
}

impl<I: Io> MonoioHttp<I> {
    /// A connection to the origin of `target` that takes a request.
    async fn ready(&mut self, target: &Target) -> Result<Coded, ClientFault> {
        let now = clock::now();
        // Bounded by the connections that are kept.
        while let Some(idle) = self.idle.take(target, now) {
            // The codec does not look at a connection between two messages.
            let was_short = now.since(idle.since) < IDLE_UNCHECKED_MAX;
            if was_short || system::is_quiet(idle.connection.descriptor) {
                return Ok(idle.connection);
            }
        }
        let stream = self.connector.connect(target, TcpStream::connect_addr).await?;
        stream.set_nodelay(true).map_err(ClientFault::new)?;
        let descriptor = stream.as_raw_fd();
        Ok(Coded { codec: ClientCodec::new(stream), descriptor })
    }
}

impl<I: Io> Client for MonoioHttp<I> {
    type Request = http::Request<Bytes>;

    fn request(&self, target: &Target) -> Result<Self::Request, ClientFault> {
        self.connector.fields.request(target, |body| body)
    }

    async fn ask(
        &mut self,
        target: &Target,
        request: &Self::Request,
        reading: &mut ResponseReading,
    ) -> Result<(), ClientFault> {
        let mut coded = self.ready(target).await?;
        let has_body = self.connector.fields.body.is_some();
        let request = request.clone().map(|body| match has_body {
            true => Payload::<Bytes>::Fixed(FixedPayload::new(body)),
            false => Payload::None,
        });
        coded.codec.send_and_flush(request).await.map_err(ClientFault::new)?;
        let response = coded.codec.next().await.ok_or_else(|| ClientFault::new("closed"))?;
        let (head, body) = response.map_err(ClientFault::new)?.into_parts();
        reading.handle_head(head.status.as_u16(), &head.headers);
        let mut body = body.with_io(&mut coded.codec);
        while let Some(piece) = body.next_data().await {
            reading.handle_body(&piece.map_err(ClientFault::new)?)?;
        }
        let goes_on = head.version == Version::HTTP_11 && !says_close(&head.headers);
        if goes_on && !self.connector.fields.closes {
            self.idle.put(target, coded, clock::now());
        }
        Ok(())
    }
}
