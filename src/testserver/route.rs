//! What a request's target asks for.
//!
//! Invariant: every number in a route is within the bounds below; a target that asks for more is
//! refused, never cut down.

use std::time::Duration;

use crate::testserver::fault::Fault;
use crate::testserver::stream::{Chunking, PIECE_BYTES};

/// LIMIT: largest body that is made.
const BODY_BYTES_MAX: u64 = 1 << 40;
/// LIMIT: most bytes that are sent one at a time.
const DRIP_BYTES_MAX: u64 = 1_000_000;
/// LIMIT: longest pause before an answer, and between two bytes of one.
const DELAY_MAX: Duration = Duration::from_secs(600);
/// LIMIT: most redirects in a row.
const REDIRECTS_MAX: u64 = 1_000_000;

/// Bytes of one chunk of `/chunked/N` where none are asked for.
const CHUNK_BYTES_DEFAULT: usize = 8 * 1024;

/// Every route: its pattern, an example, and what is answered. `/` shows this table.
pub(super) const ROUTES: &[(&str, &str, &str)] = &[
    ("/", "/", "this page"),
    ("/bytes/N", "/bytes/1000", "N bytes, always the same; ?framing=close ends them by close"),
    ("/page/N", "/page/7", "HTML page number N, with words and links to other pages"),
    (
        "/chunked/N",
        "/chunked/1000?chunk=100&extensions&trailers",
        "N bytes in chunks of ?chunk=SIZE, with ?extensions and ?trailers where asked for",
    ),
    ("/status/N", "/status/404", "an answer with status N, 200 to 599"),
    ("/delay/MS/..", "/delay/100/page/7", "what the rest of the path answers, MS later"),
    ("/drip/N/MS", "/drip/10/100", "N bytes, one each MS, in ten minutes at most"),
    ("/redirect/N", "/redirect/3", "N redirects in a row, then page 0; ?status=307 is theirs"),
    ("/redirect/loop", "/redirect/loop", "a redirect to itself"),
    ("/redirect-to?url=U&status=S", "/redirect-to?url=/page/7", "one redirect to U, 302 unless S"),
    ("/gzip/..", "/gzip/page/7", "what the rest of the path answers, gzip-coded"),
    ("/echo", "/echo", "the request as JSON: method, target, host, fields, bytes of body"),
    ("/count", "/count", "how many requests all cores have answered, as JSON"),
    (
        "/stamps",
        "/stamps",
        "with --stamps N: when the last N requests arrived at the core that answers this, in \
         nanoseconds of the monotonic clock, one a line (use one core)",
    ),
    ("/fault/KIND", "/fault/reset", "one of the faults below"),
];

/// A target, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    /// How long the answer waits.
    pub(super) delay: Duration,
    /// How the answer's body is coded.
    pub(super) coding: BodyCoding,
    /// What is answered.
    pub(super) route: ServedPath<'a>,
}

/// How a body is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyCoding {
    Identity,
    Gzip,
}

/// How the client finds the end of `/bytes/N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BytesFraming {
    Length,
    Close,
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServedPath<'a> {
    Index,
    Bytes(u64, BytesFraming),
    Page(u64),
    Chunked(u64, Chunking),
    Status(u16),
    Drip(u64, Duration),
    /// How many redirects come, this one included, and the status of each.
    Redirect(u64, u16),
    RedirectLoop(u16),
    /// The target, percent-encoded, and the status.
    RedirectTo(&'a str, u16),
    Echo,
    Count,
    Stamps,
    Fault(Fault),
}

impl ServedPath<'_> {
    /// Whether it asks what the server has done. Such questions are not counted.
    pub(super) fn is_about_server(&self) -> bool {
        matches!(self, Self::Count | Self::Stamps)
    }
}

/// Why a target is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) why: &'static str,
}

const UNKNOWN: Refusal = refusal(404, "no such route; hint: / lists them all");

/// Reads `target`, a path with an optional query.
pub(super) fn parse(target: &str) -> Result<Asked<'_>, Refusal> {
    let (mut path, query) = target.split_once('?').unwrap_or((target, ""));
    let (mut delay, mut coding) = (Duration::ZERO, BodyCoding::Identity);
    loop {
        if let Some(rest) = path.strip_prefix("/delay/") {
            let (span, _) = rest.split_once('/').ok_or(UNKNOWN)?;
            delay += millis(span)?;
            if delay > DELAY_MAX {
                return Err(refusal(400, "the delay is longer than ten minutes"));
            }
            path = &rest[span.len()..];
        } else if path.starts_with("/gzip/") {
            coding = BodyCoding::Gzip;
            path = &path["/gzip".len()..];
        } else {
            break;
        }
    }
    let route = route(path, query)?;
    if let ServedPath::Drip(count, pause) = route {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if delay.saturating_add(pause.saturating_mul(count)) > DELAY_MAX {
            return Err(refusal(400, "the bytes take longer than ten minutes"));
        }
    }
    let has_body = matches!(
        route,
        ServedPath::Index
            | ServedPath::Bytes(_, BytesFraming::Length)
            | ServedPath::Page(_)
            | ServedPath::Echo
            | ServedPath::Count
    );
    if coding == BodyCoding::Gzip && !has_body {
        return Err(refusal(404, "only /, /bytes, /page, /echo and /count can be gzip-coded"));
    }
    Ok(Asked { delay, coding, route })
}

