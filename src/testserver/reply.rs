//! Answers: the bytes of what was asked for, and what remains to be sent after them.
//!
//! Touches no socket. A small answer is written whole. Of one that is long, slow or broken the
//! beginning is written, and a [`Remaining`] says how it goes on.
//!
//! Invariant: an answer to HEAD has the head of the answer to GET and not a byte more.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use crate::base::failure::{Failure, Kind, Stage};
use crate::http::http1::{Framing, Persistence, RequestHead, ResponseSpec, write_head};
use crate::testserver::fault::{AfterFault, Fault};
use crate::testserver::page;
use crate::testserver::route::{Asked, BodyCoding, BytesFraming, ROUTES, Refusal, ServedPath};
use crate::testserver::shared::Served;
use crate::testserver::stamps::Untold;
use crate::testserver::stream::{BodyStream, Chunking, OpenFraming, PIECE_BYTES};

const TEXT: Option<&str> = Some("text/plain; charset=utf-8");
const HTML: Option<&str> = Some("text/html; charset=utf-8");
const JSON: Option<&str> = Some("application/json");
const BYTES: Option<&str> = Some("application/octet-stream");
const GZIP: &[(&str, &str)] = &[("Content-Encoding", "gzip")];

/// A request, and what its answer may depend on.
#[derive(Clone, Copy)]
pub(super) struct RequestContext<'a> {
    pub(super) request: &'a RequestHead<'a>,
    /// The bytes of the request's head.
    pub(super) head: &'a [u8],
    /// Bytes of its body.
    pub(super) body_bytes: u64,
    /// What the answer says of the connection.
    pub(super) connection: Persistence,
    /// What the server has done so far.
    pub(super) served: Served,
    /// The arrival times that can be told, where any are kept.
    pub(super) stamps: Option<Untold>,
}

/// What remains to be sent of an answer.
pub(super) enum Remaining {
    /// Nothing.
    Nothing,
    /// The body, in pieces.
    Stream(BodyStream),
    /// So many bytes, one after each pause.
    Drip(u64, Duration),
    /// These arrival times, in pieces.
    Stamps(Untold, OpenFraming),
    /// Nothing, but then this happens to the connection.
    Fault(AfterFault),
}

impl RequestContext<'_> {
    fn is_head(&self) -> bool {
        self.request.method == "HEAD"
    }

    /// How a body of unknown length is framed: HTTP/1.0 has no chunks (RFC 9112 section 6.1).
    fn open_framing(&self) -> OpenFraming {
        if self.request.minor_version >= 1 { OpenFraming::Chunks } else { OpenFraming::Close }
    }

    /// What remains to be sent of a body: nothing in an answer to HEAD.
    fn unless_head(&self, remaining: Remaining) -> Remaining {
        if self.is_head() { Remaining::Nothing } else { remaining }
    }

    /// An answer with a body of `framing`.
    fn answer<'a>(&self, content_type: Option<&'a str>, framing: Framing) -> ResponseSpec<'a> {
        let connection = match framing {
            Framing::Close => Persistence::Close,
            _ => self.connection,
        };
        ResponseSpec { status: 200, reason: "OK", content_type, framing, connection, fields: &[] }
    }
}

/// Appends the answer to `asked` to `out`, as far as it can be written at once; bodies are composed
/// in `scratch`. Returns what remains to be sent, and what the head says of the connection.
pub(super) fn write(
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    context: &RequestContext<'_>,
    asked: &Asked<'_>,
) -> (Remaining, Persistence) {
    scratch.clear();
    let content_type = match asked.route {
        ServedPath::Index => {
            scratch.extend_from_slice(INDEX.as_bytes());
            HTML
        }
        ServedPath::Page(number) => {
            page::write(scratch, number, context.request.host);
            HTML
        }
        ServedPath::Echo => {
            write_echo(scratch, context);
            JSON
        }
        ServedPath::Count => {
            let Served { requests, refused, connections } = context.served;
            // A vector takes every byte.
            let _ = writeln!(
                scratch,
                "{{\"requests\":{requests},\"refused\":{refused},\"connections\":{connections}}}"
            );
            JSON
        }
        ServedPath::Stamps => return stamps(out, context),
        ServedPath::Bytes(length, framing) => {
            return bytes(out, context, asked.coding, length, framing);
        }
        ServedPath::Chunked(length, chunking) => return chunked(out, context, length, chunking),
        ServedPath::Status(status) => return write_status(out, scratch, context, status),
        ServedPath::Redirect(..) | ServedPath::RedirectLoop(_) | ServedPath::RedirectTo(..) => {
            return redirect(out, scratch, context, asked.route);
        }
        ServedPath::Drip(length, pause) => {
            write_head(out, &context.answer(TEXT, Framing::Length(length)));
            let remaining = context.unless_head(Remaining::Drip(length, pause));
            return (remaining, context.connection);
        }
        ServedPath::Fault(fault) => {
            fault.write(out);
            return (Remaining::Fault(fault.after()), context.connection);
        }
    };
    let fields = match asked.coding {
        BodyCoding::Identity => &[],
        BodyCoding::Gzip => {
            *scratch = gzip(scratch);
            GZIP
        }
    };
    let answer = context.answer(content_type, Framing::Length(scratch.len() as u64));
    (whole(out, context, ResponseSpec { fields, ..answer }, scratch), context.connection)
}

