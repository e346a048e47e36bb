//! HTTP/1.1 without I/O (RFC 9110, RFC 9112): bytes in, events out, on both ends of a connection.
//!
//! Knows nothing of sockets, deadlines or pools. Who carries an exchange reads and writes its
//! bytes, and asks here what they say.
//!
//! Invariant: how the bytes were split never changes the outcome; nothing past the end of a message
//! is consumed; no byte sequence panics; no step allocates.
//!
//! ```text
//! request   RequestTemplate -> bytes         the client's request, rendered once, written often
//! exchange  bytes -> Observer, Want, reuse   the client's side of the answer, by the next three
//!   head      bytes -> Head                  status line and fields, parsed in place
//!   framing   Head -> Framing, keep_alive    where the body ends, whether the connection goes on
//!   chunked   bytes -> parts of the body     the chunked transfer coding
//! serve     bytes -> RequestHead, bytes      the other side, for the test server
//! ```
//!
//! ```
//! use ringfetch::http::http1::{Exchange, Framing, Head, Method, Observer, Want};
//! use ringfetch::base::failure::Failure;
//!
//! struct Body(Vec<u8>);
//!
//! impl Observer for Body {
//!     fn head(&mut self, head: &Head<'_>, framing: Framing) -> Result<(), Failure> {
//!         assert_eq!((head.status(), framing), (200, Framing::Length(5)));
//!         Ok(())
//!     }
//!     fn body(&mut self, part: &[u8]) -> Result<(), Failure> {
//!         self.0.extend_from_slice(part);
//!         Ok(())
//!     }
//! }
//!
//! let mut exchange = Exchange::new((&Method::Get).into());
//! let mut body = Body(Vec::new());
//! let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel";
//! assert_eq!(exchange.handle_bytes(answer, &mut body), Ok(answer.len()));
//! assert_eq!(exchange.want(), Want::Sized(2));
//! assert_eq!(exchange.handle_bytes(b"lo, and more", &mut body), Ok(2));
//! assert_eq!((&body.0[..], exchange.reuse()), (&b"hello"[..], true));
//! ```

mod chunked;
mod exchange;
mod framing;
mod head;
#[cfg(test)]
mod invariants;
mod memo;
mod method;
mod request;
mod serve;

pub use chunked::Chunked;
pub use exchange::{Exchange, Observer, Want};
pub use framing::{Framing, Persistence, RequestKind, framing, keep_alive};
pub use head::{Fields, Head};
pub use memo::HeadMemo;
pub use method::{Method, MethodError, Token};
pub use request::{RequestError, RequestSpec, RequestTemplate};
pub use serve::{
    RequestBody, RequestHead, RequestReader, ResponseSpec, write_chunk, write_head,
    write_last_chunk,
};
