//! The encoding of a page, found as browsers find it.
//!
//! The first 1024 bytes are read for it only where neither a byte order mark nor the header names
//! an encoding.
//!
//! Invariant: decoding never fails. What is invalid in the encoding becomes U+FFFD, and text that
//! is already UTF-8 is borrowed, never copied.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};

/// How much of a page is searched for its encoding (HTML Standard, "prescan a byte stream").
const CHARSET_PRESCAN_BYTES: usize = 1024;

/// A body as text, and the encoding it was in.
pub(super) struct Decoded<'a> {
    /// The text without its byte order mark.
    pub(super) text: Cow<'a, str>,
    /// The encoding it was read in.
    pub(super) encoding: &'static Encoding,
}

/// Decodes `body` in the encoding that [`detect`] finds.
pub(super) fn decode<'a>(body: &'a [u8], content_type: Option<&str>) -> Decoded<'a> {
    let (encoding, bom_bytes) = detect(body, content_type);
    let (text, _) = encoding.decode_without_bom_handling(&body[bom_bytes..]);
    Decoded { text, encoding }
}

/// The encoding of `body` and the length of its byte order mark, in bytes.
///
/// In this order: the byte order mark, the `charset` parameter of the Content-Type header, the
/// prescan for `meta` and the XML declaration (HTML Standard, "determining the character
/// encoding"), UTF-8 where the body is valid UTF-8, and windows-1252.
fn detect(body: &[u8], content_type: Option<&str>) -> (&'static Encoding, usize) {
    if let Some(found) = Encoding::for_bom(body) {
        return found;
    }
    let label = content_type.and_then(charset_parameter);
    if let Some(encoding) = label.and_then(|label| Encoding::for_label(label.as_bytes())) {
        return (encoding, 0);
    }
    let head = &body[..body.len().min(CHARSET_PRESCAN_BYTES)];
    let encoding = match prescan(head) {
        Some(encoding) => encoding,
        // A charset nobody named is UTF-8 where the bytes prove it: no text in another encoding
        // that is not plain ASCII is valid UTF-8 by accident.
        None if std::str::from_utf8(body).is_ok() => UTF_8,
        None => WINDOWS_1252,
    };
    (encoding, 0)
}

/// The lower-case name of `encoding`, as the Encoding Standard lists it.
pub(super) fn lower_case_name(encoding: &'static Encoding) -> &'static str {
    match encoding.name() {
        "UTF-8" => "utf-8",
        "UTF-16LE" => "utf-16le",
        "UTF-16BE" => "utf-16be",
        "IBM866" => "ibm866",
        "ISO-8859-2" => "iso-8859-2",
        "ISO-8859-3" => "iso-8859-3",
        "ISO-8859-4" => "iso-8859-4",
        "ISO-8859-5" => "iso-8859-5",
        "ISO-8859-6" => "iso-8859-6",
        "ISO-8859-7" => "iso-8859-7",
        "ISO-8859-8" => "iso-8859-8",
        "ISO-8859-8-I" => "iso-8859-8-i",
        "ISO-8859-10" => "iso-8859-10",
        "ISO-8859-13" => "iso-8859-13",
        "ISO-8859-14" => "iso-8859-14",
        "ISO-8859-15" => "iso-8859-15",
        "ISO-8859-16" => "iso-8859-16",
        "KOI8-R" => "koi8-r",
        "KOI8-U" => "koi8-u",
        "GBK" => "gbk",
        "Big5" => "big5",
        "EUC-JP" => "euc-jp",
        "ISO-2022-JP" => "iso-2022-jp",
        "Shift_JIS" => "shift_jis",
        "EUC-KR" => "euc-kr",
        // The rest is lower case in the standard: windows-125x, macintosh, gb18030, replacement.
        name => name,
    }
}

/// The value of the first `charset` parameter of a Content-Type field (MIME Sniffing Standard
/// section 4.4); a quoted value comes without its quotes, and escapes in it are left alone, since
/// no label has any.
fn charset_parameter(content_type: &str) -> Option<&str> {
    let mut rest = content_type.split_once(';')?.1;
    loop {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        if rest.is_empty() {
            return None;
        }
        let name_end = rest.find([';', '='])?;
        let name = &rest[..name_end];
        if rest[name_end..].starts_with(';') {
            rest = &rest[name_end..];
            continue;
        }
        rest = &rest[name_end + 1..];
        let value;
        if let Some(quoted) = rest.strip_prefix('"') {
            let value_end = quoted.find('"').unwrap_or(quoted.len());
            value = &quoted[..value_end];
            let after = &quoted[value_end..];
            rest = &after[after.find(';').unwrap_or(after.len())..];
        } else {
            let value_end = rest.find(';').unwrap_or(rest.len());
            value = &rest[..value_end];
            rest = &rest[value_end..];
        }
        if name.eq_ignore_ascii_case("charset") {
            return Some(value.trim_matches([' ', '\t', '\'']));
        }
    }
}

/// Looks for an encoding in the first bytes of a page (HTML Standard, "prescan a byte stream to
/// determine its encoding").
fn prescan(head: &[u8]) -> Option<&'static Encoding> {
    // An XML declaration in UTF-16 without a byte order mark.
    if head.starts_with(b"<\0?\0x\0") {
        return Some(UTF_16LE);
    }
    if head.starts_with(b"\0<\0?\0x") {
        return Some(UTF_16BE);
    }
    let mut scan = Prescan { bytes: head, at: 0 };
    scan.meta().or_else(|| xml_encoding(head))
}

