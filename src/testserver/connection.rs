//! One connection: requests in, answers out, in order.
//!
//! What is answered is decided in `reply`.
//!
//! Invariant: a connection that waits for a request holds one small block. The block that it writes
//! from is lent by its worker, for as long as the writing takes.

use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::base::buf::Block;
use crate::base::failure::Failure;
use crate::base::limits::{BLOCK_BYTES, HEAD_BYTES_MAX};
use crate::http::http1::{self, RequestBody, RequestHead, RequestReader};
use crate::net::stream::Stream;
use crate::runtime::{Io, Socket};
use crate::testserver::deadlines::ConnectionWatch;
use crate::testserver::fault::{AfterFault, FAULT_MAX};
use crate::testserver::reply::{self, Remaining, RequestContext};
use crate::testserver::route::{self, Asked};
use crate::testserver::shared::Served;
use crate::testserver::stamps::Untold;
use crate::testserver::stream::{BodyProgress, BodyStream, OpenFraming, PIECE_BYTES};
use crate::testserver::worker::ServerWorker;

/// What a connection reads into while it waits for a request, in bytes.
const INPUT_BYTES: usize = 2 * 1024;
/// LIMIT: how long a closing connection reads past what its peer still sends.
const LINGER_MAX: Duration = Duration::from_secs(1);

/// What happens to the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterReply {
    /// The next request is read.
    GoOn,
    /// It is closed once everything is sent.
    Close,
    /// It is closed once everything is sent and the peer has had time to read it.
    Linger,
    /// It is reset once everything is sent.
    Reset,
    /// It is broken, or its peer took too long.
    Drop,
}

/// Serves one connection to its end.
pub(super) async fn run<I: Io>(worker: Rc<ServerWorker<I>>, socket: I::Socket) {
    let stream = Stream::Plain(socket);
    let watch = worker.connections.enter(stream.interrupter());
    let connection = ServerConnection { watch, stream, worker, out: Block::default() };
    let mut work = pin!(connection.serve());
    poll_fn(|context| {
        // After a panic the future is dropped and never polled again. What it shares with others it
        // borrows only between two awaits, so nothing stays borrowed.
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(poll) => poll,
            Err(_) => Poll::Ready(()),
        }
    })
    .await;
}

/// A connection. The watch comes first: it must be gone before the stream is.
struct ServerConnection<I: Io> {
    watch: ConnectionWatch<<I::Socket as Socket>::Interrupter>,
    stream: Stream<I::Socket>,
    worker: Rc<ServerWorker<I>>,
    /// Answers that were not sent yet. It has no memory while there are none.
    out: Block,
}

impl<I: Io> ServerConnection<I> {
    async fn serve(mut self) {
        let mut input = Block::with_capacity(INPUT_BYTES);
        let (mut reader, mut last_read) = (RequestReader::default(), 0);
        let next = loop {
            let next = self.answer_all(&mut reader, &mut input).await;
            if next != AfterReply::GoOn {
                break next;
            }
            if self.flush().await.is_err() {
                return;
            }
            make_room(&mut input, last_read);
            self.wait_at_most(self.worker.shared.idle);
            let (read, filled) = self.stream.read(input).await;
            input = filled;
            match read {
                Ok(count) if count > 0 => last_read = count,
                _ => return,
            }
        };
        // No more requests are read: a connection that lingers does not need this memory.
        drop(input);
        self.end(next).await;
    }

    /// Answers every request that is complete in `input`, and leaves the rest there.
    async fn answer_all(&mut self, reader: &mut RequestReader, input: &mut Block) -> AfterReply {
        let mut at = 0;
        loop {
            let request = match reader.handle_bytes(&input.filled()[at..]) {
                Ok(Some(request)) => request,
                Ok(None) => break,
                Err(failure) => return self.refuse(failure),
            };
            self.worker.stamp(request.path);
            let behind = at + request.head_bytes;
            let mut body = request.body;
            let consumed = match body.handle_bytes(&input.filled()[behind..]) {
                Ok(consumed) => consumed,
                Err(failure) => return self.refuse(failure),
            };
            let next = if body.is_done() {
                let head = &input.filled()[at..behind];
                at = behind + consumed;
                self.answer(&request, head, body.data_bytes()).await
            } else {
                let head = input.filled()[at..behind].to_vec();
                input.consume(behind + consumed);
                at = 0;
                Box::pin(self.answer_behind(head, body, input)).await
            };
            if next != AfterReply::GoOn {
                return next;
            }
            if self.out.len() >= PIECE_BYTES && self.flush().await.is_err() {
                return AfterReply::Drop;
            }
        }
        input.consume(at);
        AfterReply::GoOn
    }

