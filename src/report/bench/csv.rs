//! Trials as a table for spreadsheets and data frames: one header line, one line for each trial.
//!
//! Quotes by RFC 4180, but ends lines with a line feed alone, as tools on Linux expect. Failures by
//! kind and statuses are in the JSON report only, since their number is not fixed.
//!
//! Invariant: every trial has the same columns in the same order; what is not known is empty.

use std::borrow::Cow;

use crate::bench::slo::Timed;
use crate::bench::summary::BenchSummary;
use crate::stats::percentiles::Statistic;

type Column = (&'static str, fn(&BenchSummary) -> String);

/// The columns in front of the times.
const FIRST: [Column; 24] = [
    ("engine", |s| s.engine.to_owned()),
    ("mode", |s| s.mode.word().to_owned()),
    ("cores", |s| s.cores.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
    ("connections", |s| s.connections.to_string()),
    ("pipeline", |s| s.pipeline.to_string()),
    ("wanted_per_s", |s| known(s.wanted_per_s)),
    ("duration_s", |s| s.duration_s.to_string()),
    ("interrupted", |s| s.interrupted.to_string()),
    ("verdict", |s| s.verdict.is.word().to_owned()),
    ("rate_per_s", |s| known(s.rate_per_s)),
    ("bytes_read", |s| s.bytes_read.to_string()),
    ("bytes_per_s", |s| known(s.bytes_per_s)),
    ("scheduled", |s| s.ledger.scheduled.to_string()),
    ("skipped", |s| s.ledger.skipped.to_string()),
    ("sent", |s| s.ledger.sent.to_string()),
    ("completed", |s| s.ledger.completed.to_string()),
    ("failed", |s| s.ledger.failed.total().to_string()),
    ("in_flight_at_stop", |s| s.ledger.in_flight_at_stop.to_string()),
    ("errors", |s| s.errors.count.to_string()),
    ("error_share", |s| known(s.errors.share)),
    ("waited", |s| s.connections_detail.waited.to_string()),
    ("opened", |s| s.connections_detail.opened.to_string()),
    ("reopened", |s| s.connections_detail.reopened.to_string()),
    ("unserved", |s| s.connections_detail.unserved.to_string()),
];

/// The columns behind them.
const LAST: [Column; 16] = [
    ("response_p50_low_us", |s| known(s.confidence_us.p50.map(|(low, _)| low))),
    ("response_p50_high_us", |s| known(s.confidence_us.p50.map(|(_, high)| high))),
    ("response_p99_low_us", |s| known(s.confidence_us.p99.map(|(low, _)| low))),
    ("response_p99_high_us", |s| known(s.confidence_us.p99.map(|(_, high)| high))),
    ("response_p99.9_low_us", |s| known(s.confidence_us.p99_9.map(|(low, _)| low))),
    ("response_p99.9_high_us", |s| known(s.confidence_us.p99_9.map(|(_, high)| high))),
    ("user_s", |s| s.cost.user_s.to_string()),
    ("sys_s", |s| s.cost.sys_s.to_string()),
    ("cpu_us_per_request", |s| known(s.cost.cpu_us_per_request)),
    ("max_rss_bytes", |s| s.cost.max_rss_bytes.to_string()),
    ("busy_max", |s| known(s.cost.busy_per_core.iter().copied().flatten().reduce(f64::max))),
    ("in_flight_mean", |s| known(s.littles_law.in_flight_mean)),
    ("idle_share", |s| known(s.littles_law.idle_share)),
    ("littles_law_residue", |s| known(s.littles_law.residue)),
    ("why", |s| s.verdict.why.clone()),
    ("notes", |s| s.notes.join("; ")),
];

/// The names of the columns, on one line that ends with a line feed.
#[must_use]
pub fn header() -> String {
    let first = FIRST.iter().map(|(name, _)| (*name).to_owned());
    let times = Timed::ALL.into_iter().flat_map(|timed| {
        let counted = format!("{}_n", timed.word());
        let statistic =
            move |statistic: &Statistic| format!("{}_{}_us", timed.word(), statistic.word());
        std::iter::once(counted).chain(Statistic::ALL.iter().map(statistic))
    });
    line(first.chain(times).chain(LAST.iter().map(|(name, _)| (*name).to_owned())))
}

/// The trial of `summary` in the columns of [`header`], ended by a line feed. A note or a verdict
/// that contains a line feed makes it more than one line, within quotes.
#[must_use]
pub fn row(summary: &BenchSummary) -> String {
    let first = FIRST.iter().map(|(_, value)| value(summary));
    let times = Timed::ALL.into_iter().flat_map(|timed| {
        let percentiles = timed.percentiles(summary);
        let statistics =
            Statistic::ALL.iter().map(|statistic| known(percentiles.statistic(*statistic)));
        std::iter::once(percentiles.n.to_string()).chain(statistics)
    });
    line(first.chain(times).chain(LAST.iter().map(|(_, value)| value(summary))))
}

fn known(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

fn line(fields: impl Iterator<Item = String>) -> String {
    let fields: Vec<String> = fields.map(|field| quoted(&field).into_owned()).collect();
    let mut line = fields.join(",");
    line.push('\n');
    line
}

/// `field` in quotes where it needs them, with its own doubled (RFC 4180 section 2, rules 5 to 7).
fn quoted(field: &str) -> Cow<'_, str> {
    if field.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\"")).into()
    } else {
        field.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::summary::sample::{closed, open};

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        for (field, expected) in [
            ("", ""),
            ("a b", "a b"),
            ("a,b", "\"a,b\""),
            ("say \"a\"", "\"say \"\"a\"\"\""),
            ("a\nb", "\"a\nb\""),
        ] {
            assert_eq!(quoted(field), expected);
        }
    }

    #[test]
    fn the_columns_are_a_contract() {
        let header = header();
        let start = concat!(
            "engine,mode,cores,connections,pipeline,wanted_per_s,duration_s,interrupted,verdict,",
            "rate_per_s,bytes_read,bytes_per_s,scheduled,skipped,sent,completed,failed,",
            "in_flight_at_stop,errors,error_share,waited,opened,reopened,unserved,response_n,",
            "response_mean_us,response_min_us,response_p50_us,response_p75_us,response_p90_us,",
            "response_p99_us,response_p99.9_us,response_p99.99_us,response_p99.999_us,",
            "response_max_us,service_n,",
        );
        assert!(header.starts_with(start), "{header}");
        assert!(
            header.ends_with(",in_flight_mean,idle_share,littles_law_residue,why,notes\n"),
            "{header}"
        );
        assert_eq!(header.lines().count(), 1);
    }

    #[test]
    fn every_trial_has_every_column() {
        let columns = header().matches(',').count();
        for input in [closed(), open()] {
            let row = row(&BenchSummary::new(input));
            // The commas outside of quotes are those in every other piece.
            let commas = row.split('"').step_by(2).map(|piece| piece.matches(',').count());
            assert_eq!(commas.sum::<usize>(), columns, "{row}");
            assert_eq!(row.lines().count(), 1);
        }
        let row = row(&BenchSummary::new(closed()));
        let start = concat!(
            "uring,closed,1 3,4,1,,2,false,valid,40,8000,4000,84,0,84,80,2,2,4,",
            "0.04878048780487805,0,4,0,0,82,1097.561,1000,1000,1000,,,,,,5000,80,",
        );
        assert!(row.starts_with(start), "{row}");
        let end = ",1.5,0.625,0.9733333333333334,the busiest core was at 50.0 %; but 2.5 % of the \
                   answers were errors (400 or above),a note\n";
        assert!(row.ends_with(end), "{row}");
    }
}
