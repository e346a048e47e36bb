//! The modules that know no clock, no socket, no file and no `async`, so that they can be tested by
//! value, and that import nothing which does.
//!
//! Their tests may know all of it.

use crate::imports::{Use, absolute, modules};
use crate::resolve::{edges, module_path, test_modules};
use crate::scan::words_at;
use crate::text::Text;

const SRC: &str = "src/";

/// Every module that is pure, and with it all modules below it.
const PURE: &[&str] = &[
    "base",
    "http",
    "input/source",
    "input/lines",
    "extract",
    "stats",
    "client/answer",
    "client/exchanged",
    "client/pool",
    "client/question",
    "client/stop",
    "fetch/call",
    "fetch/job",
    "fetch/judge",
    "fetch/outbox",
    "fetch/policy",
    "fetch/response",
    "fetch/scheduler",
    "fetch/ordinals",
    "fetch/tally",
    "fetch/summary",
    "bench/arrivals",
    "bench/block_size",
    "bench/call",
    "bench/opening",
    "bench/search",
    "bench/summary",
    "bench/ledger",
    "bench/record",
    "bench/recorder",
    "bench/found",
    "bench/series",
    "bench/slo",
    "bench/stability",
    "bench/verdict",
    "bench/hdr_log",
    "compare/bootstrap",
    "compare/comparison",
    "compare/figures",
    "compare/matrix",
    "compare/measurements",
    "compare/notes",
    "compare/order",
    "compare/ratio",
    "compare/saved",
    "compare/slice",
    "compare/subject",
];

/// Modules that need not be pure, whose plain values pure ones may take.
const VALUES: &[&str] = &["os/counts", "os/machine"];

/// What pure code does not name. A path stands for all that it holds.
const BANNED: &[&str] = &[
    "crate::net",
    "crate::os",
    "crate::runtime",
    "core::future",
    "core::task",
    "flume",
    "libc",
    "monoio",
    "socket2",
    "std::fs",
    "std::future",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::task",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime::now",
    "tokio",
];

const WORDS: [&str; 2] = ["async", "await"];

/// Whether the file `path` is one of these modules or lies below one.
fn is_of(path: &str, names: &[&str]) -> bool {
    let is_at = |rest: &str| rest == ".rs" || rest.starts_with('/');
    let inner = path.strip_prefix(SRC).unwrap_or_default();
    names.iter().any(|name| inner.strip_prefix(name).is_some_and(is_at))
}

pub(crate) fn purity(texts: &[Text]) -> Vec<String> {
    let tests = test_modules(texts, SRC);
    let is_test = |path: &[String]| tests.iter().any(|test| path.starts_with(test));
    let mut complaints = Vec::new();
    for text in texts.iter().filter(|text| is_of(&text.path, PURE)) {
        let Some(path) = module_path(&text.path, SRC).filter(|path| !is_test(path)) else {
            continue;
        };
        complaints.extend(banned_paths(text, path));
    }
    for (from, taken) in edges(texts, SRC).iter().filter(|(from, _)| is_of(from, PURE)) {
        for (to, names) in taken.iter().filter(|(to, _)| !is_of(to, PURE) && !is_of(to, VALUES)) {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let names = names.join(", ");
            complaints
                .push(format!("{from}:1: is pure and takes from {to}, which is not: {names}"));
        }
    }
    complaints
}

/// Complaints about what the code of `text`, the module `path`, names.
fn banned_paths(text: &Text, path: Vec<String>) -> Vec<String> {
    let mut found = Vec::new();
    for module in modules(path, &text.shipped) {
        for import in &module.uses {
            let path = absolute_path(&module.path, &import.path);
            found.extend(banned(&path, import.name == "*").map(|name| (import.line_idx, name)));
        }
        for (line_idx, path) in &module.paths {
            let path = absolute_path(&module.path, &spelt_out(path, &module.uses));
            found.extend(banned(&path, false).map(|name| (*line_idx, name)));
        }
    }
    let why = |name: &str| format!("is pure and names {name}; hint: take the value as an argument");
    let paths = found.into_iter().map(|(line_idx, name)| text.at(line_idx, &why(name)));
    let words = WORDS.into_iter().flat_map(|word| {
        text.complain(&text.shipped, &why(word), |line| !words_at(line, word).is_empty())
    });
    paths.chain(words).collect()
}

