//! The tree of a page, built under bounds.
//!
//! The tree builder is `html5ever`'s, the tree `scraper`'s; this stands between the two and the
//! tokenizer, and counts.
//!
//! Invariant: the cost of any page is bounded by its size times a constant. The builder walks its
//! open elements for almost every tag, and can reopen unclosed formatting elements at every
//! paragraph, so depth, nodes and steps are each bounded. A page that exceeds a bound keeps the
//! tree it had until then.

use std::borrow::Cow;
use std::cell::{Cell, Ref, RefCell};
use std::collections::HashSet;

use ego_tree::NodeId;
use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, Tracer, TreeSink};
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{
    BufferQueue, Tag, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use html5ever::tree_builder::{TreeBuilder, TreeBuilderOpts};
use html5ever::{Attribute, LocalName, QualName, TokenizerResult};
use scraper::{Html, HtmlTreeSink};

use super::flood::Flood;
use crate::base::failure::{Failure, Kind, Stage};

/// HTML elements nested deeper than this stop the parser; browsers cap nesting at the same depth.
pub(super) const HTML_DEPTH_MAX: usize = 512;
/// Most attributes of one tag; a tag with more stops the parser, which is quadratic in them.
const HTML_ATTRIBUTES_MAX: usize = 1024;
/// Most different names of elements and attributes, of 8 bytes and more, in one page: the parser
/// keeps them in 4096 linked lists, and which one a name goes to can be foreseen.
const HTML_LONG_NAMES_MAX: usize = 4096;
/// Most elements and attributes in one tree: unclosed formatting elements, reopened at every
/// paragraph, make more of them than a page has bytes.
const HTML_NODES_MAX: usize = 2_000_000;
/// Elements and attributes that a page of any size may have; beyond that, one for each
/// [`HTML_BYTES_PER_NODE`].
const HTML_NODES_FREE: usize = 50_000;
/// No page without reopened elements has more elements and attributes than one for so many bytes.
const HTML_BYTES_PER_NODE: usize = 2;
/// Open elements that the parser may walk over in a page of any size, summed over its tokens;
/// beyond that, [`HTML_STEPS_PER_BYTE`].
const HTML_STEPS_FREE: u64 = 4_000_000;
/// Open elements that the parser may walk over for each byte; ordinary pages make it walk over two.
const HTML_STEPS_PER_BYTE: u64 = 16;
/// Bytes of text handed to the HTML parser at once; it can be stopped between two pieces.
const HTML_PIECE_BYTES: usize = 8 * 1024;
/// Tokens after which the open elements are counted again, where nothing asks for it earlier.
const TOKENS_PER_COUNT: u32 = 32;
/// Names up to this many bytes are held in place by the parser, longer ones in its shared table.
const SHORT_NAME_BYTES: usize = 7;
/// What the builder holds besides the open elements: the document, and its pointers to head and
/// form.
const OTHER_HANDLES: usize = 3;

/// Builds the tree of `text`, and says why it ends early where it does.
///
/// Scripting counts as enabled, as in browsers: what stands in `noscript` is text, not elements.
pub(super) fn parse(text: &str) -> (Html, Option<Failure>) {
    let inner = HtmlTreeSink::new(Html::new_document());
    let sink = CountingSink {
        comment: inner.create_comment(StrTendril::new()),
        inner,
        elements: Cell::new(0),
        attributes: Cell::new(0),
        added: Cell::new(0),
    };
    let opts = TreeBuilderOpts { scripting_enabled: true, ..TreeBuilderOpts::default() };
    let builder = BoundedBuilder::new(TreeBuilder::new(sink, opts), text.len());
    // The byte order mark went with the decoding; a second one is text.
    let opts = TokenizerOpts { discard_bom: false, ..TokenizerOpts::default() };
    let tokenizer = Tokenizer::new(builder, opts);
    feed(&tokenizer, text);
    let builder = tokenizer.sink;
    (builder.inner.sink.inner.finish(), builder.stopped.get())
}

/// Hands `text` to the tokenizer in pieces until its end or until the builder stops.
fn feed(tokenizer: &Tokenizer<BoundedBuilder>, text: &str) {
    let builder = &tokenizer.sink;
    let input = BufferQueue::default();
    let mut spoken = None;
    let mut flood: Option<Flood> = None;
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(HTML_PIECE_BYTES));
        rest = after;
        let tokens = builder.tokens.get();
        input.push_back(StrTendril::from_slice(piece));
        // Scripts and declared encodings interrupt the tokenizer; neither is acted upon.
        while !matches!(tokenizer.feed(&input), TokenizerResult::Done) {}
        if builder.tokens.get() != tokens {
            spoken = Some(piece);
            flood = None;
        } else {
            // One tag, comment or doctype has swallowed a whole piece.
            let flood = match (&mut flood, spoken) {
                (None, None) => flood.insert(Flood::from_start(piece)),
                (None, Some(spoken)) => {
                    let flood = flood.insert(Flood::after(spoken));
                    flood.handle_bytes(piece.as_bytes());
                    flood
                }
                (Some(flood), _) => {
                    flood.handle_bytes(piece.as_bytes());
                    flood
                }
            };
            if flood.attributes() > HTML_ATTRIBUTES_MAX {
                builder.stop(TOO_MANY_ATTRIBUTES);
            }
        }
        if builder.stopped.get().is_some() {
            return;
        }
    }
    tokenizer.end();
}

