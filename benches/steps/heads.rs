//! Response heads: parsed, recognised by the memo, and what their fields say of the body.
//!
//! The heads answer HEAD, so that there is no body to read. Each is read at once, as most arrive.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use ringfetch::http::http1::{
    Exchange, Fields, Framing, HeadMemo, RequestKind, framing, keep_alive,
};

use crate::answers::{FEW, MANY, Seen, large_head, small_head};

/// Benches heads, and what their fields say of the body.
pub(crate) fn bench(criterion: &mut Criterion) {
    bench_heads(criterion);
    bench_framing(criterion);
}

fn bench_heads(criterion: &mut Criterion) {
    let (small, large) = (small_head("Content-Length: 64"), large_head("Content-Length: 24380"));
    let mut group = criterion.benchmark_group("head");
    for (name, head, fields) in [("5 fields", &small, FEW), ("40 fields", &large, MANY)] {
        let expected = Seen { status: 200, fields, ..Seen::default() };
        assert_eq!(read(head.as_bytes(), &mut HeadMemo::default()), expected);
        group.throughput(Throughput::Bytes(head.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| read(black_box(head.as_bytes()), &mut HeadMemo::default()));
        });
    }
    let mut memo = HeadMemo::prepared();
    read(small.as_bytes(), &mut memo);
    let expected = Seen { status: 200, known: 1, ..Seen::default() };
    assert_eq!(read(small.as_bytes(), &mut memo), expected, "the memo knows the head");
    group.throughput(Throughput::Bytes(small.len() as u64));
    group.bench_function("5 fields, remembered", |bencher| {
        bencher.iter(|| read(black_box(small.as_bytes()), &mut memo));
    });
    // What a server costs whose heads are never the same, of which the memo learns each.
    let other = small.replace("12:00:00", "12:00:01");
    let mut heads = [small.as_bytes(), other.as_bytes()].into_iter().cycle();
    group.bench_function("5 fields, remembered in vain", |bencher| {
        let mut next = || heads.next().expect("a cycle has no end");
        bencher.iter(|| read(black_box(next()), &mut memo));
    });
    group.finish();
}

/// What is seen of `head`, by a memo.
fn read(head: &[u8], memo: &mut HeadMemo) -> Seen {
    let (mut exchange, mut seen) = (Exchange::new(RequestKind::Head), Seen::default());
    let consumed = exchange.handle_bytes_by(head, &mut seen, memo);
    assert!(consumed == Ok(head.len()) && exchange.reuse(), "the head is valid");
    seen
}

fn bench_framing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("framing");
    let rows = [
        ("length of 5 fields", small_head("Content-Length: 64"), Framing::Length(64)),
        ("length of 40 fields", large_head("Content-Length: 24380"), Framing::Length(24_380)),
        ("chunked of 5 fields", small_head("Transfer-Encoding: chunked"), Framing::Chunked),
    ];
    for (name, head, expected) in &rows {
        let mut room = [httparse::EMPTY_HEADER; MANY];
        let mut response = httparse::Response::new(&mut room);
        let parsed = response.parse(head.as_bytes()).expect("the head is valid");
        assert!(parsed.is_complete(), "the head is whole");
        let fields = Fields::from(&*response.headers);
        assert_eq!(decide(fields), (*expected, true), "{name}");
        group.bench_function(*name, |bencher| bencher.iter(|| decide(black_box(fields))));
    }
    group.finish();
}

/// How the body of a response with `fields` ends, and whether its connection goes on.
fn decide(fields: Fields<'_>) -> (Framing, bool) {
    let framing = framing(RequestKind::Other, 200, 1, fields);
    (framing.expect("the framing is valid"), keep_alive(1, fields))
}
