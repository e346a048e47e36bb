//! The summary of a trial as text for a person, in 80 columns.
//!
//! Every number is in the summary, so text, CSV and JSON cannot disagree. One that is not known is
//! a dash.
//!
//! Invariant: the line `Requests/sec: N` is always there, at the start of a line and uncoloured, as
//! scripts that read wrk expect it.

use std::fmt::Write as _;

use crate::base::units;
use crate::bench::slo::Checked;
use crate::bench::summary::BenchSummary;
use crate::bench::verdict::{GENERATOR_RUN_QUEUE_SHARE, Judgement, Mode};
use crate::report::bench::plan::cores;
use crate::report::lines::{CORES_SHOWN_MAX, Lines, plural};
use crate::report::paint::{Paint, one_line};
use crate::stats::percentiles::{Percentiles, Statistic};

/// Columns of one kind of time in the percentiles.
const TIME_COLUMNS: usize = 9;

/// `summary` as lines of text, each ended by a line feed.
#[must_use]
pub fn text(summary: &BenchSummary, paint: Paint) -> String {
    let mut report = TrialReport(Lines::new(paint));
    report.run(summary);
    report.rates(summary);
    report.percentiles(summary);
    report.outcome(summary);
    report.ledger(summary);
    report.connections(summary);
    report.cost(summary);
    report.law(summary);
    report.verdict(summary);
    for note in &summary.notes {
        let label = paint.notable("note:").into_owned();
        report.0.raw(&format!("{label} {}", one_line(note)));
    }
    report.0.into_text()
}

/// Whether each objective held, one a line.
#[must_use]
pub fn checks(checked: &[Checked], paint: Paint) -> String {
    let mut lines = Lines::new(paint);
    for Checked { term, holds, why, .. } in checked {
        let word = if *holds { paint.good("held") } else { paint.bad("missed") };
        lines.line("assert", &format!("{} {word}: {why}", one_line(term)));
    }
    lines.into_text()
}

struct TrialReport(Lines);

impl TrialReport {
    fn run(&mut self, summary: &BenchSummary) {
        let mut items = vec![
            summary.engine.to_owned(),
            cores(&summary.cores),
            plural(summary.connections as u64, "connection"),
        ];
        if summary.pipeline > 1 {
            items.push(format!("pipeline {}", summary.pipeline));
        }
        items.push(match (summary.mode, summary.wanted_per_s) {
            (Mode::Open, Some(per_s)) => format!("open loop at {}", units::rate(per_s)),
            (mode, _) => format!("{} loop", mode.word()),
        });
        items.push(units::seconds(summary.duration_s));
        if summary.interrupted {
            items.push("interrupted".to_owned());
        }
        self.0.list("run", &items);
        let warmup = &summary.warmup;
        if warmup.sent > 0 {
            let items = [
                plural(warmup.sent, "request"),
                format!("{} completed", units::count(warmup.completed)),
                format!("{} failed", units::count(warmup.failed)),
                format!("{} in flight at the end", units::count(warmup.in_flight)),
            ];
            self.0.list("warm-up", &items);
        }
    }

    fn rates(&mut self, summary: &BenchSummary) {
        let rate = summary.rate_per_s.map_or("-".to_owned(), |per_s| format!("{per_s:.2}"));
        let bytes = summary.bytes_per_s.map_or("-".to_owned(), units::bytes_rate);
        self.0.raw("");
        let requests = plural(summary.ledger.completed, "request");
        let (span, read) = (units::seconds(summary.duration_s), units::bytes(summary.bytes_read));
        self.0.raw(&format!("  {requests} in {span}, {read} read"));
        self.0.raw(&format!("Requests/sec: {rate}"));
        self.0.raw(&format!("Transfer/sec: {}", bytes.trim_end_matches("/s")));
    }

