//! Request bytes: what stays the same is checked and rendered once, what changes is filled in.
//!
//! The authority and the path come from a URL that was taken apart elsewhere.
//!
//! Invariant: a rendered request is one request. No user's field can end a line, repeat Host or
//! frame the body, so what the server reads is what was counted as sent.

use std::fmt;

use super::chunked::{is_text, is_token};
use super::framing::Persistence;
use super::method::Method;

/// The User-Agent of a request that was given none.
const USER_AGENT: &str = concat!("ringfetch/", env!("CARGO_PKG_VERSION"));

/// Why a request cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// The field's name is no token (RFC 9110 section 5.1).
    FieldName(String),
    /// The value of the field so named has a control character (RFC 9110 section 5.5).
    FieldValue(String),
    /// The field so named frames the request and cannot be chosen.
    FramingField(String),
    /// Host is given more than once (RFC 9112 section 3.2).
    TwoHosts,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FieldName(name) => write!(f, "no header name: {name:?}"),
            Self::FieldValue(name) => {
                write!(f, "the header's value has a control character: {name}")
            }
            Self::FramingField(name) => {
                write!(f, "the header follows from the body and cannot be set: {name}")
            }
            Self::TwoHosts => f.write_str("the header is given twice: Host"),
        }
    }
}

impl std::error::Error for RequestError {}

/// What all requests of a run have in common.
#[derive(Clone, Copy, Debug)]
pub struct RequestSpec<'a> {
    /// The method.
    pub method: &'a Method,
    /// Names and values to send, in this order. One called like a default (Host, User-Agent,
    /// Accept, Connection), without regard to case, is sent instead of it.
    pub headers: &'a [(String, String)],
    /// The User-Agent to send instead of `ringfetch/VERSION`.
    pub user_agent: Option<&'a str>,
    /// The body, which is sent with its Content-Length.
    pub body: Option<&'a [u8]>,
    /// What to say of the connection.
    pub connection: Persistence,
}

impl<'a> RequestSpec<'a> {
    /// A request by `method` with nothing but the defaults.
    #[must_use]
    pub const fn new(method: &'a Method) -> Self {
        let connection = Persistence::Persistent;
        Self { method, headers: &[], user_agent: None, body: None, connection }
    }
}

/// A request that lacks only its target.
#[derive(Clone, Debug)]
pub struct RequestTemplate {
    method: Method,
    /// What stands between path and authority, or between path and the end where Host is fixed.
    after_path: Box<[u8]>,
    /// What stands after the authority, body included; none where Host is fixed.
    after_authority: Option<Box<[u8]>>,
    /// Whether the request says that it is the connection's last.
    closes: bool,
}

