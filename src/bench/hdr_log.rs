//! Response times over a run as an interval log of HdrHistogram, format version 1.3.
//!
//! Invariant: every interval is one line that holds its whole distribution, in nanoseconds, so that
//! the log alone gives any quantile of any part of the run.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError};

use crate::stats::latency::Latency;

/// What HdrHistogram's own tools divide by for the column of maxima, which is for people: values
/// are nanoseconds, and it shows milliseconds.
const NS_PER_MAX_UNIT: f64 = 1e6;
/// The names of the columns, as HdrHistogram's own tools write them.
const LEGEND: &[u8] =
    b"\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";

/// A log that is being written.
///
/// Times of intervals are seconds since `#[BaseTime]`, to the millisecond, which is as fine as the
/// format has them. Distributions are V2, compressed, in base64.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use ringfetch::bench::hdr_log::HdrLog;
/// use ringfetch::stats::latency::Latency;
///
/// let mut latency = Latency::default();
/// latency.record_ns(2_500_000);
/// let mut log = HdrLog::start(Vec::new(), SystemTime::UNIX_EPOCH, &["GET /"]).unwrap();
/// log.write(Duration::ZERO, Duration::from_secs(1), &latency).unwrap();
/// let text = String::from_utf8(log.finish().unwrap()).unwrap();
/// assert!(text.starts_with("#GET /\n#[Histogram log format version 1.3]\n"));
/// assert!(text.lines().last().unwrap().starts_with("0.000,1.000,2.5"));
/// ```
pub struct HdrLog<W: Write> {
    writer: W,
    serializer: V2DeflateSerializer,
    /// The line that is being made.
    line: Vec<u8>,
    /// Written for an interval without any times.
    empty: Latency,
}

impl<W: Write> HdrLog<W> {
    /// Writes the head: `comments`, the version, when measuring began, the names of the columns.
    ///
    /// # Errors
    ///
    /// The writer's own.
    pub fn start(mut writer: W, started_at: SystemTime, comments: &[&str]) -> io::Result<Self> {
        let mut head = IntervalLogWriterBuilder::new();
        for comment in comments {
            head.add_comment(comment);
        }
        head.add_comment("[Histogram log format version 1.3]");
        // Readers take a time for absolute that is less than a year before the start, unless they
        // are told the base.
        head.with_start_time(started_at).with_base_time(started_at);
        head.with_max_value_divisor(NS_PER_MAX_UNIT);
        let mut serializer = V2DeflateSerializer::new();
        head.begin_log_with(&mut writer, &mut serializer)?;
        writer.write_all(LEGEND)?;
        Ok(Self { writer, serializer, line: Vec::new(), empty: Latency::prepared() })
    }

    /// Writes the times of the interval that began at `from` after the start and was `span` long.
    ///
    /// # Errors
    ///
    /// The writer's own.
    pub fn write(&mut self, from: Duration, span: Duration, latency: &Latency) -> io::Result<()> {
        let times = latency.distribution().or(self.empty.distribution());
        let times = times.expect("a prepared latency has a distribution");
        self.line.clear();
        append_line(&mut self.line, &mut self.serializer, (from, span), times)?;
        // The crate's writer begins with the divisor of the maxima, which the head has already.
        let head_len = self.line.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.writer.write_all(&self.line[head_len..])
    }

    /// Hands the writer back, with everything written to it.
    ///
    /// # Errors
    ///
    /// The writer's own.
    pub fn finish(mut self) -> io::Result<W> {
        self.writer.flush()?;
        Ok(self.writer)
    }
}