    fn percentiles(&mut self, summary: &BenchSummary) {
        let times = &summary.latency_us;
        let open = summary.mode == Mode::Open;
        // In a closed loop service is the response time of what completed, and nothing is late.
        let kinds = [
            ("response", &times.response, true),
            ("service", &times.service, open),
            ("send lag", &times.send_lag, open),
            ("1st byte", &times.first_byte, times.first_byte.n > 0),
            ("connect", &times.connect, times.connect.n > 0),
        ];
        let shown = kinds.into_iter().filter(|(.., shown)| *shown);
        let shown: Vec<(&str, &Percentiles)> =
            shown.map(|(name, times, _)| (name, times)).collect();
        if shown.iter().all(|(_, times)| times.n == 0) {
            self.0.raw("");
            return;
        }
        let intervals = [
            (Statistic::Percentile(0), summary.confidence_us.p50),
            (Statistic::Percentile(3), summary.confidence_us.p99),
            (Statistic::Percentile(4), summary.confidence_us.p99_9),
        ];
        self.0.raw("");
        let mut head = String::new();
        for (name, _) in &shown {
            let _ = write!(head, "{name:>TIME_COLUMNS$}");
        }
        self.0.line("time", &format!("{head}  95 % confidence"));
        for statistic in Statistic::ALL {
            let mut cells = String::new();
            for (_, times) in &shown {
                let at_least = if times.is_at_least(statistic) { ">" } else { "" };
                let time = |us| format!("{at_least}{}", units::duration_us(us));
                let cell = times.statistic(statistic).map_or("-".to_owned(), time);
                let _ = write!(cells, "{cell:>TIME_COLUMNS$}");
            }
            let interval = intervals.iter().find(|(of, _)| *of == statistic);
            if let Some((low, high)) = interval.and_then(|(_, interval)| *interval) {
                let (low, high) = (units::duration_us(low), units::duration_us(high));
                let _ = write!(cells, "  {low} - {high}");
            }
            self.0.line(&format!("  {}", statistic_label(statistic)), &cells);
        }
        self.beside_the_percentiles(summary);
        self.0.raw("");
    }

    /// Adds what the percentiles do not show: how many times are over an hour, how many censored.
    fn beside_the_percentiles(&mut self, summary: &BenchSummary) {
        let response = &summary.latency_us.response;
        if response.clipped > 0 {
            self.0.line("", &format!("{} over an hour", plural(response.clipped, "time")));
        }
        let censored = &summary.censored;
        let count = censored.in_flight + censored.skipped;
        if count > 0 {
            let text = format!(
                "{} in flight at the end, {} never sent: {} of the response times, known to be \
                 longer than the age that they had reached",
                units::count(censored.in_flight),
                units::count(censored.skipped),
                units::percent(count, response.n),
            );
            self.0.paragraph("censored", &text);
        }
    }

    fn outcome(&mut self, summary: &BenchSummary) {
        self.0.statuses(&summary.status);
        let failed = summary.ledger.failed.total();
        if failed > 0 {
            let ended = failed + summary.ledger.completed;
            let count = self.0.paint.bad(&units::count(failed)).into_owned();
            self.0.line("failed", &format!("{count} ({})", units::percent(failed, ended)));
            self.0.failures(&summary.ledger.failed);
            let times = &summary.latency_us.failed;
            if let (Some(mean), Some(max)) = (times.mean, times.max) {
                let (mean, max) = (units::duration_us(mean), units::duration_us(max));
                self.0.line("", &format!("after {mean} on average, {max} at most"));
            }
        }
        let errors = &summary.errors;
        if errors.count > failed {
            let share = errors.share.map_or("-".to_owned(), units::share);
            let line =
                format!("{} ({share}), with statuses of 400 and above", units::count(errors.count));
            self.0.line("errors", &line);
        }
    }

    fn ledger(&mut self, summary: &BenchSummary) {
        let ledger = &summary.ledger;
        let count = units::count;
        let sent = format!(
            "scheduled {} = sent {} + skipped {}",
            count(ledger.scheduled),
            count(ledger.sent),
            count(ledger.skipped),
        );
        self.0.paragraph("ledger", &sent);
        let became = format!(
            "sent {} = completed {} + failed {} + in flight {}",
            count(ledger.sent),
            count(ledger.completed),
            count(ledger.failed.total()),
            count(ledger.in_flight_at_stop),
        );
        self.0.paragraph("", &became);
    }

