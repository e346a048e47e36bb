//! HTTP/1.1 does not allocate: not for a request, not for an answer, whatever its bytes.
//!
//! A binary of its own, because it counts what its allocator is asked for; only the thread that
//! measures is counted.
//!
//! Invariant: nothing allocates between the two readings of the counter but what is measured.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use ringfetch::base::failure::Failure;
use ringfetch::http::http1::{
    Exchange, Framing, Head, Method, Observer, Persistence, RequestReader, RequestSpec,
    RequestTemplate, ResponseSpec, write_chunk, write_head, write_last_chunk,
};

#[path = "support/corpus.rs"]
#[expect(dead_code, reason = "what the answers must come to is checked elsewhere")]
mod corpus;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting.
struct Counting;

// SAFETY: every call is handed to the system's allocator as it came; the counter neither allocates
// (its initial value is a constant, and it has no destructor) nor touches the memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from `System.alloc` with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How often `work` allocates.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// Adds up what it is told.
#[derive(Default)]
struct Sum(u64);

impl Observer for Sum {
    fn head(&mut self, head: &Head<'_>, _: Framing) -> Result<(), Failure> {
        let values = head.fields().iter().map(|(name, value)| name.len() + value.len());
        self.0 += values.sum::<usize>() as u64 + head.fields().list("connection").count() as u64;
        Ok(())
    }

    fn body(&mut self, part: &[u8]) -> Result<(), Failure> {
        self.0 += part.len() as u64;
        Ok(())
    }
}

/// Plays `answer`, of which `piece_bytes` more arrive at a time.
fn play(method: &Method, answer: &[u8], piece_bytes: usize) {
    let mut exchange = Exchange::new(method.into());
    let mut sum = Sum::default();
    let (mut arrived, mut consumed) = (0, 0);
    while arrived < answer.len() {
        arrived = answer.len().min(arrived + piece_bytes);
        match exchange.handle_bytes(&answer[consumed..arrived], &mut sum) {
            Ok(count) => consumed += count,
            Err(_) => break,
        }
    }
    black_box((exchange.handle_close().is_ok(), exchange.reuse(), sum.0));
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 1);
}

#[test]
fn no_answer_allocates() {
    for conversation in corpus::conversations() {
        let method: Method = conversation.method.parse().expect("the corpus uses methods we send");
        for piece_bytes in [1, 17, usize::MAX] {
            // `usize::MAX` would overflow a sum of bytes; the whole answer is meant.
            let piece_bytes = piece_bytes.min(conversation.answer.len().max(1));
            let count = allocations(|| play(&method, &conversation.answer, piece_bytes));
            assert_eq!(count, 0, "{} in pieces of {piece_bytes}", conversation.name);
        }
    }
}

#[test]
fn a_request_is_written_and_read_without_allocating() {
    let headers = [("X-Custom".to_owned(), "1".to_owned())];
    let spec = RequestSpec { headers: &headers, ..RequestSpec::new(&Method::Get) };
    let template = RequestTemplate::new(&spec).expect("the header is valid");
    let mut out = Vec::with_capacity(template.len("example.com:8080", "/a/b?c"));
    let count = allocations(|| template.write(&mut out, "example.com:8080", "/a/b?c"));
    assert_eq!((count, out.len()), (0, out.capacity()));
    let count = allocations(|| {
        let request = RequestReader::default().handle_bytes(&out);
        assert!(matches!(request, Ok(Some(request)) if request.path == "/a/b?c"));
    });
    assert_eq!(count, 0);
}

#[test]
fn an_answer_is_written_without_allocating() {
    let mut out = Vec::with_capacity(1024);
    let count = allocations(|| {
        let answer = ResponseSpec {
            status: 200,
            reason: "OK",
            content_type: Some("text/plain"),
            framing: Framing::Chunked,
            connection: Persistence::KeepAlive,
            fields: &[("X-Custom", "1")],
        };
        write_head(&mut out, &answer);
        write_chunk(&mut out, b"hello");
        write_last_chunk(&mut out);
    });
    assert_eq!(count, 0);
}
