//! The test server's faults as a client meets them, and the server's own end.
//!
//! Invariant: after every fault the server serves the next connection as if nothing had happened.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use flate2::read::GzDecoder;
use ringfetch::runtime::launch::Engine;
use ringfetch::testserver::{TestServer, TestServerSettings};

use crate::engines::engines;
use crate::plain_client::{Client, field};
use crate::testserver::routes::{on_every_engine, started_on};

/// What comes after a request for fault `kind`, up to the end of the connection.
fn meet(server: &TestServer, kind: &str) -> (Vec<u8>, Result<(), ErrorKind>) {
    let mut client = Client::new(server);
    client.send(format!("GET /fault/{kind} HTTP/1.1\r\nHost: h\r\n\r\n"));
    let met = client.rest();
    assert_eq!(Client::new(server).get("/bytes/1").status, 200, "after {kind}");
    met
}

#[test]
fn faults_that_end_the_connection_end_it_in_their_way() {
    let cut_head = "HTTP/1.1 200 OK\r\nContent-Le";
    on_every_engine(|server| {
        let reset = Err(ErrorKind::ConnectionReset);
        let check = |kind: &str, expected: &str, end: Result<(), ErrorKind>| {
            let (bytes, found) = meet(server, kind);
            let bytes = String::from_utf8_lossy(&bytes);
            assert_eq!((&*bytes, found), (expected, end), "{kind}");
        };
        check("close", "", Ok(()));
        check("half-head", cut_head, Ok(()));
        check("reset", cut_head, reset);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
        let half = format!("{head}Content-Length: 1000\r\n\r\n{}", "x".repeat(500));
        check("half-body", &half, Ok(()));
        check("reset-body", &half, reset);
        check("stale", &format!("{head}Content-Length: 2\r\n\r\nok"), Ok(()));
        let chunks = format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        check("chunk-cut", &chunks, Ok(()));
        let lengths = format!("{head}Content-Length: 5\r\nContent-Length: 6\r\n\r\n01234");
        check("two-lengths", &lengths, Ok(()));
        let (garbage, end) = meet(server, "bad-head");
        assert!(garbage.starts_with(b"\0\x01\x02") && end == Ok(()));
    });
}

#[test]
fn faults_that_keep_the_connection_keep_it() {
    on_every_engine(|server| {
        let mut client = Client::new(server);
        assert_eq!(client.get("/fault/content-length-mismatch").body, b"01234");
        assert_eq!(client.take(5), b"56789");
        client.send("GET /fault/many-1xx HTTP/1.1\r\nHost: h\r\n\r\n");
        for _ in 0..64 {
            assert_eq!(client.head().0, 103);
        }
        assert_eq!(client.response().body, b"ok");
        let huge = client.get("/fault/huge-head");
        assert!(huge.head.len() > 200 * 1024 && huge.body == b"ok");
        client.send("GET /fault/chunk-garbage HTTP/1.1\r\nHost: h\r\n\r\n");
        client.until(b"5\r\nhello\r\nzz\r\nhello\r\n");
        for kind in ["gzip-garbage", "gzip-cut"] {
            let response = client.get(&format!("/fault/{kind}"));
            assert_eq!(field(&response.head, "Content-Encoding"), Some("gzip"));
            let mut decoded = Vec::new();
            assert!(GzDecoder::new(&response.body[..]).read_to_end(&mut decoded).is_err());
        }
    });
}

#[test]
fn faults_without_an_end_go_on_until_the_peer_has_had_enough() {
    on_every_engine(|server| {
        for kind in ["endless", "endless-head"] {
            let mut client = Client::new(server);
            client.send(format!("GET /fault/{kind} HTTP/1.1\r\nHost: h\r\n\r\n"));
            assert_eq!(client.take(3_000_000).len(), 3_000_000, "{kind}");
        }
        for (kind, bytes_before) in [("hang", 0), ("hang-body", 500)] {
            let mut client = Client::new(server);
            client.send(format!("GET /fault/{kind} HTTP/1.1\r\nHost: h\r\n\r\n"));
            if bytes_before > 0 {
                client.head();
                assert_eq!(client.take(bytes_before).len(), bytes_before);
            }
            // The server notices that its peer has closed, and closes too: this read ends.
            client.socket.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(client.rest(), (Vec::new(), Ok(())), "{kind}");
        }
    });
}

#[test]
fn a_server_counts_its_requests_over_all_cores() {
    on_every_engine(|alone| {
        let mut settings = TestServerSettings::local();
        // Two threads on one CPU are two cores to the server.
        settings.launch.cpus = [settings.launch.cpus[0]; 2].to_vec();
        settings.launch.engine = Engine::Epoll;
        let server = TestServer::start(&settings).unwrap();
        for server in [alone, &server] {
            let mut clients: Vec<_> = (0..20).map(|_| Client::new(server)).collect();
            for client in &mut clients {
                assert_eq!(client.get("/bytes/1").status, 200);
                assert_eq!(client.get("/nope").status, 404);
            }
            assert_eq!(server.requests(), 40);
            let count = clients[0].get("/count").body;
            let expected = "{\"requests\":40,\"refused\":0,\"connections\":20}\n";
            assert_eq!(String::from_utf8(count).unwrap(), expected);
            assert_eq!(server.requests(), 40, "asking changes nothing");
        }
        assert_eq!(server.stop().unwrap().connections, 20);
    });
}