/// A position in the first bytes of a page.
struct Prescan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Prescan<'a> {
    /// The encoding of the first `meta` that names one.
    fn meta(&mut self) -> Option<&'static Encoding> {
        while self.at < self.bytes.len() {
            self.at += memchr::memchr(b'<', &self.bytes[self.at..])?;
            let rest = &self.bytes[self.at..];
            if rest.starts_with(b"<!--") {
                // The two dashes of the opening may be those of the closing: `<!-->`.
                self.at += 2;
                self.at += memchr::memmem::find(&self.bytes[self.at..], b"-->")? + 3;
            } else if is_meta(rest) {
                self.at += b"<meta".len();
                if let Some(encoding) = self.meta_encoding() {
                    return Some(encoding);
                }
            } else if is_tag(rest) {
                self.skip_tag_name();
                while self.attribute().is_some() {}
            } else if matches!(rest.get(1), Some(b'!' | b'/' | b'?')) {
                self.at += memchr::memchr(b'>', rest)? + 1;
            } else {
                self.at += 1;
            }
        }
        None
    }

    /// The encoding that the attributes of one `meta` name, if they do.
    fn meta_encoding(&mut self) -> Option<&'static Encoding> {
        let mut seen: Vec<Vec<u8>> = Vec::new();
        let mut is_pragma = false;
        let mut found: Option<(Option<&'static Encoding>, NamedBy)> = None;
        while let Some((name, value)) = self.attribute() {
            if seen.contains(&name) {
                continue;
            }
            match &*name {
                b"http-equiv" => is_pragma |= value == b"content-type",
                b"content" if found.is_none_or(|(encoding, _)| encoding.is_none()) => {
                    if let Some(encoding) = encoding_in_content(&value) {
                        found = Some((Some(encoding), NamedBy::Content));
                    }
                }
                b"charset" => found = Some((Encoding::for_label(&value), NamedBy::Charset)),
                _ => {}
            }
            seen.push(name);
        }
        let (encoding, named_by) = found?;
        if named_by == NamedBy::Content && !is_pragma {
            return None;
        }
        encoding.map(believed)
    }

    fn skip_tag_name(&mut self) {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|b| is_space(*b) || *b == b'>');
        self.at += end.unwrap_or(rest.len());
    }

    /// The next attribute of a tag, lower case, or nothing at the tag's end (HTML Standard, "get an
    /// attribute"). Where the bytes end inside the attribute there is none: it may be cut short.
    fn attribute(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        self.skip(|b| is_space(b) || b == b'/');
        if self.peek()? == b'>' {
            self.at += 1;
            return None;
        }
        let start = self.at;
        // An equals sign at the very beginning belongs to the name.
        self.at += 1;
        self.skip(|b| !is_space(b) && !matches!(b, b'/' | b'>' | b'='));
        let name = self.bytes[start..self.at].to_ascii_lowercase();
        self.peek()?;
        self.skip(is_space);
        if self.peek()? != b'=' {
            return Some((name, Vec::new()));
        }
        self.at += 1;
        self.skip(is_space);
        let quote = self.peek()?;
        let value = match quote {
            b'"' | b'\'' => {
                self.at += 1;
                let start = self.at;
                self.skip(|b| b != quote);
                self.peek()?;
                self.at += 1;
                &self.bytes[start..self.at - 1]
            }
            b'>' => &[],
            _ => {
                let start = self.at;
                self.skip(|b| !is_space(b) && b != b'>');
                self.peek()?;
                &self.bytes[start..self.at]
            }
        };
        Some((name, value.to_ascii_lowercase()))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip(&mut self, wanted: impl Fn(u8) -> bool) {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|b| !wanted(*b)).unwrap_or(rest.len());
    }
}

/// Which attribute of a `meta` names the encoding.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NamedBy {
    /// `charset`.
    Charset,
    /// `content`, which means nothing without `http-equiv=content-type`.
    Content,
}

