//! The walk through a page's tree in document order, without recursion.

use ego_tree::{NodeId, NodeRef};
use html5ever::{LocalName, local_name};
use scraper::Node;

/// Whether the children of a node are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Descend {
    Yes,
    No,
}

/// What the walk meets.
pub(super) enum Visit<'a> {
    /// A node begins; the answer says whether its children are read.
    Enter(NodeRef<'a, Node>),
    /// A node whose children were read ends; the answer is not looked at.
    Leave(NodeId),
}

/// Walks the tree under `top` in document order.
pub(super) fn read_in_order<'a>(
    top: NodeRef<'a, Node>,
    mut visit: impl FnMut(Visit<'a>) -> Descend,
) {
    let mut node = top;
    loop {
        let descend = visit(Visit::Enter(node));
        if descend == Descend::Yes {
            if let Some(child) = node.first_child() {
                node = child;
                continue;
            }
            visit(Visit::Leave(node.id()));
        }
        while node.id() != top.id() {
            if let Some(sibling) = node.next_sibling() {
                node = sibling;
                break;
            }
            let Some(parent) = node.parent() else { return };
            node = parent;
            visit(Visit::Leave(node.id()));
        }
        if node.id() == top.id() {
            return;
        }
    }
}

/// Whether readers never see the text in this element.
pub(super) fn is_silent(name: &LocalName) -> bool {
    matches!(
        *name,
        local_name!("script")
            | local_name!("style")
            | local_name!("template")
            | local_name!("noscript")
    )
}
