//! Failures by their stage and kind: deadlines, refusals, names, sizes, lines that are no URLs.
//!
//! Invariant: each test holds on every engine.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::time::Duration;

use ringfetch::Fetch;
use ringfetch::net::dns::Override;

use crate::runs::{error_of, on_every_engine, rows_of};
use crate::server::{Act, Server, ok, redirect, with_type};

const SHORT: Duration = Duration::from_millis(200);

/// A port of the loopback address on which nobody listens, kept from others as long as it lives.
struct DeafPort(socket2::Socket);

impl DeafPort {
    fn new() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        // Bound but not listening: the kernel refuses connections, and gives the port to nobody.
        socket.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        Self(socket)
    }

    fn url(&self) -> String {
        format!("http://{}/", self.0.local_addr().unwrap().as_socket().unwrap())
    }
}

#[test]
fn the_deadline_is_absolute_against_a_server_that_drips() {
    for (start, byte, stage) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b'x', "body"),
        ("HTTP/1.1 200 OK\r\n\r\n", b'x', "body"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n", b'x', "body"),
        ("HTTP/1.1 200 OK\r\nX-Endless: ", b'x', "head"),
    ] {
        let server = Server::start(move |_| vec![Act::Send(start.into()), Act::Drip(byte)]);
        let fetch = Fetch::new().urls([server.url("/")]).timeout(SHORT);
        on_every_engine(&fetch, |row| {
            assert_eq!(error_of(row), Some(format!("{stage}.timeout")), "{row:?}");
            assert_eq!(row.status, (stage == "body").then_some(200));
            assert_eq!(row.attempts, 1, "a deadline that has passed leaves no time for a retry");
            assert_eq!(row.body_bytes > 0, stage == "body", "{row:?}");
            let detail = &row.error.as_ref().unwrap().detail;
            assert!(detail.contains("--timeout"), "{detail}");
        });
    }
}

#[test]
fn redirects_do_not_renew_the_deadline() {
    let server = Server::start(|request| {
        let n: u32 = request.target[1..].parse().unwrap();
        let rest = vec![Act::Linger; 10];
        [rest, vec![Act::Send(redirect(302, &format!("/{}", n + 1)))]].concat()
    });
    let fetch = Fetch::new().urls([server.url("/0")]).timeout(SHORT).redirects(100);
    on_every_engine(&fetch, |row| {
        assert_eq!(error_of(row).map(|error| error.ends_with(".timeout")), Some(true), "{row:?}");
        assert!(!row.redirects.is_empty() && row.redirects.len() < 100, "{row:?}");
    });
}

#[test]
fn a_server_that_never_answers_ends_in_a_timeout_of_the_head() {
    let server = Server::start(|_| vec![Act::Hold]);
    on_every_engine(&Fetch::new().urls([server.url("/")]).timeout(SHORT), |row| {
        assert_eq!(error_of(row).as_deref(), Some("head.timeout"));
        assert_eq!((row.status, row.attempts), (None, 1));
        server.wait_for_close();
    });
}

#[test]
fn a_connection_that_nobody_takes_ends_in_a_timeout_of_the_connect() {
    // A queue of one that is full: the kernel drops what comes next and answers nothing.
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let listener = listener.unwrap();
    listener.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let addr = listener.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&addr, SHORT) {
        waiting.push(stream);
    }
    let url = format!("http://{addr}/");
    let fetch = Fetch::new().urls([&url]).connect_timeout(SHORT).retries(1);
    on_every_engine(&fetch, |row| {
        assert_eq!(error_of(row).as_deref(), Some("connect.timeout"));
        assert_eq!((row.status, row.attempts), (None, 2), "{row:?}");
        assert_eq!(row.ip, Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let detail = &row.error.as_ref().unwrap().detail;
        assert!(detail.contains("--connect-timeout"), "{detail}");
    });
    on_every_engine(&Fetch::new().urls([&url]).timeout(SHORT), |row| {
        assert_eq!(error_of(row).as_deref(), Some("connect.timeout"));
        assert_eq!(row.attempts, 1, "{row:?}");
    });
}