/// `path` with its first word replaced by what it is imported as.
fn spelt_out(path: &[String], uses: &[Use]) -> Vec<String> {
    let import = uses.iter().find(|import| import.name == path[0]);
    import.map_or_else(|| path.to_vec(), |import| [&import.path[..], &path[1..]].concat())
}

/// `path` with `crate::` before it, where it stays in this crate.
fn absolute_path(module: &[String], path: &[String]) -> String {
    match absolute(module, path) {
        Some(path) => format!("crate::{}", path.join("::")),
        None => path.join("::").trim_start_matches("::").to_owned(),
    }
}

/// What of `BANNED` the path lies in, or holds if it is a glob.
fn banned(path: &str, is_glob: bool) -> Option<&'static str> {
    let is_in = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let is_value =
        VALUES.iter().any(|value| is_in(path, &format!("crate::{}", value.replace('/', "::"))));
    let is_banned = |name: &&&str| is_in(path, name) || (is_glob && is_in(name, path));
    BANNED.iter().filter(|_| !is_value).find(is_banned).copied()
}

/// Complaints about modules in the tables that do not exist, so that a move cannot empty them.
pub(crate) fn tables(texts: &[Text]) -> Vec<String> {
    let names = PURE.iter().chain(VALUES);
    let lost = names.filter(|name| !texts.iter().any(|text| is_of(&text.path, &[**name])));
    lost.map(|name| format!("src/{name}:1: is in tests/tidy/purity.rs, and there is no such file"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks how many complaints `code` gives in a pure module, among impure neighbours.
    fn check(code: &str, wanted: usize) {
        let neighbours = [
            ("src/client/pool.rs", code),
            ("src/client/lane.rs", "use crate::runtime::Io; pub struct Lane;"),
            ("src/os/counts.rs", "pub struct Counts;"),
        ];
        let texts = neighbours.map(|(path, text)| Text::new(path, text));
        let complaints = purity(&texts);
        assert_eq!(complaints.len(), wanted, "{code}: {}", complaints.join("\n"));
    }

    #[test]
    fn clocks_sockets_files_and_async_are_not_pure() {
        check("async fn f() {}", 1);
        check("fn f() { x.await }", 1);
        check("use std::net::{IpAddr, TcpStream};", 1);
        check("use std::net::*;", 1);
        check("use std::{fs::File, thread};", 2);
        check("fn f() { std::fs::read(x) }", 1);
        check("use std::io; fn f() { io::stdout() }", 1);
        check("use std::time; fn f() { time::Instant::now() }", 1);
        check("use std::time::SystemTime; fn f() { SystemTime::now() }", 1);
        check("use std::process::Command;", 1);
        check("use crate::{base::instant, runtime::clock};", 1);
        check("use super::super::net::dns;", 1);
        check("use crate::os::system;", 1);
        check("use crate::os;", 1);
        check("fn f() { libc::getpid() }", 1);
        check("use ::std::fs;", 1);
        check("use core::future::Future;", 1);
        check("fn f(socket: socket2::Socket) {}", 1);
    }

    #[test]
    fn a_pure_module_takes_nothing_from_an_impure_one() {
        check("use super::lane::Lane;", 1);
        check("use crate::client::lane; fn f() { lane::f() }", 1);
    }

    #[test]
    fn values_and_tests_are_pure() {
        check("use std::net::{IpAddr, SocketAddr}; use std::time::{Duration, SystemTime};", 0);
        check("use crate::os::counts::Counts; fn f(counts: Counts) {}", 0);
        check("use std::io::{self, Read}; fn f(r: impl Read) -> io::Result<()> {}", 0);
        check("// async\nfn f() { async_io(awaited, \"await\") }", 0);
        check("#[cfg(test)] mod tests { use std::fs; use crate::client::lane::Lane; }", 0);
        let tests =
            [("src/http/mod.rs", "#[cfg(test)] mod tests;"), ("src/http/tests.rs", "use std::fs;")];
        assert_eq!(purity(&tests.map(|(path, text)| Text::new(path, text))), [""; 0]);
    }

    #[test]
    fn a_module_that_is_gone_is_missed_in_the_table() {
        let files = PURE[1..].iter().chain(VALUES).map(|name| format!("src/{name}/mod.rs"));
        let texts: Vec<_> = files.map(|path| Text::new(&path, "")).collect();
        assert_eq!(tables(&texts).len(), 1);
    }
}
