//! The seam between the extraction threads and whatever is made of a fetch: rows today.
//!
//! An output is given what was fetched and what was found in it, and makes of that what it wants.

use std::io;

use crate::base::failure::Failure;
use crate::extract::page::Page;
use crate::fetch::job::Fetched;

/// One input line, fetched and read.
#[derive(Debug)]
pub struct Document {
    /// What was fetched; its response has its body where the run keeps bodies.
    pub fetched: Fetched,
    /// What was extracted from the body: none where it is no page, did not arrive whole, or where
    /// nothing is to be extracted.
    pub page: Option<Page>,
    /// What went wrong with the page without failing the fetch.
    pub note: Option<Failure>,
}

/// Where documents go. Each extraction thread has one of its own.
pub trait Sink: Send + 'static {
    /// Takes one document. It is handed over by value, so that a row can be made of its strings
    /// without copying them.
    ///
    /// # Errors
    ///
    /// Where nothing can be taken any more; the run stops. [`io::ErrorKind::BrokenPipe`] ends it
    /// quietly.
    fn accept(&mut self, document: Document) -> io::Result<()>;

    /// Hands on whatever was gathered.
    ///
    /// # Errors
    ///
    /// As [`Sink::accept`].
    fn flush(&mut self) -> io::Result<()>;
}
