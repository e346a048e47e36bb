//! What a file imports: its modules, with the `use`s, the paths and the items of each.
//!
//! Does not know which files there are, so a path is only what is written; `resolve` follows it.

use std::collections::HashSet;

use crate::scan::{Token, tokens};

const ITEM_KEYWORDS: [&str; 8] =
    ["fn", "struct", "enum", "union", "trait", "type", "const", "static"];

/// One module: a file, or a `mod x { .. }` in it.
#[derive(Default)]
pub(crate) struct Module {
    /// Its path from the crate's root, which is empty.
    pub(crate) path: Vec<String>,
    pub(crate) uses: Vec<Use>,
    /// Every path of two words or more outside `use`, and where it stands.
    pub(crate) paths: Vec<(usize, Vec<String>)>,
    /// The names of what is defined in it, but for its modules.
    pub(crate) items: HashSet<String>,
    /// Every word outside `use`.
    pub(crate) words: HashSet<String>,
}

/// One leaf of a `use`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) line_idx: usize,
    pub(crate) path: Vec<String>,
    /// The name that it brings into scope: `*` for all that the path holds.
    pub(crate) name: String,
    /// Whether it says `pub`, in any form.
    pub(crate) is_reexport: bool,
}

/// The modules of a file whose own module has the path `path`: that one first.
pub(crate) fn modules(path: Vec<String>, code: &str) -> Vec<Module> {
    let tokens = tokens(code);
    let mut reader = Reader { tokens: &tokens, at: 0, depth: 0, modules: Vec::new(), open: vec![] };
    reader.open(path);
    while reader.at < tokens.len() {
        reader.step();
    }
    reader.modules
}

/// `crate` and what follows it in `path`, which stands in the module `module`; `None` for a path
/// that begins otherwise than with `crate`, `self` or `super`.
pub(crate) fn absolute(module: &[String], path: &[String]) -> Option<Vec<String>> {
    let mut base = match path.first()?.as_str() {
        "crate" => &[][..],
        "self" | "super" => module,
        _ => return None,
    };
    let mut rest = path;
    while let Some((first, others)) = rest.split_first() {
        match first.as_str() {
            "super" => base = base.split_last().map_or(base, |(_, above)| above),
            "crate" | "self" => {}
            _ => break,
        }
        rest = others;
    }
    Some([base, rest].concat())
}

struct Reader<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    /// How many braces are open.
    depth: usize,
    modules: Vec<Module>,
    /// The modules around `at`: their places in `modules` and the depth of what they hold.
    open: Vec<(usize, usize)>,
}

