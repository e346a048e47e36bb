//! A scanner of Rust text: what is code in it, which of that is tests, which words and functions it
//! has.
//!
//! Knows strings, characters, lifetimes, comments and braces; not macros, types or paths.
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

/// A word, a lifetime, `::`, `..`, or one character of anything else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    /// Where in the code it begins.
    pub(crate) at: usize,
    pub(crate) line_idx: usize,
}

impl Token<'_> {
    /// Whether it is a word, which numbers and lifetimes are not.
    pub(crate) fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| is_word(c) && !c.is_ascii_digit())
    }

    fn end(&self) -> usize {
        self.at + self.text.len()
    }
}

/// The tokens of `code`, whose comments and literals are blanked.
pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut at, mut line_idx) = (Vec::new(), 0, 0);
    while let Some(c) = code[at..].chars().next() {
        let rest = &code[at..];
        let word_bytes = |from: usize| {
            rest[from..].find(|c| !is_word(c)).map_or(rest.len(), |length| from + length)
        };
        let length = match c {
            _ if is_word(c) => word_bytes(0),
            '\'' => word_bytes(1),
            ':' | '.' if rest[1..].starts_with(c) => 2,
            _ => c.len_utf8(),
        };
        if !c.is_whitespace() {
            tokens.push(Token { text: &rest[..length], at, line_idx });
        }
        line_idx += usize::from(c == '\n');
        at += length;
    }
    tokens
}

/// `code` with every item under `#[cfg(test)]` blanked, line for line, and the names of the modules
/// among these items that have a file of their own.
pub(crate) fn without_tests(code: &str) -> (String, Vec<String>) {
    let tokens = tokens(code);
    let (mut shipped, mut modules, mut copied, mut idx) = (String::new(), Vec::new(), 0, 0);
    while idx < tokens.len() {
        if !is_test_attribute(&tokens[idx..]) {
            idx += 1;
            continue;
        }
        let item = &tokens[idx..idx + item_length(&tokens[idx..])];
        if let [.., keyword, name, end] = item
            && (keyword.text, end.text) == ("mod", ";")
        {
            modules.push(name.text.to_owned());
        }
        let (start, end) = (item[0].at, item.last().map_or(code.len(), Token::end));
        shipped.push_str(&code[copied..start]);
        shipped.extend(code[start..end].chars().map(|c| if c == '\n' { c } else { ' ' }));
        copied = end;
        idx += item.len();
    }
    shipped.push_str(&code[copied..]);
    (shipped, modules)
}

/// Whether `tokens` begin with `#[cfg(test)]` or `#[cfg(all(test, ..))]`.
fn is_test_attribute(tokens: &[Token<'_>]) -> bool {
    let begins = |with: &[&str]| {
        tokens.len() >= with.len()
            && tokens.iter().zip(with).all(|(token, text)| token.text == *text)
    };
    begins(&["#", "[", "cfg", "(", "test", ")", "]"])
        || begins(&["#", "[", "cfg", "(", "all", "(", "test", ","])
}

/// How many of `tokens` are the item, statement, field or arm that they begin with, its attributes
/// included.
fn item_length(tokens: &[Token<'_>]) -> usize {
    let mut idx = 0;
    while tokens.get(idx).is_some_and(|token| token.text == "#") {
        idx += tokens[idx..].iter().position(|token| token.text == "]").map_or(1, |at| at + 1);
    }
    let words = ["use", "static", "type", "let", "const", "fn", "mod", "struct", "enum", "impl"];
    let more = ["trait", "union", "macro_rules", "unsafe", "async", "extern"];
    let is_keyword = |token: &Token| words.contains(&token.text) || more.contains(&token.text);
    let head_end = ["{", "}", ",", ";", "="];
    let head = tokens[idx..].iter().take_while(|token| !head_end.contains(&token.text));
    let start = head.into_iter().position(is_keyword);
    let keyword = start.map_or("", |at| tokens[idx + at].text);
    let next = start.and_then(|at| tokens.get(idx + at + 1)).map_or("", |token| token.text);
    let ends_in_brace = match keyword {
        "use" | "static" | "type" | "let" => false,
        "const" => matches!(next, "fn" | "unsafe" | "async" | "extern"),
        _ => true,
    };
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(idx) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            // The end of what holds it.
            ")" | "]" | "}" if depth == 0 => return at,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 && ends_in_brace {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            "," if depth == 0 && keyword.is_empty() => return at + 1,
            _ => {}
        }
    }
    tokens.len()
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

    /// Checks that of `code` only `shipped` is left, blanks apart, and which modules are tests.
    fn check_tests(code: &str, shipped: &str, modules: &[&str]) {
        let (left, found) = without_tests(code);
        assert_eq!(left.split_whitespace().collect::<Vec<_>>().join(" "), shipped, "{code}");
        assert_eq!(left.lines().count(), code.lines().count(), "{code}");
        assert_eq!(found, modules, "{code}");
    }

    #[test]
    fn what_is_only_for_tests_is_left_out() {
        check_tests("a();\n#[cfg(test)]\nmod tests {\n x { y }\n}\nb();", "a(); b();", &[]);
        check_tests(
            "#[cfg(test)] mod a;\n#[cfg(all(test, b))] pub(crate) mod c; d",
            "d",
            &["a", "c"],
        );
        check_tests("#[cfg(test)] use a::{b, c}; d", "d", &[]);
        check_tests("#[cfg(test)] const A: B = B { c: [1; 2] }; d", "d", &[]);
        check_tests("#[cfg(test)] #[x(y)] pub const fn f<A, B>() -> [u8; 2] { c; } d", "d", &[]);
        check_tests("struct A { #[cfg(test)] b: C, d: E }", "struct A { d: E }", &[]);
        check_tests("struct A { #[cfg(test)] b: C }", "struct A { }", &[]);
        check_tests(
            "#[cfg(not(test))] mod a; #[cfg(any(test, b))] mod c {}",
            "#[cfg(not(test))] mod a; #[cfg(any(test, b))] mod c {}",
            &[],
        );
    }

    #[test]
    fn tokens_are_words_lifetimes_and_single_characters() {
        let found: Vec<_> =
            tokens("a1::b<'c> {\n} ").iter().map(|t| (t.text, t.line_idx)).collect();
        let wanted = ["a1", "::", "b", "<", "'c", ">", "{"].map(|text| (text, 0));
        assert_eq!(found, [&wanted[..], &[("}", 1)]].concat());
    }

    #[test]
    fn functions_are_measured_with_their_signature() {
        let code =
            "fn a();\nfn b(x: [u8; 2])\n-> u8\n{\n if x {}\n}\ntype F = fn() -> u8;\nfn c() {}";
        let wanted = [(1, "b", 5), (7, "c", 1)];
        assert_eq!(functions(code), wanted.map(|(at, name, n)| (at, name.to_owned(), n)));
    }
}
