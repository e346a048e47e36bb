//! A comparison as Markdown, to paste into an issue or a document.

use std::fmt::Write as _;

use crate::compare::comparison::Comparison;
use crate::compare::matrix::Matrix;
use crate::compare::saved::Since;
use crate::report::compare::tables;
use crate::report::paint::one_line;

/// `comparison` as Markdown; and what has changed since a run that was saved, if there is one.
#[must_use]
pub fn markdown(comparison: &Comparison, since: Option<&Since>) -> String {
    let mut out =
        format!("**{}**: {}\n\n", one_line(&comparison.workload), tables::rounds(comparison));
    for table in
        [tables::figures(comparison), tables::ratios(comparison), tables::costs(comparison)]
    {
        let _ = writeln!(out, "{}", table.markdown());
    }
    let kinds = tables::kinds(comparison);
    if !kinds.is_empty() {
        out.push_str("System calls a request:\n\n");
        for (label, items) in kinds {
            let _ = writeln!(out, "- {label}: {}", items.join(", "));
        }
        out.push('\n');
    }
    if let Some(since) = since {
        let _ = writeln!(out, "Since a run of ringfetch {}:\n", one_line(&since.version));
        let _ = writeln!(out, "{}", tables::since(comparison, since).markdown());
    }
    notes(&mut out, &comparison.notes);
    out
}

/// `matrix` as Markdown.
#[must_use]
pub fn matrix(matrix: &Matrix) -> String {
    let Some(last) = matrix.matrix.last() else { return String::new() };
    let comparison = &last.comparison;
    let mut out = format!(
        "**closed loop, over connections and body sizes**: {}\n\n",
        tables::rounds(comparison)
    );
    out.push_str("Lowest CPU time a request (= where two were not told apart):\n\n");
    let _ = writeln!(out, "{}", tables::winners(matrix).markdown());
    for (label, _) in comparison.engines.0.iter().filter(|(l, _)| *l != comparison.baseline) {
        let _ = writeln!(out, "{label} / {}:\n", comparison.baseline);
        let _ = writeln!(out, "{}", tables::sweep(matrix, label).markdown());
    }
    let _ = writeln!(out, "The noise:\n\n{}", tables::noise(matrix).markdown());
    notes(&mut out, &tables::notes(matrix));
    out
}

fn notes(out: &mut String, notes: &[String]) {
    out.push_str("Notes:\n\n");
    for note in notes {
        let _ = writeln!(out, "- {}", one_line(note));
    }
}