    /// Reads and discards the rest of `body`, of which `input` has nothing; then answers its
    /// request.
    async fn answer_behind(
        &mut self,
        head: Vec<u8>,
        mut body: RequestBody,
        input: &mut Block,
    ) -> AfterReply {
        assert!(input.is_empty(), "a body that is not done has taken all there was");
        // RFC 9110 section 10.1.1: a client that expects this may hold the body back until it
        // comes.
        let expects = |(name, value): (String, String)| {
            name.eq_ignore_ascii_case("expect") && value.eq_ignore_ascii_case("100-continue")
        };
        if reply::fields(&head).any(expects) {
            self.lend_block();
            self.out.extend(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        if self.flush().await.is_err() {
            return AfterReply::Drop;
        }
        let mut last_read = BLOCK_BYTES;
        while !body.is_done() {
            make_room(input, last_read);
            self.wait_at_most(self.worker.shared.idle);
            let (read, filled) = self.stream.read(std::mem::take(input)).await;
            *input = filled;
            match read {
                Ok(count) if count > 0 => last_read = count,
                _ => return AfterReply::Drop,
            }
            match body.handle_bytes(input.filled()) {
                Ok(consumed) => input.consume(consumed),
                Err(failure) => return self.refuse(failure),
            }
        }
        let request = RequestReader::default().handle_bytes(&head);
        let request = request.ok().flatten().expect("this head was read before");
        self.answer(&request, &head, body.data_bytes()).await
    }

    /// Answers one request, which has been read to its end.
    async fn answer(
        &mut self,
        request: &RequestHead<'_>,
        head: &[u8],
        body_bytes: u64,
    ) -> AfterReply {
        let connection = match self.worker.is_stopping() {
            true => http1::Persistence::Close,
            false => request.connection,
        };
        let served = Served::default();
        let mut context =
            RequestContext { request, head, body_bytes, connection, served, stamps: None };
        let asked = match route::parse(request.path) {
            Ok(asked) => asked,
            Err(refusal) => {
                self.worker.counters().count_request();
                self.lend_block();
                reply::write_refusal(self.out.as_mut_vec(), &context, refusal);
                return next(connection);
            }
        };
        if asked.route.is_about_server() {
            context.served = self.worker.shared.served();
            context.stamps = self.worker.stamps.as_ref().map(|stamps| stamps.borrow().untold());
        } else {
            self.worker.counters().count_request();
        }
        if !asked.delay.is_zero() {
            return Box::pin(self.answer_later(&context, &asked)).await;
        }
        match self.begin(&context, &asked) {
            (Remaining::Nothing, next) => next,
            (step, next) => Box::pin(self.finish(step, next)).await,
        }
    }

    /// Answers one request after its delay; the answers before it are sent first.
    async fn answer_later(
        &mut self,
        context: &RequestContext<'_>,
        asked: &Asked<'_>,
    ) -> AfterReply {
        if self.flush().await.is_err() || !self.pause(asked.delay).await {
            return AfterReply::Drop;
        }
        let (step, next) = self.begin(context, asked);
        self.finish(step, next).await
    }

    /// Writes what can be written of an answer without waiting.
    fn begin(
        &mut self,
        context: &RequestContext<'_>,
        asked: &Asked<'_>,
    ) -> (Remaining, AfterReply) {
        self.lend_block();
        let out = self.out.as_mut_vec();
        let scratch = &mut *self.worker.scratch.borrow_mut();
        match reply::write(out, scratch, context, asked) {
            (Remaining::Stream(mut stream), connection) => match stream.fill(out) {
                BodyProgress::Complete => (Remaining::Nothing, next(connection)),
                BodyProgress::More => (Remaining::Stream(stream), next(connection)),
            },
            (step, connection) => (step, next(connection)),
        }
    }

    /// Sends what remains of an answer.
    async fn finish(&mut self, step: Remaining, next: AfterReply) -> AfterReply {
        let sent = match step {
            Remaining::Nothing => Ok(next),
            Remaining::Stream(stream) => self.stream(stream).await.map(|()| next),
            Remaining::Drip(count, pause) => self.drip(count, pause).await.map(|()| next),
            Remaining::Stamps(untold, framing) => self.tell(untold, framing).await.map(|()| next),
            Remaining::Fault(after) => self.fail(after, next).await,
        };
        sent.unwrap_or(AfterReply::Drop)
    }

    async fn stream(&mut self, mut stream: BodyStream) -> io::Result<()> {
        loop {
            self.flush().await?;
            while stream.skip_pattern() {
                // Sent from where it is: only the kernel copies it.
                let block = self.worker.take_pattern();
                self.wait_at_most(self.worker.shared.idle);
                let (sent, block) = self.stream.write_all(block).await;
                self.worker.give_pattern(block);
                sent?;
            }
            self.lend_block();
            if stream.fill(self.out.as_mut_vec()) == BodyProgress::Complete {
                return Ok(());
            }
        }
    }

    /// Sends the arrival times that are `untold`.
    async fn tell(&mut self, mut untold: Untold, framing: OpenFraming) -> io::Result<()> {
        loop {
            self.flush().await?;
            self.lend_block();
            let stamps = self.worker.stamps.as_ref().expect("only what is kept is told").borrow();
            let scratch = &mut *self.worker.scratch.borrow_mut();
            let out = self.out.as_mut_vec();
            if stamps.tell(&mut untold, framing, scratch, out) == BodyProgress::Complete {
                return Ok(());
            }
        }
    }

    async fn drip(&mut self, count: u64, pause: Duration) -> io::Result<()> {
        for _ in 0..count {
            self.flush().await?;
            if !self.pause(pause).await {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.lend_block();
            self.out.extend(b"x");
        }
        Ok(())
    }

    /// Goes on with a fault. Returns what happens to the connection then.
    async fn fail(&mut self, after: AfterFault, next: AfterReply) -> io::Result<AfterReply> {
        self.flush().await?;
        match after {
            AfterFault::GoOn => Ok(next),
            AfterFault::Close => Ok(AfterReply::Close),
            AfterFault::Reset => Ok(AfterReply::Reset),
            AfterFault::Hang => {
                self.read_away(FAULT_MAX).await;
                Ok(AfterReply::Drop)
            }
            AfterFault::Repeat(unit) => {
                let until = self.worker.now() + FAULT_MAX;
                let mut block = self.worker.take_block();
                while block.len() < PIECE_BYTES {
                    block.extend(unit);
                }
                while self.worker.now() < until {
                    self.wait_at_most(self.worker.shared.idle);
                    let sent;
                    (sent, block) = self.stream.write_all(block).await;
                    sent?;
                }
                Ok(AfterReply::Drop)
            }
        }
    }

    /// Refuses bytes that are no request. Nobody knows where the next one begins, so the connection
    /// ends.
    fn refuse(&mut self, failure: Failure) -> AfterReply {
        self.worker.counters().count_refused();
        self.lend_block();
        reply::write_failure(self.out.as_mut_vec(), failure);
        AfterReply::Linger
    }

    /// Ends the connection as `next` says.
    async fn end(mut self, next: AfterReply) {
        if next == AfterReply::Drop || self.flush().await.is_err() {
            return;
        }
        match next {
            AfterReply::Reset => {
                let Self { watch, stream, .. } = self;
                drop(watch);
                stream.abort();
            }
            AfterReply::Linger => {
                // Closing a socket that still has bytes to read resets the connection, and the peer
                // may then lose the answer (RFC 9112 section 9.6).
                self.stream.end_writes();
                self.read_away(LINGER_MAX).await;
            }
            AfterReply::GoOn | AfterReply::Close | AfterReply::Drop => {}
        }
    }

    /// Reads and discards until the peer closes, for `span` at most.
    async fn read_away(&mut self, span: Duration) {
        self.wait_at_most(span);
        let mut block = Block::with_capacity(INPUT_BYTES);
        loop {
            let (read, filled) = self.stream.read(block).await;
            block = filled;
            block.clear();
            if !read.is_ok_and(|count| count > 0) {
                return;
            }
        }
    }

    /// Sends the answers that were gathered.
    async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.wait_at_most(self.worker.shared.idle);
        let (sent, block) = self.stream.write_all(std::mem::take(&mut self.out)).await;
        self.worker.give_block(block);
        Ok(sent?)
    }

    /// Waits for `span`. False where the connection is to end instead.
    async fn pause(&mut self, span: Duration) -> bool {
        self.wait_at_most(Duration::MAX);
        let (watch, io) = (&self.watch, &self.worker.io);
        let mut sleep = pin!(io.sleep_until(io.now() + span));
        poll_fn(|context| {
            if watch.is_over() {
                return Poll::Ready(false);
            }
            watch.wake_at_end(context.waker());
            sleep.as_mut().poll(context).map(|()| true)
        })
        .await
    }

    /// Gives the next operation `span` to end.
    fn wait_at_most(&self, span: Duration) {
        self.watch.set_deadline(self.worker.now() + span);
    }

    /// Makes sure that there is a block to write into.
    fn lend_block(&mut self) {
        if self.out.is_empty() && self.out.spare() == 0 {
            self.out = self.worker.take_block();
        }
    }
}

/// What happens after an answer whose head said `connection`.
fn next(connection: http1::Persistence) -> AfterReply {
    match connection {
        http1::Persistence::Close => AfterReply::Close,
        http1::Persistence::Persistent | http1::Persistence::KeepAlive => AfterReply::GoOn,
    }
}

/// Makes room for more of a request. `last_read` bytes came last time: a peer that sends much at
/// once gets a larger block, and one that stops gives it back.
fn make_room(input: &mut Block, last_read: usize) {
    let room = input.len() + input.spare();
    if input.is_empty() && room > INPUT_BYTES && last_read < INPUT_BYTES / 2 {
        *input = Block::with_capacity(INPUT_BYTES);
    } else if last_read + input.len() >= room && room < BLOCK_BYTES {
        input.reserve(BLOCK_BYTES - input.len());
    } else if input.spare() == 0 {
        // Bounded: the reader refuses a head that outgrows its limit.
        debug_assert!(input.len() <= 2 * HEAD_BYTES_MAX);
        input.reserve(input.len());
    }
}