/// Reads a path that has no delay and no coding before it.
fn route<'a>(path: &'a str, query: &'a str) -> Result<ServedPath<'a>, Refusal> {
    let mut parts = path.strip_prefix('/').unwrap_or(path).splitn(3, '/');
    let route = match (parts.next().unwrap_or(""), parts.next(), parts.next()) {
        ("" | "*", None, None) => ServedPath::Index,
        ("bytes", Some(n), None) => ServedPath::Bytes(body_bytes(n)?, end(query)?),
        ("page", Some(n), None) => ServedPath::Page(number(n)?),
        ("chunked", Some(n), None) => ServedPath::Chunked(body_bytes(n)?, chunking(query)?),
        ("status", Some(n), None) => ServedPath::Status(status(n, 200)?),
        ("drip", Some(n), Some(span)) => {
            let count = number(n)?;
            if count > DRIP_BYTES_MAX {
                return Err(refusal(400, "at most 1000000 bytes are sent one at a time"));
            }
            ServedPath::Drip(count, millis(span)?)
        }
        ("redirect", Some("loop"), None) => ServedPath::RedirectLoop(redirect_status(query)?),
        ("redirect", Some(n), None) => match number(n)? {
            0 => ServedPath::Page(0),
            n if n > REDIRECTS_MAX => {
                return Err(refusal(400, "at most 1000000 redirects come in a row"));
            }
            n => ServedPath::Redirect(n, redirect_status(query)?),
        },
        ("redirect-to", None, None) => {
            let url = value(query, "url").filter(|url| !url.is_empty());
            let url = url.ok_or(refusal(400, "no target; hint: /redirect-to?url=/page/7"))?;
            ServedPath::RedirectTo(url, redirect_status(query)?)
        }
        ("echo", None, None) => ServedPath::Echo,
        ("count", None, None) => ServedPath::Count,
        ("stamps", None, None) => ServedPath::Stamps,
        ("fault", Some(word), None) => {
            let fault = Fault::ALL.iter().find(|fault| fault.word() == word);
            ServedPath::Fault(*fault.ok_or(refusal(404, "no such fault; hint: / lists them all"))?)
        }
        _ => return Err(UNKNOWN),
    };
    Ok(route)
}

fn body_bytes(digits: &str) -> Result<u64, Refusal> {
    match number(digits)? {
        n if n > BODY_BYTES_MAX => Err(refusal(400, "a body has at most 2^40 bytes")),
        n => Ok(n),
    }
}

fn end(query: &str) -> Result<BytesFraming, Refusal> {
    match value(query, "framing") {
        None | Some("length") => Ok(BytesFraming::Length),
        Some("close") => Ok(BytesFraming::Close),
        Some(_) => Err(refusal(400, "no such framing; hint: ?framing=length or close")),
    }
}

fn chunking(query: &str) -> Result<Chunking, Refusal> {
    let chunk_bytes = match value(query, "chunk") {
        None => CHUNK_BYTES_DEFAULT,
        Some(digits) => usize::try_from(number(digits)?).unwrap_or(usize::MAX),
    };
    if chunk_bytes == 0 || chunk_bytes > PIECE_BYTES {
        return Err(refusal(400, "a chunk has 1 to 32768 bytes"));
    }
    let is_asked = |name| value(query, name).is_some();
    let (extensions, trailers) = (is_asked("extensions"), is_asked("trailers"));
    Ok(Chunking { chunk_bytes, extensions, trailers })
}

fn status(digits: &str, least: u16) -> Result<u16, Refusal> {
    let why = "a status is from 200 to 599, that of a redirect from 300 to 399";
    let status = u16::try_from(number(digits)?).ok();
    status.filter(|status| (least..=599).contains(status)).ok_or(refusal(400, why))
}

fn redirect_status(query: &str) -> Result<u16, Refusal> {
    let status = value(query, "status").map_or(Ok(302), |digits| status(digits, 300))?;
    if status > 399 { Err(refusal(400, "a redirect is from 300 to 399")) } else { Ok(status) }
}

