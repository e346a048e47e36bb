//! Rows for programs: a function that is called, or a queue that is read.
//!
//! Knows nothing of formats.
//!
//! Invariant: a row is handed over once, whole.

use std::io;
use std::sync::Arc;

use crate::fetch::job::Sink;
use crate::fetch::output::row::Row;

/// Calls a function with every row, on whichever thread finished it.
#[derive(Debug)]
pub struct Callback<F>(pub Arc<F>);

/// Puts every row into a bounded queue; a full one holds the fetch back.
#[derive(Clone, Debug)]
pub struct Queue(pub flume::Sender<Row>);

impl<F: Fn(Row) + Send + Sync + 'static> Sink for Callback<F> {
    fn accept(&mut self, row: Row) -> io::Result<()> {
        (self.0)(row);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Queue {
    fn accept(&mut self, row: Row) -> io::Result<()> {
        // Nobody reads any more: the same as a pipe that was closed.
        self.0.send(row).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
