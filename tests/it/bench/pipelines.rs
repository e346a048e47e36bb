//! Pipelines: several requests under way on one connection, and what becomes of those that a server
//! does not answer.
//!
//! Invariant: answers belong to requests in their order, and those without one are failures.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use crate::benches::benched;
use crate::engines::engines;
use crate::server::{Act, Server, ok};

/// Answers what comes on `stream` all at once; the most requests that were there at one time.
fn answer_at_once(mut stream: TcpStream) -> usize {
    let (mut held, mut piece, mut most) = (Vec::new(), [0; 64 * 1024], 0);
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        held.extend_from_slice(&piece[..count]);
        let whole = held.windows(4).filter(|bytes| *bytes == b"\r\n\r\n").count();
        most = most.max(whole);
        // A part of a request is waited for: its answers go out with those of the others.
        if held.ends_with(b"\r\n\r\n") {
            held.clear();
            if stream.write_all(&ok("x").repeat(whole)).is_err() {
                break;
            }
        }
    }
    most
}

#[test]
fn a_connection_has_as_many_requests_under_way_as_asked_for_and_no_more() {
    for engine in engines() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let serving = std::thread::spawn(move || {
            let streams = listener.incoming().take(2);
            let threads =
                streams.map(|stream| std::thread::spawn(|| answer_at_once(stream.unwrap())));
            let threads: Vec<_> = threads.collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).max()
        });
        let benched = benched(&format!("--engine {engine} -n 1000 -c 2 -p 8 {url}"));
        assert_eq!((benched.ledger(), benched.code), ([1000, 0, 1000, 0, 0], Some(0)));
        assert_eq!((benched.count("/pipeline"), serving.join().unwrap()), (8, Some(8)), "{engine}");
    }
}

#[test]
fn answers_that_come_in_small_pieces_belong_to_their_requests_in_order() {
    for engine in engines() {
        // Every other answer is an error, and each comes in two pieces.
        let server = Server::start(|request| {
            let (start, rest) = match request.turn % 2 {
                0 => ("HTTP/1.1 200 OK\r\nContent-Le", "ngth: 5\r\n\r\nhello"),
                _ => (
                    "HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n2",
                    "\r\nno\r\n0\r\n\r\n",
                ),
            };
            vec![Act::Send(start.into()), Act::Linger, Act::Send(rest.into())]
        });
        let benched = benched(&format!("--engine {engine} -n 64 -c 1 -p 8 {}", server.url("/")));
        assert_eq!((benched.ledger(), benched.code), ([64, 0, 64, 0, 0], Some(0)), "{benched:?}");
        assert_eq!((benched.count("/status/200"), benched.count("/status/404")), (32, 32));
        assert_eq!(server.connections(), 1, "{engine}");
    }
}

#[test]
fn a_server_that_closes_within_a_pipeline_has_answered_some_and_failed_the_others() {
    for (last, failure) in [(Act::Close, "head.closed"), (Act::Reset, "head.reset")] {
        for engine in engines() {
            let last = last.clone();
            let server = Server::start(move |request| match request.turn {
                // The answers before the end must be read before a reset takes them away.
                0..3 => vec![Act::Send(ok("x")), Act::Linger, Act::Linger],
                _ => vec![Act::Linger, last.clone()],
            });
            let benched =
                benched(&format!("--engine {engine} -n 16 -c 1 -p 8 {}", server.url("/")));
            let [scheduled, _, completed, failed, _] = benched.ledger();
            assert_eq!((scheduled, benched.code), (16, Some(1)), "{benched:?}");
            assert_eq!((completed, failed), (6, 10), "{benched:?}");
            assert_eq!(benched.failures(), format!("{{\"{failure}\":10}}"), "{benched:?}");
            assert_eq!(server.connections(), 2, "{engine}");
        }
    }
}

#[test]
fn a_pipeline_of_which_the_server_says_that_it_closes_is_not_waited_for() {
    let close = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    for engine in engines() {
        let server = Server::start(|_| vec![Act::Send(close.to_vec()), Act::Hold]);
        let args = format!("--engine {engine} -n 16 -c 1 -p 8 {}", server.url("/"));
        let benched = benched(&args);
        let [_, _, completed, failed, _] = benched.ledger();
        assert_eq!((completed, failed, benched.code), (2, 14, Some(1)), "{benched:?}");
        assert_eq!(benched.failures(), "{\"head.closed\":14}", "{benched:?}");
    }
}

#[test]
fn what_comes_behind_the_last_answer_is_not_taken_for_the_next_one() {
    let two = ok("x").repeat(2);
    for engine in engines() {
        let server = Server::answering(two.clone());
        let benched = benched(&format!("--engine {engine} -n 20 -c 1 {}", server.url("/")));
        assert_eq!((benched.ledger(), benched.code), ([20, 0, 20, 0, 0], Some(0)), "{benched:?}");
        assert_eq!(server.requests().len(), 20, "{engine}");
        assert_eq!(server.connections(), 20, "{engine}");
        assert_eq!(benched.count("/bytes_read"), 20 * ok("x").len() as u64, "{benched:?}");
    }
}