/// Whether `rest` begins with a `meta` start tag that has something after its name.
fn is_meta(rest: &[u8]) -> bool {
    let name = rest.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"<meta"));
    name && rest.get(5).is_some_and(|b| is_space(*b) || *b == b'/')
}

/// Whether `rest` begins with a start tag or an end tag.
fn is_tag(rest: &[u8]) -> bool {
    let name = if rest.get(1) == Some(&b'/') { 2 } else { 1 };
    rest.get(name).is_some_and(u8::is_ascii_alphabetic)
}

/// HTML's white space.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ')
}

/// The encoding in the `content` of a `meta` (HTML Standard, "extracting a character encoding from
/// a meta element"); `content` is lower case.
fn encoding_in_content(content: &[u8]) -> Option<&'static Encoding> {
    let mut rest = content;
    loop {
        rest = &rest[memchr::memmem::find(rest, b"charset")? + b"charset".len()..];
        let after = rest.trim_ascii_start();
        let Some(value) = after.strip_prefix(b"=") else {
            continue;
        };
        let value = value.trim_ascii_start();
        let label = match value.first()? {
            quote @ (b'"' | b'\'') => {
                let value = &value[1..];
                &value[..memchr::memchr(*quote, value)?]
            }
            _ => {
                let end = value.iter().position(|b| is_space(*b) || *b == b';');
                &value[..end.unwrap_or(value.len())]
            }
        };
        return Encoding::for_label(label);
    }
}

/// The encoding in an XML declaration (HTML Standard, "get an XML encoding").
fn xml_encoding(head: &[u8]) -> Option<&'static Encoding> {
    let rest = head.strip_prefix(b"<?xml")?;
    let rest = &rest[..memchr::memchr(b'>', rest)?];
    let rest = &rest[memchr::memmem::find(rest, b"encoding")? + b"encoding".len()..];
    let value = trim_controls(trim_controls(rest).strip_prefix(b"=")?);
    let quote = value.first().copied().filter(|b| matches!(b, b'"' | b'\''))?;
    let value = &value[1..];
    let label = &value[..memchr::memchr(quote, value)?];
    if label.iter().any(|b| *b <= b' ') {
        return None;
    }
    Encoding::for_label(label).map(believed)
}

/// `bytes` without the white space and controls before them.
fn trim_controls(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|b| *b > b' ').unwrap_or(bytes.len());
    &bytes[start..]
}