/// Appends the answer to a target that is refused.
pub(super) fn write_refusal(out: &mut Vec<u8>, context: &RequestContext<'_>, refusal: Refusal) {
    let text = refusal.why;
    let answer = context.answer(TEXT, Framing::Length(text.len() as u64 + 1));
    let reason = reason(refusal.status);
    let is_head = context.is_head();
    write_head(out, &ResponseSpec { status: refusal.status, reason, ..answer });
    if !is_head {
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
    }
}

/// Appends the answer to bytes that are no good request: 413, 431, 501 or else 400. It ends the
/// connection.
pub(super) fn write_failure(out: &mut Vec<u8>, failure: Failure) {
    let status = match (failure.stage, failure.kind) {
        (Stage::Body, Kind::TooLarge) => 413,
        (_, Kind::TooLarge | Kind::TooMany) => 431,
        (_, Kind::Unsupported) => 501,
        _ => 400,
    };
    let text = format!("{failure}\n");
    let answer = ResponseSpec {
        status,
        reason: reason(status),
        content_type: TEXT,
        framing: Framing::Length(text.len() as u64),
        connection: Persistence::Close,
        fields: &[],
    };
    write_head(out, &answer);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a whole answer.
fn whole(
    out: &mut Vec<u8>,
    context: &RequestContext<'_>,
    answer: ResponseSpec<'_>,
    body: &[u8],
) -> Remaining {
    write_head(out, &answer);
    if !context.is_head() {
        out.extend_from_slice(body);
    }
    Remaining::Nothing
}

/// Appends the head of an answer whose body is streamed.
fn begin(
    out: &mut Vec<u8>,
    context: &RequestContext<'_>,
    answer: ResponseSpec<'_>,
    stream: BodyStream,
) -> (Remaining, Persistence) {
    write_head(out, &answer);
    (context.unless_head(Remaining::Stream(stream)), answer.connection)
}

/// `/bytes/N`: by its length where that is known before it is coded.
fn bytes(
    out: &mut Vec<u8>,
    context: &RequestContext<'_>,
    coding: BodyCoding,
    length: u64,
    asked: BytesFraming,
) -> (Remaining, Persistence) {
    let (framing, stream, fields) = match (coding, asked) {
        (BodyCoding::Identity, BytesFraming::Length) => {
            (Framing::Length(length), BodyStream::plain(length), &[][..])
        }
        (BodyCoding::Identity, BytesFraming::Close) => {
            (Framing::Close, BodyStream::plain(length), &[][..])
        }
        (BodyCoding::Gzip, _) => {
            let framing = context.open_framing();
            (head_framing(framing), BodyStream::gzip(length, framing), GZIP)
        }
    };
    begin(out, context, ResponseSpec { fields, ..context.answer(BYTES, framing) }, stream)
}

/// `/chunked/N`: a client that cannot read chunks has the same bytes up to the close.
fn chunked(
    out: &mut Vec<u8>,
    context: &RequestContext<'_>,
    length: u64,
    chunking: Chunking,
) -> (Remaining, Persistence) {
    let framing = context.open_framing();
    let stream = match framing {
        OpenFraming::Chunks => BodyStream::chunked(length, chunking),
        OpenFraming::Close => BodyStream::plain(length),
    };
    let fields: &[_] = if chunking.trailers { &[("Trailer", "X-Body-Bytes, X-End")] } else { &[] };
    let answer = context.answer(BYTES, head_framing(framing));
    begin(out, context, ResponseSpec { fields, ..answer }, stream)
}

/// `/stamps`: of unknown length, since new stamps may take the place of old ones meanwhile.
fn stamps(out: &mut Vec<u8>, context: &RequestContext<'_>) -> (Remaining, Persistence) {
    let Some(untold) = context.stamps else {
        let why = "no arrival times are kept; hint: ringfetch serve --stamps 1M";
        write_refusal(out, context, Refusal { status: 404, why });
        return (Remaining::Nothing, context.connection);
    };
    let framing = context.open_framing();
    let answer = context.answer(TEXT, head_framing(framing));
    write_head(out, &answer);
    (context.unless_head(Remaining::Stamps(untold, framing)), answer.connection)
}

/// What the head says of a body of unknown length.
const fn head_framing(framing: OpenFraming) -> Framing {
    match framing {
        OpenFraming::Chunks => Framing::Chunked,
        OpenFraming::Close => Framing::Close,
    }
}

fn write_status(
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    context: &RequestContext<'_>,
    status: u16,
) -> (Remaining, Persistence) {
    let reason = reason(status);
    // RFC 9110 section 15: these have no body, and 205 has none either, but says so.
    let (content_type, framing) = match status {
        204 | 304 => (None, Framing::None),
        205 => (None, Framing::Length(0)),
        _ => {
            let _ = writeln!(scratch, "{status} {reason}");
            (TEXT, Framing::Length(scratch.len() as u64))
        }
    };
    let answer = ResponseSpec { status, reason, ..context.answer(content_type, framing) };
    (whole(out, context, answer, scratch), context.connection)
}

fn redirect(
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    context: &RequestContext<'_>,
    route: ServedPath<'_>,
) -> (Remaining, Persistence) {
    // Every other redirect of a row is a path; the rest are relative to the path before.
    let _ = match route {
        ServedPath::Redirect(1, _) => write!(scratch, "/page/0"),
        ServedPath::Redirect(left, 302) if left % 2 == 0 => write!(scratch, "{}", left - 1),
        ServedPath::Redirect(left, 302) => write!(scratch, "/redirect/{}", left - 1),
        ServedPath::Redirect(left, status) => write!(scratch, "{}?status={status}", left - 1),
        ServedPath::RedirectLoop(302) => write!(scratch, "/redirect/loop"),
        ServedPath::RedirectLoop(status) => write!(scratch, "loop?status={status}"),
        ServedPath::RedirectTo(url, _) => {
            percent_decode(scratch, url);
            Ok(())
        }
        _ => unreachable!("only redirects are written here"),
    };
    let (ServedPath::Redirect(_, status)
    | ServedPath::RedirectLoop(status)
    | ServedPath::RedirectTo(_, status)) = route
    else {
        unreachable!("only redirects are written here")
    };
    // What a field cannot hold would be another field, or no head at all.
    let target = match std::str::from_utf8(scratch) {
        Ok(target) if !target.bytes().any(|byte| byte.is_ascii_control()) => target,
        _ => {
            let why = "the target cannot stand in a field";
            write_refusal(out, context, Refusal { status: 400, why });
            return (Remaining::Nothing, context.connection);
        }
    };
    let fields = &[("Location", target)];
    let answer = context.answer(None, Framing::Length(0));
    let answer = ResponseSpec { status, reason: reason(status), fields, ..answer };
    (whole(out, context, answer, b""), context.connection)
}

/// Appends `text` with its percent-encoded bytes decoded; a percent sign that encodes nothing
/// stays.
fn percent_decode(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digit = |idx: usize| {
            let digit = (*behind.get(idx)? as char).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high * 16 + low);
                rest = &behind[2..];
            }
            _ => {
                out.push(*first);
                rest = behind;
            }
        }
    }
}

