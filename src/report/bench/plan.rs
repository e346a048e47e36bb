//! What a benchmark is about to do, in three lines.
//!
//! Invariant: whether the loop is closed or open is always said.

use std::time::Duration;

use crate::base::units;
use crate::report::lines::{Lines, plural};
use crate::report::paint::{Paint, one_line};

/// The settings of a benchmark that its numbers depend on.
#[derive(Clone, Debug, PartialEq)]
pub struct BenchPlan<'a> {
    /// The engine that will run.
    pub engine: &'a str,
    /// The CPUs of its cores.
    pub cores: &'a [usize],
    /// The first URL.
    pub url: &'a str,
    /// How many URLs there are in all.
    pub urls: usize,
    /// Connections in all.
    pub connections: usize,
    /// Requests that one connection has in flight at most.
    pub pipeline: usize,
    /// Open loop: requests a second and how they are spread (`poisson`, `even`); none: closed loop.
    pub rate: Option<(f64, &'a str)>,
    /// What a search wants to hold; none: no search. The rate is then the first to be tried, and
    /// the length that of each trial.
    pub search: Option<String>,
    /// Length of the measured window, where time ends it.
    pub duration: Option<Duration>,
    /// Requests in all, where their number ends it.
    pub requests: Option<u64>,
    /// Length of the warm-up; zero where there is none.
    pub warmup: Duration,
}

/// `plan` as lines of text, each ended by a line feed; the first is as long as its URL.
#[must_use]
pub fn plan(plan: &BenchPlan<'_>, paint: Paint) -> String {
    let mut lines = Lines::new(paint);
    let span = |time: Duration| units::seconds(time.as_secs_f64());
    let extent = match (plan.duration, plan.requests) {
        (Some(duration), None) => format!("{} test", span(duration)),
        (None, Some(requests)) => plural(requests, "request"),
        (Some(duration), Some(requests)) => {
            format!("{} in {} at most", plural(requests, "request"), span(duration))
        }
        (None, None) => "test".to_owned(),
    };
    let more = match plan.urls.saturating_sub(1) as u64 {
        0 => String::new(),
        more => format!(" and {}", plural(more, "more URL")),
    };
    match &plan.search {
        None => lines.raw(&format!("Running {extent} @ {}{more}", one_line(plan.url))),
        Some(objectives) => {
            let url = one_line(plan.url);
            lines.raw(&format!("Searching for the highest rate with {objectives} @ {url}{more}"));
        }
    }
    let connections = plural(plan.connections as u64, "connection");
    let mut items = vec![plan.engine.to_owned(), cores(plan.cores), connections];
    if plan.pipeline > 1 {
        items.push(format!("pipeline {}", plan.pipeline));
    }
    lines.raw(&format!("  {}", items.join(", ")));
    let mut items = vec![match plan.rate {
        Some((per_s, arrivals)) => format!("open loop at {} ({arrivals})", units::rate(per_s)),
        None => "closed loop".to_owned(),
    }];
    if !plan.warmup.is_zero() {
        items.push(format!("warm-up {}", span(plan.warmup)));
    }
    lines.raw(&format!("  {}", items.join(", ")));
    lines.into_text()
}

/// `core 1`, `cores 0-3,6`, or only their number where a list would be too long.
pub(super) fn cores(cpus: &[usize]) -> String {
    // The longest of the other settings leave this much of a line.
    const LIST_COLUMNS_MAX: usize = 24;
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for cpu in cpus {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *cpu => *last = *cpu,
            _ => ranges.push((*cpu, *cpu)),
        }
    }
    let words = ranges.into_iter().map(|(first, last)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    });
    let list = words.collect::<Vec<_>>().join(",");
    match cpus {
        [cpu] => format!("core {cpu}"),
        [_, ..] if list.len() <= LIST_COLUMNS_MAX => format!("cores {list}"),
        _ => plural(cpus.len() as u64, "core"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::lines::REPORT_COLUMNS;

    fn closed() -> BenchPlan<'static> {
        BenchPlan {
            engine: "uring",
            cores: &[1],
            url: "http://127.0.0.1:8080/bytes/64",
            urls: 1,
            connections: 64,
            pipeline: 1,
            rate: None,
            search: None,
            duration: Some(Duration::from_secs(10)),
            requests: None,
            warmup: Duration::ZERO,
        }
    }

    /// Checks the text of `plan` against the three lines `expected`.
    fn check(plan: &BenchPlan<'_>, expected: [&str; 3]) {
        let text = super::plan(plan, Paint::Plain);
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
        assert!(expected[1..].iter().all(|line| line.len() <= REPORT_COLUMNS));
    }

    #[test]
    fn a_plan_says_how_it_will_be_measured() {
        check(
            &closed(),
            [
                "Running 10.0 s test @ http://127.0.0.1:8080/bytes/64",
                "  uring, core 1, 64 connections",
                "  closed loop",
            ],
        );
        let open = BenchPlan {
            cores: &[0, 1, 2, 3],
            url: "http://a/",
            urls: 4,
            pipeline: 16,
            rate: Some((100_000.0, "poisson")),
            requests: Some(5000),
            warmup: Duration::from_secs(1),
            ..closed()
        };
        check(
            &open,
            [
                "Running 5,000 requests in 10.0 s at most @ http://a/ and 3 more URLs",
                "  uring, cores 0-3, 64 connections, pipeline 16",
                "  open loop at 100,000/s (poisson), warm-up 1.00 s",
            ],
        );
    }

    #[test]
    fn a_url_cannot_steer_the_terminal() {
        let text = plan(&BenchPlan { url: "http://a/\x1b[2J", ..closed() }, Paint::Plain);
        assert!(text.starts_with("Running 10.0 s test @ http://a/\\u{1b}[2J\n"), "{text}");
    }

    #[test]
    fn cores_are_ranges_where_they_can_be() {
        for (cpus, expected) in [
            (vec![], "0 cores"),
            (vec![7], "core 7"),
            (vec![0, 1], "cores 0-1"),
            (vec![0, 2, 3, 4, 9], "cores 0,2-4,9"),
            ((0..256).collect(), "cores 0-255"),
            ((0..256).step_by(2).collect(), "128 cores"),
        ] {
            assert_eq!(cores(&cpus), expected);
        }
    }
}
