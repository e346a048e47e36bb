//! Whether a body is a page: by its media type, or by its first bytes where it has none.
//!
//! Invariant: a media type that was sent is believed, so that what a server calls plain text is
//! never taken for a page.

/// Start tags that make a body HTML (MIME Sniffing Standard section 7.1), in lower case.
const TAGS: [&[u8]; 17] = [
    b"<!doctype html",
    b"<html",
    b"<head",
    b"<script",
    b"<iframe",
    b"<h1",
    b"<div",
    b"<font",
    b"<table",
    b"<a",
    b"<style",
    b"<title",
    b"<b",
    b"<body",
    b"<br",
    b"<p",
    b"<!--",
];

/// Whether a body of this Content-Type is HTML or XHTML; without one, whether it begins like HTML.
pub(super) fn is_page(content_type: Option<&str>, body: &[u8]) -> bool {
    let essence = content_type.unwrap_or("").split(';').next().unwrap_or("");
    let essence = essence.trim_matches([' ', '\t']);
    let is = |name: &str| essence.eq_ignore_ascii_case(name);
    if is("text/html") || is("application/xhtml+xml") {
        return true;
    }
    // What servers send when they do not know counts as nothing (same standard, section 7).
    let unknown = is("") || is("unknown/unknown") || is("application/unknown") || is("*/*");
    unknown && begins_like_html(body)
}

/// Whether `body` begins with one of [`TAGS`] and a byte that ends a tag's name. A byte order mark
/// may stand first, which the standard leaves to the encoding.
fn begins_like_html(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let body = body.trim_ascii_start();
    TAGS.iter().any(|tag| {
        body.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag))
            && matches!(body.get(tag.len()), Some(b' ' | b'>'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content_type: Option<&str>, body: &str, expected: bool) {
        assert_eq!(is_page(content_type, body.as_bytes()), expected, "{content_type:?} {body:?}");
    }

    #[test]
    fn a_media_type_that_was_sent_decides() {
        check(Some("text/html"), "", true);
        check(Some(" Text/HTML ; charset=x"), "", true);
        check(Some("application/xhtml+xml"), "", true);
        check(Some("text/plain"), "<!doctype html>", false);
        check(Some("application/xml"), "<html>", false);
        check(Some("text/htmlx"), "<html>", false);
    }

    #[test]
    fn without_one_the_first_tag_decides() {
        for unknown in [None, Some(""), Some("*/*"), Some("application/unknown")] {
            check(unknown, "<!DocType HTML>", true);
            check(unknown, "\u{feff}\r\n\t <hTmL lang=en>", true);
            check(unknown, "<p>x", true);
            check(unknown, "<!-- x", true);
            check(unknown, "<pre>x", false);
            check(unknown, "<html", false);
            check(unknown, "<?xml version='1.0'?>", false);
            check(unknown, "x <html>", false);
            check(unknown, "", false);
        }
    }
}
