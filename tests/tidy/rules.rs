//! The rules, each a function from one file to its complaints.
//!
//! Does not know which files there are; a rule looks at the path to see whether it applies.
//!
//! Invariant: a complaint begins with the path and the line, as compilers write them.

use crate::Text;
use crate::scan::{crate_paths, functions, head, words_at};

const COLUMNS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// Every top-level module and its floor. A module may name itself and what lies on lower floors.
pub(crate) const FLOORS: &[(&str, u32)] = &[
    ("base", 0),
    ("os", 1),
    ("runtime", 2),
    ("http", 3),
    ("extract", 3),
    ("stats", 3),
    ("input", 3),
    ("net", 5),
    ("client", 6),
    ("testserver", 7),
    ("fetch", 9),
    ("bench", 9),
    ("compare", 10),
    ("report", 12),
    ("cli", 13),
];

pub(crate) fn floors(text: &Text) -> Vec<String> {
    let Some(module) = text.module() else { return Vec::new() };
    let floor = |name: &str| FLOORS.iter().find(|(known, _)| *known == name).map(|(_, f)| *f);
    let Some(own) = floor(module) else {
        return vec![
            text.at(0, &format!("{module} has no floor; hint: FLOORS in tests/tidy/rules.rs")),
        ];
    };
    // As many steps up as the file is deep end in the crate's root, and what follows is a floor.
    let depth = text.path.trim_end_matches("/mod.rs").split('/').count() - 1;
    let climb = vec!["super"; depth.max(2)].join("::");
    let why = format!("{climb} may climb to another floor; hint: say crate::");
    let mut complaints = text.complain(&text.code, &why, |line| line.contains(&climb));
    for (line_idx, name) in crate_paths(&text.code) {
        if name != module && floor(&name).is_none_or(|other| other >= own) {
            let why = format!("{module} may not use crate::{name}; hint: see the floors in lib.rs");
            complaints.push(text.at(line_idx, &why));
        }
    }
    complaints
}

pub(crate) fn columns(text: &Text) -> Vec<String> {
    let why = format!("the line is longer than {COLUMNS_MAX} columns");
    text.complain(&text.raw, &why, |line| line.chars().count() > COLUMNS_MAX)
}

pub(crate) fn file_length(text: &Text) -> Vec<String> {
    let count = text.raw.lines().count();
    let why = format!("the file has {count} lines, more than {FILE_LINES_MAX}");
    if count > FILE_LINES_MAX { vec![text.at(FILE_LINES_MAX, &why)] } else { Vec::new() }
}

pub(crate) fn function_length(text: &Text) -> Vec<String> {
    let long = functions(&text.code).into_iter().filter(|(.., lines)| *lines > FUNCTION_LINES_MAX);
    long.map(|(line_idx, name, lines)| {
        let why = format!("fn {name} has {lines} lines, more than {FUNCTION_LINES_MAX}");
        text.at(line_idx, &why)
    })
    .collect()
}

pub(crate) fn banned_words(text: &Text) -> Vec<String> {
    // In two pieces each, so that this file does not offend.
    let words = [
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("d", "bg!("),
        concat!("#[al", "low("),
        concat!("#![al", "low("),
        concat!("#[ign", "ore"),
        concat!("FIX", "ME"),
        concat!("X", "XX"),
    ];
    let found = words.iter().map(|word| {
        text.complain(&text.raw, &format!("{word} is banned"), |line| line.contains(word))
    });
    found.flatten().collect()
}

pub(crate) fn clocks(text: &Text) -> Vec<String> {
    if !text.is_in(&["src/"]) || text.is_in(&["src/runtime/", "src/os/"]) {
        return Vec::new();
    }
    let calls = ["Instant::now", "SystemTime::now", concat!("thread::", "sleep")];
    let why = "clocks and pauses live in src/runtime; hint: take `now` as an argument";
    text.complain(&text.code, why, |line| calls.iter().any(|call| line.contains(call)))
}

pub(crate) fn sleeps(text: &Text) -> Vec<String> {
    if !text.is_in(&["tests/"]) {
        return Vec::new();
    }
    let calls = [concat!("thread::", "sleep"), concat!("sleep", "(Duration")];
    let why = "a test sleeps; hint: wait for the thing itself";
    text.complain(&text.raw, why, |line| calls.iter().any(|call| line.contains(call)))
}

pub(crate) fn unsafe_code(text: &Text) -> Vec<String> {
    // A counting allocator cannot be written without it, and is how a test sees allocations.
    let is_allocator = !text.is_in(&["src/"]) && text.code.contains("GlobalAlloc");
    if text.is_in(&["src/runtime/", "src/os/"]) || is_allocator {
        return Vec::new();
    }
    let why = "unsafe outside src/runtime";
    text.complain(&text.code, why, |line| !words_at(line, "unsafe").is_empty())
}

pub(crate) fn names(text: &Text) -> Vec<String> {
    let banned =
        ["util", "utils", "common", "helper", "helpers", "manager", "managers", "misc", "stuff"];
    let mut parts = text.path.trim_end_matches(".rs").split('/');
    let mut complaints = Vec::new();
    if parts.any(|part| banned.contains(&part)) {
        complaints.push(text.at(0, "the path says nothing; hint: name what the module holds"));
    }
    let is_banned = |line: &str| {
        let mut modules = words_at(line, "mod").into_iter();
        modules.any(|at| banned.contains(&head(line[at + 3..].trim_start()).as_str()))
    };
    complaints.extend(text.complain(&text.code, "the module's name says nothing", is_banned));
    complaints.extend(text.complain(&text.code, "a getter is called by its field", |line| {
        // What html5ever's TreeSink calls its own is not ours to name.
        let demanded = ["get_document(", "get_template_contents("];
        let is_getter = |name: &str| {
            name.starts_with("get_") && !demanded.iter().any(|theirs| name.starts_with(theirs))
        };
        words_at(line, "fn").iter().any(|at| is_getter(line[at + 2..].trim_start()))
    }));
    complaints
}

pub(crate) fn printing(text: &Text) -> Vec<String> {
    let doors = ["src/cli/", "src/cli.rs", "src/command/", "src/report/"];
    if !text.is_in(&["src/"]) || text.is_in(&doors) {
        return Vec::new();
    }
    let why = "prints; hint: hand it to report, command or cli";
    text.complain(&text.code, why, |line| {
        let macros = ["print", "println", "eprint", "eprintln"];
        let mut found = macros.iter().flat_map(|name| words_at(line, name).into_iter().zip([name]));
        found.any(|(at, name)| line[at + name.len()..].starts_with('!'))
    })
}

/// Every file of src begins with a header of a paragraph at least.
pub(crate) fn headers(text: &Text) -> Vec<String> {
    if !text.is_in(&["src/"]) {
        return Vec::new();
    }
    let lines = text.raw.lines().map_while(|line| line.strip_prefix("//!"));
    let header: Vec<_> = lines.map(str::trim).collect();
    let paragraphs = header.split(|line| line.is_empty()).filter(|p| !p.is_empty()).count();
    let why = "there is no header; hint: say what the module does, and its invariant if any";
    if paragraphs == 0 { vec![text.at(0, why)] } else { Vec::new() }
}