impl RequestTemplate {
    /// Checks `spec` and renders what does not change.
    ///
    /// # Errors
    ///
    /// The first header that cannot be sent, in the order of [`RequestSpec::headers`].
    pub fn new(spec: &RequestSpec<'_>) -> Result<Self, RequestError> {
        check_headers(spec)?;
        let mut after_path = b" HTTP/1.1\r\nHost: ".to_vec();
        let mut rest = Vec::new();
        let given_host = spec.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        if let Some((_, host)) = given_host {
            after_path.extend_from_slice(trim(host).as_bytes());
        }
        rest.extend_from_slice(b"\r\n");
        let is_given =
            |wanted: &str| spec.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(wanted));
        if !is_given("user-agent") {
            push_field(&mut rest, "User-Agent", spec.user_agent.unwrap_or(USER_AGENT));
        }
        if !is_given("accept") {
            push_field(&mut rest, "Accept", "*/*");
        }
        for (name, value) in spec.headers.iter().filter(|(n, _)| !n.eq_ignore_ascii_case("host")) {
            push_field(&mut rest, name, value);
        }
        match spec.connection {
            _ if is_given("connection") => {}
            Persistence::Persistent => {}
            Persistence::KeepAlive => push_field(&mut rest, "Connection", "keep-alive"),
            Persistence::Close => push_field(&mut rest, "Connection", "close"),
        }
        let asked = spec.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case("connection"));
        let mut options = asked.flat_map(|(_, value)| value.split(','));
        let closes = match is_given("connection") {
            true => options.any(|option| option.trim().eq_ignore_ascii_case("close")),
            false => matches!(spec.connection, Persistence::Close),
        };
        let body = spec.body.unwrap_or_default();
        if spec.body.is_some() || spec.method.expects_body() {
            push_field(&mut rest, "Content-Length", &body.len().to_string());
        }
        rest.extend_from_slice(b"\r\n");
        rest.extend_from_slice(body);
        let after_authority = if given_host.is_some() {
            after_path.append(&mut rest);
            None
        } else {
            Some(rest.into_boxed_slice())
        };
        Ok(Self {
            method: spec.method.clone(),
            after_path: after_path.into_boxed_slice(),
            after_authority,
            closes,
        })
    }

    /// Whether the request says `Connection: close`: no other may follow it on its connection,
    /// whatever the answer says (RFC 9112 section 9.6).
    #[must_use]
    pub const fn closes(&self) -> bool {
        self.closes
    }

    /// Appends one request for `path_and_query` at `authority` to `out`, which is not reallocated
    /// where it has room for [`RequestTemplate::len`] more.
    ///
    /// Both must be as a parsed URL has them: no white space and no control characters, the path
    /// not empty (RFC 9112 section 3.2.1).
    pub fn write(&self, out: &mut Vec<u8>, authority: &str, path_and_query: &str) {
        debug_assert!(is_target(authority) && is_target(path_and_query), "a URL must be parsed");
        out.reserve(self.len(authority, path_and_query));
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(path_and_query.as_bytes());
        out.extend_from_slice(&self.after_path);
        if let Some(after_authority) = &self.after_authority {
            out.extend_from_slice(authority.as_bytes());
            out.extend_from_slice(after_authority);
        }
    }

    /// Bytes of the request that [`RequestTemplate::write`] makes of the same arguments.
    #[must_use]
    pub fn len(&self, authority: &str, path_and_query: &str) -> usize {
        let after_authority =
            self.after_authority.as_ref().map_or(0, |rest| authority.len() + rest.len());
        self.method.as_str().len()
            + 1
            + path_and_query.len()
            + self.after_path.len()
            + after_authority
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }
}

/// Refuses what would not be one field, and fields that must not be chosen freely.
fn check_headers(spec: &RequestSpec<'_>) -> Result<(), RequestError> {
    let mut host_count = 0_usize;
    for (name, value) in spec.headers {
        if !is_token(name) {
            return Err(RequestError::FieldName(name.clone()));
        }
        if !value.bytes().all(is_text) {
            return Err(RequestError::FieldValue(name.clone()));
        }
        if ["content-length", "transfer-encoding"].iter().any(|n| name.eq_ignore_ascii_case(n)) {
            return Err(RequestError::FramingField(name.clone()));
        }
        host_count += usize::from(name.eq_ignore_ascii_case("host"));
        if host_count > 1 {
            return Err(RequestError::TwoHosts);
        }
    }
    match spec.user_agent {
        Some(value) if !value.bytes().all(is_text) => {
            Err(RequestError::FieldValue("User-Agent".to_owned()))
        }
        _ => Ok(()),
    }
}

