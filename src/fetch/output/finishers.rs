//! The extraction threads: they read the page, where there is one, and hand the document to their
//! output.
//!
//! The cores do not do this themselves: parsing a page takes as long as a hundred requests, and
//! lanes must not wait for it. The queue is bounded, so that slow pages hold the fetch back.
//!
//! Invariant: every batch is taken in to the end, also after an output has failed, so that no core
//! waits for ever.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::base::failure::{Failure, FailureCounts, Kind, Stage};
use crate::client::Stop;
use crate::extract::Extractor;
use crate::extract::page::Page;
use crate::fetch::job::Fetched;
use crate::fetch::output::sink::{Document, Sink};
use crate::os::system;

/// Pages of more bytes than this are parsed one at a time: a tree takes some twenty times as much
/// memory as its page.
const LARGE_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// How pages are read, and by how many threads.
#[derive(Clone, Debug)]
pub struct FinisherSettings {
    /// How many threads there are, at least one.
    pub threads: usize,
    /// Named CSS selectors; none where pages are not extracted.
    pub selectors: Option<Vec<(String, String)>>,
}

/// The extraction threads.
#[derive(Debug)]
pub struct Finishers {
    threads: Vec<JoinHandle<FinisherCounts>>,
    rows: flume::Sender<Vec<Fetched>>,
    error: FirstError,
}

/// What the threads did.
#[derive(Clone, Debug, Default)]
pub struct FinisherCounts {
    /// Documents that the outputs were given.
    pub documents: u64,
    /// What went wrong with pages without failing their fetch.
    pub notes: FailureCounts,
}

/// The first error of any output.
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
    /// output that `sink` makes for it; one that fails stops the run.
    ///
    /// # Errors
    ///
    /// Where a thread cannot be started.
    pub fn start<S: Sink>(
        settings: &FinisherSettings,
        rows: flume::Sender<Vec<Fetched>>,
        batches: &flume::Receiver<Vec<Fetched>>,
        sink: impl Fn() -> S,
        stop: &Stop,
    ) -> io::Result<Self> {
        let error = FirstError::default();
        let large_pages = Arc::new(Mutex::new(()));
        let mut threads = Vec::with_capacity(settings.threads);
        for idx in 0..settings.threads {
            let (selectors, batches) = (settings.selectors.clone(), batches.clone());
            let (sink, stop, error) = (sink(), stop.clone(), error.clone());
            let large_pages = Arc::clone(&large_pages);
            // Selectors are compiled on the thread that uses them: compiled ones are not `Send`.
            let run = move || {
                system::yield_to_cores();
                let extractor = selectors.map(|selectors| {
                    Extractor::new(&selectors).expect("the options have checked the selectors")
                });
                let done = FinisherCounts::default();
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
    /// The error of the first output that failed.
    pub fn join(self) -> io::Result<FinisherCounts> {
        for _ in &self.threads {
            // An empty batch is the end: the queue's other senders may outlive the run.
            let _ = self.rows.send(Vec::new());
        }
        let mut sum = FinisherCounts::default();
        for thread in self.threads {
            let done =
                thread.join().map_err(|_| io::Error::other("an extraction thread panicked"))?;
            sum.documents += done.documents;
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
    done: FinisherCounts,
}

impl<S: Sink> Finisher<S> {
    fn run(&mut self, batches: &flume::Receiver<Vec<Fetched>>) {
        while let Ok(batch) = batches.recv() {
            if batch.is_empty() {
                break;
            }
            batch.into_iter().for_each(|fetched| self.finish(fetched));
            if batches.is_empty() {
                // There is nothing to do but wait, and what was gathered should not wait as well.
                self.with_sink(Sink::flush);
            }
        }
        self.with_sink(Sink::flush);
    }

    fn finish(&mut self, fetched: Fetched) {
        // A body that did not arrive whole is no page: its links would be those of some part of it.
        let (page, note) = match (&self.extractor, &fetched.failure) {
            (Some(extractor), None) => self.page(extractor, &fetched),
            _ => (None, None),
        };
        if let Some(note) = note {
            self.done.notes.count(note);
        }
        if self.sink.is_some() {
            self.done.documents += 1;
            self.with_sink(|sink| sink.accept(Document { fetched, page, note }));
        }
    }

    /// The page in the body of `fetched`, and what went wrong with it.
    fn page(&self, extractor: &Extractor, fetched: &Fetched) -> (Option<Page>, Option<Failure>) {
        let response = fetched.response.as_ref();
        let content_type = response.and_then(|response| response.content_type.as_deref());
        let Some(body) = response.and_then(|response| response.body.as_deref()) else {
            // Every body that may be a page was kept, except one with a content coding.
            let phrase = "the page has a content coding, which is not decoded yet";
            let coded = Failure::new(Stage::Extract, Kind::Unsupported, phrase);
            let is_typed = content_type.is_some() && Extractor::is_page(content_type, &[]);
            return (None, is_typed.then_some(coded));
        };
        if !Extractor::is_page(content_type, body) {
            return (None, None);
        }
        let is_large = body.len() > LARGE_PAGE_BYTES;
        let _alone =
            is_large.then(|| self.large_pages.lock().unwrap_or_else(PoisonError::into_inner));
        // A page that breaks the extractor is one row without a page, not the end of a run.
        let extract = || extractor.extract(body, content_type, fetched.final_url());
        match catch_unwind(AssertUnwindSafe(extract)) {
            Ok(extracted) => (Some(extracted.page), extracted.note),
            Err(_) => (None, Some(panicked())),
        }
    }

    /// Does `act` with the output; where that fails, the output is gone and the run stops.
    fn with_sink(&mut self, act: impl FnOnce(&mut S) -> io::Result<()>) {
        let Some(sink) = &mut self.sink else { return };
        // An output may call a program's own function; one that panics has failed like any other.
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