fn millis(digits: &str) -> Result<Duration, Refusal> {
    let span = Duration::from_millis(number(digits)?);
    if span > DELAY_MAX {
        return Err(refusal(400, "a pause has at most 600000 ms"));
    }
    Ok(span)
}

fn number(digits: &str) -> Result<u64, Refusal> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_number { digits.parse().ok() } else { None };
    number.ok_or(refusal(400, "where a number belongs there is none, or one too large"))
}

/// The value of the first `name` in `query`; empty where it stands alone.
fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

const fn refusal(status: u16, why: &'static str) -> Refusal {
    Refusal { status, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, expected: Result<ServedPath<'_>, u16>) {
        let found = parse(target).map(|asked| asked.route).map_err(|refusal| refusal.status);
        assert_eq!(found, expected, "{target}");
    }

    #[test]
    fn targets_name_routes() {
        check("/", Ok(ServedPath::Index));
        check("*", Ok(ServedPath::Index));
        check("/?x", Ok(ServedPath::Index));
        check("/bytes/0", Ok(ServedPath::Bytes(0, BytesFraming::Length)));
        check(
            "/bytes/1099511627776?framing=close",
            Ok(ServedPath::Bytes(1 << 40, BytesFraming::Close)),
        );
        check("/page/18446744073709551615", Ok(ServedPath::Page(u64::MAX)));
        let plain = Chunking { chunk_bytes: 8192, extensions: false, trailers: false };
        check("/chunked/5", Ok(ServedPath::Chunked(5, plain)));
        let all = Chunking { chunk_bytes: 7, extensions: true, trailers: true };
        check("/chunked/5?trailers&chunk=7&extensions=1", Ok(ServedPath::Chunked(5, all)));
        check("/status/599", Ok(ServedPath::Status(599)));
        check("/drip/3/20", Ok(ServedPath::Drip(3, Duration::from_millis(20))));
        check("/drip/6000/100", Ok(ServedPath::Drip(6000, Duration::from_millis(100))));
        check("/stamps", Ok(ServedPath::Stamps));
        check("/redirect/0", Ok(ServedPath::Page(0)));
        check("/redirect/2?status=308", Ok(ServedPath::Redirect(2, 308)));
        check("/redirect/loop", Ok(ServedPath::RedirectLoop(302)));
        check("/redirect-to?status=301&url=%2Fx", Ok(ServedPath::RedirectTo("%2Fx", 301)));
        check("/fault/reset", Ok(ServedPath::Fault(Fault::Reset)));
        for fault in Fault::ALL {
            check(&format!("/fault/{}", fault.word()), Ok(ServedPath::Fault(*fault)));
        }
    }

    #[test]
    fn what_is_no_route_or_too_much_is_refused() {
        for target in ["/x", "//", "/bytes", "/bytes/1/", "/fault/x", "/echo/", "/delay/5", ""] {
            let expected = if target.is_empty() { Ok(ServedPath::Index) } else { Err(404) };
            check(target, expected);
        }
        for target in [
            "/bytes/",
            "/bytes/+1",
            "/bytes/-1",
            "/bytes/1099511627777",
            "/bytes/99999999999999999999",
            "/bytes/1?framing=x",
            "/status/199",
            "/status/600",
            "/chunked/1?chunk=0",
            "/chunked/1?chunk=32769",
            "/drip/1000001/0",
            "/drip/1/600001",
            "/drip/6001/100",
            "/drip/1000000/600000",
            "/delay/600000/drip/1/1",
            "/delay/600001/",
            "/delay/400000/delay/400000/",
            "/redirect/1000001",
            "/redirect/1?status=200",
            "/redirect-to",
            "/redirect-to?url=",
        ] {
            check(target, Err(400));
        }
    }

    #[test]
    fn delays_and_codings_stand_before_any_route_in_any_order() {
        let delay = Duration::from_millis(12);
        let expected = Asked { delay, coding: BodyCoding::Gzip, route: ServedPath::Page(3) };
        assert_eq!(parse("/delay/5/gzip/delay/7/page/3"), Ok(expected));
        assert_eq!(parse("/gzip/delay/12/page/3"), Ok(expected));
        let expected = Asked { coding: BodyCoding::Identity, route: ServedPath::Index, ..expected };
        assert_eq!(parse("/delay/12/"), Ok(expected));
        check("/gzip/status/200", Err(404));
        check("/gzip/fault/reset", Err(404));
    }

    #[test]
    fn the_table_of_routes_shows_examples_that_are_answered() {
        for (_, example, _) in ROUTES {
            assert!(parse(example).is_ok(), "{example}");
        }
    }
}
