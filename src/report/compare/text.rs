//! A comparison as text for a terminal.
//!
//! Invariant: each note is a paragraph of its own, and none is left out.

use crate::compare::comparison::Comparison;
use crate::compare::matrix::Matrix;
use crate::compare::saved::Since;
use crate::report::compare::tables;
use crate::report::lines::Lines;
use crate::report::paint::{Paint, one_line};

/// `comparison` as lines of text, each ended by a line feed; and what has changed since a run that
/// was saved, if there is one.
#[must_use]
pub fn text(comparison: &Comparison, since: Option<&Since>, paint: Paint) -> String {
    let mut lines = Lines::new(paint);
    lines.paragraph("workload", &one_line(&comparison.workload));
    lines.paragraph("rounds", &tables::rounds(comparison));
    lines.raw("");
    for table in
        [tables::figures(comparison), tables::ratios(comparison), tables::costs(comparison)]
    {
        lines.raw(&table.text());
    }
    let kinds = tables::kinds(comparison);
    if !kinds.is_empty() {
        lines.raw("system calls a request");
        let width = kinds.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        for (label, items) in &kinds {
            lines.raw(&format!("  {label:width$}  {}", items.join(", ")));
        }
        lines.raw("");
    }
    if let Some(since) = since {
        lines.raw(&format!("since a run of ringfetch {}", one_line(&since.version)));
        lines.raw(&tables::since(comparison, since).text());
    }
    notes(&mut lines, &comparison.notes);
    lines.into_text()
}

/// `matrix` as lines of text, each ended by a line feed.
#[must_use]
pub fn matrix(matrix: &Matrix, paint: Paint) -> String {
    let mut lines = Lines::new(paint);
    let Some(last) = matrix.matrix.last() else { return String::new() };
    let comparison = &last.comparison;
    lines.paragraph("workload", "closed loop, over connections and body sizes");
    lines.paragraph("rounds", &tables::rounds(comparison));
    lines.raw("");
    lines.raw("lowest CPU time a request (= where two were not told apart)");
    lines.raw(&tables::winners(matrix).text());
    for (label, _) in comparison.engines.0.iter().filter(|(l, _)| *l != comparison.baseline) {
        lines.raw(&format!("{label} / {}", comparison.baseline));
        lines.raw(&tables::sweep(matrix, label).text());
    }
    lines.raw("the noise");
    lines.raw(&tables::noise(matrix).text());
    notes(&mut lines, &tables::notes(matrix));
    lines.into_text()
}

fn notes(lines: &mut Lines, notes: &[String]) {
    for note in notes {
        lines.paragraph("note", &one_line(note));
    }
}
