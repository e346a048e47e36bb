//! The server's side of HTTP/1.1, for the test server: requests in, response heads out.
//!
//! Request bodies are read past, so that a pipelined request behind one is found.
//!
//! Invariant: [`RequestHead::head_bytes`] and the bytes that [`RequestBody`] takes are the whole
//! request, and not a byte of the next one.

use httparse::Header;

use super::chunked::Chunked;
use super::framing::{
    Framing, Persistence, TransferCoding, content_length, keep_alive, transfer_coding,
};
use super::head::{Fields, HeadScan, check_parsed, field_room, invalid};
use crate::base::failure::{Failure, Kind, Stage};

/// Largest request body that is read past, in bytes, framing included.
const REQUEST_BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// One request head, borrowed from the bytes it was read from.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a str,
    /// Path and query: the target with no scheme and authority in front; `*` for OPTIONS of the
    /// whole server (RFC 9112 section 3.2).
    pub path: &'a str,
    /// The authority that was asked for, of the target or else of Host; empty in HTTP/1.0 without.
    pub host: &'a [u8],
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    pub minor_version: u8,
    /// What to say in the answer if the connection shall go on where it can.
    pub connection: Persistence,
    /// The body that follows the head and must be read past before the next request.
    pub body: RequestBody,
    /// Bytes from the front of the input to the end of the head.
    pub head_bytes: usize,
}

/// Reads request heads, one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestReader {
    scan: HeadScan,
}

impl RequestReader {
    /// Reads the request head at the front of `input`. None where more bytes are needed; the next
    /// call must then see the same bytes and more. After a request the caller drops
    /// [`RequestHead::head_bytes`], then what its body takes, and asks again.
    ///
    /// # Errors
    ///
    /// `head/invalid` (to be answered 400), `head/too_large` (431), `head/unsupported` (501). The
    /// connection must then end.
    #[inline]
    pub fn handle_bytes<'a>(
        &mut self,
        input: &'a [u8],
    ) -> Result<Option<RequestHead<'a>>, Failure> {
        // Empty lines stay in front until the head behind them is whole, so they are counted anew.
        let skipped = HeadScan::default().skip_empty_lines(input)?;
        if matches!(&input[skipped..], [] | [b'\r']) {
            return Ok(None);
        }
        let Some(end) = self.scan.end(&input[skipped..])? else { return Ok(None) };
        self.scan.restart();
        parse_request(&input[skipped..skipped + end], skipped + end).map(Some)
    }
}

/// The part of a request's body that is still to be read past.
#[derive(Clone, Copy, Debug)]
pub struct RequestBody {
    rest: Rest,
    /// Bytes taken so far, framing included.
    taken: u64,
    /// Bytes of it that were data.
    data_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
enum Rest {
    Sized(u64),
    Chunked(Chunked),
}

impl RequestBody {
    /// Takes what belongs to the body from the front of `input` and returns how many bytes that
    /// were.
    ///
    /// # Errors
    ///
    /// `body/too_large` past 64 MiB, `body/invalid` for a malformed chunked body. The connection
    /// must then end.
    pub fn handle_bytes(&mut self, input: &[u8]) -> Result<usize, Failure> {
        let mut consumed = 0;
        match &mut self.rest {
            Rest::Sized(remaining) => {
                consumed = usize::try_from(*remaining).map_or(input.len(), |r| r.min(input.len()));
                *remaining -= consumed as u64;
                self.data_bytes += consumed as u64;
            }
            Rest::Chunked(chunked) => {
                while consumed < input.len() && !chunked.is_done() {
                    let (count, data) = chunked.handle_bytes(&input[consumed..])?;
                    consumed += count;
                    self.data_bytes += data.len() as u64;
                }
            }
        }
        self.taken += consumed as u64;
        if self.taken > REQUEST_BODY_BYTES_MAX { Err(too_large()) } else { Ok(consumed) }
    }

    /// Bytes of data so far, without the framing of chunks.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// Whether nothing of it is left.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.rest {
            Rest::Sized(remaining) => *remaining == 0,
            Rest::Chunked(chunked) => chunked.is_done(),
        }
    }
}

