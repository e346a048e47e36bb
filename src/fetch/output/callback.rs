//! Rows for a program: a function that is called with each.

use std::io;
use std::sync::Arc;

use crate::fetch::output::row::Row;
use crate::fetch::output::sink::{Document, Sink};

/// Calls a function with every row, on whichever thread extracted its page.
#[derive(Debug)]
pub struct Callback<F>(pub Arc<F>);

impl<F: Fn(Row) + Send + Sync + 'static> Sink for Callback<F> {
    fn accept(&mut self, document: Document) -> io::Result<()> {
        (self.0)(Row::from(document));
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
