//! Chunked bodies by themselves, and whole exchanges: a head, its framing, its body.
//!
//! Every answer is there at once; tests with sockets cut answers in pieces.
//!
//! Invariant: nobody but the parser looks at a body, so that large ones cost per chunk and not per
//! byte.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use ringfetch::http::http1::{Chunked, Exchange, HeadMemo, RequestKind};

use crate::answers::{FEW, Seen, chunks, sized, small_head};

/// Benches bodies that are chunked, and whole exchanges.
pub(crate) fn bench(criterion: &mut Criterion) {
    bench_chunked(criterion);
    bench_exchanges(criterion);
}

fn bench_chunked(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chunked");
    for (name, count, chunk_bytes) in
        [("64 chunks of 64 B", 64, 64), ("4 chunks of 16 KiB", 4, 16 * 1024)]
    {
        let coded = chunks(count, chunk_bytes);
        assert_eq!(decode(&coded), (count * chunk_bytes, true), "{name}");
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(name, |bencher| bencher.iter(|| decode(black_box(&coded))));
    }
    group.finish();
}

/// Bytes of the body that `coded` comes to, and whether that was all of it.
fn decode(coded: &[u8]) -> (usize, bool) {
    let mut chunked = Chunked::new();
    let (mut taken, mut body_bytes) = (0, 0);
    while taken < coded.len() {
        let (count, part) = chunked.handle_bytes(&coded[taken..]).expect("the body is valid");
        assert!(count > 0, "it goes on");
        taken += count;
        body_bytes += black_box(part).len();
    }
    (body_bytes, chunked.is_done())
}

fn bench_exchanges(criterion: &mut Criterion) {
    let chunked = |count, chunk_bytes| {
        let head = small_head("Transfer-Encoding: chunked");
        [head.as_bytes(), &chunks(count, chunk_bytes)].concat()
    };
    let rows = [
        ("length, 64 B", sized(64), 64),
        ("length, 16 KiB", sized(16 * 1024), 16 * 1024),
        ("chunked, 1 chunk of 64 B", chunked(1, 64), 64),
        ("chunked, 16 chunks of 1 KiB", chunked(16, 1024), 16 * 1024),
    ];
    let mut group = criterion.benchmark_group("exchange");
    group.throughput(Throughput::Elements(1));
    for (name, answer, body_bytes) in &rows {
        let expected = Seen { status: 200, fields: FEW, known: 0, body_bytes: *body_bytes };
        assert_eq!(play(answer, &mut HeadMemo::default()), expected, "{name}");
        group.bench_function(*name, |bencher| {
            bencher.iter(|| play(black_box(answer), &mut HeadMemo::default()));
        });
    }
    let (_, answer, body_bytes) = &rows[0];
    let mut memo = HeadMemo::prepared();
    play(answer, &mut memo);
    let expected = Seen { status: 200, fields: 0, known: 1, body_bytes: *body_bytes };
    assert_eq!(play(answer, &mut memo), expected, "the memo knows the head");
    group.bench_function("length, 64 B, head remembered", |bencher| {
        bencher.iter(|| play(black_box(answer), &mut memo));
    });
    group.finish();
}

/// What is seen of `answer`, from its first byte to its clean end.
fn play(answer: &[u8], memo: &mut HeadMemo) -> Seen {
    let (mut exchange, mut seen) = (Exchange::new(RequestKind::Other), Seen::default());
    let consumed = exchange.handle_bytes_by(answer, &mut seen, memo);
    assert!(consumed == Ok(answer.len()) && exchange.reuse(), "the answer is whole and valid");
    seen
}