const TOO_DEEP: Failure = Failure::new(
    Stage::Extract,
    Kind::TooDeep,
    "elements are nested more than 512 deep; the page was read up to there",
);
const _: () = assert!(HTML_DEPTH_MAX == 512, "the phrase above names the depth");
const TOO_MANY_ATTRIBUTES: Failure = Failure::new(
    Stage::Extract,
    Kind::TooMany,
    "a tag has more than 1024 attributes; the page was read up to there",
);
const _: () = assert!(HTML_ATTRIBUTES_MAX == 1024, "the phrase above names the number");
const TOO_MANY_NAMES: Failure = Failure::new(
    Stage::Extract,
    Kind::TooMany,
    "the page has more than 4096 names of elements and attributes; it was read up to there",
);
const _: () = assert!(HTML_LONG_NAMES_MAX == 4096, "the phrase above names the number");
const TOO_MANY_NODES: Failure = Failure::new(
    Stage::Extract,
    Kind::TooMany,
    "the page has too many elements and attributes for its size; it was read up to there",
);
const TOO_MANY_STEPS: Failure = Failure::new(
    Stage::Extract,
    Kind::TooMany,
    "too many tags stand in deep nesting; the page was read up to there",
);

/// Stands between the tokenizer and the tree builder, and ends the building at a bound.
struct BoundedBuilder {
    inner: TreeBuilder<NodeId, CountingSink>,
    nodes_max: usize,
    steps_max: u64,
    stopped: Cell<Option<Failure>>,
    /// Tokens seen, but for parse errors.
    tokens: Cell<u64>,
    /// Handles that the builder held when they were last counted.
    held: Cell<usize>,
    /// Elements that had been made by then.
    elements_then: Cell<usize>,
    /// Tokens since then.
    tokens_since: Cell<u32>,
    steps: Cell<u64>,
    long_names: RefCell<HashSet<LocalName>>,
}

impl BoundedBuilder {
    fn new(inner: TreeBuilder<NodeId, CountingSink>, text_bytes: usize) -> Self {
        let nodes_max = HTML_NODES_FREE + text_bytes / HTML_BYTES_PER_NODE;
        Self {
            inner,
            nodes_max: nodes_max.min(HTML_NODES_MAX),
            steps_max: HTML_STEPS_FREE + HTML_STEPS_PER_BYTE * text_bytes as u64,
            stopped: Cell::new(None),
            tokens: Cell::new(0),
            held: Cell::new(0),
            elements_then: Cell::new(0),
            tokens_since: Cell::new(0),
            steps: Cell::new(0),
            long_names: RefCell::default(),
        }
    }

