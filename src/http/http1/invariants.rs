//! The module's invariants as properties, tried on random, valid and damaged answers.
//!
//! That nothing is allocated needs an allocator of its own: `tests/http1_allocation.rs`.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{Exchange, Framing, Head, Observer, RequestKind, RequestReader, Want};
use crate::base::failure::Failure;

/// All that an observer receives, with the parts of the body put together.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Status and minor version of the head, and how its body ends.
    head: Option<(u16, u8, Framing)>,
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Observer for Seen {
    fn head(&mut self, head: &Head<'_>, framing: Framing) -> Result<(), Failure> {
        assert!(self.head.is_none(), "one final head");
        self.head = Some((head.status(), head.minor_version(), framing));
        self.fields = head.fields().iter().map(|(n, v)| (n.to_owned(), v.to_vec())).collect();
        Ok(())
    }

    fn body(&mut self, part: &[u8]) -> Result<(), Failure> {
        assert!(self.head.is_some() && !part.is_empty(), "the head first, no empty parts");
        self.body.extend_from_slice(part);
        Ok(())
    }
}

/// How an exchange ended.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    seen: Seen,
    /// Bytes consumed, or the failure.
    consumed: Result<usize, Failure>,
    is_done: bool,
    reuse: bool,
    want: Want,
    at_close: Result<(), Failure>,
}

/// Plays `answer` in pieces of `sizes`, over and over; whole where there are none.
fn play(kind: RequestKind, answer: &[u8], sizes: &[usize]) -> Outcome {
    let mut exchange = Exchange::new(kind);
    let mut seen = Seen::default();
    let (mut arrived, mut consumed) = (0, Ok(0));
    let mut sizes = sizes.iter().cycle();
    while let Ok(before) = consumed
        && arrived < answer.len()
    {
        let size = sizes.next().copied().unwrap_or(answer.len());
        arrived = answer.len().min(arrived + size);
        let input = &answer[before..arrived];
        consumed = exchange.handle_bytes(input, &mut seen).map(|count| {
            assert!(count <= input.len(), "no more than there is");
            before + count
        });
    }
    let (is_done, reuse, want) = (exchange.is_done(), exchange.reuse(), exchange.want());
    assert_eq!(exchange.head_seen(), seen.head.is_some());
    let at_close = exchange.handle_close();
    assert!(!exchange.reuse(), "a closed connection is not used again");
    assert_eq!(at_close.is_ok(), exchange.is_done());
    Outcome { seen, consumed, is_done, reuse, want, at_close }
}

fn kinds() -> impl Strategy<Value = RequestKind> {
    prop_oneof![4 => Just(RequestKind::Other), 1 => Just(RequestKind::Head)]
}

/// Lines that heads are made of, good and bad.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&'static [u8]> = vec![
        b"Content-Length: 5",
        b"Content-Length: 0",
        b"content-length: 5, 5",
        b"Content-Length: x",
        b"Transfer-Encoding: chunked",
        b"transfer-encoding: identity",
        b"Transfer-Encoding: gzip",
        b"Connection: close",
        b"Connection: keep-alive, x",
        b"A:",
        b" folded",
        b"A : b",
        b"A: b\rc",
    ];
    prop_oneof![
        6 => select(known).prop_map(<[u8]>::to_vec),
        1 => "[A-Z][a-z]{0,8}: [ -~]{0,40}".prop_map(String::into_bytes),
    ]
}

/// One head, mostly valid.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let starts: Vec<&'static [u8]> = vec![
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 204 No Content",
        b"HTTP/1.1 304",
        b"HTTP/1.1 100 Continue",
        b"HTTP/1.1 103 Early Hints",
        b"HTTP/1.1 101 Switching",
        b"\r\n\nHTTP/1.1 404 ",
        b"HTTP/1.1 099 Low",
        b"HTTP/2 200",
    ];
    let line_ends = prop_oneof![5 => Just(&b"\r\n"[..]), 1 => Just(&b"\n"[..])];
    (select(starts), vec(lines(), 0..4), line_ends).prop_map(|(start, lines, line_end)| {
        let mut head = start.to_vec();
        for line in &lines {
            head.extend_from_slice(line_end);
            head.extend_from_slice(line);
        }
        head.extend_from_slice(line_end);
        head.extend_from_slice(line_end);
        head
    })
}

