//! The crate as a program uses it: rows as a stream, rows by a call, an early end.
//!
//! Invariant: each test holds on every engine.

use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use ringfetch::client::Stop;
use ringfetch::fetch::output::Callback;
use ringfetch::input::source::{Line, Source};
use ringfetch::{Fetch, FetchError};

use crate::engines::engines;
use crate::server::{Act, PATIENCE, Server, ok};

/// A list without an end, that tells when nobody wants it any more.
struct Endless {
    url: String,
    _gone: flume::Sender<()>,
}

impl Source for Endless {
    fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        Ok(Some(Line::Text(&self.url)))
    }

    fn is_buffered(&self) -> bool {
        true
    }
}

#[test]
fn all_rows_come_out_of_the_stream_and_then_the_numbers() {
    let server = Server::answering(ok("page"));
    for engine in engines() {
        let urls = (0..1000).map(|n| server.url(&format!("/{n}")));
        let mut rows = Fetch::new().urls(urls).engine(engine).rows().unwrap();
        let mut ordinals: Vec<_> = rows.by_ref().map(|row| row.n).collect();
        ordinals.sort_unstable();
        assert!(ordinals.into_iter().eq(0..1000), "{engine}");
        let summary = rows.finish().unwrap();
        assert_eq!((summary.rows, summary.ok, summary.interrupted), (1000, 1000, false));
    }
}

#[test]
fn finishing_early_reads_the_rest_and_counts_it() {
    let server = Server::answering(ok("page"));
    for engine in engines() {
        let urls = (0..500).map(|n| server.url(&format!("/{n}")));
        let mut rows = Fetch::new().urls(urls).engine(engine).rows().unwrap();
        assert!(rows.next().is_some());
        assert_eq!(rows.finish().unwrap().rows, 500, "{engine}");
    }
}

#[test]
fn a_stream_that_is_dropped_early_ends_its_run() {
    for engine in engines() {
        let server = Server::answering(ok("page"));
        let dir = crate::places::Dir::new(&format!("dropped-{engine}"));
        // Long enough not to be over by itself: several seconds' work for this server.
        let list = dir.file("list", server.url("/\n").repeat(1_000_000).as_bytes());
        let fetch = Fetch::new().file(list).engine(engine).per_host(1);
        let mut rows = fetch.rows().unwrap();
        assert!(rows.by_ref().take(100).all(|row| row.status == Some(200)));
        drop(rows);
        server.wait_for_close();
        assert!(server.requests().len() < 1_000_000, "{engine}");
    }
}

#[test]
fn a_stream_that_is_dropped_while_a_server_hangs_ends_its_run() {
    for engine in engines() {
        let server = Server::start(|request| match request.target.as_str() {
            "/hang" => vec![Act::Hold],
            _ => vec![Act::Send(ok("page"))],
        });
        let urls = [server.url("/"), server.url("/hang")];
        let mut rows = Fetch::new().urls(urls).engine(engine).rows().unwrap();
        assert_eq!(rows.next().unwrap().status, Some(200));
        drop(rows);
        // Both connections, the one that hangs within the grace of a stop.
        for _ in 0..2 {
            server.wait_for_close();
        }
    }
}

#[test]
fn a_stop_ends_an_endless_source() {
    let server = Server::answering(ok("page"));
    for engine in engines() {
        let (gone, is_gone) = flume::bounded(1);
        let source = Endless { url: server.url("/"), _gone: gone };
        let (stop, count) = (Stop::default(), Arc::new(AtomicU64::new(0)));
        let (counted, stopper) = (Arc::clone(&count), stop.clone());
        let act = Arc::new(move |_| {
            if counted.fetch_add(1, Ordering::Relaxed) == 1000 {
                stopper.request();
            }
        });
        let fetch = Fetch::new().engine(engine);
        let fetching = fetch.start_from(source, || Callback(Arc::clone(&act)), stop).unwrap();
        let summary = fetching.join().unwrap();
        assert!(summary.interrupted && summary.rows >= 1000, "{engine}");
        assert_eq!(summary.rows, count.load(Ordering::Relaxed));
        assert_eq!(summary.input.lines, summary.rows + summary.input.not_started);
        assert_eq!(is_gone.recv_timeout(PATIENCE), Err(flume::RecvTimeoutError::Disconnected));
    }
}

#[test]
fn a_source_that_fails_gives_its_rows_and_then_its_error() {
    struct Failing(u32);
    impl Source for Failing {
        fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
            self.0 += 1;
            match self.0 {
                0..=10 => Ok(Some(Line::Text("nonsense"))),
                _ => Err(io::Error::other("the source ran dry")),
            }
        }
    }
    for engine in engines() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let act = Arc::new(move |row: ringfetch::fetch::output::row::Row| {
            kept.lock().unwrap().push(row.n)
        });
        let fetch = Fetch::new().engine(engine);
        let fetching =
            fetch.start_from(Failing(0), || Callback(Arc::clone(&act)), Stop::default()).unwrap();
        let error = fetching.join().unwrap_err();
        assert_eq!(error.to_string(), "the source ran dry");
        let FetchError::Input(_, Some(summary)) = error else { panic!("{error:?}") };
        assert_eq!((summary.rows, summary.failed), (10, 10), "{engine}");
        let mut seen = seen.lock().unwrap().clone();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..10));
    }
}

#[test]
fn a_callback_that_panics_ends_the_run_with_an_error() {
    let server = Server::answering(ok("page"));
    for engine in engines() {
        let urls = vec![server.url("/"); 2000];
        let result = Fetch::new().urls(urls).engine(engine).for_each(|_| panic!("on purpose"));
        assert!(matches!(result, Err(FetchError::Output(_))), "{engine}: {result:?}");
    }
}

#[test]
fn options_that_cannot_be_used_are_errors_before_anything_runs() {
    let server = Server::answering(ok("page"));
    let good = Fetch::new().urls([server.url("/")]);
    for bad in [
        good.clone().connections(0),
        good.clone().timeout(std::time::Duration::ZERO),
        good.clone().select("x", "[["),
        good.clone().cpus(Vec::new()),
        good.clone().starts_per_s(f64::NAN),
        good.clone().header("a b", "c"),
        good.clone().header("a", "b\r\nc: d"),
        good.user_agent("a\nb"),
    ] {
        let result = bad.for_each(|_| {});
        assert!(matches!(result, Err(FetchError::Option(_))), "{result:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn the_callers_own_cpus_stay_as_they_were() {
    let before = ringfetch::runtime::cores::available();
    let fetch = Fetch::new().urls(["nonsense"]).cpus([before[0]]);
    fetch.for_each(|_| {}).unwrap();
    assert_eq!(ringfetch::runtime::cores::available(), before);
}