/// What a response head says.
#[derive(Clone, Copy, Debug)]
pub struct ResponseSpec<'a> {
    /// The status code, 100 to 999.
    pub status: u16,
    /// The reason phrase; may be empty.
    pub reason: &'a str,
    /// The media type, where there is a body to have one.
    pub content_type: Option<&'a str>,
    /// How the body ends: writes Content-Length, Transfer-Encoding or neither.
    pub framing: Framing,
    /// What to say of the connection.
    pub connection: Persistence,
    /// Further names and values. They are written as they are.
    pub fields: &'a [(&'a str, &'a str)],
}

/// Appends the head of `answer` to `out`, which is not reallocated where it has room.
///
/// # Panics
///
/// Where the status has not three digits.
#[inline]
pub fn write_head(out: &mut Vec<u8>, answer: &ResponseSpec<'_>) {
    assert!((100..=999).contains(&answer.status), "a status has three digits");
    out.extend_from_slice(b"HTTP/1.1 ");
    write_decimal(out, u64::from(answer.status));
    out.push(b' ');
    out.extend_from_slice(answer.reason.as_bytes());
    if let Some(content_type) = answer.content_type {
        out.extend_from_slice(b"\r\nContent-Type: ");
        out.extend_from_slice(content_type.as_bytes());
    }
    match answer.framing {
        Framing::Length(length) => {
            out.extend_from_slice(b"\r\nContent-Length: ");
            write_decimal(out, length);
        }
        Framing::Chunked => out.extend_from_slice(b"\r\nTransfer-Encoding: chunked"),
        Framing::None | Framing::Close => {}
    }
    match answer.connection {
        Persistence::Persistent => {}
        Persistence::KeepAlive => out.extend_from_slice(b"\r\nConnection: keep-alive"),
        Persistence::Close => out.extend_from_slice(b"\r\nConnection: close"),
    }
    for (name, value) in answer.fields {
        for part in ["\r\n", name, ": ", value] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n\r\n");
}

/// Appends one chunk with `data`, which must not be empty: an empty chunk ends the body (RFC 9112
/// section 7.1).
///
/// # Panics
///
/// Where `data` is empty.
pub fn write_chunk(out: &mut Vec<u8>, data: &[u8]) {
    assert!(!data.is_empty(), "an empty chunk would end the body");
    let digit_count = (usize::BITS - data.len().leading_zeros()).div_ceil(4);
    for place in (0..digit_count).rev() {
        out.push(b"0123456789abcdef"[data.len() >> (place * 4) & 0xf]);
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk, with no trailers.
pub fn write_last_chunk(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n\r\n");
}

/// Reads `bytes`, one whole head with its empty line, that ends `head_bytes` into the input.
#[inline]
fn parse_request(bytes: &[u8], head_bytes: usize) -> Result<RequestHead<'_>, Failure> {
    let mut room = field_room();
    let mut request = httparse::Request::new(&mut []);
    check_parsed(request.parse_with_uninit_headers(bytes, &mut room), bytes.len())?;
    let (Some(method), Some(target), Some(minor_version)) =
        (request.method, request.path, request.version)
    else {
        return Err(invalid("no request line"));
    };
    let fields = Fields::from(&*request.headers);
    let (host, path) = split_target(host_field(minor_version, request.headers)?, target)?;
    let connection = match keep_alive(minor_version, fields) {
        false => Persistence::Close,
        true if minor_version == 0 => Persistence::KeepAlive,
        true => Persistence::Persistent,
    };
    let body = RequestBody { rest: body_framing(minor_version, fields)?, taken: 0, data_bytes: 0 };
    Ok(RequestHead { method, path, host, minor_version, connection, body, head_bytes })
}

/// The one Host field, which only HTTP/1.0 may leave out (RFC 9112 section 3.2).
fn host_field<'a>(minor_version: u8, headers: &[Header<'a>]) -> Result<&'a [u8], Failure> {
    let mut hosts = headers.iter().filter(|h| h.name.eq_ignore_ascii_case("host")).map(|h| h.value);
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => Ok(host),
        (None, _) if minor_version == 0 => Ok(b""),
        (None, _) => Err(invalid("no Host field")),
        (Some(_), Some(_)) => Err(invalid("two Host fields")),
    }
}

