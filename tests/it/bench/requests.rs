//! What a bench sends and what it takes for an answer: methods, fields, bodies, lists, framings.
//!
//! Invariant: what is sent is what was asked for, byte for byte, on every engine.

use std::io::Write;

use crate::benches::{Benched, benched, benched_with};
use crate::engines::engines;
use crate::places::Dir;
use crate::server::{Act, Request, Server, ok};

/// Runs a bench of `server` with `args` on every engine, none of whose requests may fail, and hands
/// what it sent to `check`.
fn check_sent(answer: &[u8], args: &[&str], check: impl Fn(&Request)) {
    for engine in engines() {
        let server = Server::answering(answer.to_vec());
        let url = server.url("/path?query#fragment");
        let args = [&["--engine", engine.word(), "-n", "20", "-c", "4", &url], args].concat();
        let benched = benched_with(&args);
        assert_eq!((benched.ledger(), benched.code), ([20, 0, 20, 0, 0], Some(0)), "{benched:?}");
        let requests = server.requests();
        assert_eq!(requests.len(), 20, "{engine}");
        for request in &requests {
            assert_eq!(request.target, "/path?query", "{request:?}");
            let hosts = request.head.to_ascii_lowercase().matches("\r\nhost:").count();
            assert_eq!(hosts, 1, "{request:?}");
            check(request);
        }
    }
}

fn method(request: &Request) -> &str {
    request.head.split(' ').next().unwrap()
}

#[test]
fn a_request_is_a_get_without_a_body_unless_told_otherwise() {
    check_sent(&ok("x"), &[], |request| {
        assert_eq!((method(request), &request.body[..]), ("GET", &b""[..]));
        assert!(request.host.starts_with("127.0.0.1:"), "{request:?}");
        assert!(request.head.contains(" HTTP/1.1\r\n"), "{request:?}");
        let absent = ["content-length", "transfer-encoding", "connection"];
        assert_eq!(absent.map(|name| request.field(name)), [None; 3], "{request:?}");
    });
}

#[test]
fn fields_are_added_and_replace_those_that_are_sent_by_themselves() {
    let args =
        ["-H", "Host: example.test", "-H", "X-One: 1", "-H", "Accept: x/y", "-H", "X-One: 2"];
    check_sent(&ok("x"), &args, |request| {
        assert_eq!((&*request.host, request.field("accept")), ("example.test", Some("x/y")));
        for line in ["X-One: 1", "X-One: 2"] {
            let count = request.head.lines().filter(|found| *found == line).count();
            assert_eq!(count, 1, "{line}: {}", request.head);
        }
    });
}

#[test]
fn a_body_makes_it_a_post_and_is_a_text_or_a_file() {
    let dir = Dir::new("bench-body");
    let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let file = format!("@{}", dir.file("body", &bytes).display());
    let text = "{\"a\": 1}";
    for (body, expected) in [(text, text.as_bytes()), (&file, &bytes)] {
        check_sent(&ok("x"), &["-b", body], |request| {
            assert_eq!((method(request), &request.body[..]), ("POST", expected));
            let length = expected.len().to_string();
            assert_eq!(request.field("content-length"), Some(&*length));
        });
    }
    check_sent(&ok("x"), &["-b", text, "-X", "PUT", "-H", "Content-Type: a/b"], |request| {
        assert_eq!((method(request), &request.body[..]), ("PUT", text.as_bytes()));
        assert_eq!(request.field("content-type"), Some("a/b"));
    });
    check_sent(&ok("x"), &["-m", "DELETE"], |request| assert_eq!(method(request), "DELETE"));
    check_sent(&ok("x"), &["-X", "PURGE"], |request| assert_eq!(method(request), "PURGE"));
}

#[test]
fn answers_that_have_no_body_end_with_their_head() {
    let head =
        |start: &str| format!("HTTP/1.1 {start}\r\nContent-Length: 1000\r\n\r\n").into_bytes();
    check_sent(&head("200 OK"), &["-X", "HEAD"], |request| assert_eq!(method(request), "HEAD"));
    check_sent(&head("304 Not Modified"), &[], |request| assert_eq!(method(request), "GET"));
    check_sent(b"HTTP/1.1 204 No Content\r\n\r\n", &[], |request| assert!(request.turn < 20));
}

