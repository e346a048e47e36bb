//! Colour, and text that is safe to show on a terminal.
//!
//! Invariant: plain paint adds nothing, and text from outside never reaches a terminal as a
//! command.

use std::borrow::Cow;

/// Whether and how text is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paint {
    /// Not at all.
    #[default]
    Plain,
    /// By ANSI escape sequences (ECMA-48 SGR).
    Ansi,
}

impl Paint {
    /// `text` in bold: a label.
    #[must_use]
    pub fn strong(self, text: &str) -> Cow<'_, str> {
        self.wrap("1", text)
    }

    /// `text` in green: all is well.
    #[must_use]
    pub fn good(self, text: &str) -> Cow<'_, str> {
        self.wrap("32", text)
    }

    /// `text` in red: something failed.
    #[must_use]
    pub fn bad(self, text: &str) -> Cow<'_, str> {
        self.wrap("31", text)
    }

    /// `text` in bold yellow: something to look at.
    #[must_use]
    pub fn notable(self, text: &str) -> Cow<'_, str> {
        self.wrap("1;33", text)
    }

    fn wrap<'a>(self, code: &str, text: &'a str) -> Cow<'a, str> {
        match self {
            Self::Ansi if !text.is_empty() => format!("\x1b[{code}m{text}\x1b[0m").into(),
            _ => text.into(),
        }
    }
}

/// `text` on one line: control characters are shown as escapes, so that a URL or a server's words
/// can neither break a line nor steer the terminal.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let mut line = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if char.is_control() {
            line.extend(char.escape_default());
        } else {
            line.push(char);
        }
    }
    line.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paint_adds_nothing() {
        assert_eq!(Paint::Plain.bad("25"), "25");
        assert_eq!(Paint::Ansi.bad("25"), "\x1b[31m25\x1b[0m");
        assert_eq!(Paint::Ansi.strong(""), "");
    }

    #[test]
    fn control_characters_are_shown_and_not_obeyed() {
        assert_eq!(one_line("http://bücher/"), "http://bücher/");
        assert_eq!(one_line("a\nb\x1b[2Jc\u{9b}"), "a\\nb\\u{1b}[2Jc\\u{9b}");
    }
}