#[test]
fn arrivals_are_stamped_where_that_is_asked_for() {
    for engine in engines() {
        let mut settings = TestServerSettings::local();
        settings.launch.engine = engine.or_fallback().0;
        settings.stamps = 3;
        let server = TestServer::start(&settings).unwrap();
        let mut client = Client::new(&server);
        let mut stamps = || {
            for target in ["/bytes/1", "/nope"] {
                client.get(target);
                client.get("/count");
            }
            let lines = String::from_utf8(client.get("/stamps").body).unwrap();
            lines.lines().map(|line| line.parse().unwrap()).collect::<Vec<u64>>()
        };
        let first = stamps();
        assert_eq!(first.len(), 2);
        let last = stamps();
        assert!(last.is_sorted() && last.len() == 3 && last[0] == first[1], "{first:?} {last:?}");
        assert_eq!(server.requests(), 4, "asking changes nothing");
        client.send("GET /stamps HTTP/1.0\r\n\r\n");
        let (answer, end) = client.rest();
        assert_eq!((answer.iter().filter(|byte| **byte == b'\n').count(), end), (7, Ok(())));
        server.stop().unwrap();
    }
}

#[test]
fn without_stamps_asking_for_them_is_refused_with_a_hint() {
    on_every_engine(|server| {
        let answer = Client::new(server).get("/stamps");
        assert_eq!(answer.status, 404);
        assert!(String::from_utf8(answer.body).unwrap().contains("--stamps"));
    });
    let settings = TestServerSettings { stamps: 10_000_001, ..TestServerSettings::local() };
    assert!(TestServer::start(&settings).is_err());
}

#[test]
fn stopping_ends_every_connection_whatever_it_is_doing() {
    for engine in engines() {
        let server = started_on(engine);
        let addr = server.addr();
        let targets = ["/fault/hang", "/delay/600000/", "/drip/10/50000", "/bytes/1099511627776"];
        let mut clients: Vec<_> = targets.map(|target| (target, Client::new(&server))).into();
        for (target, client) in &mut clients {
            client.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        }
        let mut idle = Client::new(&server);
        assert_eq!(idle.get("/bytes/1").status, 200);
        let mut partial = Client::new(&server);
        partial.send("GET / HTT");
        // What was asked for is under way once the bodies have begun.
        clients[2].1.head();
        clients[3].1.take(1_000_000);
        server.stop().unwrap();
        for (_, mut client) in clients {
            // Closed, in order or not; not left open.
            let _ = client.rest();
        }
        assert_eq!(idle.rest(), (Vec::new(), Ok(())));
        let _ = partial.rest();
        assert!(TcpStream::connect(addr).is_err(), "nobody listens any more");
    }
}

#[test]
fn a_connection_that_says_nothing_for_too_long_is_closed() {
    for engine in engines() {
        let mut settings = TestServerSettings::local();
        settings.launch.engine = engine.or_fallback().0;
        settings.idle = Duration::from_millis(1);
        let server = TestServer::start(&settings).unwrap();
        assert_eq!(Client::new(&server).rest(), (Vec::new(), Ok(())));
        let mut slow = Client::new(&server);
        slow.send("GET / HTTP/1.1\r\nHo");
        assert_eq!(slow.rest().0, b"");
        // Neither is one that does not read what it asked for.
        let mut deaf = Client::new(&server);
        let asked = deaf.socket.write_all(b"GET /fault/endless HTTP/1.1\r\nHost: h\r\n\r\n");
        asked.unwrap();
        let mut peer_closed = Client::new(&server);
        assert_eq!(peer_closed.rest(), (Vec::new(), Ok(())));
        let _ = deaf.rest();
    }
}

#[test]
fn a_stopped_server_leaves_no_descriptor_behind() {
    // Other tests of this process open and close their own meanwhile, so only sockets on this
    // server's port count: each side of a connection has one line in the kernel's table.
    for engine in engines() {
        let server = started_on(engine);
        let port = server.addr().port();
        let mut clients: Vec<_> = (0..50).map(|_| Client::new(&server)).collect();
        for client in &mut clients {
            client.get("/bytes/1");
        }
        assert!(!open_inodes(port).is_empty());
        drop(clients);
        server.stop().unwrap();
        assert_eq!(open_inodes(port), BTreeSet::new(), "{engine}");
    }
}

/// Sockets on local `port` that a process still holds: without one, the kernel names no inode.
fn open_inodes(port: u16) -> BTreeSet<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux has /proc");
    let port = format!(":{port:04X}");
    let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = lines.filter(|line| line[1].ends_with(&port) && line[9] != "0");
    ours.map(|line| line[9].to_owned()).collect()
}
