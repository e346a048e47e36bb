//! Rows as JSON lines, written in large pieces by a thread of its own.
//!
//! Knows nothing of what a row means. Each finishing thread formats into a chunk of its own; only
//! whole chunks of whole lines go to the writer, so lines never mix.
//!
//! Invariant: a chunk that was handed over is written once, or the error is told to whoever hands
//! over the next one and to [`Writer::join`].

use std::io::{self, Write};
use std::thread::JoinHandle;

use crate::base::limits::{OUTPUT_CHUNK_BYTES, OUTPUT_CHUNKS_QUEUED_MAX};
use crate::fetch::job::Sink;
use crate::fetch::output::json_line::write_row;
use crate::fetch::output::row::Row;

/// The thread that writes chunks.
#[derive(Debug)]
pub struct Writer {
    thread: JoinHandle<io::Result<()>>,
    chunks: flume::Sender<Vec<u8>>,
}

/// A sink that formats rows for a [`Writer`].
#[derive(Debug)]
pub struct JsonLines {
    chunk: Vec<u8>,
    chunks: flume::Sender<Vec<u8>>,
}

impl Writer {
    /// Starts a thread that writes to `output`.
    ///
    /// # Errors
    ///
    /// Where the thread cannot be started.
    pub fn start(output: impl Write + Send + 'static) -> io::Result<Self> {
        let (chunks, waiting) = flume::bounded(OUTPUT_CHUNKS_QUEUED_MAX);
        let run = move || write_all(output, &waiting);
        let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(run)?;
        Ok(Self { thread, chunks })
    }

    /// A sink for one thread.
    #[must_use]
    pub fn sink(&self) -> JsonLines {
        JsonLines { chunk: Vec::new(), chunks: self.chunks.clone() }
    }

    /// Waits until everything is written. All sinks must be gone by then.
    ///
    /// # Errors
    ///
    /// Why it could not be written.
    pub fn join(self) -> io::Result<()> {
        drop(self.chunks);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the writer panicked")))
    }
}

impl Sink for JsonLines {
    fn accept(&mut self, row: Row) -> io::Result<()> {
        write_row(&mut self.chunk, &row);
        if self.chunk.len() >= OUTPUT_CHUNK_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        // The writer ends early only where it cannot write, and says why when it is joined.
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.chunks.send(std::mem::take(&mut self.chunk)).map_err(gone)
    }
}

fn write_all(mut output: impl Write, chunks: &flume::Receiver<Vec<u8>>) -> io::Result<()> {
    while let Ok(chunk) = chunks.recv() {
        output.write_all(&chunk)?;
        if chunks.is_empty() {
            output.flush()?;
        }
    }
    output.flush()
}
