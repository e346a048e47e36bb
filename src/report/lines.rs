//! Labelled lines of text, as all reports for a person have them.
//!
//! Invariant: a list or a paragraph breaks at 80 columns; only a single wider item or word goes
//! beyond.

use crate::base::units;
use crate::report::paint::Paint;
use crate::stats::counts::NamedCounts;

/// Columns that a report or a progress line takes.
pub(super) const REPORT_COLUMNS: usize = 80;
/// Kinds of failure that the text report lists, the most frequent first.
pub(super) const FAILURES_SHOWN_MAX: usize = 12;
/// Cores that the text report lists.
pub(super) const CORES_SHOWN_MAX: usize = 32;
/// Statuses that the text report lists, the most frequent first.
pub(super) const STATUSES_SHOWN_MAX: usize = 24;

/// Columns of the labels at the left.
pub(super) const LABEL_COLUMNS: usize = 13;

/// A report in the making.
pub(super) struct Lines {
    out: String,
    pub(super) paint: Paint,
}

impl Lines {
    pub(super) fn new(paint: Paint) -> Self {
        Self { out: String::with_capacity(2048), paint }
    }

    /// The lines, each ended by a line feed.
    pub(super) fn into_text(self) -> String {
        self.out
    }

    /// The most frequent failures, one a line.
    pub(super) fn failures(&mut self, failures: &NamedCounts) {
        let shown = most_frequent(failures, FAILURES_SHOWN_MAX);
        let width = shown.first().map_or(0, |(_, count)| units::count(*count).len());
        for (name, count) in &shown {
            self.line("", &format!("{:>width$} {name}", units::count(*count)));
        }
        let rest = failures.0.len() - shown.len();
        if rest > 0 {
            self.line("", &format!("and {}", plural(rest as u64, "kind")));
        }
    }

    /// The most frequent statuses.
    pub(super) fn statuses(&mut self, statuses: &NamedCounts) {
        let shown = most_frequent(statuses, STATUSES_SHOWN_MAX);
        let mut items: Vec<String> =
            shown.iter().map(|(status, n)| format!("{status}: {}", units::count(*n))).collect();
        if statuses.0.len() > shown.len() {
            items.push(format!("and {} more", statuses.0.len() - shown.len()));
        }
        self.list("status", &items);
    }

    /// `items` after `label`, separated by commas, on as many lines as they need.
    pub(super) fn list(&mut self, label: &str, items: &[String]) {
        let last = items.len().saturating_sub(1);
        let with_comma = |(idx, item): (usize, &String)| {
            let comma = if idx < last { "," } else { "" };
            format!("{item}{comma}")
        };
        let pieces: Vec<String> = items.iter().enumerate().map(with_comma).collect();
        self.flow(label, pieces.iter().map(String::as_str));
    }

    /// `text` after `label`, broken between words.
    pub(super) fn paragraph(&mut self, label: &str, text: &str) {
        self.flow(label, text.split(' '));
    }

    /// `rest` after `label`, on one line whatever its width.
    pub(super) fn line(&mut self, label: &str, rest: &str) {
        let gap = LABEL_COLUMNS.saturating_sub(label.len());
        let label = self.paint.strong(label).into_owned();
        self.raw(&format!("{label}{:gap$}{rest}", ""));
    }

    pub(super) fn raw(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// Pieces with a space between them, on as many lines as they need.
    fn flow<'a>(&mut self, label: &str, pieces: impl Iterator<Item = &'a str>) {
        let (mut label, mut line) = (label, String::new());
        for piece in pieces {
            if line.is_empty() {
                line.push_str(piece);
            } else if LABEL_COLUMNS + line.len() + 1 + piece.len() > REPORT_COLUMNS {
                self.line(label, &line);
                (label, line) = ("", piece.to_owned());
            } else {
                line.push(' ');
                line.push_str(piece);
            }
        }
        if !line.is_empty() {
            self.line(label, &line);
        }
    }
}

/// `count` of what `noun` names one of.
pub(super) fn plural(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", units::count(count))
}

/// The `count_max` largest of `counts`, the largest first, equal ones in their order.
fn most_frequent(counts: &NamedCounts, count_max: usize) -> Vec<(&str, u64)> {
    let mut all: Vec<(&str, u64)> = counts.0.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    all.truncate(count_max);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_breaks_between_words_and_nowhere_else() {
        let mut lines = Lines::new(Paint::Plain);
        let words = ["ten-letter"; 7].join(" ");
        lines.paragraph("label", &format!("{words} {}", "x".repeat(90)));
        lines.paragraph("none", "");
        let ten = "ten-letter";
        let expected = format!(
            "label        {ten} {ten} {ten} {ten} {ten} {ten}\n{0:13}{ten}\n{0:13}{1}\n",
            "",
            "x".repeat(90)
        );
        assert_eq!(lines.into_text(), expected);
    }

    #[test]
    fn a_list_has_commas_between_its_items_and_breaks_after_them() {
        let mut lines = Lines::new(Paint::Plain);
        let item = "a".repeat(31);
        lines.list("items", &[item.clone(), item.clone(), item.clone()]);
        let expected = format!("items        {item}, {item},\n             {item}\n");
        assert_eq!(lines.into_text(), expected);
    }
}
