//! Answers of servers, and an observer that reads them as a bench does.
//!
//! Invariant: every head here is complete and valid; how its body ends is an argument.

use std::hint::black_box;

use ringfetch::base::failure::Failure;
use ringfetch::http::http1::{Framing, Head, Observer, write_chunk, write_last_chunk};

/// Fields that a plain server sends, its body's framing apart.
const FEW_FIELDS: &str = "Server: nginx\r\n\
    Date: Thu, 01 Jan 2026 12:00:00 GMT\r\n\
    Content-Type: text/html; charset=utf-8\r\n\
    Connection: keep-alive\r\n";
/// How many those are, with the one that frames the body.
pub(crate) const FEW: usize = 5;

/// Fields as a shop behind a cache and a network of caches sends them, its body's framing apart.
const MANY_FIELDS: &str = "Date: Thu, 01 Jan 2026 12:00:00 GMT\r\n\
    Content-Type: text/html; charset=utf-8\r\n\
    Connection: keep-alive\r\n\
    Server: nginx\r\n\
    Cache-Control: public, max-age=60, s-maxage=300, stale-while-revalidate=600\r\n\
    Expires: Thu, 01 Jan 2026 12:01:00 GMT\r\n\
    Last-Modified: Wed, 31 Dec 2025 09:26:53 GMT\r\n\
    ETag: W/\"5f3c-19b7a1e2c40\"\r\n\
    Vary: Accept-Encoding, Accept-Language, Cookie\r\n\
    Content-Language: en-GB\r\n\
    Accept-Ranges: bytes\r\n\
    Age: 47\r\n\
    Via: 1.1 varnish, 1.1 varnish\r\n\
    X-Served-By: cache-fra-eddf8230091-FRA, cache-ams-eham8230045-AMS\r\n\
    X-Cache: HIT, MISS\r\n\
    X-Cache-Hits: 12, 0\r\n\
    X-Timer: S1767268800.123456,VS0,VE8\r\n\
    X-Request-Id: 6f1f7c0e-3c55-4a8e-9f0c-2f4d1b6f8a11\r\n\
    Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\
    Server-Timing: cache;desc=hit, render;dur=18.3, db;dur=4.1\r\n\
    Timing-Allow-Origin: *\r\n\
    Strict-Transport-Security: max-age=63072000; includeSubDomains; preload\r\n\
    Content-Security-Policy: default-src 'self'; img-src 'self' data: https://img.shop.example; \
        script-src 'self' https://js.shop.example 'nonce-d2l0aCBhIG5vbmNl'; object-src 'none'; \
        frame-ancestors 'none'; base-uri 'self'; report-uri /csp\r\n\
    Permissions-Policy: camera=(), geolocation=(self), microphone=()\r\n\
    Referrer-Policy: strict-origin-when-cross-origin\r\n\
    X-Content-Type-Options: nosniff\r\n\
    X-Frame-Options: DENY\r\n\
    Cross-Origin-Opener-Policy: same-origin\r\n\
    Cross-Origin-Resource-Policy: same-site\r\n\
    Access-Control-Allow-Origin: https://www.shop.example\r\n\
    Access-Control-Allow-Credentials: true\r\n\
    Access-Control-Expose-Headers: X-Request-Id, Server-Timing\r\n\
    Alt-Svc: h3=\":443\"; ma=86400\r\n\
    NEL: {\"report_to\":\"errors\",\"max_age\":2592000,\"success_fraction\":0.01}\r\n\
    Link: </css/site.4c1d.css>; rel=preload; as=style\r\n\
    Link: </js/site.9a2e.js>; rel=preload; as=script\r\n\
    Set-Cookie: session=9b2f3c4d5e6f708192a3b4c5d6e7f809; Path=/; Secure; HttpOnly\r\n\
    Set-Cookie: region=eu; Path=/; Max-Age=31536000; Secure\r\n\
    Set-Cookie: variant=b; Path=/; Max-Age=604800; Secure\r\n";
/// How many those are, with the one that frames the body.
pub(crate) const MANY: usize = 40;

/// A head of [`FEW`] fields, of which `framing` says how the body ends.
pub(crate) fn small_head(framing: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{FEW_FIELDS}{framing}\r\n\r\n")
}

/// A head of [`MANY`] fields, of which `framing` says how the body ends.
pub(crate) fn large_head(framing: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{MANY_FIELDS}{framing}\r\n\r\n")
}

/// An answer whose body of `body_bytes` has its length in the head.
pub(crate) fn sized(body_bytes: usize) -> Vec<u8> {
    let head = small_head(&format!("Content-Length: {body_bytes}"));
    [head.as_bytes(), &vec![b'x'; body_bytes]].concat()
}

/// A chunked body of `count` chunks with `chunk_bytes` of data each.
pub(crate) fn chunks(count: usize, chunk_bytes: usize) -> Vec<u8> {
    let (mut body, data) = (Vec::new(), vec![b'x'; chunk_bytes]);
    (0..count).for_each(|_| write_chunk(&mut body, &data));
    write_last_chunk(&mut body);
    body
}

/// What a bench keeps of an answer, and whether its head was parsed or known already.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    /// Fields of the heads that were parsed.
    pub(crate) fields: usize,
    /// Heads that were known already.
    pub(crate) known: usize,
    pub(crate) body_bytes: usize,
}

impl Observer for Seen {
    fn head(&mut self, head: &Head<'_>, _: Framing) -> Result<(), Failure> {
        self.status = head.status();
        self.fields += head.fields().len();
        Ok(())
    }

    fn body(&mut self, part: &[u8]) -> Result<(), Failure> {
        self.body_bytes += black_box(part).len();
        Ok(())
    }

    fn known_head(&mut self, status: u16) -> bool {
        self.status = status;
        self.known += 1;
        true
    }
}
