//! Every wire conversation whose request is a GET, over real sockets and on every engine.
//!
//! The row must say what the file says, however the answer is cut; a second request to the same
//! host then shows whether the connection was used again.
//!
//! Invariant: each conversation has a host of its own, so that none can have another's connection.

use std::collections::HashMap;

use ringfetch::Fetch;
use ringfetch::fetch::output::row::Row;
use ringfetch::runtime::launch::Engine;

use crate::corpus::{Conversation, Then, conversations};
use crate::engines::engines;
use crate::runs::{error_of, rows_of};
use crate::server::{Act, Request, Server, ok};

/// Answers longer than this are not sent byte by byte but in pieces of [`LONG_PIECE_BYTES`]: a
/// system call for each byte of 64 KiB would be most of the test.
const BYTEWISE_MAX: usize = 2048;
const LONG_PIECE_BYTES: usize = 997;
/// Most pieces that an answer is cut into at random.
const PIECES_MAX: usize = 40;

/// How an answer is cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    AtOnce,
    Bytewise,
    Random(u64),
}

impl Cut {
    fn acts(self, conversation: &Conversation) -> Vec<Act> {
        let (first, last) = match self {
            Self::AtOnce => (&conversation.answer[..], &[][..]),
            Self::Bytewise | Self::Random(_) => cuttable(conversation),
        };
        let size = match self {
            Self::AtOnce => usize::MAX,
            Self::Bytewise if first.len() <= BYTEWISE_MAX => 1,
            Self::Bytewise => LONG_PIECE_BYTES,
            Self::Random(seed) => return random_pieces(first, last, seed),
        };
        let pieces = first.chunks(size).chain([last]).filter(|piece| !piece.is_empty());
        pieces.map(|piece| Act::Send(piece.to_vec())).collect()
    }
}

/// What of the answer may be cut, and the rest: bytes behind the end of the message come with its
/// last byte, since later ones may come too late to be seen before the connection's next request.
fn cuttable(conversation: &Conversation) -> (&[u8], &[u8]) {
    let answer = &conversation.answer;
    match conversation.expected.left {
        0 => (answer, &[]),
        left => answer.split_at(answer.len() - left - 1),
    }
}

/// Pieces of `rest` with a pause between them, so that each is a read of its own, the end of it
/// with `last`.
fn random_pieces(mut rest: &[u8], last: &[u8], seed: u64) -> Vec<Act> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut acts = Vec::new();
    while acts.len() < 2 * PIECES_MAX && !rest.is_empty() {
        // Heads are short beside bodies: a small piece now, then perhaps a large one.
        let size_max = if random.bool() { rest.len().min(24) } else { rest.len() };
        let (piece, behind) = rest.split_at(random.usize(1..=size_max));
        acts.extend([Act::Send(piece.to_vec()), Act::Linger]);
        rest = behind;
    }
    acts.push(Act::Send([rest, last].concat()));
    acts
}

/// The conversations that `fetch` can have, by host.
fn fetched() -> HashMap<String, Conversation> {
    let mut gets = conversations();
    // `fetch` sends no other method.
    gets.retain(|conversation| conversation.method == "GET");
    assert!(gets.len() >= 150, "the corpus is there: {}", gets.len());
    let host = |idx| format!("c{idx}.test");
    gets.into_iter().enumerate().map(|(idx, conversation)| (host(idx), conversation)).collect()
}

fn script(request: &Request, all: &HashMap<String, Conversation>, cut: Cut) -> Vec<Act> {
    if request.target == "/next" {
        return vec![Act::Send(ok("next")), Act::Close];
    }
    let conversation = &all[&request.host];
    let mut acts = cut.acts(conversation);
    if conversation.then == Then::Close {
        acts.push(Act::Close);
    }
    acts
}

/// What is wrong with the row of an answer, and with what came `next`, perhaps on the same
/// connection.
fn complaints(
    conversation: &Conversation,
    row: &Row,
    next: &Row,
    same_connection: bool,
) -> Vec<String> {
    let expected = &conversation.expected;
    let mut wrong = Vec::new();
    let mut check = |is_right: bool, what: &str| {
        if !is_right {
            wrong.push(format!("{}: {what}: {row:?}, then {next:?}", conversation.name));
        }
    };
    check(error_of(row) == expected.failure, "failure");
    check(row.status == expected.status, "status");
    check(row.body_bytes == expected.body.len() as u64, "bytes of the body");
    check(row.attempts == 1, "attempts");
    check(error_of(next).is_none() && next.status == Some(200), "the next request");
    check((next.body_bytes, next.attempts) == (4, 1), "the next request's numbers");
    // A server that closes may or may not have closed by the time of the next request.
    if !expected.reuse || conversation.then == Then::KeepOpen {
        check(same_connection == expected.reuse, "reuse");
    }
    wrong
}

/// Has every conversation on `engine`, all answers cut by `cut`.
fn converse(engine: Engine, cut: Cut) {
    let all = fetched();
    let scripted = all.clone();
    let server = Server::start(move |request| script(request, &scripted, cut));
    // Lines of one host are fetched one after the other, so the second one follows the first; and
    // no connection has to make room for that of another host meanwhile.
    let urls = all
        .keys()
        .flat_map(|host| [format!("http://{host}/answer"), format!("http://{host}/next")]);
    let fetch = Fetch::new()
        .urls(urls)
        .engine(engine)
        .per_host(1)
        .connections(1000)
        .resolve(server.for_every_host())
        .retries(0)
        .body_bytes_max(u64::MAX)
        .redirects(0);
    let rows = rows_of(fetch);
    let rows: HashMap<&str, &Row> = rows.iter().map(|row| (row.url.as_str(), row)).collect();
    let requests = server.requests();
    let mut wrong = Vec::new();
    for (host, conversation) in &all {
        let mine = requests.iter().filter(|request| request.host == *host);
        let (mut first, mut second): (Vec<_>, Vec<_>) =
            mine.partition(|request| request.target == "/answer");
        assert_eq!((first.len(), second.len()), (1, 1), "{}, {engine}", conversation.name);
        let same_connection = first.remove(0).connection == second.remove(0).connection;
        let [row, next] = ["answer", "next"].map(|path| rows[&*format!("http://{host}/{path}")]);
        wrong.extend(complaints(conversation, row, next, same_connection));
    }
    assert!(wrong.is_empty(), "on {engine}, {cut:?}:\n{}", wrong.join("\n"));
}

#[test]
fn every_conversation_ends_as_its_file_says_on_every_engine() {
    engines().for_each(|engine| converse(engine, Cut::AtOnce));
}

#[test]
fn byte_by_byte_changes_nothing_on_any_engine() {
    engines().for_each(|engine| converse(engine, Cut::Bytewise));
}

#[test]
fn random_cuts_change_nothing_on_any_engine() {
    for seed in 0..4 {
        engines().for_each(|engine| converse(engine, Cut::Random(seed)));
    }
}
