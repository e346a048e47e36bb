//! Rows for a program: a queue that it reads.

use std::io;

use crate::fetch::output::row::Row;
use crate::fetch::output::sink::{Document, Sink};

// LIMIT: rows that wait for the program.
pub(in crate::fetch) const ROWS_QUEUED_MAX: usize = 64;

/// Puts every row into a bounded queue; a full one holds the fetch back.
#[derive(Clone, Debug)]
pub struct Queue(pub flume::Sender<Row>);

impl Sink for Queue {
    fn accept(&mut self, document: Document) -> io::Result<()> {
        // Nobody reads any more: the same as a pipe that was closed.
        self.0.send(Row::from(document)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
