//! The threads that finish rows: extraction, where there is a page, and the hand-over to a sink.
//!
//! They are no cores: parsing a page takes as long as a hundred requests, and must not keep the
//! lanes of a core waiting. Their queue is bounded, so that a slow page holds the fetch back.
//!
//! Invariant: every batch is taken in to the end, also after a sink has failed, so that no core
//! waits for ever.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::base::failure::{Failure, FailureCounts, Kind, Stage};
use crate::base::limits::LARGE_PAGE_BYTES;
use crate::client::Stop;
use crate::extract::Extractor;
use crate::extract::page::Page;
use crate::fetch::job::{Fetched, Sink};
use crate::fetch::output::row::Row;
use crate::fetch::output::row_of::{note_of, row_of};
use crate::os::system;

/// What the threads are told.
#[derive(Clone, Debug)]
pub struct Finishing {
    /// How many threads there are.
    pub threads: usize,
    /// Named CSS selectors, where pages are extracted at all.
    pub selectors: Option<Vec<(String, String)>>,
}

/// The threads that finish rows.
#[derive(Debug)]
pub struct Finishers {
    threads: Vec<JoinHandle<Finished>>,
    rows: flume::Sender<Vec<Fetched>>,
    error: FirstError,
}

/// What the threads came to.
#[derive(Clone, Debug, Default)]
pub struct Finished {
    /// Rows that the sinks took.
    pub rows: u64,
    /// What was noted of pages without failing their fetch.
    pub notes: FailureCounts,
}

/// The first error of any sink.
#[derive(Clone, Debug, Default)]
struct FirstError(Arc<Mutex<Option<io::Error>>>);

impl FirstError {
    fn keep(&self, error: io::Error) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
    }

    fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Finishers {
    /// Starts the threads on what comes out of `batches`, the other end of `rows`. Each has the
    /// sink that `sink` makes for it; one that fails stops the run.
    ///
    /// # Errors
    ///
    /// Where a selector is invalid, or a thread cannot be started.
    pub fn start<S: Sink>(
        finishing: &Finishing,
        rows: flume::Sender<Vec<Fetched>>,
        batches: &flume::Receiver<Vec<Fetched>>,
        sink: impl Fn() -> S,
        stop: &Stop,
    ) -> io::Result<Self> {
        let error = FirstError::default();
        let large_pages = Arc::new(Mutex::new(()));
        let mut threads = Vec::with_capacity(finishing.threads);
        for idx in 0..finishing.threads {
            let (selectors, batches) = (finishing.selectors.clone(), batches.clone());
            let (sink, stop, error) = (sink(), stop.clone(), error.clone());
            let large_pages = Arc::clone(&large_pages);
            // Selectors are compiled on their thread: what they become cannot change threads.
            let run = move || {
                system::yield_to_cores();
                let extractor = selectors.map(|selectors| {
                    Extractor::new(&selectors).expect("the plan has checked the selectors")
                });
                let done = Finished::default();
                let sink = Some(sink);
                let mut finisher = Finisher { extractor, large_pages, sink, stop, error, done };
                finisher.run(&batches);
                finisher.done
            };
            threads.push(std::thread::Builder::new().name(format!("extract-{idx}")).spawn(run)?);
        }
        Ok(Self { threads, rows, error })
    }

    /// Ends the threads once they have taken in what is in the queue.
    ///
    /// # Errors
    ///
    /// What the first sink that failed said.
    pub fn join(self) -> io::Result<Finished> {
        for _ in &self.threads {
            // An empty batch is the end: the queue's other senders may outlive the run.
            let _ = self.rows.send(Vec::new());
        }
        let mut sum = Finished::default();
        for thread in self.threads {
            let done =
                thread.join().map_err(|_| io::Error::other("an extraction thread panicked"))?;
            sum.rows += done.rows;
            sum.notes.add(&done.notes);
        }
        match self.error.take() {
            Some(error) => Err(error),
            None => Ok(sum),
        }
    }
}

/// One of the threads.
struct Finisher<S> {
    extractor: Option<Extractor>,
    /// Held by the one thread that parses a large page.
    large_pages: Arc<Mutex<()>>,
    /// None once it has failed.
    sink: Option<S>,
    stop: Stop,
    error: FirstError,
    done: Finished,
}

impl<S: Sink> Finisher<S> {
    fn run(&mut self, batches: &flume::Receiver<Vec<Fetched>>) {
        while let Ok(batch) = batches.recv() {
            if batch.is_empty() {
                break;
            }
            batch.into_iter().for_each(|fetched| self.finish(fetched));
            if batches.is_empty() {
                // Nothing to do but wait: what was gathered should not wait with us.
                self.with_sink(Sink::flush);
            }
        }
        self.with_sink(Sink::flush);
    }

    fn finish(&mut self, mut fetched: Fetched) {
        let body = fetched.response.as_mut().and_then(|response| response.body.take());
        // A body that did not arrive whole is no page: its links would be those of some part of it.
        let (page, note) = match (&self.extractor, &fetched.failure) {
            (Some(extractor), None) => self.page(extractor, body, &fetched),
            _ => (None, None),
        };
        let mut notes = Vec::new();
        if let Some(note) = note {
            self.done.notes.count(note);
            notes.push(note_of(note));
        }
        self.accept(row_of(fetched, page, notes));
    }

    /// The page in `body`, the body of `fetched`, and what is to be noted of it.
    fn page(
        &self,
        extractor: &Extractor,
        body: Option<Vec<u8>>,
        fetched: &Fetched,
    ) -> (Option<Page>, Option<Failure>) {
        let response = fetched.response.as_ref();
        let content_type = response.and_then(|response| response.content_type.as_deref());
        let Some(body) = body else {
            // The engine keeps whatever may be a page, but for what has a content coding.
            let phrase = "the page has a content coding, which is not decoded yet";
            let coded = Failure::new(Stage::Extract, Kind::Unsupported, phrase);
            let is_typed = content_type.is_some() && Extractor::is_page(content_type, &[]);
            return (None, is_typed.then_some(coded));
        };
        if !Extractor::is_page(content_type, &body) {
            return (None, None);
        }
        let is_large = body.len() > LARGE_PAGE_BYTES;
        let _alone =
            is_large.then(|| self.large_pages.lock().unwrap_or_else(PoisonError::into_inner));
        // A page that breaks the extractor is one row without a page, not the end of a run.
        let extract = || extractor.extract(&body, content_type, fetched.final_url());
        match catch_unwind(AssertUnwindSafe(extract)) {
            Ok(extracted) => (Some(extracted.page), extracted.note),
            Err(_) => (None, Some(panicked())),
        }
    }

    fn accept(&mut self, row: Row) {
        if self.sink.is_some() {
            self.done.rows += 1;
            self.with_sink(|sink| sink.accept(row));
        }
    }

    /// Does `act` with the sink; where that fails, the sink is gone and the run stops.
    fn with_sink(&mut self, act: impl FnOnce(&mut S) -> io::Result<()>) {
        let Some(sink) = &mut self.sink else { return };
        // A sink may call a program's own function; one that panics has failed like any other.
        let panicked = |_| Err(io::Error::other("the function that takes rows panicked"));
        if let Err(error) = catch_unwind(AssertUnwindSafe(|| act(sink))).unwrap_or_else(panicked) {
            self.sink = None;
            self.error.keep(error);
            self.stop.request();
        }
    }
}

fn panicked() -> Failure {
    let phrase = "a bug in ringfetch: extraction panicked; please report it";
    Failure::new(Stage::Extract, Kind::Panic, phrase)
}
