//! The folders of src, lowest first, and what each may import: itself and what stands before it.
//!
//! The same list stands in two more places, which are held to this one.
//!
//! - ARCHITECTURE.md, under the heading `## Where is it`: the rows of a table whose first cell is
//!   one folder in backticks with a slash, in this order, and whose second cell names the folders
//!   that it may not import all the same, as in "| `http/` | os, runtime | its things |". Rows of
//!   another form, such as "| `lib.rs` |", are not looked at.
//! - src/lib.rs, in its module docs under the heading `# Folders`: a list whose items begin with a
//!   folder in backticks, "- `base`: what it holds" or "- [`base`]: what it holds", in this order.
//!   Its `mod` declarations are the same folders in any order.

use crate::imports::{absolute, modules};
use crate::resolve::module_path;
use crate::text::Text;

const SRC: &str = "src/";
const LIB: &str = "src/lib.rs";
const ARCHITECTURE: &str = "ARCHITECTURE.md";

/// Every folder, and those before it that it may not import all the same.
pub(crate) const FOLDERS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("os", &[]),
    ("runtime", &[]),
    ("http", &["os", "runtime"]),
    ("input", &["os", "runtime", "http"]),
    ("extract", &["os", "runtime", "http", "input"]),
    ("stats", &["runtime", "http", "input", "extract"]),
    ("net", &["http", "input", "extract", "stats"]),
    ("client", &["input", "extract", "stats"]),
    ("testserver", &["input", "extract", "client"]),
    ("fetch", &["testserver"]),
    ("bench", &["testserver", "fetch"]),
    ("compare", &[]),
    ("report", &["runtime", "net", "client", "testserver"]),
    ("cli", &[]),
];

/// The folder of src, or the file beside the folders, that `path` lies in. What joins the folders,
/// lib.rs and main.rs, stands above all of them.
fn folder_of(path: &str) -> Option<&str> {
    let inner = path.strip_prefix(SRC)?;
    let name = inner.split('/').next()?.trim_end_matches(".rs");
    (!matches!(inner, "lib.rs" | "main.rs")).then_some(name)
}

pub(crate) fn layers(text: &Text) -> Vec<String> {
    let Some(own) = folder_of(&text.path) else { return Vec::new() };
    let place = |name: &str| FOLDERS.iter().position(|(known, _)| *known == name);
    let Some(own_place) = place(own) else {
        let why = format!("{own} has no place; hint: FOLDERS in tests/tidy/layers.rs");
        return vec![text.at(0, &why)];
    };
    let mut complaints = Vec::new();
    for (line_idx, path) in crate_paths(text) {
        let name = path.first().map_or("*", String::as_str);
        let is_lower = place(name).is_some_and(|place| place < own_place);
        let is_barred = FOLDERS[own_place].1.contains(&name);
        if name != own && (!is_lower || is_barred) {
            let why = format!("{own} may not use crate::{name}; hint: see the folders in lib.rs");
            complaints.push(text.at(line_idx, &why));
        }
    }
    complaints
}

/// Every path in the file that stays in this crate, tests included, without its `crate`.
fn crate_paths(text: &Text) -> Vec<(usize, Vec<String>)> {
    let Some(path) = module_path(&text.path, SRC) else { return Vec::new() };
    let mut found = Vec::new();
    for module in modules(path, &text.code) {
        let uses = module.uses.iter().map(|import| (import.line_idx, &import.path));
        let paths = module.paths.iter().map(|(line_idx, path)| (*line_idx, path));
        found.extend(uses.chain(paths).filter_map(|(line_idx, path)| {
            absolute(&module.path, path).map(|path| (line_idx, path))
        }));
    }
    found
}