    fn stop(&self, failure: Failure) {
        self.stopped.set(Some(failure));
    }

    /// Looks at the bounds of one tag before it goes to the builder.
    fn inspect(&self, tag: &Tag) {
        if tag.attrs.len() > HTML_ATTRIBUTES_MAX {
            return self.stop(TOO_MANY_ATTRIBUTES);
        }
        let attributes = tag.attrs.iter().map(|attribute| &attribute.name.local);
        for name in std::iter::once(&tag.name).chain(attributes) {
            if name.len() > SHORT_NAME_BYTES {
                let mut names = self.long_names.borrow_mut();
                if !names.contains(name) {
                    names.insert(name.clone());
                }
            }
        }
        if self.long_names.borrow().len() > HTML_LONG_NAMES_MAX {
            self.stop(TOO_MANY_NAMES);
        }
    }

    /// Looks at the bounds after one token.
    fn measure(&self) {
        let sink = &self.inner.sink;
        let elements = sink.elements.get();
        // Between two counts the builder cannot hold more than it held and was given since.
        let held_at_most = self.held.get() + (elements - self.elements_then.get());
        let tokens = self.tokens_since.get() + 1;
        self.tokens_since.set(tokens);
        if tokens < TOKENS_PER_COUNT && held_at_most <= HTML_DEPTH_MAX + OTHER_HANDLES {
            return;
        }
        let count = HandleCount(Cell::new(0));
        self.inner.trace_handles(&count);
        let held = count.0.get();
        self.held.set(held);
        self.elements_then.set(elements);
        self.tokens_since.set(0);
        self.steps.set(self.steps.get() + held as u64 * u64::from(tokens));
        if held > HTML_DEPTH_MAX + OTHER_HANDLES && self.depth() > HTML_DEPTH_MAX {
            self.stop(TOO_DEEP);
        } else if self.steps.get() > self.steps_max {
            self.stop(TOO_MANY_STEPS);
        } else if elements + sink.attributes.get() > self.nodes_max {
            self.stop(TOO_MANY_NODES);
        }
    }

    /// How deep the next text would stand, give or take the head and form that the builder points
    /// to: elements that are open, and unclosed formatting elements that it would reopen.
    fn depth(&self) -> usize {
        let list = HandleList(RefCell::new(Vec::with_capacity(2 * HTML_DEPTH_MAX)));
        self.inner.trace_handles(&list);
        let mut handles = list.0.into_inner();
        handles.sort_unstable();
        handles.dedup();
        // A formatting element may be both open and listed for reopening.
        handles.len().saturating_sub(OTHER_HANDLES)
    }
}

impl TokenSink for BoundedBuilder {
    type Handle = NodeId;

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<NodeId> {
        match &token {
            // Nobody reads them, and a duplicate attribute must not pass for progress.
            Token::ParseError(_) => return TokenSinkResult::Continue,
            Token::TagToken(tag) => self.inspect(tag),
            _ => {}
        }
        self.tokens.set(self.tokens.get() + 1);
        if self.stopped.get().is_some() {
            return TokenSinkResult::Continue;
        }
        // The sink has no use for line numbers: a constant spares it the calls.
        let result = self.inner.process_token(token, 1);
        self.measure();
        result
    }

    fn end(&self) {
        self.inner.end();
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.inner.adjusted_current_node_present_but_not_in_html_namespace()
    }
}

/// Counts what the builder holds.
struct HandleCount(Cell<usize>);

impl Tracer for HandleCount {
    type Handle = NodeId;

    fn trace_handle(&self, _node: &NodeId) {
        self.0.set(self.0.get() + 1);
    }
}

/// Lists what the builder holds.
struct HandleList(RefCell<Vec<NodeId>>);

