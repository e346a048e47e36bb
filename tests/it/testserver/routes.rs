//! The test server over real sockets, on every engine.
//!
//! The client is a blocking socket and a few lines of its own, so that no bug of ours can hide on
//! both sides.
//!
//! Invariant: nothing here measures time; what must come to an end is read to its end.

use std::io::{Read, Write};

use flate2::read::GzDecoder;
use ringfetch::runtime::launch::Engine;
use ringfetch::testserver::{TestServer, TestServerSettings};

use crate::engines::engines;
use crate::plain_client::{Client, Response, field};

/// A server of one core on `engine`; where the kernel refuses io_uring, on what takes its place.
pub(crate) fn started_on(engine: Engine) -> TestServer {
    let mut settings = TestServerSettings::local();
    settings.launch.engine = engine.or_fallback().0;
    TestServer::start(&settings).expect("the loopback interface has a free port")
}

/// Runs `check` against a server on each engine, and stops it.
pub(crate) fn on_every_engine(check: impl Fn(&TestServer)) {
    for engine in engines() {
        let server = started_on(engine);
        check(&server);
        server.stop().expect("every core ends in order");
    }
}

fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).expect("pages are UTF-8")
}

#[test]
fn every_route_is_answered_on_one_connection() {
    on_every_engine(|server| {
        let mut client = Client::new(server);
        let index = client.get("/");
        assert!(text(&index).contains("/bytes/N") && text(&index).contains("/fault/reset"));
        let bytes = client.get("/bytes/300000");
        assert_eq!(bytes.body.len(), 300_000);
        assert_eq!(bytes.body[..8], client.get("/bytes/8").body[..]);
        assert_eq!(bytes.body[..65_521], bytes.body[65_521..131_042]);
        assert_eq!(client.get("/bytes/0").body, b"");
        let page = client.get("/page/7");
        assert!(text(&page).contains("page 7 of site1.test</title>"));
        assert_eq!(client.get("/redirect/0").body, client.get("/page/0").body);
        assert_eq!(client.get("/delay/1/page/7"), page);
        assert_eq!(client.get("/drip/5/0").body, b"xxxxx");
        for status in [200, 201, 404, 418, 500, 599] {
            let response = client.get(&format!("/status/{status}"));
            assert_eq!(response.status, status);
            assert!(text(&response).starts_with(&status.to_string()));
        }
        for status in [204, 304] {
            let response = client.get(&format!("/status/{status}"));
            assert_eq!((response.status, response.body.len()), (status, 0));
            assert_eq!(field(&response.head, "Content-Length"), None);
        }
        let missing = client.get("/no/such/route");
        assert_eq!(missing.status, 404);
        assert!(text(&missing).contains("hint"));
        assert_eq!(client.get("/bytes/x").status, 400);
    });
}

#[test]
fn chunked_bodies_come_with_extensions_and_trailers_where_asked_for() {
    on_every_engine(|server| {
        let mut client = Client::new(server);
        let expected = client.get("/bytes/200000").body;
        assert_eq!(client.get("/chunked/200000").body, expected);
        assert_eq!(client.get("/chunked/200000?chunk=32768").body, expected);
        assert_eq!(client.get("/chunked/0").body, b"");
        client.send("GET /chunked/25?chunk=10&extensions&trailers HTTP/1.1\r\nHost: h\r\n\r\n");
        let (_, head) = client.head();
        assert_eq!(field(&head, "Trailer"), Some("X-Body-Bytes, X-End"));
        let (data, lines, trailers) = client.chunks();
        assert_eq!(data, expected[..25]);
        assert_eq!(lines[0], "A;at=10;quoted=\"a \\\" b\";alone\r\n");
        assert_eq!(trailers, "X-Body-Bytes: 25\r\nX-End: yes\r\n\r\n");
        assert_eq!(client.get("/bytes/1").status, 200);
    });
}

#[test]
fn gzip_codes_what_the_rest_of_the_path_answers() {
    on_every_engine(|server| {
        let mut client = Client::new(server);
        for target in ["/page/3", "/", "/bytes/0", "/bytes/10", "/bytes/200000"] {
            let plain = client.get(target);
            let coded = client.get(&format!("/gzip{target}"));
            assert_eq!(field(&coded.head, "Content-Encoding"), Some("gzip"), "{target}");
            let mut decoded = Vec::new();
            GzDecoder::new(&coded.body[..]).read_to_end(&mut decoded).unwrap();
            assert!(decoded == plain.body, "{target}");
        }
        assert_eq!(client.get("/gzip/status/200").status, 404);
    });
}

#[test]
fn redirects_lead_to_a_page_or_in_a_circle() {
    on_every_engine(|server| {
        let mut client = Client::new(server);
        let mut hop = |target: &str| {
            let response = client.get(target);
            (response.status, field(&response.head, "Location").unwrap().to_owned())
        };
        assert_eq!(hop("/redirect/3"), (302, "/redirect/2".to_owned()));
        assert_eq!(hop("/redirect/2"), (302, "1".to_owned()));
        assert_eq!(hop("/redirect/1"), (302, "/page/0".to_owned()));
        assert_eq!(hop("/redirect/5?status=307"), (307, "4?status=307".to_owned()));
        assert_eq!(hop("/redirect/loop"), (302, "/redirect/loop".to_owned()));
        let target = "/redirect-to?url=http%3a%2f%2Fa.test%2F%3Fb&status=301";
        assert_eq!(hop(target), (301, "http://a.test/?b".to_owned()));
        assert_eq!(client.get("/redirect-to?url=/a%0d%0aX:y").status, 400);
    });
}

