//! Holds the house rules over the repository's own text: imports, rings, lengths, banned words.
//!
//! To see the rings of any checkout: `TIDY_TOP=path cargo test --test tidy rings -- --nocapture`.
//!
//! Knows Rust only as far as a scanner of strings, comments and braces does; what needs types is
//! clippy's to find.
//!
//! Invariant: every rule has a sample that offends against it, so that none can be empty.

mod imports;
mod layers;
mod purity;
mod resolve;
mod rings;
mod rules;
mod scan;
mod text;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use text::Text;

/// A rule: its name, what it complains about, and a path and a text that offend.
struct Rule {
    name: &'static str,
    check: fn(&Text) -> Vec<String>,
    samples: &'static [(&'static str, &'static str)],
}

const RULES: &[Rule] = &[
    Rule {
        name: "layers",
        check: layers::layers,
        samples: &[
            ("src/base/a.rs", "use crate::http::pool::Pool;"),
            ("src/http/a.rs", "fn f() { crate::net::now() }"),
            ("src/http/a.rs", "use crate::{base::x, client::y};"),
            ("src/http/a.rs", "use crate::{\n    base::{x, z},\n    cli,\n};"),
            ("src/fetch/a.rs", "use crate::testserver::x;"),
            ("src/bench/a.rs", "use crate::fetch::x;"),
            ("src/testserver/a.rs", "use crate::bench::x;"),
            ("src/report/a.rs", "use crate::net::x;"),
            ("src/base/a.rs", "use super::super::os::x;"),
            ("src/base/a/mod.rs", "use super::super::os::x;"),
            ("src/base/a/b.rs", "use super::super::super::os::x;"),
            ("src/base/a.rs", "mod tests { use super::super::super::os::x; }"),
            ("src/os/a.rs", "use crate::*;"),
            ("src/os/a.rs", "use crate as ringfetch;"),
            ("src/report/a.rs", "use crate::cli;"),
            ("src/report.rs", "use crate::cli::x;"),
            ("src/os/a.rs", "fn f() -> crate::Row {}"),
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
            ("src/os/a.rs", "let t = std::time::SystemTime::now();"),
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
            ("src/os/util.rs", "//! x"),
            ("src/common/mod.rs", "//! x"),
            ("tests/it/helpers.rs", "//! x"),
            ("src/os/a.rs", "mod manager;"),
            ("src/os/a.rs", "pub fn get_port() {}"),
        ],
    },
    Rule {
        name: "printing",
        check: rules::printing,
        samples: &[
            ("src/client/a.rs", "println!(\"x\");"),
            ("src/report/a.rs", "eprintln!(\"x\");"),
            ("src/lib.rs", "print!(\"x\");"),
        ],
    },
    Rule {
        name: "headers",
        check: rules::headers,
        samples: &[
            ("src/os/a.rs", "use std::io;"),
            ("src/os/a.rs", ""),
            ("src/os/a.rs", "/// A comment on what follows."),
            ("src/os/a.rs", "//! no sentence"),
            ("src/os/mod.rs", "//!\n"),
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

/// The checkout that is looked at: this one, unless TIDY_TOP names another.
fn top() -> PathBuf {
    env::var_os("TIDY_TOP").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

/// Every Rust file of the checkout.
fn texts() -> Vec<Text> {
    let mut texts = Vec::new();
    for folder in ["src", "tests", "benches", "examples"] {
        walk(&top(), &top().join(folder), &mut texts);
    }
    texts
}

#[test]
fn the_house_is_tidy() {
    let texts = texts();
    for known in ["src/lib.rs", "src/base/limits.rs", "tests/tidy/main.rs"] {
        assert!(texts.iter().any(|text| text.path == known), "{known} was not looked at");
    }
    for (folder, _) in layers::FOLDERS {
        let folder = format!("src/{folder}/");
        assert!(texts.iter().any(|text| text.is_in(&[&folder])), "{folder}: no such folder");
    }
    let lib = texts.iter().find(|text| text.path == "src/lib.rs").unwrap();
    let architecture = fs::read_to_string(top().join("ARCHITECTURE.md")).unwrap();
    let mut complaints = layers::lists(&architecture, lib);
    complaints.extend(purity::tables(&texts));
    complaints.extend(purity::purity(&texts));
    complaints.extend(RULES.iter().flat_map(|rule| texts.iter().flat_map(rule.check)));
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
#[expect(clippy::print_stdout, reason = "the number of rings is asked for")]
fn there_are_no_rings() {
    let texts = texts();
    let mut found = rings::rings(&texts, "src/");
    found.extend(rings::rings(&texts, "tests/tidy/"));
    println!("{} rings in {}", found.len(), top().display());
    assert!(found.is_empty(), "{} rings:\n{}", found.len(), found.join("\n"));
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
        (rule.check)(&Text::new("src/os/a.rs", sample)).len()
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

const NO_OFFENCE: &str = r##"//! Names crate::net and unsafe in a comment.

use super::super::http2;
use crate::http::http1;
use crate::base::{instant::Instant, failure::{Failure, Kind}};

/* println!("x"); /* nested */ Instant::now() */
pub(crate) fn target<'a>(get_it: &'a str, call: fn(u8) -> u8) -> &'a str {
    let quotes = ['"', '\'', '\\', b'"' as char];
    let text = "unsafe { crate::net::x } // \" thread::nap";
    let raw = r#"println!("{"); crate::cli"#;
    writeln!(out, "x");
    unsafe_is_a_part_of_this_word();
    modulo_util(common)
}
"##;
