//! Holds the house rules over the repository's own text: floors, lengths, banned words, headers.
//!
//! Knows Rust only as far as a scanner of strings, comments and braces does; what needs types is
//! clippy's to find.
//!
//! Invariant: every rule has a sample that offends against it, so that none can be empty.

mod rules;
mod scan;

use std::fs;
use std::path::Path;

use scan::blank;

/// One file of the repository.
struct Text {
    /// Its path from the top, with `/`.
    path: String,
    raw: String,
    /// The same text with comments, strings and characters blanked, line for line.
    code: String,
}

impl Text {
    fn new(path: &str, raw: &str) -> Self {
        Self { path: path.to_owned(), raw: raw.to_owned(), code: blank(raw) }
    }

    fn is_in(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }

    /// The top-level module that the file belongs to: none outside src, and for lib.rs and main.rs.
    fn module(&self) -> Option<&str> {
        let inner = self.path.strip_prefix("src/")?;
        let name = inner.split('/').next()?.trim_end_matches(".rs");
        (!matches!(inner, "lib.rs" | "main.rs")).then_some(name)
    }

    /// A complaint about every line of `text`, this file's raw text or its code, that `offends`.
    fn complain(&self, text: &str, why: &str, offends: impl Fn(&str) -> bool) -> Vec<String> {
        let lines = text.lines().enumerate().filter(|(_, line)| offends(line));
        lines.map(|(idx, _)| self.at(idx, why)).collect()
    }

    fn at(&self, line_idx: usize, why: &str) -> String {
        format!("{}:{}: {why}", self.path, line_idx + 1)
    }
}

/// A rule: its name, what it complains about, and a path and a text that offend.
struct Rule {
    name: &'static str,
    check: fn(&Text) -> Vec<String>,
    samples: &'static [(&'static str, &'static str)],
}

const RULES: &[Rule] = &[
    Rule {
        name: "floors",
        check: rules::floors,
        samples: &[
            ("src/base/a.rs", "use crate::client::pool::Pool;"),
            ("src/http/a.rs", "fn f() { crate::report::now() }"),
            ("src/http/a.rs", "use crate::{base::x, report::y};"),
            ("src/http/a.rs", "use crate::{\n    base::{x, z},\n    report,\n};"),
            ("src/client/a.rs", "use crate::report::x;"),
            ("src/http/a.rs", "use crate::cli::x;"),
            ("src/base/a.rs", "use super::super::report::x;"),
            ("src/base/a/mod.rs", "use super::super::report::x;"),
            ("src/base/a/b.rs", "use super::super::super::report::x;"),
            ("src/io/a.rs", "use crate::*;"),
            ("src/io/a.rs", "use crate as ringfetch;"),
            ("src/compare/a.rs", "use crate::cli;"),
            ("src/report.rs", "use crate::cli::x;"),
            ("src/attic/a.rs", "fn f() {}"),
        ],
    },
    Rule { name: "columns", check: rules::columns, samples: &[("src/a.rs", LONG_LINE)] },
    Rule { name: "file length", check: rules::file_length, samples: &[] },
    Rule { name: "function length", check: rules::function_length, samples: &[] },
    Rule {
        name: "banned words",
        check: rules::banned_words,
        samples: &[
            ("src/a.rs", concat!("fn f() { to", "do!() }")),
            ("src/a.rs", concat!("fn f() { unimpl", "emented!() }")),
            ("tests/a.rs", concat!("d", "bg!(x);")),
            ("src/a.rs", concat!("#[al", "low(dead_code)]")),
            ("src/a.rs", concat!("#![al", "low(dead_code)]")),
            ("tests/a.rs", concat!("#[ign", "ore]")),
            ("benches/a.rs", concat!("// FIX", "ME later")),
            ("src/a.rs", concat!("// X", "XX")),
        ],
    },
    Rule {
        name: "clocks",
        check: rules::clocks,
        samples: &[
            ("src/client/a.rs", "let t = Instant::now();"),
            ("src/http/a.rs", "let t = std::time::SystemTime::now();"),
            ("src/cli/a.rs", concat!("thread::", "sleep(pause);")),
        ],
    },
    Rule {
        name: "sleeps in tests",
        check: rules::sleeps,
        samples: &[
            ("tests/it/a.rs", concat!("std::thread::", "sleep(pause);")),
            ("tests/it/a.rs", concat!("monoio::time::sleep", "(Duration::ZERO).await;")),
        ],
    },
    Rule {
        name: "unsafe",
        check: rules::unsafe_code,
        samples: &[
            ("src/http/a.rs", "let x = unsafe { *p };"),
            ("src/main.rs", "unsafe impl GlobalAlloc for A {}"),
            ("tests/it/a.rs", "unsafe { libc::kill(0, 0) };"),
        ],
    },
    Rule {
        name: "names",
        check: rules::names,
        samples: &[
            ("src/io/util.rs", "//! x"),
            ("src/common/mod.rs", "//! x"),
            ("tests/it/helpers.rs", "//! x"),
            ("src/io/a.rs", "mod manager;"),
            ("src/io/a.rs", "pub fn get_port() {}"),
        ],
    },
    Rule {
        name: "printing",
        check: rules::printing,
        samples: &[
            ("src/client/a.rs", "println!(\"x\");"),
            ("src/http/a.rs", "eprintln!(\"x\");"),
            ("src/lib.rs", "print!(\"x\");"),
        ],
    },
    Rule {
        name: "headers",
        check: rules::headers,
        samples: &[
            ("src/io/a.rs", "use std::io;"),
            ("src/io/a.rs", ""),
            ("src/io/a.rs", "// No header."),
            ("src/io/mod.rs", "//!\n"),
        ],
    },
];