/// Checks that `answer`, behind which the server may do `close`, is one whole answer, and whether
/// its connection carries the next request.
fn check_framing(answer: &str, close: Option<&Act>, is_kept: bool) {
    for engine in engines() {
        let (bytes, close) = (answer.as_bytes().to_vec(), close.cloned());
        let script = move |_: &Request| {
            let send = [Act::Send(bytes.clone())].into_iter();
            send.chain(close.clone()).collect()
        };
        let server = Server::start(script);
        let benched = benched(&format!("--engine {engine} -n 20 -c 2 {}", server.url("/")));
        assert_eq!((benched.ledger(), benched.code), ([20, 0, 20, 0, 0], Some(0)), "{benched:?}");
        let read = benched.count("/bytes_read");
        assert_eq!(read, 20 * answer.len() as u64, "{answer:?}: {benched:?}");
        let [opened, reopened] = ["opened", "reopened"]
            .map(|name| benched.count(&format!("/connections_detail/{name}")));
        // One core may send all of them, and leave the connection of the other as it is.
        let expected = if is_kept { 0..=0 } else { 18..=19 };
        assert!(opened == 2 && expected.contains(&reopened), "{answer:?}: {benched:?}");
        assert_eq!(server.connections() as u64, opened + reopened, "{answer:?}: {engine}");
        let last = server.requests().iter().map(|request| request.turn).max();
        assert_eq!(last == Some(0), !is_kept, "{answer:?}: {engine}");
    }
}

#[test]
fn every_framing_is_read_to_its_end() {
    let ok = "HTTP/1.1 200 OK\r\n";
    check_framing(&format!("{ok}Content-Length: 5\r\n\r\nhello"), None, true);
    let chunked = format!("{ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n");
    check_framing(&chunked, None, true);
    check_framing(&format!("{ok}\r\nto the end"), Some(&Act::Close), false);
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    check_framing(&format!("{early}{early}{ok}Content-Length: 5\r\n\r\nhello"), None, true);
}

#[test]
fn a_server_that_ends_the_connection_gets_a_new_one_for_each_request() {
    let close = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
    check_framing(close, Some(&Act::Close), false);
    // The client closes where the server says so and waits.
    check_framing(close, Some(&Act::Hold), false);
    let old = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    check_framing(old, Some(&Act::Close), false);
    let kept = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello";
    check_framing(kept, None, true);
}

#[test]
fn without_keepalive_each_request_has_its_own_connection_and_says_so() {
    for after in [Act::Close, Act::Hold] {
        for engine in engines() {
            let after = after.clone();
            let server = Server::start(move |_| vec![Act::Send(ok("x")), after.clone()]);
            let args = format!("--engine {engine} -n 50 -c 4 --no-keepalive");
            let benched = benched(&format!("{args} {}", server.url("/")));
            assert_eq!((benched.ledger(), benched.code), ([50, 0, 50, 0, 0], Some(0)));
            let requests = server.requests();
            assert_eq!((server.connections(), requests.len()), (50, 50), "{engine}");
            let is_told = |request: &Request| {
                request.field("connection").is_some_and(|text| text.eq_ignore_ascii_case("close"))
            };
            assert!(requests.iter().all(|r| r.turn == 0 && is_told(r)), "{engine}");
            // No connection was asked for beforehand.
            assert_eq!(benched.count("/connections_detail/wanted"), 0, "{benched:?}");
            assert_eq!(benched.count("/latency_us/connect/n"), 50, "{benched:?}");
        }
    }
}

/// What a bench of one connection with `args` asked `server` for, in order.
fn targets(server: &Server, args: &str) -> Vec<String> {
    let before = server.requests().len();
    let benched = benched(&format!("-c 1 {args}"));
    assert_eq!((benched.failures().as_str(), benched.code), ("{}", Some(0)), "{benched:?}");
    server.requests()[before..].iter().map(|request| request.target.clone()).collect()
}

// Many URLs were asked for: bombardier#48.
#[test]
fn several_urls_are_asked_for_in_turn_on_the_same_connection() {
    for engine in engines() {
        let server = Server::answering(ok("x"));
        let urls = ["/a", "/b", "/c"].map(|path| server.url(path)).join(" ");
        let found = targets(&server, &format!("--engine {engine} -n 8 {urls}"));
        assert_eq!(found, ["/a", "/b", "/c", "/a", "/b", "/c", "/a", "/b"], "{engine}");
        assert_eq!(server.connections(), 1, "{engine}");
    }
}

