//! Lists of URLs, line by line: plain ones in memory, and a compressed one in a file.
//!
//! The URLs are not parsed, and the file is read from its start each time.

use std::fs;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;

use criterion::{Criterion, Throughput};
use flate2::Compression;
use flate2::write::GzEncoder;
use ringfetch::input::source::{Line, Source};
use ringfetch::input::{Input, Lines};

/// Lines of the list: enough that opening the file is not what is timed.
const LINES: usize = 20_000;

/// Benches the lines of a list.
pub(crate) fn bench(criterion: &mut Criterion) {
    let list: String = (0..LINES).map(line).collect();
    let (lines, text_bytes) = (LINES, list.len() - LINES);
    let mut group = criterion.benchmark_group("lines");
    group.throughput(Throughput::Elements(LINES as u64));
    assert_eq!(read(&mut Lines::new(list.as_bytes())), (lines, text_bytes));
    group.bench_function("plain", |bencher| {
        bencher.iter(|| read(&mut Lines::new(black_box(list.as_bytes()))));
    });
    let name = format!("lines-{}.gz", std::process::id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(list.as_bytes()).expect("a vector takes everything");
    let packed = encoder.finish().expect("a vector takes everything");
    fs::write(&path, packed).expect("the folder for the benches' files can be written to");
    let open = || Input::open(Vec::new(), vec![path.clone()]).expect("the list was just written");
    assert_eq!(read(&mut open()), (lines, text_bytes));
    group.bench_function("gzip", |bencher| bencher.iter(|| read(&mut open())));
    fs::remove_file(&path).expect("the list is still there");
    group.finish();
}

fn line(number: usize) -> String {
    // Multiplied by an odd number, so that neighbours look as little alike as those of real lists.
    let mixed = number.wrapping_mul(0x9e37_79b9) % 1_000_003;
    let site = mixed % 997;
    format!("http://site{site}.example:8080/catalogue/{mixed:06}/item-{number}.html?from=list\n")
}

/// How many lines `source` has, and how many bytes they come to.
fn read(source: &mut impl Source) -> (usize, usize) {
    let (mut lines, mut text_bytes) = (0, 0);
    while let Some(line) = source.next_line().expect("the list can be read") {
        let Line::Text(text) = black_box(line) else { unreachable!("no line is too long") };
        lines += 1;
        text_bytes += text.len();
    }
    (lines, text_bytes)
}
