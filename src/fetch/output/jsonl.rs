//! Rows as JSON Lines: one JSON object (RFC 8259) on each line, in UTF-8, written in large pieces
//! by a thread of its own.
//!
//! Each extraction thread formats into a chunk of its own; only whole chunks of whole lines go to
//! the writer, so lines never mix.
//!
//! Invariant: a line holds no control character but the line feed at its end, whatever the row
//! holds. A chunk is written once; where that fails, the next chunk is refused and
//! [`Writer::join`] gives the error.

use std::io::{self, Write};
use std::thread::JoinHandle;

use crate::fetch::output::row::Row;
use crate::fetch::output::sink::{Document, Sink};

/// Bytes of formatted rows that are gathered before they go to the writer.
const CHUNK_BYTES: usize = 128 * 1024;
// LIMIT: chunks that wait for the writer.
const CHUNKS_QUEUED_MAX: usize = 16;

/// The thread that writes chunks.
#[derive(Debug)]
pub struct Writer {
    thread: JoinHandle<io::Result<()>>,
    chunks: flume::Sender<Vec<u8>>,
}

/// Formats rows for a [`Writer`].
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
        let (chunks, waiting) = flume::bounded(CHUNKS_QUEUED_MAX);
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
    fn accept(&mut self, document: Document) -> io::Result<()> {
        write_row(&mut self.chunk, &Row::from(document));
        if self.chunk.len() >= CHUNK_BYTES { self.flush() } else { Ok(()) }
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

/// Appends `row` to `out` as one line, ended by a line feed.
fn write_row(out: &mut Vec<u8>, row: &Row) {
    serde_json::to_writer(&mut *out, row).expect("a row's keys are strings, and memory takes all");
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::page::{Page, Selected};
    use crate::fetch::output::row::{RowError, RowTimes};

    /// Checks that `row` becomes the line `expected`.
    fn check(row: &Row, expected: &str) {
        let mut out = b"before\n".to_vec();
        write_row(&mut out, row);
        assert_eq!(String::from_utf8(out).unwrap(), format!("before\n{expected}\n"));
    }

    fn full() -> Row {
        Row {
            n: 0,
            url: "http://a/x".into(),
            status: Some(200),
            error: None,
            attempts: 1,
            redirects: Vec::new(),
            http: Some("1.1"),
            ip: Some([127, 0, 0, 1].into()),
            content_type: Some("text/html".into()),
            wire_bytes: 1234,
            body_bytes: 5678,
            time_us: RowTimes {
                queue: 10,
                dns: 0,
                connect: 120,
                tls: 0,
                first_byte: 300,
                total: 410,
            },
            page: Some(Page {
                title: Some("..".into()),
                links: vec!["http://a/y".into()],
                words: 12,
                charset: "utf-8",
                select: Selected(vec![("NAME".into(), vec!["text".into()])]),
            }),
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_row_is_what_the_contract_says() {
        check(
            &full(),
            concat!(
                r#"{"n":0,"url":"http://a/x","status":200,"error":null,"attempts":1,"#,
                r#""redirects":[],"http":"1.1","ip":"127.0.0.1","content_type":"text/html","#,
                r#""wire_bytes":1234,"body_bytes":5678,"#,
                r#""time_us":{"queue":10,"dns":0,"connect":120,"tls":0,"first_byte":300,"#,
                r#""total":410},"page":{"title":"..","links":["http://a/y"],"words":12,"#,
                r#""charset":"utf-8","select":{"NAME":["text"]}}}"#,
            ),
        );
    }

    #[test]
    fn a_failed_row_has_every_field_too() {
        let row = Row {
            n: 7,
            url: "nonsense".into(),
            status: None,
            error: Some(RowError { stage: "url", kind: "invalid", detail: "no URL".into() }),
            attempts: 0,
            http: None,
            ip: None,
            content_type: None,
            wire_bytes: 0,
            body_bytes: 0,
            time_us: RowTimes::default(),
            page: None,
            ..full()
        };
        check(
            &row,
            concat!(
                r#"{"n":7,"url":"nonsense","status":null,"#,
                r#""error":{"stage":"url","kind":"invalid","detail":"no URL"},"#,
                r#""attempts":0,"redirects":[],"http":null,"ip":null,"content_type":null,"#,
                r#""wire_bytes":0,"body_bytes":0,"time_us":{"queue":0,"dns":0,"connect":0,"#,
                r#""tls":0,"first_byte":0,"total":0},"page":null}"#,
            ),
        );
    }

    #[test]
    fn notes_and_an_unnamed_page_are_told_apart() {
        let row = Row {
            page: Some(Page { charset: "utf-8", ..Page::default() }),
            notes: vec![RowError { stage: "extract", kind: "too_deep", detail: "513".into() }],
            ..full()
        };
        let mut out = Vec::new();
        write_row(&mut out, &row);
        let end = concat!(
            r#""page":{"title":null,"links":[],"words":0,"charset":"utf-8"},"#,
            r#""notes":[{"stage":"extract","kind":"too_deep","detail":"513"}]}"#,
            "\n"
        );
        assert!(String::from_utf8(out).unwrap().ends_with(end));
    }

    #[test]
    fn whatever_a_row_holds_it_stays_one_line() {
        let every_control: String =
            (0..0x20).map(char::from).chain(['\u{7f}', '"', '\\']).collect();
        let weird = format!("{every_control}\u{2028}\u{fffd}\u{10ffff}\u{feff}\u{202e}");
        let row = Row {
            url: weird.clone(),
            redirects: vec![weird.clone()],
            content_type: Some(weird.clone()),
            error: Some(RowError { stage: "head", kind: "invalid", detail: weird.clone() }),
            page: Some(Page {
                title: Some(weird.clone()),
                select: Selected(vec![(weird.clone(), vec![weird.clone()])]),
                ..Page::default()
            }),
            ..full()
        };
        let mut out = Vec::new();
        write_row(&mut out, &row);
        let (end, line) = out.split_last().unwrap();
        assert_eq!(*end, b'\n');
        assert!(line.iter().all(|byte| *byte >= 0x20));
        let value: serde_json::Value = serde_json::from_slice(line).unwrap();
        assert_eq!(value["url"], weird);
        assert_eq!(value["redirects"][0], weird);
        assert_eq!(value["content_type"], weird);
        assert_eq!(value["page"]["select"][&weird][0], weird);
    }

    #[test]
    fn the_largest_numbers_survive() {
        let row = Row { n: u64::MAX, wire_bytes: u64::MAX, attempts: u32::MAX, ..full() };
        let mut out = Vec::new();
        write_row(&mut out, &row);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["n"], u64::MAX);
        assert_eq!(value["wire_bytes"], u64::MAX);
    }
}