#[test]
fn a_refused_connection_is_tried_again_and_then_is_a_failure() {
    let port = DeafPort::new();
    let fetch = Fetch::new().urls([port.url()]).retries(1);
    on_every_engine(&fetch, |row| {
        assert_eq!(error_of(row).as_deref(), Some("connect.refused"));
        assert_eq!((row.status, row.attempts), (None, 2));
        assert_eq!(row.ip, Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    });
}

#[test]
fn a_name_without_an_address_is_a_failure_of_the_lookup() {
    let fetch = Fetch::new().urls(["http://host.invalid/"]).retries(0);
    on_every_engine(&fetch, |row| {
        // Without any name server the answer is "not for now" instead of "there is none".
        assert_eq!(row.error.as_ref().map(|error| error.stage), Some("dns"), "{row:?}");
        assert_eq!((row.status, row.attempts, row.ip), (None, 1, None));
    });
}

#[test]
fn fixed_addresses_stand_before_names_and_addresses_alike() {
    let server = Server::answering(ok("here"));
    let (ip, to_port) = (server.addr().ip(), Some(server.addr().port()));
    let only = |host: &str, port| Override { host: Some(host.into()), port, ip, to_port };
    for (rule, url) in [
        (only("host.invalid", Some(80)), "http://host.invalid/".to_owned()),
        (only("host.invalid", Some(8080)), "http://HOST.invalid:8080/".to_owned()),
        (only("host.invalid", None), "http://host.invalid:81/".to_owned()),
        (only("192.0.2.1", None), "http://192.0.2.1/".to_owned()),
        (only("[2001:db8::1]", None), "http://[2001:db8::1]/".to_owned()),
        (Override { to_port: None, ..server.for_every_host() }, {
            format!("http://any.invalid:{}/", server.addr().port())
        }),
        (server.for_every_host(), "http://any.invalid:9/".to_owned()),
    ] {
        let fetch = Fetch::new().urls([url.as_str()]).resolve(rule.clone());
        on_every_engine(&fetch, |row| {
            assert_eq!((error_of(row), row.status), (None, Some(200)), "{rule:?} {row:?}");
            assert_eq!(row.ip, Some(server.addr().ip()));
        });
        let authority = url.to_lowercase()["http://".len()..url.len() - 1].to_owned();
        assert_eq!(server.requests().last().unwrap().host, authority, "the URL's own authority");
    }
}

#[test]
fn a_body_over_the_bound_is_a_failure_and_one_at_the_bound_is_none() {
    let chunked = |body: &[u8]| {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let size = format!("{:x}\r\n", body.len()).into_bytes();
        [&head[..], &size, body, b"\r\n0\r\n\r\n"].concat()
    };
    let until_close = |body: &[u8]| [b"HTTP/1.1 200 OK\r\n\r\n", body].concat();
    let body = vec![b'x'; 100_000];
    for (name, answer, counted) in [
        ("length", with_type("text/html", &body), 0),
        ("length, not kept", with_type("image/png", &body), 0),
        ("chunked", chunked(&body), 99_999),
        ("until close", until_close(&body), 99_999),
    ] {
        let server = Server::start(move |_| vec![Act::Send(answer.clone()), Act::Close]);
        let fetch = Fetch::new().urls([server.url("/")]);
        on_every_engine(&fetch.clone().body_bytes_max(100_000), |row| {
            assert_eq!((error_of(row), row.body_bytes), (None, 100_000), "{name}");
        });
        on_every_engine(&fetch.body_bytes_max(99_999), |row| {
            assert_eq!(error_of(row).as_deref(), Some("body.too_large"), "{name}");
            assert_eq!((row.status, row.attempts), (Some(200), 1), "{name}");
            assert_eq!(row.body_bytes, counted, "{name}: what was read of it");
            let detail = &row.error.as_ref().unwrap().detail;
            assert!(detail.contains("--max-body"), "{detail}");
        });
    }
}

#[test]
fn an_endless_body_ends_at_the_bound() {
    let server = Server::start(|_| {
        let piece = vec![b'x'; 1_000_000];
        let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        vec![Act::Send(head), Act::Flood(piece)]
    });
    let fetch = Fetch::new().urls([server.url("/")]).body_bytes_max(3_000_000);
    on_every_engine(&fetch, |row| {
        assert_eq!(error_of(row).as_deref(), Some("body.too_large"));
        assert_eq!(row.body_bytes, 3_000_000);
        server.wait_for_close();
    });
}

#[test]
fn what_is_no_http_url_is_a_row_that_says_so() {
    for (line, error) in [
        ("https://a.test/", "url.unsupported"),
        ("ftp://a.test/", "url.unsupported"),
        ("mailto:a@b", "url.unsupported"),
        ("http://user:secret@a.test/", "url.unsupported"),
        ("nonsense", "url.invalid"),
        ("/path", "url.invalid"),
        ("http://", "url.invalid"),
        ("http://a.test:99999/", "url.invalid"),
        ("http://[::1/", "url.invalid"),
        ("http://a b/", "url.invalid"),
        ("\u{fffd}\u{1f980}", "url.invalid"),
        ("", "url.invalid"),
    ] {
        let rows = rows_of(Fetch::new().urls([line]));
        assert_eq!(rows.len(), 1);
        assert_eq!(error_of(&rows[0]).as_deref(), Some(error), "{line}");
        assert_eq!((rows[0].n, rows[0].url.as_str()), (0, line));
        assert_eq!((rows[0].status, rows[0].attempts, rows[0].ip), (None, 0, None));
    }
}

#[test]
fn a_server_on_ipv6_is_reached_by_its_address() {
    // Where loopback has no IPv6 there is nothing to reach.
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in listener.incoming().take(3) {
            let mut stream = stream.unwrap();
            let count = stream.read(&mut [0; 4096]).unwrap();
            assert!(count > 0);
            stream.write_all(&ok("six")).unwrap();
        }
    });
    on_every_engine(&Fetch::new().urls([url]), |row| {
        assert_eq!((error_of(row), row.body_bytes), (None, 3));
        assert_eq!(row.ip, Some(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)));
    });
    served.join().unwrap();
}