impl Reader<'_> {
    fn open(&mut self, path: Vec<String>) {
        self.open.push((self.modules.len(), self.depth));
        self.modules.push(Module { path, ..Module::default() });
    }

    fn module(&mut self) -> &mut Module {
        let (idx, _) = self.open.last().expect("the file's own module stays open");
        &mut self.modules[*idx]
    }

    /// The text of the token `ahead` of this one; empty behind the last.
    fn peek(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", |token| token.text)
    }

    fn step(&mut self) {
        let token = self.tokens[self.at];
        match token.text {
            "{" => self.depth += 1,
            "}" => {
                self.depth = self.depth.saturating_sub(1);
                if self.open.len() > 1 && self.open.last().is_some_and(|(_, d)| *d > self.depth) {
                    self.open.pop();
                }
            }
            "pub" => {
                self.skip_visibility();
                if self.peek(0) == "use" {
                    self.uses(true);
                }
                return;
            }
            // Not `impl X + use<'a>`.
            "use" if self.peek(1) != "<" => return self.uses(false),
            "mod" if self.peek(2) == "{" => {
                let name = self.peek(1).to_owned();
                let path = [&self.module().path[..], &[name]].concat();
                self.depth += 1;
                self.open(path);
                self.at += 3;
                return;
            }
            "mod" => self.at += 1,
            "macro_rules" => self.define(2),
            keyword if ITEM_KEYWORDS.contains(&keyword) => self.define(1),
            _ if token.is_word() => return self.path(),
            _ => {}
        }
        self.at += 1;
    }

    /// Steps over `pub` and what it is restricted to.
    fn skip_visibility(&mut self) {
        self.at += 1;
        if self.peek(0) == "(" && matches!(self.peek(1), "crate" | "self" | "super" | "in") {
            while !matches!(self.peek(0), ")" | "") {
                self.at += 1;
            }
            self.at += 1;
        }
    }

    /// Takes the name `ahead` of the keyword for an item of this module, if it stands in no block.
    fn define(&mut self, ahead: usize) {
        let (_, depth) = *self.open.last().expect("the file's own module stays open");
        let ahead = if self.peek(ahead) == "mut" { ahead + 1 } else { ahead };
        // `const fn` has its name behind the next keyword.
        let is_name = !matches!(self.peek(ahead), "fn" | "unsafe" | "async" | "extern" | "_");
        if depth == self.depth && is_name {
            let name = self.peek(ahead).to_owned();
            self.module().items.insert(name);
        }
    }

    /// Reads the path that begins here.
    fn path(&mut self) {
        let first = self.at;
        let mut path = vec![self.peek(0).to_owned()];
        let is_word = |at: usize| self.tokens.get(at).is_some_and(Token::is_word);
        while self.peek(1) == "::" && is_word(self.at + 2) {
            self.at += 2;
            path.push(self.peek(0).to_owned());
        }
        self.at += 1;
        // Behind `.` stands a method, and behind `::` the rest of a path that was cut in two.
        let before = first.checked_sub(1).map_or("", |at| self.tokens[at].text);
        let line_idx = self.tokens[first].line_idx;
        let module = self.module();
        module.words.extend(path.iter().cloned());
        if path.len() > 1 && !matches!(before, "." | "::") {
            module.paths.push((line_idx, path));
        }
    }

    /// Reads the `use` that begins here, up to its semicolon.
    fn uses(&mut self, is_reexport: bool) {
        self.at += 1;
        self.tree(Vec::new(), is_reexport);
        self.at += 1;
    }

    /// Reads one tree of a `use`, which `prefix` leads to, up to the `,`, `}` or `;` behind it.
    fn tree(&mut self, mut path: Vec<String>, is_reexport: bool) {
        let line_idx = self.tokens.get(self.at).map_or(0, |token| token.line_idx);
        let mut name = None;
        loop {
            match self.peek(0) {
                // `use ::x` is another crate.
                "::" if path.is_empty() => path.push("::".to_owned()),
                "::" => {}
                "{" => {
                    while !matches!(self.peek(0), "}" | ";" | "") {
                        self.at += 1;
                        self.tree(path.clone(), is_reexport);
                    }
                    self.at += 1;
                    return;
                }
                "as" => {
                    self.at += 1;
                    name = Some(self.peek(0).to_owned());
                }
                "*" => name = Some("*".to_owned()),
                "," | "}" | ";" | "" => break,
                word => path.push(word.to_owned()),
            }
            self.at += 1;
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let Some(last) = path.last() else { return };
        let name = name.unwrap_or_else(|| last.clone());
        // `{a, b,}` ends in a tree that is empty; its path is that of the group, and names nothing.
        let is_empty = matches!(self.tokens[self.at - 1].text, "," | "{");
        if !is_empty {
            self.module().uses.push(Use { line_idx, path, name, is_reexport });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(path: &str) -> Vec<String> {
        path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// Checks that `code` has these leaves of `use`: path, name, `pub` where it is a re-export.
    fn check_uses(code: &str, wanted: &[&str]) {
        let modules = modules(Vec::new(), code);
        let found: Vec<_> = modules.iter().flat_map(|module| &module.uses).collect();
        let told = found.iter().map(|found| {
            let path = found.path.join("::");
            format!("{path} {}{}", found.name, if found.is_reexport { " pub" } else { "" })
        });
        assert_eq!(told.collect::<Vec<_>>(), wanted, "{code}");
    }

    #[test]
    fn every_leaf_of_a_use_is_found() {
        check_uses("use crate::a::B;", &["crate::a::B B"]);
        check_uses(
            "use a::{b::{self, C}, d as e,};\nuse f;",
            &["a::b b", "a::b::C C", "a::d e", "f f"],
        );
        check_uses("use super::*; use a::{b::*, c::{}};", &["super *", "a::b *"]);
        check_uses("pub use a::B; pub(in crate::x) use c::D;", &["a::B B pub", "c::D D pub"]);
        check_uses("fn f() -> impl X + use<'a> { use a::B; }", &["a::B B"]);
        check_uses("mod a { use super::B; }", &["super::B B"]);
    }

    #[test]
    fn paths_items_and_words_are_found() {
        let code = "pub(in crate::x) const fn f(x: a::B) { x.iter::<c::D>().e::<F>(); ..k::l() }\n\
                    static mut G: &'static u8 = self::h; impl I { fn j() {} }";
        let modules = modules(Vec::new(), code);
        let paths: Vec<_> = modules[0].paths.iter().map(|(_, path)| path.join("::")).collect();
        assert_eq!(paths, ["a::B", "c::D", "k::l", "self::h"]);
        let mut items: Vec<_> = modules[0].items.iter().collect();
        items.sort();
        assert_eq!(items, ["G", "f"]);
        assert!(modules[0].words.contains("iter") && !modules[0].words.contains("static"));
    }

    #[test]
    fn a_module_in_a_file_has_a_path_of_its_own() {
        let modules = modules(strings("a::b"), "fn f() {} mod c { fn g() {} } fn h() {}");
        let told: Vec<_> = modules.iter().map(|m| (m.path.join("::"), m.items.len())).collect();
        assert_eq!(told, [("a::b".to_owned(), 2), ("a::b::c".to_owned(), 1)]);
    }

    #[test]
    fn paths_are_followed_from_where_they_stand() {
        let check = |path: &str, wanted: Option<&str>| {
            let found = absolute(&strings("a::b"), &strings(path));
            assert_eq!(found, wanted.map(strings), "{path}");
        };
        check("crate::c::D", Some("c::D"));
        check("self::c", Some("a::b::c"));
        check("super::c", Some("a::c"));
        check("super::super::c", Some("c"));
        check("std::fs", None);
    }
}
