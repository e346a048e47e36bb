//! A list of URLs over and over, until the caller says that it is enough.
//!
//! Invariant: each pass begins at the beginning, and a list without lines ends at once.

use std::io;
use std::path::PathBuf;

use crate::input::Input;
use crate::input::source::{Line, Source};

/// A list that is read again whenever it ends.
pub struct Repeated<F> {
    urls: Vec<String>,
    files: Vec<PathBuf>,
    input: Input,
    is_over: F,
    /// Whether this pass has had a line.
    has_lines: bool,
}

impl<F: Fn() -> bool> Repeated<F> {
    /// `urls`, then the lists `files`, over and over until `is_over`.
    ///
    /// # Errors
    ///
    /// Where a list cannot be read.
    pub fn open(urls: Vec<String>, files: Vec<PathBuf>, is_over: F) -> io::Result<Self> {
        let input = Input::open(urls.clone(), files.clone())?;
        Ok(Self { urls, files, input, is_over, has_lines: false })
    }
}

impl<F: Fn() -> bool + Send> Source for Repeated<F> {
    fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        if (self.is_over)() {
            return Ok(None);
        }
        if !self.input.step()? {
            if !self.has_lines {
                return Ok(None);
            }
            self.input = Input::open(self.urls.clone(), self.files.clone())?;
            if !self.input.step()? {
                return Ok(None);
            }
        }
        self.has_lines = true;
        Ok(Some(self.input.current()))
    }

    fn is_buffered(&self) -> bool {
        self.input.is_buffered()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_list_begins_again_until_the_time_is_up() {
        let left = Mutex::new(Cell::new(5));
        let is_over = move || {
            let left = left.lock().unwrap();
            left.replace(left.get() - 1) == 0
        };
        let urls = vec!["a".to_owned(), "b".to_owned()];
        let mut list = Repeated::open(urls, Vec::new(), is_over).unwrap();
        let mut seen = Vec::new();
        while let Some(line) = list.next_line().unwrap() {
            seen.push(format!("{line:?}"));
        }
        let expected = ["a", "b", "a", "b", "a"].map(|url| format!("{:?}", Line::Text(url)));
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_list_without_lines_ends() {
        let mut list = Repeated::open(Vec::new(), Vec::new(), || false).unwrap();
        assert_eq!(list.next_line().unwrap(), None);
    }
}
