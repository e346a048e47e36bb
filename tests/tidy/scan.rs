//! A scanner of Rust text: what is code in it, which words, paths and functions it has.
//!
//! Knows strings, characters, lifetimes, comments and braces; not macros, types or modules.
//!
//! Invariant: blanked text has the lines of the original, so that an index of one is good for both.

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Where `word` stands in `code` as a word of its own.
pub(crate) fn words_at(code: &str, word: &str) -> Vec<usize> {
    let is_whole = |at: &usize| {
        !code[..*at].ends_with(is_word) && !code[at + word.len()..].starts_with(is_word)
    };
    code.match_indices(word).map(|(at, _)| at).filter(is_whole).collect()
}

/// `source` with every comment, string and character literal turned into blanks; line ends stay.
pub(crate) fn blank(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let is_word_before = code.ends_with(is_word);
        let length = blanked_bytes(rest, is_word_before);
        match length {
            0 => {
                code.push(c);
                rest = &rest[c.len_utf8()..];
            }
            _ => {
                code.extend(rest[..length].chars().map(|c| if c == '\n' { c } else { ' ' }));
                rest = &rest[length..];
            }
        }
    }
    code
}

/// Length of the comment, string or character that `rest` begins with; 0 for anything else.
fn blanked_bytes(rest: &str, is_word_before: bool) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_bytes(rest);
    }
    // b"..", c"..", r"..", br#".."#: a prefix is one only where no word ends before it.
    let prefixes = ["br", "cr", "b", "c", "r"];
    let prefix = prefixes.iter().find(|p| !is_word_before && rest.starts_with(*p));
    let prefix = prefix.map_or("", |p| *p);
    let after = &rest[prefix.len()..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    let raw = prefix.ends_with('r') && after[hashes..].starts_with('"');
    let body_bytes = match after.chars().next() {
        _ if raw => {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = &after[hashes + 1..];
            hashes + 1 + body.find(&end).map_or(body.len(), |at| at + end.len())
        }
        Some('"') => quoted_bytes(after, '"'),
        Some('\'') if is_character(after) => quoted_bytes(after, '\''),
        _ => return 0,
    };
    prefix.len() + body_bytes
}

fn block_comment_bytes(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let step = &rest.as_bytes()[at..];
        if step.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if step.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Whether the apostrophe that `rest` begins with opens a character, not a lifetime.
fn is_character(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    chars.next() == Some('\\') || chars.next() == Some('\'')
}

/// Length of the literal between two `quote`s, with its escapes, that `rest` begins with.
fn quoted_bytes(rest: &str, quote: char) -> usize {
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            return at + 1;
        }
    }
    rest.len()
}

/// What stands directly behind `crate::` (or `crate::{`, each), with the index of its line. What
/// cannot be told is `*`.
pub(crate) fn crate_paths(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for at in words_at(code, "crate") {
        let line_idx = code[..at].matches('\n').count();
        let rest = code[at + "crate".len()..].trim_start();
        // `pub(crate)` names nothing; `crate as x` names everything.
        let Some(path) = rest.strip_prefix("::") else {
            if rest.starts_with("as ") {
                found.push((line_idx, "*".to_owned()));
            }
            continue;
        };
        let path = path.trim_start();
        match path.strip_prefix('{') {
            Some(group) => found.extend(group_heads(group).into_iter().map(|h| (line_idx, h))),
            None => found.push((line_idx, head(path))),
        }
    }
    found
}

/// The first words of the members of a `use` group, of which `group` is what follows its brace.
fn group_heads(group: &str) -> Vec<String> {
    let (mut heads, mut depth, mut start) = (Vec::new(), 0, 0);
    for (idx, c) in group.char_indices() {
        match c {
            ',' | '}' if depth == 0 => {
                let member = group[start..idx].trim();
                if !member.is_empty() {
                    heads.push(head(member));
                }
                start = idx + 1;
                if c == '}' {
                    break;
                }
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    heads
}

/// The identifier that `path` begins with, or `*`.
pub(crate) fn head(path: &str) -> String {
    let end = path.find(|c| !is_word(c)).unwrap_or(path.len());
    if end == 0 { "*".to_owned() } else { path[..end].to_owned() }
}

/// Every function that has a body: the index of its first line, its name, how many lines it has.
pub(crate) fn functions(code: &str) -> Vec<(usize, String, usize)> {
    let mut found = Vec::new();
    for at in words_at(code, "fn") {
        let name = head(code[at + 2..].trim_start());
        // A type: `fn(u8) -> u8`.
        if name == "*" {
            continue;
        }
        // Round and square brackets of the signature, where a `;` is part of an array's type.
        let (mut inner, mut braces) = (0, 0);
        let end = code[at..].char_indices().find(|(_, c)| {
            match c {
                '(' | '[' => inner += 1,
                ')' | ']' => inner -= 1,
                '{' => braces += 1,
                '}' => braces -= 1,
                _ => {}
            }
            braces == 0 && (*c == '}' || (*c == ';' && inner == 0))
        });
        if let Some((length, '}')) = end {
            let line_idx = code[..at].matches('\n').count();
            found.push((line_idx, name, 1 + code[at..at + length].matches('\n').count()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that of `source` only `code` is left, blanks apart.
    fn check(source: &str, code: &str) {
        let blanked = blank(source);
        assert_eq!(blanked.split_whitespace().collect::<Vec<_>>().join(" "), code, "{source}");
        assert_eq!(blanked.lines().count(), source.lines().count(), "{source}");
    }

    #[test]
    fn comments_strings_and_characters_are_blanked() {
        check("a // b\nc", "a c");
        check("a /* b /* c */ d\n */ e", "a e");
        check("a /* b", "a");
        check(r#"f("a\"b", c)"#, "f( , c)");
        check("f(\"a\nb\") // \"", "f( )");
        check(r##"f(r#"a"b"#, r"\", c)"##, "f( , , c)");
        check(r##"f(b"a", br#"""#, c"a", b'x')"##, "f( , , , )");
        check(r"f('a', '\'', '\\', '\u{41}', '\n', b)", "f( , , , , , b)");
        check("fn f<'a>(x: &'a u8, y: &'static u8)", "fn f<'a>(x: &'a u8, y: &'static u8)");
        check("r#type = bar\"x\"; 'outer: loop {}", "r#type = bar ; 'outer: loop {}");
    }

    #[test]
    fn words_are_found_whole() {
        assert_eq!(words_at("fn fnord(fn_ptr: fn())", "fn"), [0, 17]);
    }

    #[test]
    fn every_path_behind_crate_is_found() {
        let code =
            "use crate::a::b;\npub(crate) fn f() { crate :: b(); }\nuse crate::{\n c::{x}, d\n};";
        let wanted = [(0, "a"), (1, "b"), (2, "c"), (2, "d")];
        assert_eq!(crate_paths(code), wanted.map(|(idx, name)| (idx, name.to_owned())));
        assert_eq!(crate_paths("use crate::*;"), [(0, "*".to_owned())]);
    }

    #[test]
    fn functions_are_measured_with_their_signature() {
        let code =
            "fn a();\nfn b(x: [u8; 2])\n-> u8\n{\n if x {}\n}\ntype F = fn() -> u8;\nfn c() {}";
        let wanted = [(1, "b", 5), (7, "c", 1)];
        assert_eq!(functions(code), wanted.map(|(at, name, n)| (at, name.to_owned(), n)));
    }
}
