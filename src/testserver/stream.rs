//! Bodies that are made while they are sent, one bounded piece at a time.
//!
//! Invariant: a body of any length costs the memory of one piece.

use std::io::Write;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::http::http1::{write_chunk, write_last_chunk};

/// LIMIT: bytes of answers that are gathered before they are sent, roughly.
pub(super) const PIECE_BYTES: usize = 32 * 1024;
/// After how many bytes the bodies of `/bytes/N` repeat: the largest prime below 64 KiB, so that a
/// body whose pieces were swapped or lost is another body.
const PATTERN_BYTES: usize = 65_521;

/// What the bodies of `/bytes/N` repeat.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let words = (0_u64..).flat_map(|n| mix(n).to_le_bytes());
    words.take(PATTERN_BYTES).collect()
});

/// The pattern that bodies repeat, once.
pub(super) fn pattern() -> &'static [u8] {
    &PATTERN
}

/// Scrambles `number`: different numbers give different ones, in no visible order (the finaliser of
/// SplitMix64).
pub(super) const fn mix(number: u64) -> u64 {
    let mut n = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// A body that is being sent.
pub(super) struct BodyStream {
    /// Bytes of pattern that were made.
    made: u64,
    /// Bytes of pattern in all.
    length: u64,
    shape: Shape,
}

/// How `/chunked/N` is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunking {
    pub(super) chunk_bytes: usize,
    pub(super) extensions: bool,
    pub(super) trailers: bool,
}

/// How the pattern becomes bytes of a message.
enum Shape {
    Plain,
    Chunked(Chunking),
    /// Coded, and then framed.
    Gzip(Box<GzEncoder<Vec<u8>>>, OpenFraming),
}

/// How a body of unknown length is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenFraming {
    Chunks,
    Close,
}

/// Whether a body is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyProgress {
    More,
    Complete,
}

impl BodyStream {
    /// `length` bytes of pattern as they are.
    pub(super) fn plain(length: u64) -> Self {
        Self { made: 0, length, shape: Shape::Plain }
    }

    /// `length` bytes of pattern in chunks.
    pub(super) fn chunked(length: u64, chunking: Chunking) -> Self {
        Self { made: 0, length, shape: Shape::Chunked(chunking) }
    }

    /// `length` bytes of pattern, gzip-coded.
    pub(super) fn gzip(length: u64, framing: OpenFraming) -> Self {
        let encoder = Box::new(GzEncoder::new(Vec::new(), Compression::fast()));
        Self { made: 0, length, shape: Shape::Gzip(encoder, framing) }
    }

    /// Whether the whole pattern comes next, uncoded. If so, it counts as made.
    pub(super) fn skip_pattern(&mut self) -> bool {
        let period = PATTERN_BYTES as u64;
        let is_next = matches!(self.shape, Shape::Plain)
            && self.made.is_multiple_of(period)
            && self.length - self.made >= period;
        if is_next {
            self.made += period;
        }
        is_next
    }

    /// Appends to `out` until it holds about a piece, or the body is complete.
    pub(super) fn fill(&mut self, out: &mut Vec<u8>) -> BodyProgress {
        while out.len() < PIECE_BYTES {
            let room = PIECE_BYTES - out.len();
            let data = match &self.shape {
                Shape::Chunked(chunking) => self.next(chunking.chunk_bytes),
                Shape::Plain | Shape::Gzip(..) => self.next(room),
            };
            self.made += data.len() as u64;
            if data.is_empty() {
                self.end(out);
                return BodyProgress::Complete;
            }
            match &mut self.shape {
                Shape::Plain => out.extend_from_slice(data),
                Shape::Chunked(Chunking { extensions: false, .. }) => write_chunk(out, data),
                Shape::Chunked(_) => write_extended_chunk(out, data, self.made),
                Shape::Gzip(encoder, framing) => {
                    encoder.write_all(data).expect("a vector takes every byte");
                    write_coded(out, encoder.get_mut(), *framing);
                }
            }
        }
        BodyProgress::More
    }

