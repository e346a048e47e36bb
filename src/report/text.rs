//! A summary as text for a person, in 80 columns.
//!
//! Every number is one of the summary's, so text and JSON cannot disagree. What is not known is a
//! dash.
//!
//! Invariant: no line but a note is wider than 80 columns, and the number of lines is bounded.

use std::fmt::Write as _;

use crate::base::units;
use crate::fetch::summary::{CoreSummary, PhaseTimes, Summary};
use crate::fetch::tally::Phase;
use crate::report::lines::{CORES_SHOWN_MAX, Lines, plural};
use crate::report::paint::{Paint, one_line};

/// `summary` as lines of text, each ended by a line feed.
#[must_use]
pub fn text(summary: &Summary, paint: Paint) -> String {
    let mut report = Report(Lines::new(paint));
    report.rows(summary);
    report.traffic(summary);
    report.times(summary);
    report.cost(summary);
    report.cores(summary);
    for note in &summary.notes {
        let label = paint.notable("note:").into_owned();
        report.0.raw(&format!("{label} {}", one_line(note)));
    }
    report.0.into_text()
}

struct Report(Lines);

impl Report {
    fn rows(&mut self, summary: &Summary) {
        let rate = |per_s: Option<f64>| per_s.map_or("-".to_owned(), units::rate);
        let interrupted = if summary.interrupted { ", interrupted" } else { "" };
        let cores = plural(summary.cores.len() as u64, "core");
        let elapsed = units::seconds(summary.elapsed_s);
        self.0.line("run", &format!("{}, {cores}, {elapsed}{interrupted}", summary.engine));
        let rows = format!("{} ({})", units::count(summary.rows), rate(summary.rows_per_s));
        self.0.line("rows", &rows);

        let part = |part: u64| units::percent(part, summary.rows);
        let ok = units::count(summary.ok);
        let ok = if summary.failed == 0 { self.0.paint.good(&ok) } else { ok.as_str().into() };
        let ok = format!("{ok} ({}, {})", part(summary.ok), rate(summary.ok_per_s));
        self.0.line("ok", &ok);
        let failed = units::count(summary.failed);
        let failed = if summary.failed > 0 { self.0.paint.bad(&failed) } else { failed.into() };
        let failed = format!("{failed} ({})", part(summary.failed));
        self.0.line("failed", &failed);
        self.0.failures(&summary.failures);
        if summary.input.not_started > 0 {
            let (left, lines) = (summary.input.not_started, summary.input.lines);
            let left = self.0.paint.bad(&units::count(left)).into_owned();
            self.0.line("not started", &format!("{left} of {} lines", units::count(lines)));
        }
    }

    fn traffic(&mut self, summary: &Summary) {
        self.0.statuses(&summary.status);
        let bytes = &summary.bytes;
        let received = bytes.wire.saturating_add(bytes.discarded);
        let mut items = vec![units::bytes(received)];
        if summary.elapsed_s > 0.0 {
            items.push(units::bytes_rate(received as f64 / summary.elapsed_s));
        }
        items.push(format!("bodies {}", units::bytes(bytes.body)));
        if bytes.discarded > 0 {
            items.push(format!("not in a row {}", units::bytes(bytes.discarded)));
        }
        self.0.list("received", &items);

        let mut items = vec![
            format!("{} opened", units::count(summary.connections.opened)),
            format!("{} reused", units::count(summary.connections.reused)),
        ];
        for (count, what) in [
            (summary.connections.stale_retries, "found closed"),
            (summary.connections.exhausted_pauses, "pauses for want of descriptors or ports"),
        ] {
            if count > 0 {
                items.push(format!("{} {what}", units::count(count)));
            }
        }
        self.0.list("connections", &items);
        let (retries, redirects) = (summary.retries, summary.redirects);
        if retries > 0 || redirects > 0 {
            let items = [units::count(retries), format!("redirects {}", units::count(redirects))];
            self.0.list("retries", &items);
        }
        if let Some(mean) = summary.in_flight_mean {
            self.0.line("in flight", &format!("{mean:.1} on average"));
        }
    }

    fn times(&mut self, summary: &Summary) {
        let phases = Phase::ALL.map(|phase| (phase, summary.latency_us.phase(phase)));
        if phases.iter().all(|(_, times)| times.n == 0) {
            return;
        }
        let head = ["p50", "p90", "p99", "p99.9", "max"].map(String::from);
        self.0.raw("");
        self.times_line("time", &head, "count");
        for (phase, times) in phases.into_iter().filter(|(_, times)| times.n > 0) {
            let PhaseTimes { p50, p90, p99, p99_9, max, .. } = *times;
            let cells =
                [p50, p90, p99, p99_9, max].map(|us| us.map_or("-".into(), units::duration_us));
            let label = format!("  {}", phase.word().replace('_', " "));
            self.times_line(&label, &cells, &units::count(times.n));
        }
        let clipped: u64 = phases.iter().map(|(_, times)| times.clipped).sum();
        if clipped > 0 {
            self.0.line("", &format!("{} over an hour", plural(clipped, "time")));
        }
        self.0.raw("");
    }

