//! What was extracted from one page, as rows hold it.

use serde::Serialize;

/// What was extracted from one HTML page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The first title's text, white space collapsed, or null.
    pub title: Option<String>,
    /// The hrefs of `a` and `area`, resolved against the document's base: http and https only,
    /// fragments dropped, in document order, repeats kept.
    pub links: Vec<String>,
    /// White-space separated words of the text in `body`, without script, style, template and
    /// noscript.
    pub words: u64,
    /// The encoding that the page was read in, by its lower-case name of the Encoding Standard.
    pub charset: &'static str,
    /// What each named selector matched: the text of each element, white space collapsed.
    #[serde(skip_serializing_if = "Selected::is_empty")]
    pub select: Selected,
}

/// The texts that named selectors matched, in the order in which the selectors were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selected(pub Vec<(String, Vec<String>)>);

impl Selected {
    /// Whether no selector was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Selected {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, texts)| (name, texts)))
    }
}
