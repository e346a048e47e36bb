//! Tables: rows of cells under a head, as text for a terminal or as Markdown to paste.
//!
//! Invariant: both forms have the same cells.

use std::fmt::Write as _;

/// A table. The first column is aligned to the left, the others to the right, but for the last one
/// where its head says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Columns between two cells of text.
const GAP: usize = 2;

impl Table {
    /// A table without rows.
    pub(super) fn new(head: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    ///
    /// Where it has another number of cells than the head, which is a bug.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.head.len(), "a row has a cell for each column");
        self.rows.push(cells);
    }

    /// The table as lines of text, each ended by a line feed.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        let widths = self.widths();
        for row in [&self.head].into_iter().chain(&self.rows) {
            let mut line = String::new();
            for (idx, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let pad = width - cell.chars().count();
                let (left, right) = if idx == 0 { (0, pad) } else { (pad + GAP, 0) };
                let _ = write!(line, "{:left$}{cell}{:right$}", "", "");
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    /// The table as GitHub Flavored Markdown has it, each line ended by a line feed.
    pub(super) fn markdown(&self) -> String {
        let mut out = String::new();
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        out.push_str(&line(&self.head));
        let rules = self.head.iter().enumerate().map(|(idx, _)| match idx {
            0 => "---".to_owned(),
            _ => "---:".to_owned(),
        });
        out.push_str(&line(&rules.collect::<Vec<_>>()));
        self.rows.iter().for_each(|row| out.push_str(&line(row)));
        out
    }

    /// How wide each column is.
    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.head.iter().map(|cell| cell.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        widths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["engine", "rate"]);
        table.row(vec!["uring".to_owned(), "1,000".to_owned()]);
        table.row(vec!["a|b".to_owned(), "9".to_owned()]);
        table
    }

    #[test]
    fn text_is_aligned() {
        assert_eq!(table().text(), "engine   rate\nuring   1,000\na|b         9\n");
    }

    #[test]
    fn markdown_has_the_same_cells() {
        let expected = "| engine | rate |\n| --- | ---: |\n| uring | 1,000 |\n| a\\|b | 9 |\n";
        assert_eq!(table().markdown(), expected);
    }
}