    fn times_line(&mut self, label: &str, cells: &[String], count: &str) {
        let mut rest = String::new();
        for cell in cells {
            let _ = write!(rest, "{cell:>9}");
        }
        let _ = write!(rest, "{count:>15}");
        self.0.line(label, &rest);
    }

    fn cost(&mut self, summary: &Summary) {
        let cost = &summary.cost;
        let mut items = vec![
            format!("{} user", units::seconds(cost.user_s)),
            format!("{} system", units::seconds(cost.system_s)),
        ];
        if let Some(us) = cost.cpu_us_per_row {
            items.push(format!("{} a row", units::duration_us(us)));
        }
        self.0.list("cpu", &items);
        self.0.line("memory", &format!("{} at most", units::bytes(cost.max_rss_bytes)));
    }

    fn cores(&mut self, summary: &Summary) {
        if summary.cores.is_empty() {
            return;
        }
        self.0.raw("");
        self.core_line("core", &["rows", "share", "failed", "received", "cpu", "busy"]);
        for core in summary.cores.iter().take(CORES_SHOWN_MAX) {
            let CoreSummary { cpu, rows, failed, bytes, .. } = *core;
            let label = if core.pinned { format!("  {cpu}") } else { format!("  {cpu} (free)") };
            let percent = |share: Option<f64>| share.map_or("-".into(), units::share);
            let cpu_time = core.cpu_s.map_or("-".into(), units::seconds);
            let cells = [
                &units::count(rows),
                &percent(core.share),
                &units::count(failed),
                &units::bytes(bytes),
                &cpu_time,
                &percent(core.busy),
            ];
            self.core_line(&label, &cells.map(String::as_str));
        }
        let rest = summary.cores.len().saturating_sub(CORES_SHOWN_MAX);
        if rest > 0 {
            self.0.line("", &format!("and {}; hint: --summary-json", plural(rest as u64, "core")));
        }
    }

