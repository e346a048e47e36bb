//! Text that comes in parts: its words counted, or its white space collapsed.
//!
//! A word may begin in one part and end in another: `foo<b>bar</b>` is one word. White space is
//! what Unicode calls so (the White_Space property), the no-break space included.
//!
//! Invariant: the result does not depend on how the text was cut into parts.

/// Counts words.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Words {
    count: u64,
    in_word: bool,
}

impl Words {
    /// Counts the words that begin in `part`.
    pub(super) fn handle_text(&mut self, part: &str) {
        if part.is_ascii() {
            for byte in part.bytes() {
                self.handle_char(matches!(byte, b'\t'..=b'\r' | b' '));
            }
        } else {
            for c in part.chars() {
                self.handle_char(c.is_whitespace());
            }
        }
    }

    /// Words so far.
    pub(super) const fn count(self) -> u64 {
        self.count
    }

    #[inline]
    fn handle_char(&mut self, is_space: bool) {
        self.count += u64::from(!is_space && !self.in_word);
        self.in_word = !is_space;
    }
}

/// Text in which every run of white space is one space, and none stands at either end.
#[derive(Debug, Default)]
pub(super) struct Collapsed {
    text: String,
    space_due: bool,
}

impl Collapsed {
    /// Adds `part` to the end.
    pub(super) fn handle_text(&mut self, part: &str) {
        self.space_due |= part.starts_with(char::is_whitespace);
        for word in part.split_whitespace() {
            if self.space_due && !self.text.is_empty() {
                self.text.push(' ');
            }
            self.text.push_str(word);
            self.space_due = true;
        }
        self.space_due = part.ends_with(char::is_whitespace) || (part.is_empty() && self.space_due);
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// The text.
    pub(super) fn into_string(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_spaces_do_not_depend_on_the_cuts() {
        for text in ["", " ", "a", " a  b ", "foo bar\n\tbaz", "a\u{a0}b", "\u{3000}ä ö\u{2028}ü"]
        {
            let words = text.split_whitespace().count() as u64;
            let collapsed = text.split_whitespace().collect::<Vec<_>>().join(" ");
            for first in 0..=text.len() {
                for second in first..=text.len() {
                    if !text.is_char_boundary(first) || !text.is_char_boundary(second) {
                        continue;
                    }
                    let mut counted = Words::default();
                    let mut joined = Collapsed::default();
                    for part in [&text[..first], &text[first..second], &text[second..]] {
                        counted.handle_text(part);
                        joined.handle_text(part);
                    }
                    assert_eq!(counted.count(), words, "{text:?} cut at {first}, {second}");
                    assert_eq!(joined.into_string(), collapsed, "{text:?} at {first}, {second}");
                }
            }
        }
    }
}