#[test]
fn several_hosts_have_all_connections_each() {
    let servers = [Server::answering(ok("x")), Server::answering(ok("x"))];
    let urls = servers.each_ref().map(|server| server.url("/")).join(" ");
    for (turn, engine) in engines().enumerate() {
        let benched = benched(&format!("--engine {engine} -n 100 -c 4 {urls}"));
        assert_eq!((benched.ledger(), benched.code), ([100, 0, 100, 0, 0], Some(0)));
        assert_eq!(benched.count("/connections_detail/opened"), 8, "{benched:?}");
        for server in &servers {
            assert_eq!(server.connections(), 4 * (turn + 1), "{engine}");
        }
    }
    // Each core begins at another place of the list, so the shares are not exact.
    let counts = servers.each_ref().map(|server| server.requests().len());
    assert!(counts.iter().all(|count| *count > 100) || engines().count() < 3, "{counts:?}");
}

#[test]
fn a_shuffled_list_is_a_permutation_that_the_seed_gives() {
    let server = Server::answering(ok("x"));
    let dir = Dir::new("bench-shuffle");
    let text: String = (0..50).map(|n| server.url(&format!("/{n}\n"))).collect();
    let list = dir.file("list", text.as_bytes()).display().to_string();
    let in_turn = targets(&server, &format!("-n 50 -i {list}"));
    let expected: Vec<_> = (0..50).map(|n| format!("/{n}")).collect();
    assert_eq!(in_turn, expected);
    let shuffled = |seed| targets(&server, &format!("-n 50 -i {list} --shuffle --seed {seed}"));
    let [one, again, other] = [1, 1, 2].map(shuffled);
    assert_eq!(one, again);
    assert!(one != other && one != expected && other != expected);
    for mut shuffled in [one, other] {
        shuffled.sort_by_key(|target| target[1..].parse::<u32>().unwrap());
        assert_eq!(shuffled, expected);
    }
}

#[test]
fn lists_may_be_compressed_and_come_behind_the_arguments() {
    let server = Server::answering(ok("x"));
    let dir = Dir::new("bench-lists");
    let text = format!("# a list\n\n{}\n{}\n", server.url("/b"), server.url("/c"));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
    for bytes in [text.into_bytes(), gzip.finish().unwrap(), zstd] {
        let list = dir.file("list", &bytes).display().to_string();
        let found = targets(&server, &format!("-n 4 -i {list} {}", server.url("/a")));
        assert_eq!(found, ["/a", "/b", "/c", "/a"]);
    }
}

#[test]
fn names_are_led_where_resolve_says() {
    let server = Server::answering(ok("x"));
    for engine in engines() {
        let rule = server.resolve_every_host();
        let url = "http://example.test/x";
        let benched = benched(&format!("--engine {engine} -n 20 -c 2 --resolve {rule} {url}"));
        assert_eq!((benched.ledger(), benched.code), ([20, 0, 20, 0, 0], Some(0)), "{benched:?}");
    }
    assert!(server.requests().iter().all(|request| request.host == "example.test"));
}

// A partial send that goes on from the wrong buffer: gcannon PR#18.
#[test]
fn a_large_body_arrives_whole_at_a_server_that_reads_it_in_small_pieces() {
    // Each eight bytes are another number, so that no piece can stand for another.
    let body: Vec<u8> = (0..1_000_000_u64).flat_map(u64::to_be_bytes).collect();
    let dir = Dir::new("bench-large");
    let file = format!("@{}", dir.file("body", &body).display());
    for engine in engines() {
        let expected = body.clone();
        let server = Server::start(move |request| match request.body == expected {
            true => vec![Act::Send(ok("x"))],
            false => vec![Act::Close],
        });
        let url = server.url("/");
        let args = ["--engine", engine.word(), "-n", "6", "-c", "2", "-b", &file, &url];
        let benched: Benched = benched_with(&args);
        assert_eq!((benched.ledger(), benched.code), ([6, 0, 6, 0, 0], Some(0)), "{benched:?}");
    }
}

#[test]
fn an_option_that_changes_nothing_is_told() {
    let server = Server::answering(ok("x"));
    let warnings = |args: &str| {
        let benched = benched(&format!("-c 1 -n 2 {args} {}", server.url("/")));
        assert_eq!((benched.ledger(), benched.code), ([2, 0, 2, 0, 0], Some(0)), "{benched:?}");
        benched.stderr.matches(" changes nothing").count()
    };
    for (args, count) in [
        ("", 0),
        ("--seed 1", 1),
        ("--arrivals even --spin --seed 7", 3),
        ("--shuffle --seed 7", 0),
        ("-R 1k --seed 7 --spin", 0),
        ("-R 1k --arrivals even", 0),
        ("-R 1k --arrivals even --seed 7", 1),
    ] {
        assert_eq!(warnings(args), count, "{args}");
    }
    let used = benched(&format!("-t 9 -c 1 -n 2 {}", server.url("/")));
    assert!(used.stderr.contains("warning: 1 of 9 cores are used"), "{used:?}");
}
