//! Requests, rendered from their template as a fetch does for each URL.
//!
//! The room for them is there before, so that no allocation is timed.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use ringfetch::http::http1::{Method, RequestSpec, RequestTemplate};

const AUTHORITY: &str = "www.shop.example:8080";
const PATH: &str = "/catalogue/lamps/brass-reading-lamp?from=search&page=3";

/// Benches the rendering of requests.
pub(crate) fn bench(criterion: &mut Criterion) {
    let own = [
        ("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
        ("Accept-Language", "en-GB,en;q=0.7"),
        ("Authorization", "Bearer 4bf92f3577b34da6a3ce929d0e0e473600f067aa0ba902b7"),
        ("Cache-Control", "no-cache"),
        ("X-Request-Id", "6f1f7c0e-3c55-4a8e-9f0c-2f4d1b6f8a11"),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut group = criterion.benchmark_group("request");
    for (name, headers) in [("defaults", &own[..0]), ("5 headers", &own[..])] {
        let spec = RequestSpec { headers, ..RequestSpec::new(&Method::Get) };
        let template = RequestTemplate::new(&spec).expect("the headers can be sent");
        let mut out = Vec::with_capacity(template.len(AUTHORITY, PATH));
        template.write(&mut out, AUTHORITY, PATH);
        assert!(out.starts_with(format!("GET {PATH} HTTP/1.1\r\n").as_bytes()), "{name}");
        assert!(out.ends_with(b"\r\n\r\n") && out.len() == out.capacity(), "{name}");
        group.throughput(Throughput::Bytes(out.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                template.write(&mut out, black_box(AUTHORITY), black_box(PATH));
                black_box(&out).len()
            });
        });
    }
    group.finish();
}
