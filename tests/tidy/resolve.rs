//! Which file defines what another file names: imports followed through modules and re-exports.
//!
//! Knows modules and names, not types: what a method or a trait brings along is no import. A name
//! that cannot be found in a module, such as one that a macro makes, counts as defined in its file.
//!
//! Invariant: files under `#[cfg(test)]` neither import nor are imported.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::slice::from_ref;

use crate::imports::{Module, Use, modules};
use crate::text::Text;

/// How many imports and re-exports are followed one after another; `use a::a` has no end.
const HOPS_MAX: usize = 16;

/// The file of a module that has none.
const NO_FILE: &str = "";

/// The names that files take from each other: file, file, names.
pub(crate) type Edges<'a> = BTreeMap<&'a str, BTreeMap<&'a str, BTreeSet<String>>>;

/// What a name stands for.
#[derive(Clone, Copy)]
enum Target {
    Module(usize),
    /// Something that is defined in this module.
    Item(usize),
    /// Something of another crate, or a local variable.
    Outside,
}

/// All modules of a crate.
struct Tree<'a> {
    modules: Vec<Module>,
    /// The path of each module's file.
    files: Vec<&'a str>,
    by_path: HashMap<Vec<String>, usize>,
}

/// What the files of the crate in the folder `top`, such as `src/`, take from each other.
pub(crate) fn edges<'a>(texts: &'a [Text], top: &str) -> Edges<'a> {
    let tree = Tree::new(texts, top);
    let mut edges = Edges::new();
    for from in 0..tree.modules.len() {
        for (to, name) in tree.names_taken(from) {
            let (from, to) = (tree.files[from], tree.files[to]);
            if from != to && to != NO_FILE {
                edges.entry(from).or_default().entry(to).or_default().insert(name);
            }
        }
    }
    edges
}

/// The module that the file `path` of the crate in `top` is: `None` for files outside it. A crate
/// with a library and a program is taken for the library.
pub(crate) fn module_path(path: &str, top: &str) -> Option<Vec<String>> {
    let inner = path.strip_prefix(top)?.strip_suffix(".rs")?;
    let parts: Vec<_> = inner.split('/').map(str::to_owned).collect();
    match (parts.len(), parts.last()?.as_str()) {
        (1, "lib" | "main") => Some(Vec::new()),
        (_, "mod") => Some(parts[..parts.len() - 1].to_vec()),
        _ => Some(parts),
    }
}

/// The modules with a file of their own that are only for tests: what lies below them is, too.
pub(crate) fn test_modules(texts: &[Text], top: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for text in texts {
        if let Some(path) = module_path(&text.path, top) {
            let names = text.test_modules.iter();
            found.extend(names.map(|name| [&path[..], from_ref(name)].concat()));
        }
    }
    found
}

impl<'a> Tree<'a> {
    fn new(texts: &'a [Text], top: &str) -> Self {
        let mut tree = Self { modules: Vec::new(), files: Vec::new(), by_path: HashMap::new() };
        let tests = test_modules(texts, top);
        let has_library = texts.iter().any(|text| text.path == format!("{top}lib.rs"));
        for text in texts {
            let is_program = has_library && text.path == format!("{top}main.rs");
            let Some(path) = module_path(&text.path, top) else { continue };
            if is_program || tests.iter().any(|test| path.starts_with(test)) {
                continue;
            }
            for module in modules(path, &text.shipped) {
                tree.add(module, &text.path);
            }
        }
        // A folder without a file of its own is a module all the same: it holds others.
        let paths: Vec<_> = tree.by_path.keys().cloned().collect();
        for path in paths.iter().flat_map(|path| (0..path.len()).map(|length| &path[..length])) {
            if !tree.by_path.contains_key(path) {
                tree.add(Module { path: path.to_vec(), ..Module::default() }, NO_FILE);
            }
        }
        tree
    }

    fn add(&mut self, module: Module, file: &'a str) {
        self.by_path.insert(module.path.clone(), self.modules.len());
        self.modules.push(module);
        self.files.push(file);
    }

    /// What the module takes from others: the module that defines it, and its name.
    fn names_taken(&self, from: usize) -> Vec<(usize, String)> {
        let module = &self.modules[from];
        let mut taken = Vec::new();
        for import in &module.uses {
            if import.name == "*" {
                taken.extend(self.names_of_glob(from, import));
            }
            // A plain re-export imports nothing; one whose name is used here does.
            if !import.is_reexport || module.words.contains(&import.name) {
                taken.extend(self.item(from, &import.path));
            }
        }
        taken.extend(module.paths.iter().filter_map(|(_, path)| self.item(from, path)));
        taken
    }

    /// What `use x::*` in the module `from` takes: of all that x holds, what `from` mentions.
    fn names_of_glob(&self, from: usize, import: &Use) -> Vec<(usize, String)> {
        let (Target::Module(held), _) = self.resolve(from, &import.path, 0) else {
            return Vec::new();
        };
        let own = &self.modules[from];
        let mentioned = own.words.iter().filter(|word| !own.items.contains(*word));
        let found = mentioned.filter_map(|word| match self.lookup(held, word, 0) {
            Some(Target::Item(file)) => Some((file, word.clone())),
            _ => None,
        });
        found.collect()
    }

    /// The item that `path` leads to from the module `from`, and its name.
    fn item(&self, from: usize, path: &[String]) -> Option<(usize, String)> {
        match self.resolve(from, path, 0) {
            (Target::Item(module), idx) => Some((module, path[idx].clone())),
            _ => None,
        }
    }

    /// What `path` leads to from the module `from`, and which of its words names it.
    fn resolve(&self, from: usize, path: &[String], hops: usize) -> (Target, usize) {
        if hops == HOPS_MAX {
            return (Target::Outside, 0);
        }
        let mut target = Target::Module(from);
        for (idx, word) in path.iter().enumerate() {
            let Target::Module(at) = target else { return (target, idx - 1) };
            let base = &self.modules[at].path;
            let base_path = match word.as_str() {
                "crate" => Some(&[][..]),
                "self" => Some(&base[..]),
                "super" => Some(base.split_last().map_or(&[][..], |(_, above)| above)),
                _ => None,
            };
            target = match base_path {
                Some(path) => {
                    self.by_path.get(path).map_or(Target::Outside, |m| Target::Module(*m))
                }
                None => match self.lookup(at, word, hops + 1) {
                    Some(found) => found,
                    None if idx == 0 => Target::Outside,
                    None => Target::Item(at),
                },
            };
        }
        (target, path.len() - 1)
    }

    /// What `name` stands for in the module `at`.
    fn lookup(&self, at: usize, name: &str, hops: usize) -> Option<Target> {
        if hops >= HOPS_MAX {
            return None;
        }
        let module = &self.modules[at];
        let child = [&module.path[..], &[name.to_owned()]].concat();
        if let Some(child) = self.by_path.get(&child) {
            return Some(Target::Module(*child));
        }
        if module.items.contains(name) {
            return Some(Target::Item(at));
        }
        if let Some(import) = module.uses.iter().find(|import| import.name == name) {
            return Some(self.resolve(at, &import.path, hops + 1).0);
        }
        let globs = module.uses.iter().filter(|import| import.name == "*");
        let mut held = globs.filter_map(|glob| match self.resolve(at, &glob.path, hops + 1).0 {
            Target::Module(held) if held != at => self.lookup(held, name, hops + 1),
            _ => None,
        });
        held.find(|target| !matches!(target, Target::Outside))
    }
}
