//! Tests of what a person reads of a comparison, on one whose numbers are known.

use serde_json::json;

use super::{markdown, text};
use crate::compare::comparison::Comparison;
use crate::compare::matrix::{Cell, Matrix};
use crate::compare::measurements::{ContestantRecord, Measurements};
use crate::compare::saved::Saved;
use crate::compare::slice::Slice;
use crate::compare::subject::Subject;
use crate::os::counts::{RingCounts, Switches, Syscalls};
use crate::os::machine::Machine;
use crate::report::paint::Paint;

/// A contestant that takes `cpu_us` for each request in every round.
fn record(label: &str, cpu_us: f64, ring: Option<RingCounts>) -> ContestantRecord {
    let slice = Slice {
        window_s: 1.0,
        completed: 100_000,
        user_s: cpu_us * 0.02,
        sys_s: cpu_us * 0.08,
        p50_us: Some(cpu_us * 60.0),
        p99_us: Some(cpu_us * 90.0),
        handled: 100_000,
        max_rss_bytes: 12 << 20,
        switches: Switches { voluntary: 1000, involuntary: 100 },
        ring,
        server_busy_share: Some(0.5),
        ..Slice::default()
    };
    let kinds = [("sendto".to_owned(), 100_000), ("futex".to_owned(), 3)].into();
    let syscalls = Some(Syscalls { total: 112_000, kinds });
    ContestantRecord {
        label: label.to_owned(),
        slices: vec![slice.clone(); 12],
        counted: Some(Slice { syscalls, ..slice }),
        connections: 640,
        cores: 1,
        rss_before_bytes: 6 << 20,
    }
}

fn measurements() -> Measurements {
    let ring = Some(RingCounts { sqes: 200_000, cqes: 200_000 });
    let machine = Machine { kernel: "6.18".to_owned(), cpus: 2, ..Machine::default() };
    let subject = Subject {
        machine,
        workload: "closed loop, 64 connections".to_owned(),
        options: json!(null),
        cpus: vec![1],
        server_cpus: Some(vec![0]),
        share_core: None,
    };
    Measurements {
        subject,
        is_open_loop: false,
        wanted_per_s: None,
        slice_s: 1.0,
        turns_per_slice: 2,
        contestants: vec![record("uring", 5.0, ring), record("tokio", 6.0, None)],
        twin: record("uring (twin)", 5.0, ring),
        interrupted: false,
        notes: vec!["a bell \u{7}".to_owned()],
    }
}

#[test]
fn a_comparison_is_three_tables_and_its_notes() {
    let text = text::text(&Comparison::new(&measurements()), None, Paint::Plain);
    let expected = "\
workload     closed loop, 64 connections
rounds       6 of 1.00 s for each engine, in turns of 500 ms

engine  requests/s      CPU     user   system     p50     p99  p99.9    busy  origin
uring      100,000  5.00 us  1.00 us  4.00 us  300 us  450 us      -  50.0 %  50.0 %
tokio      100,000  6.00 us  1.20 us  4.80 us  360 us  540 us      -  60.0 %  50.0 %

/ uring                  rate                  CPU               p99    verdict
tokio        1.00 (1.00-1.00)  1.200 (1.200-1.200)  1.20 (1.20-1.20)     slower
uring again  1.00 (1.00-1.00)  1.000 (1.000-1.000)  1.00 (1.00-1.00)  the noise

a request  syscalls  sqes  cqes  waited  preempted    memory  a connection
uring          1.12  2.00  2.00    0.01      <0.01  12.0 MiB      9.60 KiB
tokio          1.12     -     -    0.01      <0.01  12.0 MiB      9.60 KiB

system calls a request
  uring  sendto 1.00
  tokio  sendto 1.00

note         verdicts go by CPU time a request";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("a bell \\u{7}") && !text.contains('\u{7}'), "{text}");
}

#[test]
fn markdown_has_the_cells_of_the_text() {
    let markdown = markdown::markdown(&Comparison::new(&measurements()), None);
    for row in [
        "| tokio | 1.00 (1.00-1.00) | 1.200 (1.200-1.200) | 1.20 (1.20-1.20) | slower |",
        "| uring | 1.12 | 2.00 | 2.00 | 0.01 | <0.01 | 12.0 MiB | 9.60 KiB |",
        "- tokio: sendto 1.00",
    ] {
        assert!(markdown.lines().any(|line| line == row), "{row}: {markdown}");
    }
}

#[test]
fn what_has_changed_since_is_a_table_of_its_own() {
    let mut now = Saved { version: "2.0".to_owned(), measurements: measurements() };
    let then = Saved { version: "1.0".to_owned(), measurements: measurements() };
    now.measurements.contestants[1] = record("tokio", 5.4, None);
    let since = now.since(&then);
    let comparison = Comparison::new(&now.measurements);
    let text = text::text(&comparison, Some(&since), Paint::Plain);
    let table = "\
since a run of ringfetch 1.0
now / then              rate                  CPU               p99               cpu is
uring       1.00 (1.00-1.00)  1.000 (1.000-1.000)  1.00 (1.00-1.00)  no difference shown
tokio       1.00 (1.00-1.00)  0.900 (0.900-0.900)  0.90 (0.90-0.90)               faster
";
    assert!(text.contains(table), "{text}");
    assert!(markdown::markdown(&comparison, Some(&since)).contains("| tokio | 1.00 (1.00-1.00) |"));
}

#[test]
fn a_sweep_is_a_table_of_winners_and_one_for_each_other_engine() {
    let cell = |connections| Cell::new(connections, 1024, &measurements());
    let matrix = Matrix { matrix: vec![cell(1), cell(1000)] };
    let text = text::matrix(&matrix, Paint::Plain);
    let winners = "connections  1.00 KiB\n1               uring\n1,000           uring\n";
    assert!(text.contains(winners), "{text}");
    let ratios = "CPU of tokio             1.00 KiB\n1             1.200 (1.200-1.200)\n";
    assert!(text.contains(ratios), "{text}");
    let noise = "CPU of the baseline again             1.00 KiB\n";
    assert!(text.contains(noise), "{text}");
    // What all places have in common is told once.
    assert_eq!(text.matches("Linux 6.18").count(), 1, "{text}");
    assert!(markdown::matrix(&matrix).contains("| 1,000 | uring |"));
    assert_eq!(text::matrix(&Matrix { matrix: Vec::new() }, Paint::Plain), "");
}