    fn core_line(&mut self, label: &str, cells: &[&str; 6]) {
        let [rows, share, failed, received, cpu, busy] = cells;
        let rest = format!("{rows:>14}{share:>9}{failed:>12}{received:>12}{cpu:>9}{busy:>9}");
        self.0.line(label, &rest);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::cpu_time::CpuTime;
    use crate::base::failure::{Failure, Kind, Stage};
    use crate::fetch::job::{Fetched, Response, Times};
    use crate::fetch::summary::{CoreInput, RunEnd, Summary, SummaryInput};
    use crate::fetch::tally::Tally;
    use crate::report::lines::{FAILURES_SHOWN_MAX, REPORT_COLUMNS};
    use crate::stats::counts::NamedCounts;

    const ONE_SCREEN: &str = "\
run          uring, 2 cores, 3.05 s
rows         12,123 (3,975/s)
ok           12,001 (99.0 %, 3,935/s)
failed       122 (1.0 %)
             120 connect.refused
               1 url.invalid
               1 head.timeout
status       200: 12,000, 404: 1, 503: 1
received     137 MiB, 45.0 MiB/s, bodies 134 MiB, not in a row 2.00 KiB
connections  64 opened, 11,936 reused, 2 found closed
retries      240, redirects 0
in flight    26.9 on average

time               p50      p90      p99    p99.9      max          count
  queue         104 ms   108 ms   109 ms   109 ms   30.1 s         12,122
  connect       120 us   120 us   120 us        -   120 us          1,501
  first byte   2.00 ms  3.90 ms  4.44 ms  4.50 ms   15.0 s         12,002
  total        3.97 ms  7.79 ms  8.88 ms  8.99 ms   30.0 s         12,122
  failed       90.0 us  90.0 us        -        -   30.0 s            121

cpu          3.00 s user, 1.00 s system, 330 us a row
memory       45.0 MiB at most

core                   rows    share      failed    received      cpu     busy
  0                   8,120   67.0 %         120    91.6 MiB   1.95 s   63.9 %
  2 (free)            4,002   33.0 %           1    45.8 MiB   1.95 s   63.9 %
note: a note\\nthat breaks
";

    const NOTHING: &str = "\
run          uring, 0 cores, 0 ns
rows         0 (-)
ok           0 (-, -)
failed       0 (-)
received     0 B, bodies 0 B
connections  0 opened, 0 reused
cpu          0 ns user, 0 ns system
memory       45.0 MiB at most
";

    fn fetched(status: Option<u16>, failure: Option<Failure>, total_ns: u64) -> Fetched {
        let response = status.map(|status| Response {
            status,
            minor_version: 1,
            content_type: None,
            wire_bytes: 12_000,
            body_bytes: 11_700,
            body: None,
        });
        let times = Times {
            queue_ns: 100_000_000 + total_ns,
            connect_ns: if total_ns.is_multiple_of(64) { 120_000 } else { 0 },
            first_byte_ns: if status.is_some() { total_ns / 2 } else { 0 },
            total_ns,
            ..Times::default()
        };
        Fetched {
            n: 0,
            line: "http://a/".into(),
            failure,
            response,
            attempts: 1,
            redirects: Vec::new(),
            ip: None,
            times,
        }
    }

    fn core(cpu: usize, rows: u64, pinned: bool) -> CoreInput {
        let mut tally = Tally::default();
        (0..rows).for_each(|n| tally.record(&fetched(Some(200), None, 1_000_000 + n * 1000)));
        tally.connections_opened = 32;
        tally.connections_reused = rows - 32;
        let cpu_time =
            CpuTime { user: Duration::from_millis(1500), system: Duration::from_millis(450) };
        CoreInput { cpu, pinned, tally, cpu_time: Some(cpu_time) }
    }

    fn input() -> SummaryInput {
        let refused = Failure::new(Stage::Connect, Kind::Refused, "");
        let timeout = Failure::new(Stage::Head, Kind::Timeout, "");
        let no_url = Failure::new(Stage::Url, Kind::Invalid, "");
        let mut reader = Tally::default();
        reader.record(&Fetched::refused(0, "nonsense", no_url));
        let mut cores = vec![core(0, 8000, true), core(2, 4000, false)];
        (0..120).for_each(|_| cores[0].tally.record(&fetched(None, Some(refused), 90_000)));
        cores[1].tally.record(&fetched(Some(503), Some(timeout), 30_000_000_000));
        cores[1].tally.record(&fetched(Some(404), None, 1_500_000));
        cores[1].tally.retries = 240;
        cores[1].tally.discarded_bytes = 2048;
        cores[1].tally.stale_retries = 2;
        SummaryInput {
            engine: "uring",
            cores,
            reader,
            elapsed: Duration::from_secs_f64(3.05),
            lines: 12_123,
            cpu_time: CpuTime { user: Duration::from_secs(3), system: Duration::from_secs(1) },
            max_rss_bytes: 47_185_920,
            end: RunEnd::Complete,
            notes: vec!["a note\nthat breaks".into()],
        }
    }

    /// Checks the text of `summary`, in plain paint, against `expected`.
    fn check(summary: &Summary, expected: &str) {
        let text = text(summary, Paint::Plain);
        assert!(text == expected, "expected:\n{expected}\ngot:\n{text}");
    }

    #[test]
    fn a_run_is_told_on_one_screen() {
        check(&Summary::new(input()), ONE_SCREEN);
    }

    #[test]
    fn a_run_of_nothing_is_told_too() {
        let empty = SummaryInput {
            cores: Vec::new(),
            reader: Tally::default(),
            elapsed: Duration::ZERO,
            lines: 0,
            notes: Vec::new(),
            cpu_time: CpuTime::default(),
            ..input()
        };
        check(&Summary::new(empty), NOTHING);
    }

    #[test]
    fn an_interrupted_run_says_what_it_left_out() {
        let mut input = SummaryInput { lines: 12_130, end: RunEnd::Interrupted, ..input() };
        input.reader.not_started = 7;
        let text = text(&Summary::new(input), Paint::Plain);
        assert!(text.contains("run          uring, 2 cores, 3.05 s, interrupted\n"), "{text}");
        assert!(text.contains("not started  7 of 12,130 lines\n"), "{text}");
    }

    #[test]
    fn the_longest_report_stays_within_its_bounds() {
        let mut summary = Summary::new(SummaryInput { notes: Vec::new(), ..input() });
        let billions = 99_999_999_999;
        let kinds = Stage::ALL.iter().flat_map(|s| Kind::ALL.iter().map(move |k| (s, k)));
        summary.failures =
            NamedCounts(kinds.map(|(s, k)| (format!("{s}.{k}"), billions)).collect());
        summary.status = NamedCounts((100..=999).map(|s: u16| (s.to_string(), billions)).collect());
        summary.rows = billions;
        let busy =
            CoreSummary { rows: billions, bytes: u64::MAX, cpu_s: Some(1e9), ..summary.cores[0] };
        summary.cores = vec![busy; 256];
        let slow =
            PhaseTimes { n: billions, p50: Some(3e11), p99_9: Some(3e11), ..Default::default() };
        summary.latency_us.0 = [PhaseTimes { max: Some(3.6e12), clipped: billions, ..slow }; 7];
        summary.connections.stale_retries = billions;
        summary.connections.exhausted_pauses = billions;
        summary.bytes.discarded = u64::MAX;
        summary.in_flight_mean = Some(1e12);
        let text = text(&summary, Paint::Plain);
        for line in text.lines() {
            assert!(line.len() <= REPORT_COLUMNS, "{} columns: {line}", line.len());
        }
        let lines_max = 40 + FAILURES_SHOWN_MAX + CORES_SHOWN_MAX;
        assert!(text.lines().count() <= lines_max, "{text}");
    }

    #[test]
    fn colour_changes_no_text() {
        let summary = Summary::new(input());
        let mut painted = text(&summary, Paint::Ansi);
        for code in ["1", "31", "32", "1;33", "0"] {
            painted = painted.replace(&format!("\x1b[{code}m"), "");
        }
        assert_eq!(painted, text(&summary, Paint::Plain));
    }
}
