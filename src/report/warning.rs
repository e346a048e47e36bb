//! Warnings: one line that says what is wrong and what helps. The caller writes them.
//!
//! Invariant: a warning is one line without control characters, whatever it quotes.

use crate::report::paint::{Paint, one_line};

/// Something that a person should know, and what helps.
///
/// ```
/// use ringfetch::report::{paint::Paint, warning::Warning};
/// let warning = Warning::new("io_uring was refused: EPERM").hint("--engine epoll");
/// assert_eq!(
///     warning.text(Paint::Plain),
///     "warning: io_uring was refused: EPERM; hint: --engine epoll"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    message: String,
    hint: Option<String>,
}

impl Warning {
    /// A warning that says `message`: lower case, no full stop, the value after a colon.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// The same warning with what helps: as a rule, the name of an option.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The warning as one line, without a line feed.
    #[must_use]
    pub fn text(&self, paint: Paint) -> String {
        let mut line = format!("{} {}", paint.notable("warning:"), one_line(&self.message));
        if let Some(hint) = &self.hint {
            line.push_str(&format!("; {} {}", paint.strong("hint:"), one_line(hint)));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_one_line_whatever_it_quotes() {
        let warning = Warning::new("no such file: a\nb").hint("-i \x1b[2J");
        assert_eq!(warning.text(Paint::Plain), "warning: no such file: a\\nb; hint: -i \\u{1b}[2J");
        assert_eq!(Warning::new("x").text(Paint::Plain), "warning: x");
        assert_eq!(Warning::new("x").text(Paint::Ansi), "\x1b[1;33mwarning:\x1b[0m x");
    }
}
