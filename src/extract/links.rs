//! References in a page, resolved.
//!
//! URLs are read as browsers read them (WHATWG URL Standard, by the `url` crate), queries in the
//! page's encoding.
//!
//! Invariant: what comes out is an http or https URL without a fragment.

use encoding_rs::{Encoding, UTF_8};
use url::{Position, Url};

/// Resolves references against the base of one page.
pub(super) struct LinkResolver {
    /// An http or https URL, or nothing; absolute references resolve even then.
    base: Option<Url>,
    /// The base without its fragment.
    itself: Option<String>,
    encoding: &'static Encoding,
}

impl LinkResolver {
    /// A resolver for a page fetched from `url` whose first `base` says `base_href` (HTML Standard
    /// section 2.4.1).
    pub(super) fn new(url: &str, base_href: Option<&str>, encoding: &'static Encoding) -> Self {
        let page = Url::parse(url).ok();
        let own = base_href.and_then(|href| parse(page.as_ref(), href, encoding));
        // A base that scripts or data could smuggle in is not one.
        let own = own.filter(|url| !matches!(url.scheme(), "data" | "javascript"));
        // Relative to anything but http or https no reference is http or https: parsing it would
        // copy the base, however long, for a result that is dropped.
        let base = own.or(page).filter(is_link);
        let itself = base.clone().and_then(finish);
        // Queries are in UTF-8 for UTF-16 pages (Encoding Standard, "output encoding").
        Self { base, itself, encoding: encoding.output_encoding() }
    }

    /// The http or https URL that `href` refers to, without its fragment, or nothing.
    pub(super) fn resolve(&self, href: &str) -> Option<String> {
        let mut href = href;
        if let Some(hash) = memchr::memchr(b'#', href.as_bytes()) {
            let before = &href[..hash];
            if before.bytes().all(|b| b <= b' ') {
                return self.itself.clone();
            }
            // A fragment need not be parsed to be dropped. White space before it must stay where
            // it is, which the parser would strip from the end.
            if !before.ends_with(|c| c <= ' ') {
                href = before;
            }
        }
        finish(parse(self.base.as_ref(), href, self.encoding)?)
    }

    /// How many bytes of the base resolving `href` may copy: `..` drops what was copied, and a
    /// relative path drops the last segment of the base.
    pub(super) fn copied_bytes_max(&self, href: &str) -> usize {
        let href = href.trim_start_matches(|c| c <= ' ').as_bytes();
        let starts_with =
            |start: &[u8]| href.get(..start.len()).is_some_and(|h| h.eq_ignore_ascii_case(start));
        if starts_with(b"http://") || starts_with(b"https://") {
            return 0;
        }
        self.base.as_ref().map_or(0, |base| base[..Position::AfterPath].len())
    }
}

/// `href` against `base`; a query that is not ASCII is written in `encoding`.
fn parse(base: Option<&Url>, href: &str, encoding: &'static Encoding) -> Option<Url> {
    let options = Url::options().base_url(base);
    if encoding == UTF_8 || href.is_ascii() {
        return options.parse(href).ok();
    }
    options.encoding_override(Some(&|query| encoding.encode(query).0)).parse(href).ok()
}

/// `url` as text, without its fragment, where it is http or https.
fn finish(mut url: Url) -> Option<String> {
    if !is_link(&url) {
        return None;
    }
    url.set_fragment(None);
    Some(url.into())
}

fn is_link(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

#[cfg(test)]
mod tests {
    use encoding_rs::{UTF_16LE, WINDOWS_1252};

    use super::*;

    const PAGE: &str = "http://a.example/b/c?d=e#f";

    fn check(base_href: Option<&str>, href: &str, expected: Option<&str>) {
        let resolver = LinkResolver::new(PAGE, base_href, UTF_8);
        assert_eq!(resolver.resolve(href).as_deref(), expected, "{base_href:?} {href:?}");
    }

    #[test]
    fn references_resolve_against_the_page() {
        for (href, expected) in [
            ("x", Some("http://a.example/b/x")),
            ("/x#y", Some("http://a.example/x")),
            ("//h/x", Some("http://h/x")),
            ("?q", Some("http://a.example/b/c?q")),
            ("", Some("http://a.example/b/c?d=e")),
            ("#", Some("http://a.example/b/c?d=e")),
            (" \n#top", Some("http://a.example/b/c?d=e")),
            ("\t x\n y ", Some("http://a.example/b/x%20y")),
            ("x #y", Some("http://a.example/b/x%20")),
            ("HTTPS://H:443/../x", Some("https://h/x")),
            ("http://h", Some("http://h/")),
            ("http://h#x", Some("http://h/")),
            ("x/ü?ü", Some("http://a.example/b/x/%C3%BC?%C3%BC")),
            ("mailto:a@b", None),
            ("javascript:void(0)", None),
            ("javascript:x='#'", None),
            ("data:text/html,x", None),
            ("ftp://h/", None),
            ("http://", None),
            ("http://h:99999/", None),
            ("http://[x]/", None),
        ] {
            check(None, href, expected);
        }
    }

    #[test]
    fn a_base_counts_where_it_is_a_url() {
        check(Some("http://z/y/"), "x", Some("http://z/y/x"));
        check(Some("y/"), "x", Some("http://a.example/b/y/x"));
        check(Some("//z"), "#x", Some("http://z/"));
        check(Some("y#z"), "#x", Some("http://a.example/b/y"));
        check(Some("http://[/"), "x", Some("http://a.example/b/x"));
        check(Some("data:text/html,y"), "x", Some("http://a.example/b/x"));
        check(Some("mailto:a@b"), "x", None);
        check(Some("mailto:a@b"), "#x", None);
        check(Some("mailto:a@b"), "http://h/", Some("http://h/"));
        for base_href in ["ftp://h/x/", "file:///x/"] {
            for href in ["x", "#x", "?x", "/x", "//h/x"] {
                check(Some(base_href), href, None);
            }
            check(Some(base_href), "http://h/y", Some("http://h/y"));
            // Of another scheme than the base, so not relative to it.
            check(Some(base_href), "http:y", Some("http://y/"));
        }
    }

    #[test]
    fn a_page_without_a_url_keeps_its_absolute_links() {
        let resolver = LinkResolver::new("nonsense", None, UTF_8);
        assert_eq!(resolver.resolve("http://h/x").as_deref(), Some("http://h/x"));
        assert_eq!(resolver.resolve("x"), None);
        assert_eq!(resolver.resolve("#x"), None);
    }

    #[test]
    fn queries_are_written_in_the_encoding_of_the_page() {
        for (encoding, expected) in [
            (WINDOWS_1252, "http://a.example/b/%C3%A9?%E9"),
            (UTF_16LE, "http://a.example/b/%C3%A9?%C3%A9"),
            (UTF_8, "http://a.example/b/%C3%A9?%C3%A9"),
        ] {
            let resolver = LinkResolver::new(PAGE, None, encoding);
            assert_eq!(resolver.resolve("é?é").as_deref(), Some(expected));
        }
    }
}
