//! Rings of files: those that import each other, directly or through more of them.
//!
//! A ring is a strongly connected component of two files or more, found as in R. Tarjan,
//! "Depth-first search and linear graph algorithms", SIAM Journal on Computing 1 (1972).

use std::collections::HashMap;

use crate::resolve::{Edges, edges};
use crate::text::Text;

/// A complaint about every ring of files of the crate in the folder `top`: the files, and which
/// names each takes from which.
pub(crate) fn rings(texts: &[Text], top: &str) -> Vec<String> {
    let edges = edges(texts, top);
    components(&edges).iter().map(|ring| told(ring, &edges)).collect()
}

fn told(ring: &[&str], edges: &Edges) -> String {
    let mut text = format!("{}:1: a ring of {} files: {}", ring[0], ring.len(), ring.join(" "));
    for from in ring {
        for (to, names) in edges[from].iter().filter(|(to, _)| ring.contains(to)) {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            text.push_str(&format!("\n    {from} takes from {to}: {}", names.join(", ")));
        }
    }
    text
}

/// The strongly connected components of two files or more, in the order of their paths.
fn components<'a>(edges: &Edges<'a>) -> Vec<Vec<&'a str>> {
    let mut search = Search { edges, seen: HashMap::new(), path: Vec::new(), found: Vec::new() };
    for file in edges.keys() {
        search.visit(file);
    }
    search.found.sort();
    search.found
}

struct Search<'a, 'e> {
    edges: &'e Edges<'a>,
    /// When each file was first seen.
    seen: HashMap<&'a str, usize>,
    /// The files whose component is not complete.
    path: Vec<&'a str>,
    found: Vec<Vec<&'a str>>,
}