/// One chunked body, valid.
fn chunked_bodies() -> impl Strategy<Value = Vec<u8>> {
    let chunks = vec((vec(any::<u8>(), 1..40), select(vec!["", ";a", ";b=\"c;\"", "  "])), 0..5);
    let trailers = select(vec!["", "A: b\r\n", "A:\r\nB: c\r\n"]);
    (chunks, trailers).prop_map(|(chunks, trailers)| {
        let mut body = Vec::new();
        for (data, extension) in chunks {
            body.extend_from_slice(format!("{:x}{extension}\r\n", data.len()).as_bytes());
            body.extend_from_slice(&data);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
        body
    })
}

/// Answers: heads with what may follow them, whether or not it fits.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let bodies = prop_oneof![chunked_bodies(), vec(any::<u8>(), 0..40), Just(b"hello".to_vec())];
    let valid =
        (vec(heads(), 1..3), bodies).prop_map(|(heads, body)| [heads.concat(), body].concat());
    let garbage = vec(any::<u8>(), 0..80);
    let prefixed = garbage.clone().prop_map(|rest| [b"HTTP/1.1 200", &rest[..]].concat());
    prop_oneof![6 => valid, 1 => garbage, 1 => prefixed]
}

/// Answers with a few bytes changed, taken out or put in.
fn damaged_answers() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![any::<u8>(), select(b"\r\n \t:;,0\0".to_vec())];
    let changes = vec((any::<Index>(), bytes, 0..3_u8), 0..4);
    (answers(), changes).prop_map(|(mut answer, changes)| {
        for (place, byte, change) in changes {
            let idx = place.index(answer.len() + 1);
            match change {
                0 => answer.insert(idx, byte),
                1 if idx < answer.len() => answer[idx] = byte,
                2 if idx < answer.len() => drop(answer.remove(idx)),
                _ => {}
            }
        }
        answer
    })
}

/// Answers that end by themselves, with their body.
fn framed_answers() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let body = vec(any::<u8>(), 0..300);
    (body, proptest::bool::ANY).prop_map(|(body, is_chunked)| {
        let mut answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n".to_vec();
        if is_chunked {
            answer.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            body.chunks(70).for_each(|data| super::write_chunk(&mut answer, data));
            super::write_last_chunk(&mut answer);
        } else {
            let field = format!("Content-Length: {}\r\n\r\n", body.len());
            answer.extend_from_slice(field.as_bytes());
            answer.extend_from_slice(&body);
        }
        (answer, body)
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn how_the_bytes_were_split_changes_nothing(
        kind in kinds(),
        answer in damaged_answers(),
        sizes in vec(1..40_usize, 1..8),
    ) {
        let at_once = play(kind, &answer, &[]);
        prop_assert_eq!(&play(kind, &answer, &[1]), &at_once);
        prop_assert_eq!(&play(kind, &answer, &sizes), &at_once);
    }

    #[test]
    fn nothing_past_the_end_is_consumed(
        kind in kinds(),
        answer in damaged_answers(),
        more in vec(any::<u8>(), 0..20),
    ) {
        let alone = play(kind, &answer, &[]);
        if alone.is_done {
            let followed = play(kind, &[&answer[..], &more].concat(), &[]);
            prop_assert_eq!(&followed, &alone, "what follows is not looked at");
            let consumed = alone.consumed.unwrap_or_default();
            let cut = play(kind, &answer[..consumed], &[]);
            prop_assert_eq!(&cut, &alone, "what was left was not needed");
            let shorter = play(kind, &answer[..consumed - 1], &[]);
            prop_assert!(!shorter.is_done, "every byte that was consumed was needed");
        }
    }

    #[test]
    fn a_whole_answer_is_understood_whole(
        (answer, body) in framed_answers(),
        more in vec(any::<u8>(), 0..20),
        sizes in vec(1..200_usize, 1..8),
    ) {
        let outcome = play(RequestKind::Other, &[&answer[..], &more].concat(), &sizes);
        prop_assert_eq!(outcome.consumed, Ok(answer.len()));
        prop_assert_eq!(outcome.seen.body, body);
        prop_assert!(outcome.is_done && outcome.reuse);
    }

    #[test]
    fn no_bytes_at_all_make_it_panic(kind in kinds(), answer in vec(any::<u8>(), 0..300)) {
        play(kind, &answer, &[]);
        play(kind, &answer, &[1]);
    }

    #[test]
    fn a_request_too_does_not_depend_on_how_it_was_split(
        start in select(vec!["GET / HTTP/1.1", "PUT http://a/b HTTP/1.0", "\r\nGET *", "G\0 / H"]),
        lines in vec(lines(), 0..4),
        cut in any::<Index>(),
    ) {
        let lines = lines.iter().flat_map(|line| [line, &b"\r\n"[..]]).collect::<Vec<_>>().concat();
        let request = [start.as_bytes(), b"\r\nHost: h\r\n", &lines, b"\r\nbody"].concat();
        let shown = |found| format!("{found:?}");
        let whole = shown(RequestReader::default().handle_bytes(&request));
        let mut reader = RequestReader::default();
        let mut split = shown(reader.handle_bytes(&request[..cut.index(request.len())]));
        if split == "Ok(None)" {
            split = shown(reader.handle_bytes(&request));
        }
        prop_assert_eq!(split, whole);
    }
}
