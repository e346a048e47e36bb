//! Where a body ends and whether the connection goes on (RFC 9112 sections 6.3 and 9.3).
//!
//! CONNECT is never asked, so its rule is not here.
//!
//! Invariant: where two readers of one head could disagree about its end, the head is refused or
//! the connection is not used again.

use super::head::{Fields, invalid, unsupported};
use super::method::Method;
use crate::base::failure::Failure;

/// What a response's end depends on in its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// HEAD: the response has fields and no body.
    Head,
    /// Any other method.
    Other,
}

impl From<&Method> for RequestKind {
    fn from(method: &Method) -> Self {
        if *method == Method::Head { Self::Head } else { Self::Other }
    }
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// After so many bytes.
    Length(u64),
    /// As the chunked transfer coding says (RFC 9112 section 7.1).
    Chunked,
    /// With the connection.
    Close,
}

/// What a message says about the connection after it (RFC 9112 section 9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// It goes on and nothing is said: the default of HTTP/1.1.
    Persistent,
    /// It goes on and the message says `keep-alive`, as an HTTP/1.0 peer needs.
    KeepAlive,
    /// It ends after this message, which says `close`.
    Close,
}

/// How the body of a response ends, by the rules of RFC 9112 section 6.3 and in their order.
///
/// # Errors
///
/// `head/invalid` for a Content-Length that is no length or not one length, and for a malformed
/// chunked coding; `head/unsupported` for a transfer coding that is not chunked, and for one behind
/// chunked.
pub fn framing(
    kind: RequestKind,
    status: u16,
    minor_version: u8,
    fields: Fields<'_>,
) -> Result<Framing, Failure> {
    // Rule 1: these have no body, whatever their fields say.
    if kind == RequestKind::Head || matches!(status, 100..=199 | 204 | 304) {
        return Ok(Framing::None);
    }
    // Rule 2 is about CONNECT, which is never sent.
    if fields.field("transfer-encoding").is_some() {
        // Section 6.1: HTTP/1.0 has no transfer codings, so such a message is framed by nothing but
        // its connection, even with a Content-Length.
        if minor_version == 0 {
            return Ok(Framing::Close);
        }
        // Rule 3: a transfer coding overrides a length; `keep_alive` ends the connection over it.
        // Rule 4: chunked last is chunked, a response with anything else last ends by close. Where
        // chunked stands before the last, what comes until then is chunks and not the body.
        return match transfer_coding(fields)? {
            TransferCoding::Chunked => Ok(Framing::Chunked),
            TransferCoding::Identity => Ok(Framing::Close),
            TransferCoding::ChunkedNotLast => {
                Err(unsupported("the chunked coding is not the last"))
            }
        };
    }
    // Rule 5: an invalid length, or two different ones, cannot be recovered from.
    // Rule 6: a valid one is how many bytes follow.
    if let Some(length) = content_length(fields)? {
        return Ok(Framing::Length(length));
    }
    // Rule 7 is about requests. Rule 8: a response that says nothing ends by close.
    Ok(Framing::Close)
}

/// Whether the connection may be used again once a message with these fields has ended cleanly:
/// `close` wins, HTTP/1.1 goes on by default, HTTP/1.0 must ask for it (RFC 9112 section 9.3).
///
/// No after a message whose framing is open to doubt (section 6.1): a transfer coding beside a
/// length or in HTTP/1.0. A body framed by [`Framing::Close`] ends the connection in any case.
#[must_use]
pub fn keep_alive(minor_version: u8, fields: Fields<'_>) -> bool {
    let mut goes_on = minor_version >= 1;
    for option in fields.list("connection") {
        if option.eq_ignore_ascii_case(b"close") {
            return false;
        }
        goes_on |= option.eq_ignore_ascii_case(b"keep-alive");
    }
    let doubtful = fields.field("transfer-encoding").is_some()
        && (minor_version == 0 || fields.field("content-length").is_some());
    goes_on && !doubtful
}

/// The transfer codings of a message that names any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransferCoding {
    /// Chunked is the last.
    Chunked,
    /// Chunked is named, and identity behind it.
    ChunkedNotLast,
    /// Nothing but identity.
    Identity,
}

/// The transfer codings of a message that has a field for them (RFC 9112 section 6.1).
///
/// # Errors
///
/// `head/unsupported` for a coding other than chunked and the obsolete identity; `head/invalid`
/// where chunked comes twice or with a parameter (section 7.1).
pub(super) fn transfer_coding(fields: Fields<'_>) -> Result<TransferCoding, Failure> {
    let mut chunked_count = 0_usize;
    let mut last_is_chunked = false;
    for coding in fields.list("transfer-encoding") {
        let name_bytes = memchr::memchr(b';', coding).unwrap_or(coding.len());
        let name = coding[..name_bytes].trim_ascii();
        last_is_chunked = name.eq_ignore_ascii_case(b"chunked");
        chunked_count += usize::from(last_is_chunked);
        if chunked_count > 1 {
            return Err(invalid("the chunked coding is named twice"));
        }
        if last_is_chunked && name_bytes < coding.len() {
            return Err(invalid("the chunked coding has no parameters"));
        }
        if !last_is_chunked && !name.eq_ignore_ascii_case(b"identity") {
            return Err(unsupported("a transfer coding other than chunked"));
        }
    }
    Ok(match (last_is_chunked, chunked_count) {
        (true, _) => TransferCoding::Chunked,
        (false, 0) => TransferCoding::Identity,
        (false, _) => TransferCoding::ChunkedNotLast,
    })
}