    /// Adds the connections where not all that were asked for served to the end.
    fn connections(&mut self, summary: &BenchSummary) {
        let detail = &summary.connections_detail;
        let count = units::count;
        let is_well = detail.opened == detail.wanted
            && detail.reopened + detail.unserved + detail.exhausted_pauses == 0;
        if !is_well {
            let mut items = vec![
                format!("{} wanted", count(detail.wanted)),
                format!("{} opened", count(detail.opened)),
                format!("{} reopened", count(detail.reopened)),
                format!("{} never answered", count(detail.unserved)),
            ];
            if detail.exhausted_pauses > 0 {
                let pauses = plural(detail.exhausted_pauses, "pause");
                items.push(format!("{pauses} for want of descriptors or ports"));
            }
            self.0.list("connections", &items);
        }
        if detail.waited > 0 {
            let share = units::percent(detail.waited, summary.ledger.scheduled);
            let arrivals = plural(detail.waited, "arrival");
            self.0.line("waited", &format!("{arrivals} ({share}) found no free connection"));
        }
    }

    fn cost(&mut self, summary: &BenchSummary) {
        let cost = &summary.cost;
        let mut items = Vec::new();
        if let Some(us) = cost.cpu_us_per_request {
            items.push(format!("{} a request", units::duration_us(us)));
        }
        items.push(format!("{} user", units::seconds(cost.user_s)));
        items.push(format!("{} system", units::seconds(cost.sys_s)));
        self.0.list("cpu", &items);
        let shares = cost.run_queue_share_per_core.iter().zip(&cost.spun_share_per_core);
        let loads = cost.busy_per_core.iter().zip(shares);
        let cores = summary.cores.iter().zip(&summary.pinned_per_core).zip(loads);
        let mut items: Vec<String> = cores
            .take(CORES_SHOWN_MAX)
            .map(|((cpu, pinned), (busy, (waited, spun)))| {
                let free = if *pinned { "" } else { " (free)" };
                let busy = busy.map_or("-".to_owned(), units::share);
                let waited = waited.filter(|share| *share >= GENERATOR_RUN_QUEUE_SHARE);
                let waited = waited.map_or(String::new(), |share| {
                    format!(" (and {} waiting)", units::share(share))
                });
                let spun = spun.filter(|share| *share > 0.0);
                let spun = spun
                    .map_or(String::new(), |share| format!(" ({} spinning)", units::share(share)));
                format!("core {cpu}{free}: {busy}{spun}{waited}")
            })
            .collect();
        let rest = summary.cores.len().saturating_sub(CORES_SHOWN_MAX);
        if rest > 0 {
            items.push(format!("and {rest} more"));
        }
        self.0.list("busy", &items);
        self.0.line("memory", &format!("{} at most", units::bytes(cost.max_rss_bytes)));
    }

    fn law(&mut self, summary: &BenchSummary) {
        let law = &summary.littles_law;
        let Some(mean) = law.in_flight_mean else { return };
        let mut items = vec![
            format!("{mean:.2} on average"),
            format!("room for {}", units::count(law.in_flight_max)),
        ];
        if let Some(idle) = law.idle_share {
            items.push(format!("{} idle", units::share(idle)));
            let residue = |residue: f64| units::share(residue.abs());
            let residue = law.residue.map_or("unknown, for want of an answer".to_owned(), residue);
            items.push(format!("residue of Little's law {residue}"));
        }
        self.0.list("in flight", &items);
    }