#[test]
fn pipelined_requests_are_answered_in_order_and_together() {
    on_every_engine(|server| {
        let mut client = Client::new(server);
        let expected = client.get("/bytes/1000").body;
        let mut requests = String::new();
        for length in 0..1000 {
            requests += &format!("GET /bytes/{length} HTTP/1.1\r\nHost: h\r\n\r\n");
        }
        client.send(&requests);
        for length in 0..1000 {
            assert_eq!(client.response().body, expected[..length]);
        }
        // A body, a delay and a large answer in between change nothing.
        let mixed = "GET /bytes/1 HTTP/1.1\r\nHost: h\r\n\r\n\
            POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello\
            GET /delay/1/bytes/2 HTTP/1.1\r\nHost: h\r\n\r\n\
            GET /bytes/100000 HTTP/1.1\r\nHost: h\r\n\r\nGET /bytes/3 HTTP/1.1\r\nHost: h\r\n\r\n";
        client.send(mixed);
        let lengths: Vec<_> = (0..5).map(|_| client.response().body.len()).collect();
        assert_eq!([lengths[0], lengths[2], lengths[3], lengths[4]], [1, 2, 100_000, 3]);
    });
}

#[test]
fn head_has_the_head_of_get_and_no_body() {
    on_every_engine(|server| {
        let mut client = Client::new(server);
        let targets =
            ["/", "/bytes/300000", "/page/1", "/gzip/page/1", "/status/404", "/chunked/9"];
        for target in targets.into_iter().chain(["/drip/9/60000", "/redirect/1", "/nope"]) {
            client.send(format!("HEAD {target} HTTP/1.1\r\nHost: site1.test\r\n\r\n"));
            let (status, head) = client.head();
            if !target.starts_with("/drip") {
                let get = client.get(target);
                assert_eq!((get.status, &get.head), (status, &head), "{target}");
            }
        }
    });
}

#[test]
fn http_1_0_closes_unless_asked_to_go_on() {
    on_every_engine(|server| {
        let mut client = Client::new(server);
        client.send("GET /bytes/5 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let response = client.response();
        assert_eq!(field(&response.head, "Connection"), Some("keep-alive"));
        let expected = client.get("/chunked/90000").body;
        client.send("GET /chunked/90000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let response = client.response();
        assert_eq!(field(&response.head, "Transfer-Encoding"), None);
        assert_eq!(field(&response.head, "Connection"), Some("close"));
        assert!(response.body == expected);
        for end in ["1.0\r\n\r\n", "1.1\r\nHost: h\r\nConnection: close\r\n\r\n"] {
            let mut client = Client::new(server);
            client.send(format!("GET /bytes/5 HTTP/{end}"));
            let response = client.response();
            assert_eq!(field(&response.head, "Connection"), Some("close"));
            assert_eq!(client.rest(), (Vec::new(), Ok(())));
        }
        let mut client = Client::new(server);
        let response = client.get("/bytes/90000?framing=close");
        assert!(response.body == expected);
    });
}

#[test]
fn what_is_no_request_is_answered_and_the_connection_ends() {
    on_every_engine(|server| {
        let long_path = format!("GET /{} HTTP/1.1\r\n", "a".repeat(70_000));
        let many_fields = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(300));
        let rows: [(&str, u16); 7] = [
            ("\u{1}\u{2}\u{3}\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: br\r\n\r\n", 501),
            (&long_path, 431),
            (&many_fields, 431),
        ];
        for (request, status) in rows {
            let mut client = Client::new(server);
            client.send(request);
            let response = client.response();
            assert_eq!(response.status, status, "{request:.40}");
            assert_eq!(field(&response.head, "Connection"), Some("close"));
            assert_eq!(client.rest(), (Vec::new(), Ok(())), "{request:.40}");
        }
        assert_eq!(server.served().refused, rows.len() as u64);
    });
}

#[test]
fn bodies_of_requests_are_read_past_counted_and_bounded() {
    on_every_engine(|server| {
        let mut client = Client::new(server);
        let body_bytes = |response: &Response| {
            let echo: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
            echo["body_bytes"].as_u64().unwrap()
        };
        let length = 1_000_000;
        client.send(format!("PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"));
        client.send(vec![b'x'; length]);
        assert_eq!(body_bytes(&client.response()), length as u64);
        client.send("PUT /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe");
        client.send("llo\r\n3;a=b\r\nyou\r\n0\r\nX: y\r\n\r\n");
        assert_eq!(body_bytes(&client.response()), 8);
        let head =
            "PUT /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
        client.send(head);
        assert_eq!(client.head().0, 100);
        client.send("ok");
        assert_eq!(body_bytes(&client.response()), 2);
        client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 67108865\r\n\r\n");
        let mut left = 67_108_865;
        while left > 0 {
            // The server may answer and close before everything is sent.
            let piece = vec![b'x'; left.min(65_536)];
            left -= piece.len();
            if client.socket.write_all(&piece).is_err() {
                break;
            }
        }
        assert_eq!(client.response().status, 413);
    });
}

#[test]
fn echo_says_what_was_asked() {
    on_every_engine(|server| {
        let mut client = Client::new(server);
        client.send("PATCH /echo?a=%20b HTTP/1.1\r\nHost: h:80\r\nX-One: 1, 2\r\nx-two:\r\n\r\n");
        let echo: serde_json::Value = serde_json::from_slice(&client.response().body).unwrap();
        let expected = serde_json::json!({
            "method": "PATCH", "target": "/echo?a=%20b", "host": "h:80", "version": "1.1",
            "fields": [["Host", "h:80"], ["X-One", "1, 2"], ["x-two", ""]], "body_bytes": 0
        });
        assert_eq!(echo, expected);
    });
}
