//! Named CSS selectors: what `--select NAME=CSS` compiles to, and the texts that they match.
//!
//! `scraper` does the matching.
//!
//! Invariant: names are unique and printable, and what one selector keeps of one page is bounded in
//! number and in bytes.

use std::fmt;

use ego_tree::NodeRef;
use scraper::error::SelectorErrorKind;
use scraper::{Node, Selector};

use super::text::Collapsed;
use super::walk::{Descend, Visit, is_silent, read_in_order};
use crate::base::failure::{Failure, Kind, Stage};

/// Most texts that one selector keeps of one page.
pub(super) const SELECTED_TEXTS_MAX: usize = 10_000;
/// Most bytes of text that one selector keeps of one page.
pub(super) const SELECTED_BYTES_MAX: usize = 1024 * 1024;
/// Most nodes that are read for the selected texts of one page.
const SELECTED_NODES_MAX: usize = 4_000_000;

/// Why a selector cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorError {
    selector: String,
    reason: String,
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "selector cannot be used: {}: {}", self.selector, self.reason)
    }
}

impl std::error::Error for SelectorError {}

impl SelectorError {
    fn new(selector: &str, reason: impl Into<String>) -> Self {
        Self { selector: selector.to_owned(), reason: reason.into() }
    }
}

/// One selector and its name.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) selector: Selector,
    /// Whether an element is compared with all its siblings before it.
    pub(super) siblings: Siblings,
}

/// How many siblings of an element a selector looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Siblings {
    /// One at most, or some that are remembered from element to element.
    Few,
    /// All, for each element again: it has the combinator `~`.
    All,
}

impl Siblings {
    /// What the selector `css` looks at. A `~` inside a quoted string counts as well.
    fn of(css: &str) -> Self {
        let mut tildes = css.match_indices('~');
        // `~=` compares the words of an attribute.
        let is_combinator = tildes.any(|(at, _)| !css[at + 1..].starts_with('='));
        if is_combinator { Self::All } else { Self::Few }
    }
}

/// Splits `NAME=CSS` at the first equals sign.
///
/// # Errors
///
/// There is no equals sign, or what stands before it is no name: letters, digits, `_`, `-` and `.`,
/// at least one. The CSS is not looked at: [`Extractor::new`](super::Extractor::new) does that.
pub fn parse_named_selector(text: &str) -> Result<(String, String), SelectorError> {
    let Some((name, css)) = text.split_once('=') else {
        return Err(SelectorError::new(text, "no '='; hint: --select NAME=CSS"));
    };
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || !name.chars().all(is_name) {
        let reason = "what stands before '=' is no name; hint: --select NAME=CSS";
        return Err(SelectorError::new(text, reason));
    }
    Ok((name.to_owned(), css.to_owned()))
}

/// Compiles named selectors, in their order.
pub(super) fn compile(selectors: &[(String, String)]) -> Result<Vec<Named>, SelectorError> {
    let mut compiled: Vec<Named> = Vec::with_capacity(selectors.len());
    for (name, css) in selectors {
        let error = |reason: String| SelectorError::new(&format!("{name}={css}"), reason);
        if compiled.iter().any(|named| named.name == *name) {
            return Err(error("the name is used twice".to_owned()));
        }
        let selector = Selector::parse(css).map_err(|kind| error(reason(&kind)))?;
        compiled.push(Named { name: name.clone(), selector, siblings: Siblings::of(css) });
    }
    Ok(compiled)
}

const CUT: Failure = Failure::new(
    Stage::Extract,
    Kind::TooMany,
    "a selector matched more text than is kept; hint: make it narrower",
);
const TOO_MANY_SIBLINGS: Failure = Failure::new(
    Stage::Extract,
    Kind::TooMany,
    "a selector with ~ was left out, the page has too many siblings; hint: use > or +",
);

/// The texts that the selectors of one page matched so far.
pub(super) struct Texts<'a> {
    kept: Vec<SelectorTexts<'a>>,
    /// Nodes that may still be read: nested matches read the same nodes again and again.
    nodes_left: usize,
    note: Option<Failure>,
}

/// The texts of one selector.
struct SelectorTexts<'a> {
    name: &'a str,
    texts: Vec<String>,
    bytes_left: usize,
}