/// Host and path of a request for `target` (RFC 9112 section 3.2): an absolute URL's authority
/// comes before the Host field.
fn split_target<'a>(host: &'a [u8], target: &'a str) -> Result<(&'a [u8], &'a str), Failure> {
    if target.starts_with('/') || target == "*" {
        return Ok((host, target));
    }
    // The scheme must come first: a query may well hold another URL.
    let url = target.split_once("://").filter(|(scheme, _)| is_scheme(scheme));
    let Some((_, rest)) = url else {
        return Err(invalid("the request target is neither a path nor a URL"));
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    // A URL may leave its path out; a query alone has none to stand behind and is refused.
    match path {
        "" => Ok((authority.as_bytes(), "/")),
        path if path.starts_with('/') => Ok((authority.as_bytes(), path)),
        _ => Err(invalid("the request target has a query and no path")),
    }
}

/// Whether `name` is what a scheme may be (RFC 3986 section 3.1).
fn is_scheme(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// How the body of a request ends, by rules 3 to 7 of RFC 9112 section 6.3.
fn body_framing(minor_version: u8, fields: Fields<'_>) -> Result<Rest, Failure> {
    if fields.field("transfer-encoding").is_some() {
        // A request, unlike a response, cannot end by close: there would be nobody to answer.
        return if minor_version >= 1 && transfer_coding(fields)? == TransferCoding::Chunked {
            Ok(Rest::Chunked(Chunked::new()))
        } else {
            Err(invalid("a request body whose end cannot be told"))
        };
    }
    Ok(Rest::Sized(content_length(fields)?.unwrap_or(0)))
}

/// Appends `number` in decimal.
fn write_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] += (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

const fn too_large() -> Failure {
    Failure::new(Stage::Body, Kind::TooLarge, "the request body is too large")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks method, path, host and connection of the request `input`, or how it is refused.
    fn check(input: &str, expected: Result<(&str, &str, &str, Persistence), Kind>) {
        let found = RequestReader::default().handle_bytes(input.as_bytes());
        match (found, expected) {
            (Ok(Some(request)), Ok((method, path, host, connection))) => {
                assert_eq!((request.method, request.path), (method, path), "{input}");
                assert_eq!(request.host, host.as_bytes(), "{input}");
                assert_eq!(request.connection, connection, "{input}");
                assert!(input[..request.head_bytes].ends_with("\n"), "{input}");
            }
            (Err(failure), Err(kind)) => {
                assert_eq!((failure.stage, failure.kind), (Stage::Head, kind), "{input}");
            }
            (found, _) => panic!("{input}: {found:?}"),
        }
    }

    #[test]
    fn a_request_says_what_it_asks_for() {
        use Persistence::{Close, KeepAlive, Persistent};
        check("GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n", Ok(("GET", "/a?b", "h", Persistent)));
        check("\r\n\nGET / HTTP/1.1\nHost:\n\n", Ok(("GET", "/", "", Persistent)));
        check(
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
            Ok(("GET", "/", "h", Close)),
        );
        check("GET / HTTP/1.0\r\n\r\n", Ok(("GET", "/", "", Close)));
        let asked = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
        check(asked, Ok(("GET", "/", "", KeepAlive)));
        check("GET http://g:1/a HTTP/1.1\r\nHost: h\r\n\r\n", Ok(("GET", "/a", "g:1", Persistent)));
        check("GET http://g HTTP/1.1\r\nHost: h\r\n\r\n", Ok(("GET", "/", "g", Persistent)));
        check("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", Ok(("OPTIONS", "*", "h", Persistent)));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        check("GET / HTTP/1.1\r\n\r\n", Err(Kind::Invalid));
        check("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Err(Kind::Invalid));
        check("GET / HTTP/2.0\r\nHost: h\r\n\r\n", Err(Kind::Invalid));
        check("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", Err(Kind::Invalid));
        check("GET /\r\n\r\n", Err(Kind::Invalid));
        check("GET a HTTP/1.1\r\nHost: h\r\n\r\n", Err(Kind::Invalid));
        check("GET a?x=://h/p HTTP/1.1\r\nHost: h\r\n\r\n", Err(Kind::Invalid));
        check("GET ://h/p HTTP/1.1\r\nHost: h\r\n\r\n", Err(Kind::Invalid));
        check("GET http://a?b HTTP/1.1\r\nHost: h\r\n\r\n", Err(Kind::Invalid));
        check("GET / HTTP/1.1\r\nHost : h\r\n\r\n", Err(Kind::Invalid));
        check("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 2\r\n\r\n", Err(Kind::Invalid));
        check(
            "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n",
            Err(Kind::Invalid),
        );
        check(
            "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
            Err(Kind::Invalid),
        );
        check("PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Err(Kind::Invalid));
        check("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: br\r\n\r\n", Err(Kind::Unsupported));
        check(&format!("GET /{} HTTP/1.1\r\n", "a".repeat(70_000)), Err(Kind::TooLarge));
        let fields = "A: b\r\n".repeat(257);
        check(&format!("GET / HTTP/1.1\r\n{fields}\r\n"), Err(Kind::TooLarge));
        check(&"\r\n".repeat(9), Err(Kind::Invalid));
    }

    #[test]
    fn pipelined_requests_are_found_behind_each_other_however_they_are_split() {
        let requests = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n\
            POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\nGET /no HTTP/1.1\r\n\r\n\
            PUT /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0\r\n\r\n\
            \r\nGET /4 HTTP/1.1\r\nHost: h\r\n\r\n";
        for piece_bytes in [1, 2, 7, 64, requests.len()] {
            let (mut reader, mut body) = (RequestReader::default(), None::<RequestBody>);
            let (mut held, mut paths, mut data_bytes) = (Vec::new(), Vec::new(), 0);
            for piece in requests.as_bytes().chunks(piece_bytes) {
                held.extend_from_slice(piece);
                loop {
                    if let Some(body) = body.as_mut().filter(|body| !body.is_done()) {
                        let consumed = body.handle_bytes(&held).unwrap();
                        held.drain(..consumed);
                        if !body.is_done() {
                            break;
                        }
                        data_bytes += body.data_bytes();
                    }
                    let Some(request) = reader.handle_bytes(&held).unwrap() else { break };
                    paths.push(request.path.to_owned());
                    body = Some(request.body);
                    let head_bytes = request.head_bytes;
                    held.drain(..head_bytes);
                }
            }
            assert_eq!(data_bytes, 20 + 5, "in pieces of {piece_bytes}");
            assert_eq!(paths, ["/1", "/2", "/3", "/4"], "in pieces of {piece_bytes}");
            assert!(held.is_empty());
        }
    }

    #[test]
    fn a_request_body_is_bounded() {
        let taken = REQUEST_BODY_BYTES_MAX;
        let mut body = RequestBody { rest: Rest::Sized(u64::MAX), taken, data_bytes: taken };
        assert_eq!(
            body.handle_bytes(b"x").map_err(|f| (f.stage, f.kind)),
            Err((Stage::Body, Kind::TooLarge))
        );
    }

    #[test]
    fn a_head_is_written_as_it_is_read() {
        let answer = ResponseSpec {
            status: 200,
            reason: "OK",
            content_type: Some("text/html"),
            framing: Framing::Length(u64::MAX),
            connection: Persistence::Close,
            fields: &[("Location", "/x")],
        };
        let mut out = Vec::new();
        write_head(&mut out, &answer);
        assert_eq!(
            out,
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\
              Content-Length: 18446744073709551615\r\nConnection: close\r\nLocation: /x\r\n\r\n"
        );
        let bare = ResponseSpec {
            status: 304,
            reason: "",
            content_type: None,
            framing: Framing::None,
            connection: Persistence::Persistent,
            fields: &[],
        };
        out.clear();
        write_head(&mut out, &bare);
        assert_eq!(out, b"HTTP/1.1 304 \r\n\r\n");
        let chunked =
            ResponseSpec { framing: Framing::Chunked, connection: Persistence::KeepAlive, ..bare };
        out.clear();
        write_head(&mut out, &chunked);
        write_chunk(&mut out, &[b'a'; 0x1f0]);
        write_last_chunk(&mut out);
        let head = "HTTP/1.1 304 \r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n";
        let body = format!("1f0\r\n{}\r\n0\r\n\r\n", "a".repeat(0x1f0));
        assert_eq!(out, [head, &body].concat().as_bytes());
    }
}