    /// The next bytes of pattern, `max` of them at most; none at the end.
    fn next(&self, max: usize) -> &'static [u8] {
        let at = usize::try_from(self.made % PATTERN_BYTES as u64).expect("below 64 KiB");
        let left = usize::try_from(self.length - self.made).unwrap_or(usize::MAX);
        &PATTERN[at..][..max.min(left).min(PATTERN_BYTES - at)]
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        match &mut self.shape {
            Shape::Plain => {}
            Shape::Chunked(Chunking { trailers: false, .. }) => write_last_chunk(out),
            Shape::Chunked(_) => {
                let trailers = format!("0\r\nX-Body-Bytes: {}\r\nX-End: yes\r\n\r\n", self.length);
                out.extend_from_slice(trailers.as_bytes());
            }
            Shape::Gzip(encoder, framing) => {
                encoder.try_finish().expect("a vector takes every byte");
                write_coded(out, encoder.get_mut(), *framing);
                if *framing == OpenFraming::Chunks {
                    write_last_chunk(out);
                }
            }
        }
    }
}

/// Appends `data` as a chunk with extensions, in the forms of RFC 9112 section 7.1.1.
fn write_extended_chunk(out: &mut Vec<u8>, data: &[u8], made: u64) {
    let size = format!("{:X};at={made};quoted=\"a \\\" b\";alone\r\n", data.len());
    out.extend_from_slice(size.as_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Moves the bytes `coded` so far to `out`.
fn write_coded(out: &mut Vec<u8>, coded: &mut Vec<u8>, framing: OpenFraming) {
    match framing {
        _ if coded.is_empty() => {}
        OpenFraming::Chunks => write_chunk(out, coded),
        OpenFraming::Close => out.extend_from_slice(coded),
    }
    coded.clear();
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::http::http1::Chunked;

    /// Everything that `stream` makes, piece by piece.
    fn all(mut stream: BodyStream) -> Vec<u8> {
        let (mut bytes, mut piece) = (Vec::new(), Vec::new());
        loop {
            let progress = stream.fill(&mut piece);
            assert!(piece.len() < 2 * PIECE_BYTES + 1024, "{}", piece.len());
            bytes.append(&mut piece);
            if progress == BodyProgress::Complete {
                return bytes;
            }
        }
    }

    fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
        let (mut chunked, mut data) = (Chunked::new(), Vec::new());
        while !chunked.is_done() {
            let (consumed, part) = chunked.handle_bytes(bytes).unwrap();
            data.extend_from_slice(part);
            bytes = &bytes[consumed..];
        }
        assert!(bytes.is_empty());
        data
    }

    #[test]
    fn every_shape_carries_the_same_bytes() {
        let period = PATTERN_BYTES as u64;
        for length in [0, 1, 100, period - 1, period, period + 1, 300_000] {
            let endless = (0..length).zip(PATTERN.iter().cycle());
            let expected: Vec<u8> = endless.map(|(_, byte)| *byte).collect();
            assert!(all(BodyStream::plain(length)) == expected, "{length}");
            for (extensions, trailers) in [(false, false), (true, true)] {
                let chunking = Chunking { chunk_bytes: 1000, extensions, trailers };
                let sent = all(BodyStream::chunked(length, chunking));
                assert!(unchunked(&sent) == expected, "{length}");
            }
            let coded = all(BodyStream::gzip(length, OpenFraming::Close));
            let mut decoded = Vec::new();
            GzDecoder::new(&coded[..]).read_to_end(&mut decoded).unwrap();
            assert!(decoded == expected, "{length}");
            assert_eq!(unchunked(&all(BodyStream::gzip(length, OpenFraming::Chunks))), coded);
        }
    }

    #[test]
    fn whole_patterns_take_the_place_of_pieces() {
        let mut stream = BodyStream::plain(3 * PATTERN_BYTES as u64 - 1);
        assert!(stream.skip_pattern());
        assert!(stream.skip_pattern());
        assert!(!stream.skip_pattern());
        assert!(all(stream) == pattern()[..PATTERN_BYTES - 1]);
    }

    #[test]
    fn the_pattern_does_not_change_from_one_version_to_the_next() {
        assert_eq!(&pattern()[..8], &0xe220_a839_7b1d_cdaf_u64.to_le_bytes());
    }
}