/// Appends a line, after a comment. The crate's log writer borrows its serializer, so it is made
/// anew for each line.
fn append_line(
    line: &mut Vec<u8>,
    serializer: &mut V2DeflateSerializer,
    (from, span): (Duration, Duration),
    times: &Histogram<u64>,
) -> io::Result<()> {
    let mut log = IntervalLogWriterBuilder::new()
        .with_max_value_divisor(NS_PER_MAX_UNIT)
        .begin_log_with(line, serializer)?;
    log.write_histogram(times, from, span, None).map_err(|error| match error {
        IntervalLogWriterError::IoError(error) => error,
        IntervalLogWriterError::SerializeError(error) => io::Error::other(error),
    })
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::stats::latency::LATENCY_NS_MAX;

    fn started_at() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250)
    }

    /// Three seconds of a run: times of all sizes, none at all, and the last second shorter.
    fn run() -> Vec<(Duration, Duration, Latency)> {
        let mut busy = Latency::default();
        let mut rng = fastrand::Rng::with_seed(7);
        (0..50_000).for_each(|_| busy.record_ns(1 << rng.u32(0..36) | rng.u64(0..1000)));
        let mut slow = Latency::default();
        for ns in [0, 1, 1_234_567, LATENCY_NS_MAX, u64::MAX] {
            slow.record_ns(ns);
        }
        let second = Duration::from_secs(1);
        vec![
            (Duration::ZERO, second, busy),
            (second, second, Latency::default()),
            (2 * second, Duration::from_millis(345), slow),
        ]
    }

    fn log_of(run: &[(Duration, Duration, Latency)], comments: &[&str]) -> String {
        let mut log = HdrLog::start(Vec::new(), started_at(), comments).unwrap();
        for (from, span, latency) in run {
            log.write(*from, *span, latency).unwrap();
        }
        String::from_utf8(log.finish().unwrap()).unwrap()
    }

    /// The bytes of base64 (RFC 4648 section 4), read by other code than wrote it.
    fn decoded(text: &str) -> Vec<u8> {
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let digit = |byte: &u8| digits.iter().position(|digit| digit == byte);
        let mut bytes = Vec::new();
        let (mut bits, mut count) = (0_usize, 0);
        for value in text.as_bytes().iter().filter_map(digit) {
            bits = (bits << 6 | value) & 0xffff;
            count += 6;
            if count >= 8 {
                count -= 8;
                bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
            }
        }
        bytes
    }

    #[test]
    fn what_is_read_back_is_what_was_written() {
        let run = run();
        let text = log_of(&run, &[]);
        let mut entries = IntervalLogIterator::new(text.as_bytes()).map(Result::unwrap);
        let began = Duration::from_millis(1_700_000_000_250);
        assert_eq!(entries.next(), Some(LogEntry::StartTime(began)));
        assert_eq!(entries.next(), Some(LogEntry::BaseTime(began)));
        for (from, span, latency) in &run {
            let Some(LogEntry::Interval(interval)) = entries.next() else { panic!("no interval") };
            assert_eq!((interval.start_timestamp(), interval.duration()), (*from, *span));
            let bytes = decoded(interval.encoded_histogram());
            let read: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
            assert_eq!(read.len(), latency.count());
            let max_ms = interval.max();
            assert!((max_ms - read.max() as f64 / 1e6).abs() <= 0.0005, "{max_ms}");
            match latency.distribution() {
                Some(written) => assert_eq!(&read, written),
                None => assert!(read.is_empty()),
            }
        }
        assert_eq!(entries.next(), None);
    }

    #[test]
    fn the_head_is_that_of_hdrhistograms_own_tools() {
        let text = log_of(&run(), &["ringfetch bench", "two\n0.000,1.000,1.000,lines"]);
        let lines: Vec<_> = text.lines().collect();
        let head = [
            "#ringfetch bench",
            "#two",
            "#0.000,1.000,1.000,lines",
            "#[Histogram log format version 1.3]",
            "#[StartTime: 1700000000.250 (seconds since epoch)]",
            "#[BaseTime: 1700000000.250 (seconds since epoch)]",
            "#[MaxValueDivisor: 1000000.000]",
            std::str::from_utf8(LEGEND).unwrap().trim_end(),
        ];
        assert_eq!(lines[..8], head);
        assert_eq!(lines.len(), 8 + 3);
        // HISTF: a compressed V2 distribution, as it begins in base64.
        assert!(lines[9].starts_with("1.000,1.000,0.000,HISTF"), "{}", lines[9]);
        assert!(lines[10].starts_with("2.000,0.345,360"), "{}", lines[10]);
    }

    #[test]
    fn a_writer_that_fails_is_told_of() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                let len = data.len().min(self.0);
                self.0 -= len;
                if len == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(len) }
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert!(HdrLog::start(Full(100), started_at(), &[]).is_err());
        let mut log = HdrLog::start(Full(400), started_at(), &[]).unwrap();
        let error = log.write(Duration::ZERO, Duration::ZERO, &run()[0].2).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
