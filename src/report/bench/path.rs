//! The path of a search for the highest rate, as a table.
//!
//! Invariant: every step that was tried has one line.

use crate::base::units;
use crate::bench::found::Search;
use crate::bench::verdict::Judgement;
use crate::report::lines::Lines;
use crate::report::paint::Paint;

/// The table of what was tried, and what was found.
#[must_use]
pub fn path(search: &Search, paint: Paint) -> String {
    let mut lines = Lines::new(paint);
    let cells = |cells: [&str; 5]| {
        let [wanted, rate, p50, p99, rest] = cells;
        format!("{wanted:>14}{rate:>14}{p50:>10}{p99:>10}  {rest}").trim_end().to_owned()
    };
    lines.line("search", &format!("the highest rate at which {}", search.objectives));
    lines.line("", &cells(["wanted", "completed", "p50", "p99", ""]));
    for step in &search.path {
        let rate = |per_s: Option<f64>| per_s.map_or("-".to_owned(), units::rate);
        let time = |us: Option<f64>| us.map_or("-".to_owned(), units::duration_us);
        let rest = match (step.holds, step.verdict) {
            (true, _) => "held".to_owned(),
            (false, Judgement::Valid) => "did not hold".to_owned(),
            (false, verdict) => format!("did not hold, {}", verdict.word()),
        };
        lines.line(
            "",
            &cells([
                &units::rate(step.wanted_per_s),
                &rate(step.rate_per_s),
                &time(step.p50_us),
                &time(step.p99_us),
                &rest,
            ]),
        );
    }
    let found = search.found_per_s.map_or("no rate held".to_owned(), units::rate);
    lines.line("found", &format!("{found}, limited by the {}", search.limited_by.word()));
    lines.into_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::found::{LimitedBy, RateStep};

    #[test]
    fn every_rate_has_its_line() {
        let held = RateStep {
            wanted_per_s: 1000.0,
            rate_per_s: Some(1003.0),
            p50_us: Some(300.0),
            p99_us: Some(900.0),
            verdict: Judgement::Valid,
            checked: Vec::new(),
            holds: true,
        };
        let missed = RateStep {
            wanted_per_s: 2000.0,
            rate_per_s: None,
            p50_us: None,
            p99_us: None,
            verdict: Judgement::TargetMissed,
            checked: Vec::new(),
            holds: false,
        };
        let search = Search {
            objectives: "p99<1ms".to_owned(),
            found_per_s: Some(1000.0),
            limited_by: LimitedBy::Target,
            path: vec![held, missed],
            trials: Vec::new(),
        };
        let text = path(&search, Paint::Plain);
        let expected = "\
search       the highest rate at which p99<1ms
                     wanted     completed       p50       p99
                    1,000/s       1,003/s    300 us    900 us  held
                    2,000/s             -         -         -  did not hold, target-missed
found        1,000/s, limited by the target
";
        assert!(text == expected, "{text}");
    }
}
