//! The rules over single files, each a function from one file to its complaints.
//!
//! Does not know which files there are; a rule looks at the path to see whether it applies. Rules
//! over imports are in `layers`, `purity` and `rings`.
//!
//! Invariant: a complaint begins with the path and the line, as compilers write them.

use crate::scan::{functions, head, words_at};
use crate::text::Text;

const COLUMNS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

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
    if !text.is_in(&["src/"]) || text.is_in(&["src/runtime/"]) {
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
    if text.is_in(&["src/os/", "src/runtime/"]) || is_allocator {
        return Vec::new();
    }
    let why = "unsafe outside src/os and src/runtime";
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
    let doors = ["src/cli/", "src/main.rs"];
    if !text.is_in(&["src/"]) || text.is_in(&doors) {
        return Vec::new();
    }
    let why = "prints; hint: hand it to cli";
    text.complain(&text.code, why, |line| {
        let macros = ["print", "println", "eprint", "eprintln"];
        let mut found = macros.iter().flat_map(|name| words_at(line, name).into_iter().zip([name]));
        found.any(|(at, name)| line[at + name.len()..].starts_with('!'))
    })
}

/// Every file of src begins with a header, which begins with a sentence.
pub(crate) fn headers(text: &Text) -> Vec<String> {
    if !text.is_in(&["src/"]) {
        return Vec::new();
    }
    let lines = text.raw.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let first: Vec<_> =
        lines.skip_while(|line| line.is_empty()).take_while(|l| !l.is_empty()).collect();
    // A colon leads to a list or an example.
    let is_sentence = first.last().is_some_and(|last| last.ends_with(['.', ':', '?', '!']));
    let why =
        "the header is missing or begins with no sentence; hint: `//!` and what the module does";
    if is_sentence { Vec::new() } else { vec![text.at(0, why)] }
}
