//! What to fetch: one http or https URL, taken apart once.
//!
//! URLs are read as browsers read them (the WHATWG URL Standard, by the `url` crate).
//!
//! Invariant: `origin()` is a prefix of `url()`, and equal origins have equal hashes in one
//! process.

use url::Url;

use crate::base::failure::{Failure, Kind, Stage};
use crate::base::route::{Route, Scheme};

/// An http or https URL without its fragment, with its origin and path marked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    url: Box<str>,
    origin_bytes: u32,
    host_bytes: u32,
    port: u16,
    scheme: Scheme,
    origin_hash: u64,
}

impl Target {
    /// Reads `text` as an absolute URL.
    ///
    /// # Errors
    ///
    /// A failure of stage `url`: `invalid` for what is no absolute URL or names no host,
    /// `unsupported` for a scheme that cannot be fetched or credentials inside the URL.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let url = Url::parse(text).map_err(|error| invalid(error, Stage::Url))?;
        check_supported(&url, Stage::Url)?;
        Self::from_url(url, Stage::Url)
    }

    /// Resolves the reference `reference` against this URL (RFC 3986 section 5).
    ///
    /// # Errors
    ///
    /// A failure of stage `redirect`, with the kinds of [`Target::parse`].
    pub fn join(&self, reference: &str) -> Result<Self, Failure> {
        let base = Url::parse(&self.url).map_err(|error| invalid(error, Stage::Redirect))?;
        let url = base.join(reference).map_err(|error| invalid(error, Stage::Redirect))?;
        check_supported(&url, Stage::Redirect)?;
        Self::from_url(url, Stage::Redirect)
    }

    /// The whole URL, without a fragment.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The whole URL, without a fragment, as text of its own.
    #[must_use]
    pub fn into_url(self) -> Box<str> {
        self.url
    }

    /// Scheme, host and port as the URL Standard writes them: `http://host` or `http://host:port`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.url[..self.origin_bytes as usize]
    }

    /// The hash of the origin, the same for equal origins all through one process.
    #[must_use]
    pub const fn origin_hash(&self) -> u64 {
        self.origin_hash
    }

    /// The way to the server.
    #[must_use]
    pub fn route(&self) -> Route<'_> {
        Route::hashed(self.scheme, self.host(), self.port, self.origin_hash)
    }

    /// Host and, where it is not the default one, port: what a Host field says (RFC 9110 section
    /// 7.2).
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.origin()[self.scheme.word().len() + "://".len()..]
    }

    /// The host: a name, an IPv4 address, or an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.authority()[..self.host_bytes as usize]
    }

    /// The port, the scheme's own where the URL names none.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Path and query: what a request line asks for (RFC 9112 section 3.2.1).
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        &self.url[self.origin_bytes as usize..]
    }

    fn from_url(mut url: Url, stage: Stage) -> Result<Self, Failure> {
        let unsupported = |phrase| Err(Failure::new(stage, Kind::Unsupported, phrase));
        let Some(scheme) = Scheme::of(url.scheme()) else {
            return unsupported("its scheme is not supported; hint: fetch http:// URLs");
        };
        if !url.username().is_empty() || url.password().is_some() {
            return unsupported("credentials in a URL; hint: -H 'Authorization: ..' sends them");
        }
        url.set_fragment(None);
        let port = url.port().unwrap_or(scheme.default_port());
        // Nothing stands between the host (with its port) and the path: credentials were refused.
        let origin_bytes = url[..url::Position::BeforePath].len();
        let host_bytes = url.host_str().map_or(0, str::len);
        let text: String = url.into();
        let bytes = (u32::try_from(origin_bytes), u32::try_from(host_bytes));
        let (Ok(origin_bytes), Ok(host_bytes)) = bytes else {
            return Err(Failure::new(stage, Kind::TooLarge, "the host is too long"));
        };
        let mut target =
            Self { url: text.into(), origin_bytes, host_bytes, port, scheme, origin_hash: 0 };
        target.origin_hash = Route::new(scheme, target.host(), port).hash();
        Ok(target)
    }
}

/// Refuses a URL whose connections cannot be opened.
fn check_supported(url: &Url, stage: Stage) -> Result<(), Failure> {
    match Scheme::of(url.scheme()) {
        Some(Scheme::Https) => {
            let phrase = "https is not supported yet; hint: fetch http:// URLs";
            Err(Failure::new(stage, Kind::Unsupported, phrase))
        }
        Some(Scheme::Http) | None => Ok(()),
    }
}