/// The Content-Length, where there is one: repeats and lists of the same number count as one (RFC
/// 9110 section 8.6).
///
/// # Errors
///
/// `head/invalid` for anything else: different numbers, signs, empty members, 2^64 and above.
pub(super) fn content_length(fields: Fields<'_>) -> Result<Option<u64>, Failure> {
    let mut length = None;
    for member in fields.members("content-length") {
        let Some(number) = decimal(member) else {
            return Err(invalid("the Content-Length is no length"));
        };
        if *length.get_or_insert(number) != number {
            return Err(invalid("two different Content-Lengths"));
        }
    }
    Ok(length)
}

/// Digits and nothing else, below 2^64.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let value = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(value)
    })
}

#[cfg(test)]
mod tests {
    use httparse::Header;

    use super::*;
    use crate::base::failure::{Kind, Stage};

    /// The fields that `lines` hold, one `Name: value` each.
    fn headers(lines: &'static str) -> Vec<Header<'static>> {
        let pairs = lines.split('|').filter_map(|line| line.split_once(':'));
        pairs.map(|(name, value)| Header { name, value: value.trim().as_bytes() }).collect()
    }

    /// Checks how a 200 of HTTP/1.`minor_version` with the fields of `lines` is framed, and whether
    /// the connection goes on.
    fn check(minor_version: u8, lines: &'static str, expected: Result<(Framing, bool), Kind>) {
        let headers = headers(lines);
        let fields = Fields::from(&headers[..]);
        let found = framing(RequestKind::Other, 200, minor_version, fields)
            .map(|framing| (framing, keep_alive(minor_version, fields)))
            .map_err(|failure| {
                assert_eq!(failure.stage, Stage::Head);
                failure.kind
            });
        assert_eq!(found, expected, "HTTP/1.{minor_version} {lines}");
    }

    #[test]
    fn rule_1_comes_before_all_fields() {
        let headers = headers("Content-Length: x|Transfer-Encoding: gzip");
        let fields = Fields::from(&headers[..]);
        for (kind, status) in [
            (RequestKind::Head, 200),
            (RequestKind::Head, 404),
            (RequestKind::Other, 100),
            (RequestKind::Other, 199),
            (RequestKind::Other, 204),
            (RequestKind::Other, 304),
        ] {
            assert_eq!(framing(kind, status, 1, fields), Ok(Framing::None), "{kind:?} {status}");
        }
        assert!(framing(RequestKind::Other, 200, 1, fields).is_err());
    }

    #[test]
    fn a_transfer_coding_overrides_a_length() {
        check(1, "Transfer-Encoding: chunked", Ok((Framing::Chunked, true)));
        check(1, "Transfer-Encoding: chunked|Content-Length: 5", Ok((Framing::Chunked, false)));
        check(1, "Transfer-Encoding: identity|Content-Length: 5", Ok((Framing::Close, false)));
        check(1, "Transfer-Encoding: identity, CHUNKED", Ok((Framing::Chunked, true)));
        check(1, "Transfer-Encoding: chunked, identity", Err(Kind::Unsupported));
        check(1, "Transfer-Encoding: identity", Ok((Framing::Close, true)));
        check(1, "Transfer-Encoding: chunked|Transfer-Encoding: chunked", Err(Kind::Invalid));
        check(1, "Transfer-Encoding: chunked ;x", Err(Kind::Invalid));
        check(1, "Transfer-Encoding: gzip;q=1, chunked", Err(Kind::Unsupported));
        check(1, "Transfer-Encoding: chunked, gzip", Err(Kind::Unsupported));
        check(0, "Transfer-Encoding: chunked|Connection: keep-alive", Ok((Framing::Close, false)));
    }

    #[test]
    fn a_length_is_one_number_however_often_it_is_said() {
        check(1, "Content-Length: 0", Ok((Framing::Length(0), true)));
        check(1, "Content-Length: 18446744073709551615", Ok((Framing::Length(u64::MAX), true)));
        check(1, "Content-Length: 7|Content-Length: 7, 07", Ok((Framing::Length(7), true)));
        for bad in ["Content-Length:", "Content-Length: 1,", "Content-Length: 1|Content-Length: 2"]
        {
            check(1, bad, Err(Kind::Invalid));
        }
        for bad in [
            "Content-Length: -1",
            "Content-Length: +1",
            "Content-Length: 1;",
            "Content-Length: 1 1",
        ] {
            check(1, bad, Err(Kind::Invalid));
        }
        check(1, "Content-Length: 18446744073709551616", Err(Kind::Invalid));
        check(1, "Content-Length: 99999999999999999999999", Err(Kind::Invalid));
    }

    #[test]
    fn close_wins_and_http_1_0_must_ask() {
        let close = |goes_on| Ok((Framing::Close, goes_on));
        check(1, "", close(true));
        check(0, "", close(false));
        check(0, "Connection: x, Keep-Alive", close(true));
        check(1, "Connection: keep-alive, close", close(false));
        check(1, "Connection: close|Connection: keep-alive", close(false));
        check(1, "Connection: x,,\tCLOSE ,", close(false));
        check(1, "Connection: closed, not-close, clos", close(true));
        check(1, "Proxy-Connection: close", close(true));
    }
}