/// Complaints about ARCHITECTURE.md and lib.rs where they name other folders than the table, or
/// name them in another order.
pub(crate) fn lists(architecture: &str, lib: &Text) -> Vec<String> {
    let wanted: Vec<_> = FOLDERS.iter().map(|(name, _)| *name).collect();
    let mut sorted = wanted.clone();
    sorted.sort_unstable();
    let header: Vec<_> = lib.raw.lines().filter_map(|line| line.strip_prefix("//!")).collect();
    let header = header.join("\n");
    let declared = declared(lib);
    let (names, barred): (Vec<&str>, Vec<&str>) = table(architecture).into_iter().unzip();
    let wanted_barred: Vec<String> = FOLDERS.iter().map(|(_, barred)| barred.join(", ")).collect();
    let wanted_barred: Vec<&str> = wanted_barred.iter().map(String::as_str).collect();
    let found = [
        (ARCHITECTURE, "the table under `## Where is it`", names, &wanted),
        (ARCHITECTURE, "what they may not import, in that table", barred, &wanted_barred),
        (LIB, "the list under `# Folders`", items(&header), &wanted),
        (LIB, "the declared modules", declared.iter().map(String::as_str).collect(), &sorted),
    ];
    let wrong = found.iter().filter(|(_, _, found, wanted)| found != *wanted);
    wrong
        .map(|(path, what, found, wanted)| {
            let (found, wanted) = (found.join(" | "), wanted.join(" | "));
            format!("{path}:1: {what}: {found}; tests/tidy/layers.rs: {wanted}")
        })
        .collect()
}

/// The lines of `text` from the heading `heading` to the next.
fn section<'a>(text: &'a str, heading: &str) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().map(str::trim).skip_while(move |line| *line != heading);
    lines.skip(1).take_while(|line| !line.starts_with('#'))
}

/// The folders of the table, each with what its second cell says.
fn table(architecture: &str) -> Vec<(&str, &str)> {
    let rows = section(architecture, "## Where is it").filter_map(|line| line.strip_prefix('|'));
    let cells = rows.filter_map(|row| row.split_once('|'));
    let folders = cells.filter_map(|(folder, rest)| {
        let folder = folder.trim().strip_prefix('`')?.strip_suffix("/`")?;
        Some((folder, rest.split('|').next().unwrap_or_default().trim()))
    });
    folders.collect()
}

fn items(header: &str) -> Vec<&str> {
    let items = section(header, "# Folders").filter_map(|line| line.strip_prefix("- "));
    let names = items.filter_map(|item| item.trim_start_matches('[').strip_prefix('`'));
    names.filter_map(|item| item.split('`').next()).collect()
}

/// The modules that the code of `lib` declares, sorted.
fn declared(lib: &Text) -> Vec<String> {
    let lines = lib.shipped.lines().map(|line| line.trim().trim_start_matches("pub "));
    let names = lines.filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    let mut names: Vec<_> = names.map(str::to_owned).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ARCHITECTURE.md and lib.rs as they should be, for these folders.
    fn written(names: &[&str]) -> (String, Text) {
        let barred = |name: &str| FOLDERS.iter().find(|(known, _)| *known == name).map(|(_, b)| *b);
        let row = |name: &&str| {
            format!("| `{name}/` | {} | x |\n", barred(name).unwrap_or_default().join(", "))
        };
        let rows: String = names.iter().map(row).collect();
        let items: String =
            names.iter().map(|name| format!("//! - [`{name}`]: x,\n//! y\n")).collect();
        let mods: String = names.iter().rev().map(|name| format!("pub mod {name};\n")).collect();
        let heading =
            "# A\n| `a/` |\n## Where is it\n| folder | no | what |\n| --- | --- | --- |\n";
        let architecture = format!("{heading}{rows}| `lib.rs` | x |\n## B\n| `b/` |\n");
        let lib =
            format!("//! - `a`\n//!\n//! # Folders\n//!\n{items}//! # B\n//! - `b`\n\n{mods}");
        (architecture, Text::new(LIB, &lib))
    }

    #[test]
    fn the_three_lists_are_compared_with_the_order() {
        let names: Vec<_> = FOLDERS.iter().map(|(name, _)| *name).collect();
        let (architecture, lib) = written(&names);
        assert_eq!(lists(&architecture, &lib), [""; 0]);
        let other = architecture.replace("| os, runtime |", "| os |");
        assert_eq!(lists(&other, &lib).len(), 1);

        let mut swapped = names.clone();
        swapped.swap(1, 2);
        let (architecture, lib) = written(&swapped);
        assert_eq!(lists(&architecture, &lib).len(), 2, "{:?}", lists(&architecture, &lib));

        let (architecture, lib) = written(&names[1..]);
        assert_eq!(lists(&architecture, &lib).len(), 4);
        assert_eq!(lists("", &Text::new(LIB, "")).len(), 4);
    }

    #[test]
    fn a_folder_is_barred_only_from_what_stands_before_it() {
        for (place, (name, barred)) in FOLDERS.iter().enumerate() {
            let before = |other: &str| FOLDERS[..place].iter().any(|(known, _)| *known == other);
            assert!(barred.iter().all(|other| before(other)), "{name}");
        }
    }
}
