//! What a page says: its title, links, words and the texts of named selectors.
//!
//! XHTML is read by the HTML parser, since an XML parser would refuse most of it. Scripts are not
//! run, yet the page is read as if they were: `noscript` holds text that nobody sees, and its links
//! are not links.
//!
//! Invariant: extraction never fails and never takes long. Any bytes give a page; where one breaks
//! a bound, it has what was found before, with a note.

mod charset;
mod flood;
mod gather;
mod links;
pub mod page;
mod select;
mod sniff;
mod text;
mod tree;
mod walk;

pub use select::{SelectorError, parse_named_selector};

use crate::base::failure::Failure;
use crate::extract::page::Page;

/// Turns bodies into pages. It holds its selectors only; each thread has one of its own.
pub struct Extractor {
    selectors: Vec<select::Named>,
}

/// What one body gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extracted {
    /// The page, or as much of it as the bounds allowed.
    pub page: Page,
    /// Which bound the page broke, of stage `extract`: `too_deep` or `too_many` where the reading
    /// ended early or selected text was left out, `too_large` where links were.
    pub note: Option<Failure>,
}

impl Extractor {
    /// An extractor with the CSS selectors `selectors`, each a name and a selector list (Selectors
    /// Level 4, without pseudo-elements and without pseudo-classes of state, such as `:hover`).
    ///
    /// # Errors
    ///
    /// A selector cannot be read, or two have one name. The error says which and why.
    pub fn new(selectors: &[(String, String)]) -> Result<Self, SelectorError> {
        Ok(Self { selectors: select::compile(selectors)? })
    }

    /// Whether a body is HTML or XHTML: by its Content-Type, and where that is missing or says
    /// nothing, by its first tag (MIME Sniffing Standard section 7.1).
    #[must_use]
    pub fn is_page(content_type: Option<&str>, body: &[u8]) -> bool {
        sniff::is_page(content_type, body)
    }

    /// Reads `body`, a page that was fetched from `url`.
    ///
    /// - The encoding is that of the byte order mark, of the Content-Type, of the first 1024 bytes
    ///   (`meta`, XML declaration), else UTF-8 where the body is valid UTF-8, else windows-1252.
    /// - Links are resolved against the first `base` with an href, wherever it stands; what is no
    ///   URL or not http or https is left out.
    /// - Words are those of the text nodes in a row: `foo<b>bar</b>` and `foo<br>bar` are one word.
    /// - Selectors match in document order, and a text is all text in an element, but for scripts,
    ///   styles, templates and noscripts in it.
    #[must_use]
    pub fn extract(&self, body: &[u8], content_type: Option<&str>, url: &str) -> Extracted {
        let decoded = charset::decode(body, content_type);
        let (html, cut_short) = tree::parse(&decoded.text);
        let (page, left_out) = gather::gather(&html, url, decoded.encoding, &self.selectors);
        Extracted { page, note: cut_short.or(left_out) }
    }
}

#[cfg(test)]
mod tests;