    fn verdict(&mut self, summary: &BenchSummary) {
        let verdict = &summary.verdict;
        let paint = self.0.paint;
        let is = match verdict.is {
            Judgement::Valid => paint.good(verdict.is.word()),
            _ => paint.notable(verdict.is.word()),
        };
        self.0.raw("");
        self.0.line("verdict", &is);
        self.0.paragraph("", &one_line(&verdict.why));
        self.0.paragraph("hint", &one_line(&verdict.hint));
    }
}

/// `50%` rather than `p50`, as wrk has it.
fn statistic_label(statistic: Statistic) -> String {
    match statistic.word().strip_prefix('p') {
        Some(percent) => format!("{percent}%"),
        None => statistic.word().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::cpu_time::CpuTime;
    use crate::base::failure::{Kind, Stage};
    use crate::bench::slo::Objectives;
    use crate::bench::summary::sample::{closed, open};
    use crate::bench::summary::{BenchInput, BenchSummary};
    use crate::report::lines::{FAILURES_SHOWN_MAX, REPORT_COLUMNS};
    use crate::stats::counts::NamedCounts;

    /// `input` with 10,000 more completed requests on each core, of 0.3 to 0.5 ms; half of their
    /// arrivals, where there are any, were 0.1 ms late.
    fn large(mut input: BenchInput) -> BenchInput {
        for core in &mut input.cores {
            let record = &mut core.record;
            record.measured.scheduled += 10_000;
            record.measured.sent += 10_000;
            record.measured.completed += 10_000;
            record.answered_in_window += 10_000;
            record.measured.wire_bytes += 200_000_000;
            for n in 0..10_000_u64 {
                let (service_ns, late_ns) = (300_000 + n * 20, (n % 2) * 100_000);
                record.measured.statuses.count(200);
                record.service.record_ns(service_ns);
                record.first_byte.record_ns(service_ns - 50_000);
                if input.mode == Mode::Open {
                    record.response.record_ns(service_ns + late_ns);
                    record.send_lag.record_ns(late_ns);
                }
            }
            record.connect.record_ns(90_000);
        }
        input
    }

    /// Checks the text of `summary`, in plain paint, against `expected`.
    fn check(summary: &BenchSummary, expected: &str) {
        let text = text(summary, Paint::Plain);
        assert!(text == expected, "expected:\n{expected}\ngot:\n{text}");
    }

    fn saturated() -> BenchInput {
        let mut input = BenchInput { pipeline: 2, interrupted: true, ..large(closed()) };
        input.cores[0].record.cpu_sys_ns = 1_750_000_000;
        input.cores[1].record.run_queue_ns = 180_000_000;
        input.cores[1].pinned = false;
        input.cores[1].record.connections.reopened = 3;
        input.cores[1].record.connections.unserved = 1;
        input.cores[1].record.in_flight_ns = 8_000_000_000;
        input.notes = vec!["a note\nthat breaks".into()];
        input
    }

    #[test]
    fn a_saturated_closed_loop_says_whose_limit_it_found() {
        check(&BenchSummary::new(saturated()), SATURATED);
    }

    #[test]
    fn an_open_loop_shows_response_service_and_the_lag_between_them() {
        let input = BenchInput { wanted_per_s: Some(20_000.0), ..large(open()) };
        check(&BenchSummary::new(input), MISSED);
    }

    #[test]
    fn a_trial_of_nothing_is_told_too() {
        let input = BenchInput {
            cores: Vec::new(),
            connections: 0,
            window: std::time::Duration::ZERO,
            cpu_time: CpuTime::default(),
            notes: Vec::new(),
            ..closed()
        };
        check(&BenchSummary::new(input), NOTHING);
    }

    #[test]
    fn the_rate_is_on_a_line_that_scripts_find() {
        for paint in [Paint::Plain, Paint::Ansi] {
            let text = text(&BenchSummary::new(closed()), paint);
            assert!(text.contains("\nRequests/sec: 40.00\n"), "{text}");
            assert!(text.contains("\nTransfer/sec: 3.91 KiB\n"), "{text}");
        }
    }

    #[test]
    fn objectives_are_told_one_a_line() {
        let summary = BenchSummary::new(closed());
        let checked = Objectives::parse("rate>10,p99<1ms").unwrap().check(&summary);
        let expected = "\
assert       rate>10 held: rate was 40.00 a second
assert       p99<1ms missed: p99 is not known: samples 82, needed 1000
";
        assert_eq!(checks(&checked, Paint::Plain), expected);
        assert!(checks(&checked, Paint::Ansi).contains("\x1b[31mmissed"));
    }

    #[test]
    fn colour_changes_no_text() {
        let summary = BenchSummary::new(saturated());
        let mut painted = text(&summary, Paint::Ansi);
        for code in ["1", "31", "32", "1;33", "0"] {
            painted = painted.replace(&format!("\x1b[{code}m"), "");
        }
        assert_eq!(painted, text(&summary, Paint::Plain));
    }

    #[test]
    fn the_longest_report_stays_within_its_bounds() {
        let mut summary = BenchSummary::new(BenchInput { notes: Vec::new(), ..large(open()) });
        let billions = 99_999_999_999;
        let kinds = Stage::ALL.iter().flat_map(|s| Kind::ALL.iter().map(move |k| (s, k)));
        let kinds = kinds.map(|(s, k)| (format!("{s}.{k}"), billions));
        summary.ledger.failed = NamedCounts(kinds.collect());
        summary.status = NamedCounts((100..=999).map(|s: u16| (s.to_string(), billions)).collect());
        summary.cores = (0..512).step_by(2).collect();
        summary.pinned_per_core = vec![false; 256];
        summary.cost.busy_per_core = vec![Some(0.999); 256];
        summary.cost.run_queue_share_per_core = vec![Some(0.999); 256];
        summary.cost.spun_share_per_core = vec![Some(0.999); 256];
        let hours = Some(3e11);
        let times = &mut summary.latency_us;
        for times in [
            &mut times.response,
            &mut times.service,
            &mut times.send_lag,
            &mut times.first_byte,
            &mut times.connect,
            &mut times.failed,
        ] {
            let percentiles = [hours; 7];
            *times = Percentiles {
                n: billions,
                mean: hours,
                min: hours,
                percentiles,
                max: hours,
                at_least: [true; 7],
                clipped: billions,
            };
        }
        summary.confidence_us.p99 = Some((3e11, 3e11));
        summary.rate_per_s = Some(1e12);
        summary.wanted_per_s = Some(1e12);
        summary.bytes_read = u64::MAX;
        (summary.ledger.scheduled, summary.ledger.sent) = (billions, billions);
        (summary.ledger.completed, summary.ledger.skipped) = (billions, billions);
        (summary.censored.in_flight, summary.censored.skipped) = (billions, billions);
        (summary.warmup.sent, summary.warmup.completed) = (billions, billions);
        summary.connections_detail.waited = billions;
        summary.connections_detail.exhausted_pauses = billions;
        summary.littles_law.in_flight_mean = Some(1e12);
        (summary.connections, summary.pipeline) = (1_000_000, 1_000_000);
        let text = text(&summary, Paint::Plain);
        for line in text.lines() {
            assert!(line.len() <= REPORT_COLUMNS, "{} columns: {line}", line.len());
        }
        let lines_max = 60 + FAILURES_SHOWN_MAX + CORES_SHOWN_MAX;
        assert!(text.lines().count() <= lines_max, "{text}");
    }

    const SATURATED: &str = "\
run          uring, cores 1,3, 4 connections, pipeline 2, closed loop, 2.00 s,
             interrupted
warm-up      6 requests, 6 completed, 0 failed, 0 in flight at the end

  20,080 requests in 2.00 s, 381 MiB read
Requests/sec: 10040.00
Transfer/sec: 191 MiB

time          response 1st byte  connect  95 % confidence
  mean          403 us   350 us  90.0 us
  min           300 us   250 us  90.0 us
  50%           401 us   350 us        -  399 us - 402 us
  75%           451 us   400 us        -
  90%           481 us   430 us        -
  99%           499 us   448 us        -  498 us - 499 us
  99.9%        1.00 ms   450 us        -  1.00 ms - 1.00 ms
  99.99%             -        -        -
  99.999%            -        -        -
  max          5.00 ms   450 us  90.0 us
censored     2 in flight at the end, 0 never sent: <0.1 % of the response times,
             known to be longer than the age that they had reached

status       200: 20,078, 500: 2
failed       2 (<0.1 %)
             2 head.timeout
             after 9.00 ms on average, 9.00 ms at most
errors       4 (<0.1 %), with statuses of 400 and above
ledger       scheduled 20,084 = sent 20,084 + skipped 0
             sent 20,084 = completed 20,080 + failed 2 + in flight 2
connections  4 wanted, 4 opened, 3 reopened, 1 never answered
cpu          99.6 us a request, 400 ms user, 1.60 s system
busy         core 1: 97.5 %, core 3 (free): 50.0 % (and 9.0 % waiting)
memory       4.00 KiB at most
in flight    4.75 on average, room for 8, 40.6 % idle,
             residue of Little's law 14.9 %

verdict      generator-bound
             core 1 was busy for 97.5 % of the window (1 of 2 were at 95.0 % or
             more): the rate is the limit of the generator, not of the target
hint         more cores: --cores 0-3 or -t
note: a note\\nthat breaks
";
    const MISSED: &str = "\
run          uring, cores 1,3, 4 connections, open loop at 20,000/s, 2.00 s
warm-up      6 requests, 6 completed, 0 failed, 0 in flight at the end

  20,080 requests in 2.00 s, 381 MiB read
Requests/sec: 10040.00
Transfer/sec: 191 MiB

time          response  service send lag 1st byte  connect  95 % confidence
  mean          453 us   402 us  50.0 us   350 us  90.0 us
  min           300 us   300 us     0 ns   250 us  90.0 us
  50%           451 us   400 us     0 ns   350 us        -  449 us - 452 us
  75%           502 us   451 us   100 us   400 us        -
  90%           562 us   481 us   100 us   430 us        -
  99%           598 us   499 us   100 us   448 us        -  597 us - 599 us
  99.9%        1.00 ms  1.00 ms   100 us   450 us        -  1.00 ms - 1.00 ms
  99.99%             -        -        -        -        -
  99.999%            -        -        -        -        -
  max          5.00 ms  1.00 ms   100 us   450 us  90.0 us
censored     2 in flight at the end, 2 never sent: <0.1 % of the response times,
             known to be longer than the age that they had reached

status       200: 20,078, 500: 2
failed       2 (<0.1 %)
             2 head.timeout
             after 9.00 ms on average, 9.00 ms at most
errors       4 (<0.1 %), with statuses of 400 and above
ledger       scheduled 20,086 = sent 20,084 + skipped 2
             sent 20,084 = completed 20,080 + failed 2 + in flight 2
waited       2 arrivals (<0.1 %) found no free connection
cpu          99.6 us a request, 400 ms user, 1.60 s system
busy         core 1: 50.0 %, core 3: 50.0 %
memory       4.00 KiB at most
in flight    1.50 on average, room for 4

verdict      target-missed
             10040.8 of 20000.0 a second were completed (50.2 %): only 20086 of
             40000 were scheduled
hint         a lower rate: -R, or more cores: --cores 0-3 or -t
note: a note
";
    const NOTHING: &str = "\
run          uring, 0 cores, 0 connections, closed loop, 0 ns

  0 requests in 0 ns, 0 B read
Requests/sec: -
Transfer/sec: -

ledger       scheduled 0 = sent 0 + skipped 0
             sent 0 = completed 0 + failed 0 + in flight 0
cpu          0 ns user, 0 ns system
memory       4.00 KiB at most

verdict      target-missed
             nothing completed in 0.00 s: 0 sent, 0 failed, 0 in flight at the
             end
hint         a longer run: -d, or a shorter --timeout
";
}