const LONG_LINE: &str = "// 45678901234567890123456789012345678901234567890\
                         123456789012345678901234567890123456789012345678901";

/// Adds every Rust file under `folder` to `texts`.
fn walk(top: &Path, folder: &Path, texts: &mut Vec<Text>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            walk(top, &path, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(top).expect("a walk stays below its top");
            let name = name.to_str().expect("paths are UTF-8");
            let raw = fs::read_to_string(&path).expect("sources are UTF-8");
            texts.push(Text::new(name, &raw));
        }
    }
}

#[test]
fn the_house_is_tidy() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    for folder in ["src", "tests", "benches", "examples"] {
        walk(top, &top.join(folder), &mut texts);
    }
    for known in ["src/lib.rs", "src/base/limits.rs", "tests/tidy/main.rs"] {
        assert!(texts.iter().any(|text| text.path == known), "{known} was not looked at");
    }
    for (floor, _) in rules::FLOORS {
        assert!(texts.iter().any(|text| text.module() == Some(floor)), "{floor}: no such floor");
    }
    let complaints: Vec<_> =
        RULES.iter().flat_map(|rule| texts.iter().flat_map(rule.check)).collect();
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn every_rule_offends_at_each_of_its_samples() {
    for rule in RULES {
        assert!(!rule.samples.is_empty() || LENGTHS.contains(&rule.name), "{}", rule.name);
        for (path, sample) in rule.samples {
            let complaints = (rule.check)(&Text::new(path, sample));
            assert!(!complaints.is_empty(), "{} misses {sample:?} in {path}", rule.name);
        }
    }
}

#[test]
fn the_longest_file_and_function_are_well_and_one_line_more_is_not() {
    let complaints = |name: &str, sample: &str| {
        let rule = RULES.iter().find(|rule| rule.name == name).unwrap();
        (rule.check)(&Text::new("src/io/a.rs", sample)).len()
    };
    for (newlines, wanted) in [(600, 0), (601, 1)] {
        assert_eq!(complaints("file length", &"\n".repeat(newlines)), wanted);
    }
    for (newlines, wanted) in [(69, 0), (70, 1)] {
        let body = "\n".repeat(newlines);
        assert_eq!(complaints("function length", &format!("fn f() {{{body}}}")), wanted);
        let nested = format!("impl X {{\n fn f() -> [u8; 4] {{ if x {{}}{body}}}\n}}");
        assert_eq!(complaints("function length", &nested), wanted);
    }
}

#[test]
fn what_only_looks_like_an_offence_is_none() {
    let text = Text::new("src/http/a/b.rs", NO_OFFENCE);
    let complaints: Vec<_> = RULES.iter().flat_map(|rule| (rule.check)(&text)).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Rules whose samples are too long to be written down; they have a test of their own.
const LENGTHS: [&str; 2] = ["file length", "function length"];

const NO_OFFENCE: &str = r##"//! Names crate::io and unsafe in a comment.
//!
//! Two.
//!
//! Three.

use super::super::http1;
use crate::http::http1;
use crate::base::{instant::Instant, target::{Target}};

/* println!("x"); /* nested */ Instant::now() */
pub(crate) fn target<'a>(get_it: &'a str, call: fn(u8) -> u8) -> &'a str {
    let quotes = ['"', '\'', '\\', b'"' as char];
    let text = "unsafe { crate::io::x } // \" thread::nap";
    let raw = r#"println!("{"); crate::sink"#;
    writeln!(out, "x");
    unsafe_is_a_part_of_this_word();
    modulo_util(common)
}
"##;