impl<'a> Texts<'a> {
    /// No texts yet, for each of `selectors`.
    pub(super) fn new(selectors: &'a [Named]) -> Self {
        let kept = |named: &'a Named| SelectorTexts {
            name: &named.name,
            texts: Vec::new(),
            bytes_left: SELECTED_BYTES_MAX,
        };
        let kept = selectors.iter().map(kept).collect();
        Self { kept, nodes_left: SELECTED_NODES_MAX, note: None }
    }

    /// Notes that a selector was not tried at all.
    pub(super) fn leave_out(&mut self) {
        self.note = Some(TOO_MANY_SIBLINGS);
    }

    /// Keeps the text of `element` for the selector number `selector`: all text in it, but for that
    /// of scripts, styles, templates and noscripts inside it. One that is matched itself does give
    /// its text.
    pub(super) fn take(&mut self, selector: usize, element: NodeRef<'_, Node>) {
        let kept = &mut self.kept[selector];
        if kept.texts.len() == SELECTED_TEXTS_MAX || kept.bytes_left == 0 || self.nodes_left == 0 {
            self.note = Some(CUT);
            return;
        }
        let mut text = Collapsed::default();
        let nodes_left = &mut self.nodes_left;
        read_in_order(element, |step| {
            let Visit::Enter(node) = step else { return Descend::No };
            if *nodes_left == 0 || text.len() > kept.bytes_left {
                return Descend::No;
            }
            *nodes_left -= 1;
            match node.value() {
                Node::Text(part) => {
                    text.handle_text(part);
                    Descend::No
                }
                Node::Element(_) if node.id() == element.id() => Descend::Yes,
                Node::Element(inner) if is_silent(&inner.name.local) => Descend::No,
                Node::Element(_) => Descend::Yes,
                _ => Descend::No,
            }
        });
        let mut text = text.into_string();
        if text.len() > kept.bytes_left {
            text.truncate(text.floor_char_boundary(kept.bytes_left));
            kept.bytes_left = 0;
            self.note = Some(CUT);
        } else {
            kept.bytes_left -= text.len();
        }
        kept.texts.push(text);
    }

    /// The texts by name, and a note where some were left out or cut short.
    pub(super) fn finish(self) -> (Vec<(String, Vec<String>)>, Option<Failure>) {
        let texts = self.kept.into_iter().map(|kept| (kept.name.to_owned(), kept.texts));
        (texts.collect(), self.note)
    }
}

/// What is wrong with a selector, in words.
fn reason(kind: &SelectorErrorKind) -> String {
    use SelectorErrorKind as Wrong;
    let phrase = match kind {
        Wrong::UnexpectedToken => "a character or word is out of place",
        Wrong::EndOfLine => "it ends too early",
        Wrong::InvalidAtRule | Wrong::InvalidAtRuleBody => "an @-rule is no selector",
        Wrong::QualRuleInvalid => "a rule is no selector",
        Wrong::TooManyNestedBlocks => "too many nested brackets",
        Wrong::ExpectedColonOnPseudoElement | Wrong::ExpectedIdentityOnPseudoElement => {
            "a pseudo-element is written ::name"
        }
        Wrong::UnexpectedSelectorParseError(inner) => {
            return format!("no such selector: {inner:?}");
        }
    };
    phrase.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_split_at_its_first_equals_sign() {
        for (text, name, css) in [
            ("a=b", "a", "b"),
            ("price=td[class=price]", "price", "td[class=price]"),
            ("a_b-c.1=", "a_b-c.1", ""),
        ] {
            let split = parse_named_selector(text).unwrap();
            assert_eq!((split.0.as_str(), split.1.as_str()), (name, css));
        }
        for text in ["", "h1", "=h1", "a[href=x]", "a b=c"] {
            let error = parse_named_selector(text).unwrap_err().to_string();
            assert!(error.contains("hint: --select NAME=CSS"), "{error}");
        }
    }

    #[test]
    fn an_unusable_selector_is_named_with_the_reason() {
        for css in ["", "h1 >", "h1[", "::before", "p:no-such-class", "@media", "a,,b"] {
            let Err(error) = compile(&[("x".to_owned(), css.to_owned())]) else {
                panic!("{css:?} was taken");
            };
            let text = error.to_string();
            assert!(text.starts_with(&format!("selector cannot be used: x={css}: ")), "{text}");
            assert!(!text.contains('\n'), "{text}");
        }
        let twice = [("x".to_owned(), "a".to_owned()), ("x".to_owned(), "b".to_owned())];
        let Err(error) = compile(&twice) else { panic!("a name was taken twice") };
        assert!(error.to_string().contains("used twice"));
    }
}