fn invalid(error: url::ParseError, stage: Stage) -> Failure {
    use url::ParseError;
    let phrase = match error {
        ParseError::EmptyHost => "no host",
        ParseError::IdnaError => "the host is no internationalised domain name",
        ParseError::InvalidPort => "the port is no number from 0 to 65535",
        ParseError::InvalidIpv4Address => "the host is no IPv4 address",
        ParseError::InvalidIpv6Address => "the host is no IPv6 address",
        ParseError::InvalidDomainCharacter => "the host has a character that no host name may have",
        ParseError::RelativeUrlWithoutBase => "no absolute URL; hint: it starts with http://",
        _ => "no URL",
    };
    Failure::new(stage, Kind::Invalid, phrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the parts of `text`: origin, authority, host, port, path and query.
    fn check(text: &str, origin: &str, host: &str, port: u16, path: &str) {
        let target = Target::from_url(Url::parse(text).unwrap(), Stage::Url).unwrap();
        assert_eq!(target.origin(), origin, "{text}");
        assert_eq!(target.authority(), origin.split_once("://").unwrap().1, "{text}");
        let scheme = Scheme::of(origin.split_once(':').unwrap().0).unwrap();
        assert_eq!(target.route(), Route::new(scheme, host, port), "{text}");
        assert_eq!((target.host(), target.port()), (host, port), "{text}");
        assert_eq!(target.path_and_query(), path, "{text}");
    }

    #[test]
    fn a_url_falls_into_its_parts() {
        check("http://a/x", "http://a", "a", 80, "/x");
        check("HTTP://A.b:80", "http://a.b", "a.b", 80, "/");
        check("http://a:8080/x?y=1#z", "http://a:8080", "a", 8080, "/x?y=1");
        check("http://[::1]/", "http://[::1]", "[::1]", 80, "/");
        check("http://[::1]:81/p", "http://[::1]:81", "[::1]", 81, "/p");
        check("https://a/x", "https://a", "a", 443, "/x");
        check("https://a:80/x", "https://a:80", "a", 80, "/x");
        check("http://a:443/x", "http://a:443", "a", 443, "/x");
        check("http://a:0/x", "http://a:0", "a", 0, "/x");
        check("http://a:10/x", "http://a:10", "a", 10, "/x");
        check("http://a:65535/x", "http://a:65535", "a", 65535, "/x");
        check("https://[::1]:443/", "https://[::1]", "[::1]", 443, "/");
        check("http://127.1/../a/./b", "http://127.0.0.1", "127.0.0.1", 80, "/a/b");
        check(
            "http://bücher.example/ü",
            "http://xn--bcher-kva.example",
            "xn--bcher-kva.example",
            80,
            "/%C3%BC",
        );
    }

    #[test]
    fn what_cannot_be_fetched_says_why() {
        for (text, kind) in [
            ("", Kind::Invalid),
            ("nonsense", Kind::Invalid),
            ("/relative", Kind::Invalid),
            ("http://", Kind::Invalid),
            ("http://a:99999/", Kind::Invalid),
            ("https://a/", Kind::Unsupported),
            ("ftp://a/", Kind::Unsupported),
            ("mailto:a@b", Kind::Unsupported),
            ("http://user:word@a/", Kind::Unsupported),
        ] {
            let failure = Target::parse(text).unwrap_err();
            assert_eq!((failure.stage, failure.kind), (Stage::Url, kind), "{text}");
        }
    }

    #[test]
    fn https_is_what_is_refused_first() {
        let base = Target::parse("http://a/").unwrap();
        for failure in [Target::parse("https://u:p@h/"), base.join("https://u:p@h/")] {
            assert!(failure.unwrap_err().to_string().starts_with("https is not supported yet"));
        }
    }

    #[test]
    fn references_resolve_as_rfc_3986_says() {
        let base = Target::parse("http://a/b/c?d").unwrap();
        for (reference, url) in [
            ("e", "http://a/b/e"),
            ("/e", "http://a/e"),
            ("//f/e", "http://f/e"),
            ("?q", "http://a/b/c?q"),
            ("../../../g#frag", "http://a/g"),
            ("http://h:81/i", "http://h:81/i"),
        ] {
            assert_eq!(base.join(reference).unwrap().url(), url);
        }
        assert_eq!(base.join("https://x/").unwrap_err().stage, Stage::Redirect);
    }

    #[test]
    fn equal_origins_have_equal_hashes() {
        let [a, b, c] =
            ["http://a/x", "http://A:80/y", "http://a:81/x"].map(|t| Target::parse(t).unwrap());
        assert_eq!(a.origin_hash(), b.origin_hash());
        assert_ne!(a.origin_hash(), c.origin_hash());
    }
}