impl<'a> Search<'a, '_> {
    /// Visits what `file` leads to, and returns the earliest file on the path that it leads to.
    fn visit(&mut self, file: &'a str) -> usize {
        if let Some(seen) = self.seen.get(file) {
            return if self.path.contains(&file) { *seen } else { usize::MAX };
        }
        let (own, start) = (self.seen.len(), self.path.len());
        self.seen.insert(file, own);
        self.path.push(file);
        let mut earliest = own;
        for next in self.edges.get(file).into_iter().flat_map(|to| to.keys()) {
            earliest = earliest.min(self.visit(next));
        }
        if earliest == own {
            let mut component = self.path.split_off(start);
            component.sort_unstable();
            if component.len() > 1 {
                self.found.push(component);
            }
        }
        earliest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks which rings these files have, each told as its files.
    fn check(files: &[(&str, &str)], wanted: &[&[&str]]) {
        let texts: Vec<_> = files.iter().map(|(path, text)| Text::new(path, text)).collect();
        assert_eq!(components(&edges(&texts, "src/")), wanted, "{files:?}");
    }

    const PAIR: &[&[&str]] = &[&["src/a.rs", "src/b.rs"]];
    const CHILD: &[&[&str]] = &[&["src/a.rs", "src/a/b.rs"]];
    const SIBLINGS: &[&[&str]] = &[&["src/a/b.rs", "src/a/c.rs"]];

    #[test]
    fn two_files_that_import_each_other_are_a_ring() {
        check(&[("src/a.rs", "use crate::b::B;"), ("src/b.rs", "use crate::a::A;")], PAIR);
        check(
            &[("src/a.rs", "use crate::{b::{B, C}};"), ("src/b.rs", "fn f(a: crate::a::A) {}")],
            PAIR,
        );
        check(
            &[("src/a.rs", "use crate::b; fn f() { b::f() }"), ("src/b.rs", "use super::a::A;")],
            PAIR,
        );
        check(
            &[
                ("src/a.rs", "use crate::b as c; fn f() { c::f() }"),
                ("src/b.rs", "use super::a::A;"),
            ],
            PAIR,
        );
        check(
            &[("src/a.rs", "mod c { use super::super::b::B; }"), ("src/b.rs", "use crate::a::A;")],
            PAIR,
        );
    }

    #[test]
    fn a_file_and_its_child_are_a_ring() {
        check(&[("src/a.rs", "mod b; fn f() { b::f() }"), ("src/a/b.rs", "use super::A;")], CHILD);
        check(&[("src/a.rs", "mod b; use b::B;"), ("src/a/b.rs", "fn f() { super::f() }")], CHILD);
        check(
            &[("src/a.rs", "mod b; use self::b::B;"), ("src/a/b.rs", "use crate::a::{self, C}; ")],
            CHILD,
        );
        let above = "mod b; use b::B; struct A;";
        check(&[("src/a.rs", above), ("src/a/b.rs", "use super::*; fn f(a: A) {}")], CHILD);
        check(
            &[
                ("src/a.rs", "mod b; pub use b::*; fn f(b: B) {}"),
                ("src/a/b.rs", "use super::A; pub struct B;"),
            ],
            CHILD,
        );
        // A re-export whose name is used beside it is an import.
        check(
            &[("src/a.rs", "mod b; pub use b::B; fn f(b: B) {}"), ("src/a/b.rs", "use super::A;")],
            CHILD,
        );
    }

    #[test]
    fn re_exports_are_followed_to_the_file_that_defines() {
        let above = "mod b; mod c; pub use b::B; pub(crate) use c::*;";
        let files = |b, c| [("src/a/mod.rs", above), ("src/a/b.rs", b), ("src/a/c.rs", c)];
        let (b, c) = ("pub struct B;", "pub struct C;");
        check(&files("use crate::a::C; pub struct B;", "use super::B; pub struct C;"), SIBLINGS);
        check(
            &files("use super::*; pub struct B(C);", "use super::b; pub struct C(b::B);"),
            SIBLINGS,
        );
        // Two steps: c takes B from another folder that has it from b.
        let far = [("src/d.rs", "pub use crate::a::B;")];
        let near = files("use super::C; pub struct B;", "use crate::d::B; pub struct C;");
        check(&[&near[..], &far].concat(), SIBLINGS);
        // No rings: a sibling by way of the module above is not that module.
        check(&files(b, "use super::B; pub struct C;"), &[]);
        check(&files("use crate::a::{C}; pub struct B;", c), &[]);
        check(&[&files(b, "use crate::d::B; pub struct C;")[..], &far].concat(), &[]);
    }

    #[test]
    fn three_files_in_a_circle_are_a_ring() {
        let files = [
            ("src/a.rs", "use crate::b::B; use crate::d::D;"),
            ("src/b.rs", "fn f() { crate::c::f() }"),
            ("src/c.rs", "use super::a::A;"),
            ("src/d.rs", "use std::a::A; use d::d; fn f(a: d::A) {}"),
        ];
        check(&files, &[&["src/a.rs", "src/b.rs", "src/c.rs"]]);
        check(&files[1..], &[]);
    }

    #[test]
    fn tests_comments_and_visibilities_import_nothing() {
        let child = "use super::A;";
        check(
            &[("src/a.rs", "#[cfg(test)] mod b;\nfn f() { b::f() }"), ("src/a/b.rs", child)],
            &[],
        );
        check(
            &[("src/a.rs", "#[cfg(test)] mod tests { use super::b::B; }"), ("src/a/b.rs", child)],
            &[],
        );
        check(&[("src/a.rs", "mod b; // crate::a::b::B"), ("src/a/b.rs", child)], &[]);
        check(
            &[("src/a.rs", "mod b; fn f() {}"), ("src/a/b.rs", "pub(in crate::a) struct B;")],
            &[],
        );
    }

    #[test]
    fn a_ring_is_told_with_its_files_and_names() {
        let files = [("src/a.rs", "use crate::b::{B, C};"), ("src/b.rs", "use crate::a::A;")];
        let texts = files.map(|(path, text)| Text::new(path, text));
        let told = rings(&texts, "src/").join("\n");
        let wanted = "src/a.rs:1: a ring of 2 files: src/a.rs src/b.rs\n    src/a.rs takes from \
                      src/b.rs: B, C\n    src/b.rs takes from src/a.rs: A";
        assert_eq!(told, wanted);
    }
}
