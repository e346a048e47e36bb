//! One file of the repository, as text, as code, and as the code that is shipped.

use crate::scan::{blank, without_tests};

/// One file of the repository.
pub(crate) struct Text {
    /// Its path from the top, with `/`.
    pub(crate) path: String,
    pub(crate) raw: String,
    /// The same text with comments, strings and characters blanked, line for line.
    pub(crate) code: String,
    /// The code with everything under `#[cfg(test)]` blanked, line for line.
    pub(crate) shipped: String,
    /// The modules with a file of their own that this file declares under `#[cfg(test)]`.
    pub(crate) test_modules: Vec<String>,
}

impl Text {
    pub(crate) fn new(path: &str, raw: &str) -> Self {
        let code = blank(raw);
        let (shipped, test_modules) = without_tests(&code);
        Self { path: path.to_owned(), raw: raw.to_owned(), code, shipped, test_modules }
    }

    pub(crate) fn is_in(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }

    /// A complaint about every line of `text`, this file's raw text or its code, that `offends`.
    pub(crate) fn complain(
        &self,
        text: &str,
        why: &str,
        offends: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let lines = text.lines().enumerate().filter(|(_, line)| offends(line));
        lines.map(|(idx, _)| self.at(idx, why)).collect()
    }

    pub(crate) fn at(&self, line_idx: usize, why: &str) -> String {
        format!("{}:{}: {why}", self.path, line_idx + 1)
    }
}