impl Tracer for HandleList {
    type Handle = NodeId;

    fn trace_handle(&self, node: &NodeId) {
        self.0.borrow_mut().push(*node);
    }
}

/// `scraper`'s sink, with a count of what it was given.
///
/// Comments and processing instructions reach the builder, whose state they change, and end here:
/// nobody reads them. So a text node has an element beside it or around it, or it would have been
/// merged with the one before, and the bound on elements bounds texts as well.
struct CountingSink {
    inner: HtmlTreeSink,
    /// Stands for every comment and processing instruction, and is nowhere in the document.
    comment: NodeId,
    elements: Cell<usize>,
    attributes: Cell<usize>,
    /// Attributes of tags whose element existed: those of repeated `html` and `body` tags.
    added: Cell<usize>,
}

impl CountingSink {
    fn is_comment(&self, child: &NodeOrText<NodeId>) -> bool {
        matches!(child, NodeOrText::AppendNode(id) if *id == self.comment)
    }
}

impl TreeSink for CountingSink {
    type Handle = NodeId;
    type Output = Html;
    type ElemName<'a> = Ref<'a, QualName>;

    fn finish(self) -> Html {
        self.inner.finish()
    }

    fn parse_error(&self, _message: Cow<'static, str>) {}

    fn get_document(&self) -> NodeId {
        self.inner.get_document()
    }

    fn elem_name<'a>(&'a self, target: &'a NodeId) -> Ref<'a, QualName> {
        self.inner.elem_name(target)
    }

    fn create_element(
        &self,
        name: QualName,
        attributes: Vec<Attribute>,
        flags: ElementFlags,
    ) -> NodeId {
        self.elements.set(self.elements.get() + 1);
        self.attributes.set(self.attributes.get() + attributes.len());
        self.inner.create_element(name, attributes, flags)
    }

    fn create_comment(&self, _text: StrTendril) -> NodeId {
        self.comment
    }

    fn create_pi(&self, _target: StrTendril, _data: StrTendril) -> NodeId {
        self.comment
    }

    fn append(&self, parent: &NodeId, child: NodeOrText<NodeId>) {
        if !self.is_comment(&child) {
            self.inner.append(parent, child);
        }
    }

    fn append_based_on_parent_node(
        &self,
        element: &NodeId,
        previous: &NodeId,
        child: NodeOrText<NodeId>,
    ) {
        if !self.is_comment(&child) {
            self.inner.append_based_on_parent_node(element, previous, child);
        }
    }

    fn append_doctype_to_document(
        &self,
        name: StrTendril,
        public_id: StrTendril,
        system_id: StrTendril,
    ) {
        self.inner.append_doctype_to_document(name, public_id, system_id);
    }

    fn get_template_contents(&self, target: &NodeId) -> NodeId {
        self.inner.get_template_contents(target)
    }

    fn same_node(&self, x: &NodeId, y: &NodeId) -> bool {
        x == y
    }

    fn set_quirks_mode(&self, mode: QuirksMode) {
        self.inner.set_quirks_mode(mode);
    }

    fn append_before_sibling(&self, sibling: &NodeId, child: NodeOrText<NodeId>) {
        if !self.is_comment(&child) {
            self.inner.append_before_sibling(sibling, child);
        }
    }

    fn add_attrs_if_missing(&self, target: &NodeId, attributes: Vec<Attribute>) {
        // LIMIT: each one is inserted into a sorted list, and no page needs many.
        self.added.set(self.added.get() + attributes.len());
        if self.added.get() > HTML_ATTRIBUTES_MAX {
            return;
        }
        self.inner.add_attrs_if_missing(target, attributes);
    }

    fn remove_from_parent(&self, target: &NodeId) {
        self.inner.remove_from_parent(target);
    }

    fn reparent_children(&self, node: &NodeId, new_parent: &NodeId) {
        self.inner.reparent_children(node, new_parent);
    }
}