/// What browsers take a declared encoding to be: bytes in which ASCII was readable are not UTF-16,
/// whatever they say.
fn believed(encoding: &'static Encoding) -> &'static Encoding {
    if encoding == UTF_16LE || encoding == UTF_16BE {
        UTF_8
    } else if encoding == X_USER_DEFINED {
        WINDOWS_1252
    } else {
        encoding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content_type: Option<&str>, body: impl AsRef<[u8]>, expected: &str) {
        let body = body.as_ref();
        let name = lower_case_name(detect(body, content_type).0);
        assert_eq!(name, expected, "{content_type:?} {:?}", String::from_utf8_lossy(body));
    }

    #[test]
    fn a_byte_order_mark_beats_the_header_and_the_header_beats_meta() {
        let latin = Some("text/html; charset=iso-8859-1");
        check(latin, "\u{feff}<meta charset=koi8-r>", "utf-8");
        check(latin, b"\xff\xfea\0", "utf-16le");
        check(latin, b"\xfe\xff\0a", "utf-16be");
        check(latin, "<meta charset=koi8-r>", "windows-1252");
        check(Some("text/html"), "<meta charset=koi8-r>", "koi8-r");
        check(None, "<meta charset=koi8-r>", "koi8-r");
        check(Some("text/html; charset=nonsense"), "<meta charset=koi8-r>", "koi8-r");
        check(Some("text/html; charset=utf-16"), "abc", "utf-16le");
    }

    #[test]
    fn the_header_is_read_as_a_media_type() {
        for (field, expected) in [
            ("text/html;charset=koi8-r", "koi8-r"),
            ("text/html; CharSet=\"KOI8-R\"; x=y", "koi8-r"),
            ("text/html; charset='koi8-r'", "koi8-r"),
            ("text/html; x=\"charset=big5;\"; charset=koi8-r", "koi8-r"),
            ("text/html; x; ; charset=koi8-r; charset=big5", "koi8-r"),
            ("text/html; charset", "utf-8"),
            ("text/html; charset=", "utf-8"),
            ("text/html; xcharset=big5", "utf-8"),
            ("charset=big5", "utf-8"),
        ] {
            check(Some(field), "", expected);
        }
    }

    #[test]
    fn the_prescan_finds_meta_where_browsers_do() {
        for (body, expected) in [
            ("<meta charset=\"big5\">", "big5"),
            ("<META\nCHARSET = 'Shift_JIS' >", "shift_jis"),
            ("<meta/charset=gbk>", "gbk"),
            ("<meta http-equiv=Content-Type content='text/html; charset=big5'>", "big5"),
            ("<meta content='text/html; charset=\"big5\"' http-equiv=content-type>", "big5"),
            ("<meta http-equiv=content-type content='charset charset = big5;x'>", "big5"),
            ("<meta content='text/html; charset=big5'>", "utf-8"),
            ("<meta http-equiv=refresh content='0; charset=big5'>", "utf-8"),
            ("<meta charset=nonsense><meta charset=big5>", "big5"),
            ("<meta charset=big5 charset=gbk>", "big5"),
            ("<meta name=x><meta charset=big5>", "big5"),
            ("<metadata charset=gbk><meta charset=big5>", "big5"),
            ("<!-- <meta charset=gbk> --><meta charset=big5>", "big5"),
            ("<!--><meta charset=big5>", "big5"),
            ("<p title='<meta charset=gbk>'><meta charset=big5>", "big5"),
            ("</p title='<meta charset=gbk>'><meta charset=big5>", "big5"),
            ("<!x <meta charset=gbk><meta charset=big5>", "big5"),
            ("<script>x = 'charset=gbk'</script>", "utf-8"),
            ("charset=gbk", "utf-8"),
            ("<meta charset=big5", "utf-8"),
            ("<meta charset=\"big5>", "utf-8"),
            ("<meta charset=utf-16le>", "utf-8"),
            ("<meta charset=utf-16be>", "utf-8"),
            ("<meta charset=x-user-defined>", "windows-1252"),
            ("<?xml version='1.0' encoding='koi8-r'?><html>", "koi8-r"),
            ("<?xml version='1.0' encoding='koi8-r'?><meta charset=big5>", "big5"),
            ("<?xml version='1.0' encoding='utf-16'?><html>", "utf-8"),
            (" <?xml version='1.0' encoding='koi8-r'?><html>", "utf-8"),
        ] {
            check(None, body, expected);
        }
        check(None, b"<\0?\0x\0m\0l\0", "utf-16le");
        check(None, b"\0<\0?\0x\0m\0l", "utf-16be");
    }

    #[test]
    fn the_prescan_ends_after_1024_bytes() {
        let meta = "<meta charset=big5>";
        let blank = " ".repeat(CHARSET_PRESCAN_BYTES - meta.len());
        check(None, format!("{blank}{meta}"), "big5");
        check(None, format!("{blank} {meta}"), "utf-8");
    }

    #[test]
    fn without_a_word_valid_utf_8_is_utf_8_and_the_rest_windows_1252() {
        check(None, "", "utf-8");
        check(None, "caf\u{e9}", "utf-8");
        check(None, b"caf\xe9", "windows-1252");
    }

    #[test]
    fn utf_8_is_borrowed_and_what_is_invalid_is_replaced() {
        let decoded = decode("caf\u{e9}".as_bytes(), None);
        assert!(matches!(decoded.text, Cow::Borrowed("caf\u{e9}")));
        let decoded = decode(b"plain", Some("text/html; charset=windows-1252"));
        assert!(matches!(decoded.text, Cow::Borrowed("plain")));
        let decoded = decode(b"caf\xe9 \xe2\x82", Some("text/html; charset=utf-8"));
        assert_eq!(decoded.text, "caf\u{fffd} \u{fffd}");
        assert_eq!(decode(b"caf\xe9", None).text, "caf\u{e9}");
        assert_eq!(decode(b"\xef\xbb\xbfabc", None).text, "abc");
        assert_eq!(decode(b"\xff\xfea\0b\0", None).text, "ab");
    }

    #[test]
    fn every_name_is_lower_case() {
        for label in [
            "utf-8",
            "utf-16le",
            "utf-16be",
            "ibm866",
            "iso-8859-2",
            "iso-8859-3",
            "iso-8859-4",
            "iso-8859-5",
            "iso-8859-6",
            "iso-8859-7",
            "iso-8859-8",
            "iso-8859-8-i",
            "iso-8859-10",
            "iso-8859-13",
            "iso-8859-14",
            "iso-8859-15",
            "iso-8859-16",
            "koi8-r",
            "koi8-u",
            "macintosh",
            "windows-874",
            "windows-1250",
            "windows-1251",
            "windows-1252",
            "windows-1253",
            "windows-1254",
            "windows-1255",
            "windows-1256",
            "windows-1257",
            "windows-1258",
            "x-mac-cyrillic",
            "gbk",
            "gb18030",
            "big5",
            "euc-jp",
            "iso-2022-jp",
            "shift_jis",
            "euc-kr",
            "x-user-defined",
        ] {
            let encoding = Encoding::for_label(label.as_bytes()).unwrap();
            assert_eq!(lower_case_name(encoding), label);
        }
    }
}
