//! The path of a search for the highest rate, as a table.
//!
//! Knows the steps by their numbers; what they are tried for is the search's to know.
//!
//! Invariant: every step that was tried has one line.

use crate::report::lines::Lines;
use crate::report::paint::Paint;
use crate::report::units;

/// One rate that was tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tried {
    /// Requests a second that were wanted.
    pub wanted_per_s: f64,
    /// Requests a second that were completed.
    pub rate_per_s: Option<f64>,
    /// Response time at p50, in microseconds.
    pub p50_us: Option<f64>,
    /// Response time at p99, in microseconds.
    pub p99_us: Option<f64>,
    /// The verdict on the trial.
    pub verdict: &'static str,
    /// Whether the rate held.
    pub holds: bool,
}

/// The table of `path`, and what was found: `found_per_s`, which `limited_by` kept from being more.
#[must_use]
pub fn path(
    objectives: &str,
    path: &[Tried],
    found_per_s: Option<f64>,
    limited_by: &str,
    paint: Paint,
) -> String {
    let mut lines = Lines::new(paint);
    let cells = |cells: [&str; 5]| {
        let [wanted, rate, p50, p99, rest] = cells;
        format!("{wanted:>14}{rate:>14}{p50:>10}{p99:>10}  {rest}").trim_end().to_owned()
    };
    lines.line("search", &format!("the highest rate at which {objectives}"));
    lines.line("", &cells(["wanted", "completed", "p50", "p99", ""]));
    for tried in path {
        let rate = |per_s: Option<f64>| per_s.map_or("-".to_owned(), units::rate);
        let time = |us: Option<f64>| us.map_or("-".to_owned(), units::duration_us);
        let rest = match (tried.holds, tried.verdict) {
            (true, _) => "held".to_owned(),
            (false, "valid") => "did not hold".to_owned(),
            (false, verdict) => format!("did not hold, {verdict}"),
        };
        lines.line(
            "",
            &cells([
                &units::rate(tried.wanted_per_s),
                &rate(tried.rate_per_s),
                &time(tried.p50_us),
                &time(tried.p99_us),
                &rest,
            ]),
        );
    }
    let found = match found_per_s {
        Some(per_s) => format!("{}, limited by the {limited_by}", units::rate(per_s)),
        None => format!("no rate held, limited by the {limited_by}"),
    };
    lines.line("found", &found);
    lines.into_text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rate_has_its_line() {
        let held = Tried {
            wanted_per_s: 1000.0,
            rate_per_s: Some(1003.0),
            p50_us: Some(300.0),
            p99_us: Some(900.0),
            verdict: "valid",
            holds: true,
        };
        let missed = Tried {
            wanted_per_s: 2000.0,
            rate_per_s: None,
            p50_us: None,
            p99_us: None,
            verdict: "target-missed",
            holds: false,
        };
        let text = path("p99<1ms", &[held, missed], Some(1000.0), "objectives", Paint::Plain);
        let expected = "\
search       the highest rate at which p99<1ms
                     wanted     completed       p50       p99
                    1,000/s       1,003/s    300 us    900 us  held
                    2,000/s             -         -         -  did not hold, target-missed
found        1,000/s, limited by the objectives
";
        assert!(text == expected, "{text}");
    }
}