/// What `/echo` says.
#[derive(Serialize)]
struct Echo<'a> {
    method: &'a str,
    target: &'a str,
    host: &'a str,
    version: &'a str,
    fields: Vec<(String, String)>,
    body_bytes: u64,
}

fn write_echo(scratch: &mut Vec<u8>, context: &RequestContext<'_>) {
    let request = context.request;
    let host = String::from_utf8_lossy(request.host);
    let echo = Echo {
        method: request.method,
        target: request.path,
        host: &host,
        version: if request.minor_version == 0 { "1.0" } else { "1.1" },
        fields: fields(context.head).collect(),
        body_bytes: context.body_bytes,
    };
    // A vector takes every byte, and strings and numbers are always JSON.
    let _ = serde_json::to_writer(&mut *scratch, &echo);
    scratch.push(b'\n');
}

/// The names and values of a head that was read: every line behind the first with a colon is one.
pub(super) fn fields(head: &[u8]) -> impl Iterator<Item = (String, String)> + '_ {
    let lines = head.trim_ascii_start().split(|byte| *byte == b'\n').skip(1);
    lines.filter_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes.trim_ascii()).into_owned();
        Some((text(&line[..colon]), text(&line[colon + 1..])))
    })
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a vector takes every byte")
}

/// The page of all routes and faults.
static INDEX: LazyLock<String> = LazyLock::new(|| {
    let mut page = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>ringfetch serve</title>\n</head>\n<body>\n<h1>ringfetch serve</h1>\n<ul>\n",
    );
    for (pattern, example, what) in ROUTES {
        let (pattern, example) = (pattern.replace('&', "&amp;"), example.replace('&', "&amp;"));
        let _ = writeln!(page, "<li><a href=\"{example}\">{pattern}</a> {what}</li>");
    }
    page.push_str("</ul>\n<h2>Faults</h2>\n<ul>\n");
    for fault in Fault::ALL {
        let (word, what) = (fault.word(), fault.what());
        let _ = writeln!(page, "<li><a href=\"/fault/{word}\">/fault/{word}</a> {what}</li>");
    }
    page.push_str("</ul>\n</body>\n</html>\n");
    assert!(page.len() < PIECE_BYTES, "the list of routes is one piece");
    page
});

/// The usual phrase of a status, where there is one (RFC 9110 section 15).
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Content Too Large",
        418 => "I'm a teapot",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
