//! Every wire conversation, through an `Exchange` with nothing around it.
//!
//! The same files run over sockets elsewhere; here only the bytes count, and how they are split.
//!
//! Invariant: each file has one outcome, whatever the split.

use ringfetch::base::failure::Failure;
use ringfetch::http::http1::{Exchange, Framing, Head, Method, Observer};

use crate::corpus::{Conversation, Then, conversations};

/// Random splits tried of each conversation.
const SPLITS: u64 = 50;

/// What was seen of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    status: Option<u16>,
    body: Vec<u8>,
    failure: Option<Failure>,
    /// Bytes behind the end of the message; of interest only after a clean end.
    left: usize,
    reuse: bool,
}

impl Observer for Seen {
    fn head(&mut self, head: &Head<'_>, _: Framing) -> Result<(), Failure> {
        assert_eq!(self.status, None, "one final head");
        self.status = Some(head.status());
        Ok(())
    }

    fn body(&mut self, part: &[u8]) -> Result<(), Failure> {
        assert!(!part.is_empty(), "no empty parts");
        self.body.extend_from_slice(part);
        Ok(())
    }
}

/// Plays `conversation` in pieces of the sizes that `next_size` names, as a driver would.
fn play(conversation: &Conversation, mut next_size: impl FnMut() -> usize) -> Seen {
    let method: Method = conversation.method.parse().expect("the corpus uses methods we send");
    let mut exchange = Exchange::new((&method).into());
    let mut seen = Seen::default();
    let mut unread = &conversation.answer[..];
    let mut held = Vec::new();
    while !unread.is_empty() {
        let (piece, rest) = unread.split_at(next_size().clamp(1, unread.len()));
        unread = rest;
        held.extend_from_slice(piece);
        match exchange.handle_bytes(&held, &mut seen) {
            Ok(consumed) => drop(held.drain(..consumed)),
            Err(failure) => {
                assert_eq!(exchange.handle_bytes(b"", &mut seen), Err(failure), "it stays failed");
                assert_eq!(exchange.handle_close(), Err(failure), "it stays failed");
                seen.failure = Some(failure);
                return seen;
            }
        }
    }
    if !exchange.is_done() && conversation.then == Then::Close {
        seen.failure = exchange.handle_close().err();
    }
    assert_eq!(exchange.is_done(), seen.failure.is_none(), "it came to an end");
    if exchange.is_done() {
        seen.left = held.len();
        seen.reuse = exchange.reuse() && held.is_empty();
    }
    seen
}

/// Checks what was `seen` of `conversation` against what its file says.
fn check(conversation: &Conversation, seen: &Seen) {
    let (name, expected) = (&conversation.name, &conversation.expected);
    let failure = seen.failure.map(|failure| format!("{}.{}", failure.stage, failure.kind));
    assert_eq!(failure, expected.failure, "{name}: failure ({:?})", seen.failure);
    assert_eq!(seen.status, expected.status, "{name}: status");
    assert_eq!(seen.body.len(), expected.body.len(), "{name}: bytes of the body");
    assert!(expected.body.matches(&seen.body), "{name}: body");
    assert_eq!(seen.left, expected.left, "{name}: bytes left");
    assert_eq!(seen.reuse, expected.reuse, "{name}: reuse");
}

#[test]
fn every_conversation_ends_as_its_file_says() {
    let all = conversations();
    assert!(all.len() >= 60, "the corpus is there: {}", all.len());
    for conversation in &all {
        check(conversation, &play(conversation, || usize::MAX));
    }
}

#[test]
fn byte_by_byte_changes_nothing() {
    for conversation in &conversations() {
        let at_once = play(conversation, || usize::MAX);
        assert_eq!(play(conversation, || 1), at_once, "{}", conversation.name);
    }
}

#[test]
fn random_splits_change_nothing() {
    for conversation in &conversations() {
        let at_once = play(conversation, || usize::MAX);
        for seed in 0..SPLITS {
            let mut random = fastrand::Rng::with_seed(seed);
            let size_max = random.usize(2..=conversation.answer.len().max(2));
            let split = play(conversation, || random.usize(1..=size_max));
            assert_eq!(split, at_once, "{} with seed {seed}", conversation.name);
        }
    }
}
