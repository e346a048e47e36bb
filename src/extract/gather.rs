//! What is gathered from a page's tree: title, links, words and selected texts.
//!
//! The tree is read once, in document order and without recursion; what stands in a `template` is
//! not part of the document and is not read.
//!
//! Invariant: the order of links and texts is that of the document, even where the parser moved
//! elements (misnested formatting, text inside tables).

use std::collections::HashMap;

use ego_tree::{NodeId, NodeRef};
use encoding_rs::Encoding;
use html5ever::{LocalName, local_name, ns};
use scraper::node::Element;
use scraper::{Html, Node};

use super::links::LinkResolver;
use super::select::{Named, Siblings, Texts};
use super::text::{Collapsed, Words};
use super::walk::{Descend, Visit, is_silent, read_in_order};
use crate::base::failure::{Failure, Kind, Stage};
use crate::extract::page::{Page, Selected};

/// Most bytes of all resolved links of one page: a long base makes long links.
pub(super) const LINKS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most pairs of siblings in one page that a selector with `~` is tried on: it compares each
/// element with all before it.
const SELECTED_SIBLINGS_MAX: u64 = 10_000_000;

/// Reads the tree of one page that was fetched from `url` and decoded from `encoding`.
pub(super) fn gather(
    html: &Html,
    url: &str,
    encoding: &'static Encoding,
    selectors: &[Named],
) -> (Page, Option<Failure>) {
    let mut gathered = Gathered::default();
    let mut texts = Texts::new(selectors);
    let matches = matches(html, selectors, &mut texts);
    read_in_order(html.tree.root(), |step| match step {
        Visit::Enter(node) => {
            for selector in matches.get(&node.id()).into_iter().flatten() {
                texts.take(*selector, node);
            }
            gathered.enter(node)
        }
        Visit::Leave(id) => {
            gathered.leave(id);
            Descend::No
        }
    });
    let resolver = LinkResolver::new(url, gathered.base, encoding);
    let (links, links_note) = resolve(&resolver, &gathered.hrefs);
    let (selected, texts_note) = texts.finish();
    let page = Page {
        title: gathered.title,
        links,
        words: gathered.words.count(),
        charset: super::charset::lower_case_name(encoding),
        select: Selected(selected),
    };
    (page, links_note.or(texts_note))
}

const LINKS_TOO_LARGE: Failure = Failure::new(
    Stage::Extract,
    Kind::TooLarge,
    "the links come to more than 32 MiB; the rest was left out",
);
const _: () = assert!(LINKS_BYTES_MAX == 32 * 1024 * 1024, "the phrase above names the size");

/// The links that `hrefs` refer to, up to a size. What resolving copies of the base counts, too,
/// even where the link does not keep it.
fn resolve(resolver: &LinkResolver, hrefs: &[&str]) -> (Vec<String>, Option<Failure>) {
    let mut links = Vec::with_capacity(hrefs.len());
    let mut bytes_left = LINKS_BYTES_MAX;
    for href in hrefs {
        let link = resolver.resolve(href);
        let bytes = link.as_ref().map_or(0, String::len).max(resolver.copied_bytes_max(href));
        let Some(left) = bytes_left.checked_sub(bytes) else {
            return (links, Some(LINKS_TOO_LARGE));
        };
        bytes_left = left;
        links.extend(link);
    }
    (links, None)
}

/// Which selectors match which elements. `scraper` looks at elements in the order of their making,
/// with caches that it shares with nobody, so the order of the document is restored by look-up.
fn matches(html: &Html, selectors: &[Named], texts: &mut Texts<'_>) -> HashMap<NodeId, Vec<usize>> {
    let mut matches: HashMap<NodeId, Vec<usize>> = HashMap::new();
    for (idx, named) in selectors.iter().enumerate() {
        if named.siblings == Siblings::All && sibling_pairs(html) > SELECTED_SIBLINGS_MAX {
            texts.leave_out();
            continue;
        }
        for element in html.select(&named.selector) {
            matches.entry(element.id()).or_default().push(idx);
        }
    }
    matches
}

/// How many pairs of elements in the tree have one parent.
fn sibling_pairs(html: &Html) -> u64 {
    let children = |node: NodeRef<'_, Node>| {
        node.children().filter(|child| child.value().is_element()).count() as u64
    };
    html.tree.nodes().map(|node| children(node).pow(2) / 2).sum()
}

/// The value of the attribute `name`, in no namespace.
fn attribute<'a>(element: &'a Element, name: &LocalName) -> Option<&'a str> {
    let mut attributes = element.attrs.iter();
    let found = attributes.find(|(key, _)| key.local == *name && key.ns == ns!());
    found.map(|(_, value)| &**value)
}

/// What has been gathered so far.
#[derive(Default)]
struct Gathered<'a> {
    title: Option<String>,
    base: Option<&'a str>,
    hrefs: Vec<&'a str>,
    words: Words,
    /// The body, while inside it.
    body: Option<NodeId>,
    /// Whether the body has been seen: there is only one.
    body_seen: bool,
    /// The outermost element whose text is not counted, while inside it.
    silent: Option<NodeId>,
}

impl<'a> Gathered<'a> {
    fn enter(&mut self, node: NodeRef<'a, Node>) -> Descend {
        match node.value() {
            Node::Text(text) => {
                if self.body.is_some() && self.silent.is_none() {
                    self.words.handle_text(text);
                }
                Descend::No
            }
            Node::Element(element) => self.enter_element(node, element),
            Node::Document => Descend::Yes,
            _ => Descend::No,
        }
    }

    fn enter_element(&mut self, node: NodeRef<'a, Node>, element: &'a Element) -> Descend {
        let name = &element.name.local;
        let is_html = element.name.ns == ns!(html);
        match *name {
            local_name!("a") | local_name!("area") => {
                self.hrefs.extend(attribute(element, &local_name!("href")));
            }
            local_name!("base") if is_html && self.base.is_none() => {
                self.base = attribute(element, &local_name!("href"));
            }
            local_name!("title") if is_html && self.title.is_none() => {
                let mut title = Collapsed::default();
                for child in node.children() {
                    if let Node::Text(text) = child.value() {
                        title.handle_text(text);
                    }
                }
                self.title = Some(title.into_string());
            }
            local_name!("body") if is_html && !self.body_seen => {
                self.body_seen = true;
                self.body = Some(node.id());
            }
            local_name!("template") if is_html => return Descend::No,
            _ if self.silent.is_none() && is_silent(name) => self.silent = Some(node.id()),
            _ => {}
        }
        Descend::Yes
    }

    fn leave(&mut self, id: NodeId) {
        if self.silent == Some(id) {
            self.silent = None;
        }
        if self.body == Some(id) {
            self.body = None;
        }
    }
}