fn push_field(out: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, ": ", trim(value), "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// White space around a value is not part of it (RFC 9110 section 5.5).
fn trim(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

/// Whether `text` can stand in a request line or a Host field.
fn is_target(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b > b' ' && b != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> Vec<(String, String)> {
        lines.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    /// Checks the bytes of a request with `lines` for `/p?q` at `a:81`, VERSION standing for ours.
    fn check(spec: &RequestSpec<'_>, lines: &[(&str, &str)], expected: &str) {
        let headers = headers(lines);
        let template = RequestTemplate::new(&RequestSpec { headers: &headers, ..*spec }).unwrap();
        let expected = expected.replace("VERSION", env!("CARGO_PKG_VERSION")).replace('\n', "\r\n");
        let mut out = b"before".to_vec();
        template.write(&mut out, "a:81", "/p?q");
        assert_eq!(
            out.strip_prefix(b"before").map(<[u8]>::escape_ascii).unwrap().to_string(),
            expected.as_bytes().escape_ascii().to_string()
        );
        assert_eq!(template.len("a:81", "/p?q"), expected.len());
        assert_eq!(template.method(), spec.method);
    }

    #[test]
    fn the_defaults_are_few() {
        let get = "GET /p?q HTTP/1.1\nHost: a:81\nUser-Agent: ringfetch/VERSION\nAccept: */*\n\n";
        check(&RequestSpec::new(&Method::Get), &[], get);
        let closing =
            RequestSpec { connection: Persistence::Close, ..RequestSpec::new(&Method::Head) };
        let closing_head = "HEAD /p?q HTTP/1.1\nHost: a:81\nUser-Agent: ringfetch/VERSION\n\
            Accept: */*\nConnection: close\n\n";
        check(&closing, &[], closing_head);
    }

    #[test]
    fn a_header_replaces_the_default_of_its_name() {
        let spec = RequestSpec {
            user_agent: Some("x/1"),
            connection: Persistence::KeepAlive,
            ..RequestSpec::new(&Method::Get)
        };
        let named = "GET /p?q HTTP/1.1\nHost: a:81\nUser-Agent: x/1\nAccept: */*\n\
            Connection: keep-alive\n\n";
        check(&spec, &[], named);
        let lines = [
            ("hOST", "b"),
            ("aCCEPT", "a"),
            ("X", "1"),
            ("X", " \t2 "),
            ("user-agent", "y"),
            ("connection", "close"),
        ];
        let replaced = "GET /p?q HTTP/1.1\nHost: b\naCCEPT: a\nX: 1\nX: 2\nuser-agent: y\n\
            connection: close\n\n";
        check(&spec, &lines, replaced);
    }

    #[test]
    fn a_body_brings_its_length() {
        let spec = RequestSpec { body: Some(b"hi"), ..RequestSpec::new(&Method::Post) };
        let lines = [("Accept", "a"), ("User-Agent", "b")];
        let common = "Host: a:81\nAccept: a\nUser-Agent: b\n";
        let with_body = format!("POST /p?q HTTP/1.1\n{common}Content-Length: 2\n\nhi");
        check(&spec, &lines, &with_body);
        let spec = RequestSpec { body: None, ..spec };
        check(&spec, &lines, &format!("POST /p?q HTTP/1.1\n{common}Content-Length: 0\n\n"));
        let spec = RequestSpec { method: &Method::Delete, ..spec };
        check(&spec, &lines, &format!("DELETE /p?q HTTP/1.1\n{common}\n"));
    }

    #[test]
    fn what_would_break_the_request_is_refused() {
        let name = |name: &str| RequestError::FieldName(name.to_owned());
        let value = |name: &str| RequestError::FieldValue(name.to_owned());
        let framing = |name: &str| RequestError::FramingField(name.to_owned());
        for (lines, expected) in [
            (&[("", "x")][..], name("")),
            (&[("a b", "x")], name("a b")),
            (&[("a:", "x")], name("a:")),
            (&[("a\r\nb", "x")], name("a\r\nb")),
            (&[("ä", "x")], name("ä")),
            (&[("ok", "x"), ("a", "x\r\nHost: b")], value("a")),
            (&[("a", "x\ny")], value("a")),
            (&[("a", "x\ry")], value("a")),
            (&[("a", "x\0y")], value("a")),
            (&[("content-LENGTH", "5")], framing("content-LENGTH")),
            (&[("Transfer-Encoding", "chunked")], framing("Transfer-Encoding")),
            (&[("Host", "a"), ("host", "a")], RequestError::TwoHosts),
        ] {
            let headers = headers(lines);
            let spec = RequestSpec { headers: &headers, ..RequestSpec::new(&Method::Get) };
            assert_eq!(RequestTemplate::new(&spec).unwrap_err(), expected);
        }
        let spec = RequestSpec { user_agent: Some("a\nb"), ..RequestSpec::new(&Method::Get) };
        assert_eq!(RequestTemplate::new(&spec).unwrap_err(), value("User-Agent"));
    }
}
