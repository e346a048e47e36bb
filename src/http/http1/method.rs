//! Request methods (RFC 9110 section 9).
//!
//! Invariant: a method is a token, and never CONNECT.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::chunked::is_token;

/// A request method (RFC 9110 section 9). Case counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
    /// TRACE.
    Trace,
    /// PATCH (RFC 5789).
    Patch,
    /// Any other token but CONNECT.
    Other(Token),
}

/// The name of a method that has none of its own here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(Arc<str>);

impl Method {
    /// The method as it stands in a request line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Other(Token(name)) => name,
        }
    }

    /// Whether sending the request twice means no more than sending it once (RFC 9110 section
    /// 9.2.2), so that it may be tried again. No for methods not known here.
    #[must_use]
    pub const fn is_idempotent(&self) -> bool {
        match self {
            Self::Get | Self::Head | Self::Put | Self::Delete | Self::Options | Self::Trace => true,
            Self::Post | Self::Patch | Self::Other(_) => false,
        }
    }

    /// Whether it is HEAD, whose answers have no body.
    #[must_use]
    pub const fn is_head(&self) -> bool {
        matches!(self, Self::Head)
    }

    /// Whether a request without a body still says so: these methods expect one (RFC 9110 section
    /// 8.6).
    pub(super) const fn expects_body(&self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

impl FromStr for Method {
    type Err = MethodError;

    /// Reads a method.
    ///
    /// # Errors
    ///
    /// Where `name` is no token, and for CONNECT.
    fn from_str(name: &str) -> Result<Self, MethodError> {
        Ok(match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            "TRACE" => Self::Trace,
            "PATCH" => Self::Patch,
            "CONNECT" => return Err(MethodError::Connect),
            _ if is_token(name) => Self::Other(Token(name.into())),
            _ => return Err(MethodError::NoToken(name.to_owned())),
        })
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a name is no method that can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MethodError {
    /// It is no token (RFC 9110 section 5.6.2).
    NoToken(String),
    /// It is CONNECT, which asks for a tunnel.
    Connect,
}

impl fmt::Display for MethodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoToken(name) => write!(f, "no request method: {name:?}"),
            Self::Connect => f.write_str("the method CONNECT is not supported"),
        }
    }
}

impl std::error::Error for MethodError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_a_token_whose_case_counts() {
        for name in
            ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get", "M-S!"]
        {
            let method: Method = name.parse().unwrap();
            assert_eq!(method.to_string(), name);
            assert_eq!(method.is_head(), name == "HEAD");
            let idempotent = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"].contains(&name);
            assert_eq!(method.is_idempotent(), idempotent, "{name}");
        }
        assert_eq!("CONNECT".parse::<Method>(), Err(MethodError::Connect));
        for name in ["", "G T", "GET\r\n", "GÉT"] {
            assert_eq!(name.parse::<Method>(), Err(MethodError::NoToken(name.to_owned())));
        }
    }
}
