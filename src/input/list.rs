//! The whole input of a run: URLs given one by one, then lists of URLs, in their order.
//!
//! Compression is recognised by a list's first bytes, never by its name.
//!
//! Invariant: at most one list is open at a time, and every list was seen to be readable before the
//! first line is handed out.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, ErrorKind, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

use super::lines::{self, Lines};
use crate::input::source::{Line, Source, SourceSize};

// LIMIT: compressed bytes read at once, and held.
const COMPRESSED_BYTES: usize = 128 * 1024;
/// Largest zstd window accepted: what `zstd -d` itself accepts unasked.
const ZSTD_WINDOW_BYTES_MAX: u32 = 128 * 1024 * 1024;

/// URLs and lists of URLs as one [`Source`].
///
/// Each URL given by itself is one line, also an empty one. In a list, gzip (RFC 1952) with any
/// number of members and zstd (RFC 8878) with any number of frames are unpacked on the way.
pub struct Input {
    urls: std::vec::IntoIter<String>,
    /// The URL that was handed out last, if it was given by itself.
    url: String,
    places: std::vec::IntoIter<Place>,
    open: Option<OpenList>,
    read_bytes: Arc<AtomicU64>,
    /// Bytes in all, where every list is a regular file.
    total_bytes: Option<u64>,
}

impl Input {
    /// An input of `urls`, then the lists `files`, of which `-` is standard input.
    ///
    /// Regular files are opened once to see whether they can be, and closed again: there may be
    /// more of them than descriptors. Pipes and devices are left alone until their turn.
    ///
    /// # Errors
    ///
    /// Where a list is missing, a directory or may not be read, or where standard input is named
    /// twice. The error says which one and what to do.
    pub fn open(urls: Vec<String>, files: Vec<PathBuf>) -> io::Result<Self> {
        let mut total_bytes = Some(urls.iter().map(|url| url.len() as u64).sum());
        let places: Vec<_> = files.into_iter().map(Place::new).collect();
        if places.iter().filter(|place| matches!(place, Place::Stdin)).count() > 1 {
            let message = "standard input can be read only once; hint: give -i - once";
            return Err(io::Error::new(ErrorKind::InvalidInput, message));
        }
        for place in &places {
            let bytes = place.check().map_err(|error| place.unopened(&error))?;
            total_bytes = total_bytes.zip(bytes).map(|(total, bytes)| total + bytes);
        }
        Ok(Self {
            urls: urls.into_iter(),
            url: String::new(),
            places: places.into_iter(),
            open: None,
            read_bytes: Arc::default(),
            total_bytes,
        })
    }

    /// Moves to the next line; whether there is one. After an error there is none.
    pub(super) fn step(&mut self) -> io::Result<bool> {
        if let Some(url) = self.urls.next() {
            self.read_bytes.fetch_add(url.len() as u64, Ordering::Relaxed);
            self.url = url;
            return Ok(true);
        }
        let advanced = self.advance();
        if advanced.is_err() {
            self.open = None;
            self.places = Vec::new().into_iter();
        }
        advanced
    }

    /// The line that was stepped to.
    pub(super) fn current(&mut self) -> Line<'_> {
        match &mut self.open {
            Some(list) => list.lines.line(),
            None => lines::whole(self.url.trim_ascii()),
        }
    }

    /// Moves to the next line of the lists, opening each one in its turn.
    fn advance(&mut self) -> io::Result<bool> {
        loop {
            if let Some(list) = &mut self.open {
                if list
                    .lines
                    .advance()
                    .map_err(|error| list.place.broken(list.compression, &error))?
                {
                    return Ok(true);
                }
                self.open = None;
            }
            let Some(place) = self.places.next() else { return Ok(false) };
            self.open = Some(OpenList::open(place, &self.read_bytes)?);
        }
    }
}

impl Source for Input {
    /// The next line; after an error, the end.
    fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        Ok(if self.step()? { Some(self.current()) } else { None })
    }

    fn is_buffered(&self) -> bool {
        let list = self.open.as_ref();
        !self.urls.as_slice().is_empty() || list.is_some_and(|list| list.lines.is_buffered())
    }

    /// Bytes as they lie in the files: compressed ones where a list is compressed. None where a
    /// list is no regular file.
    fn size_hint(&self) -> Option<SourceSize> {
        let total = self.total_bytes?;
        // A file may have grown since.
        let read = self.read_bytes.load(Ordering::Relaxed).min(total);
        Some(SourceSize { read, total })
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.open.as_ref().map(|list| &list.place);
        f.debug_struct("Input").field("open", &open).field("size", &self.size_hint()).finish()
    }
}

/// A list that is being read.
struct OpenList {
    place: Place,
    compression: Compression,
    lines: Lines<Box<dyn Read + Send>>,
}

impl OpenList {
    fn open(place: Place, read_bytes: &Arc<AtomicU64>) -> io::Result<Self> {
        let file: Box<dyn Read + Send> = match &place {
            Place::Stdin => Box::new(io::stdin()),
            Place::File(path) => {
                Box::new(File::open(path).map_err(|error| place.unopened(&error))?)
            }
        };
        let mut counted = Counted { inner: file, read_bytes: Arc::clone(read_bytes) };
        let broken = |error| place.broken(Compression::None, &error);
        let magic = read_magic(&mut counted).map_err(broken)?;
        let compression = Compression::of(&magic);
        let reader = compression.decoder(Cursor::new(magic).chain(counted)).map_err(broken)?;
        Ok(Self { place, compression, lines: Lines::new(reader) })
    }
}

/// Where a list is.
#[derive(Debug)]
enum Place {
    Stdin,
    File(PathBuf),
}

impl Place {
    fn new(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::Stdin } else { Self::File(path) }
    }

    /// Looks whether the list can be opened, and says how many bytes it has, where that is fixed.
    fn check(&self) -> io::Result<Option<u64>> {
        let Self::File(path) = self else { return Ok(None) };
        let metadata = fs::metadata(path)?;
        if metadata.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        // Opening a named pipe would wait for its writer, and closing it again would end that one.
        if !metadata.is_file() {
            return Ok(None);
        }
        File::open(path)?;
        Ok(Some(metadata.len()))
    }

    /// The error `error` of opening this list, for a person.
    fn unopened(&self, error: &io::Error) -> io::Error {
        let hint = match error.kind() {
            ErrorKind::NotFound => {
                "-i takes the path of a list of URLs, or - for standard input; \
                 a URL by itself goes without -i"
            }
            ErrorKind::IsADirectory => "-i can be repeated: name each file in the directory",
            ErrorKind::PermissionDenied => "make it readable (chmod +r), or pipe it into -i -",
            _ => "-i - reads the list from standard input",
        };
        io::Error::new(
            error.kind(),
            format!("cannot open the input: {self}: {error}; hint: {hint}"),
        )
    }

    /// The error `error` in the middle of this list, for a person.
    fn broken(&self, compression: Compression, error: &io::Error) -> io::Error {
        let hint = match compression {
            Compression::None => "",
            Compression::Gzip => "; hint: it is truncated or corrupt, gzip -t tells; fetch it anew",
            Compression::Zstd => "; hint: it is truncated or corrupt, zstd -t tells; fetch it anew",
        };
        let message = format!("cannot read the input to its end: {self}: {error}{hint}");
        io::Error::new(error.kind(), message)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// How a list is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// The compression whose files begin with `magic`, of which four bytes are enough.
    const fn of(magic: &[u8]) -> Self {
        match magic {
            [0x1F, 0x8B, ..] => Self::Gzip,
            // The second is a skippable frame (RFC 8878 section 3.1.2), with which pzstd begins.
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    fn decoder(self, reader: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        if self == Self::None {
            return Ok(Box::new(reader));
        }
        let reader = BufReader::with_capacity(COMPRESSED_BYTES, reader);
        if self == Self::Gzip {
            return Ok(Box::new(MultiGzDecoder::new(reader)));
        }
        let mut decoder = ZstdDecoder::with_buffer(reader)?;
        decoder.window_log_max(ZSTD_WINDOW_BYTES_MAX.ilog2())?;
        Ok(Box::new(decoder))
    }
}

/// Reads the first four bytes, or fewer where there are no more.
fn read_magic(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut magic = Vec::with_capacity(4);
    reader.take(4).read_to_end(&mut magic)?;
    Ok(magic)
}

/// Counts the bytes that come through.
struct Counted<R> {
    inner: R,
    read_bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.read_bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;
    use std::process;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// A directory of its own for one test, removed when the test ends.
    struct Dir(PathBuf);

    impl Dir {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("ringfetch-{test}-{}", process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, bytes).unwrap();
            path
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn gz(text: impl AsRef<[u8]>) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_ref()).unwrap();
        encoder.finish().unwrap()
    }

    fn zst(text: impl AsRef<[u8]>) -> Vec<u8> {
        zstd::encode_all(text.as_ref(), 1).unwrap()
    }

    /// All lines, and the error that ended them, if one did.
    fn read(input: &mut Input) -> (Vec<String>, Option<io::Error>) {
        let mut texts = Vec::new();
        loop {
            match input.next_line() {
                Ok(Some(Line::Text(text) | Line::TooLong(text))) => texts.push(text.to_owned()),
                Ok(None) => return (texts, None),
                Err(error) => {
                    assert!(input.next_line().unwrap().is_none(), "after an error comes the end");
                    return (texts, Some(error));
                }
            }
        }
    }

    fn open(files: &[&Path]) -> io::Result<Input> {
        Input::open(Vec::new(), files.iter().map(|path| path.to_path_buf()).collect())
    }

    /// Checks that a list of `bytes` has the lines `wanted`.
    fn check(dir: &Dir, bytes: &[u8], wanted: &[&str]) {
        let path = dir.file("list", bytes);
        let (texts, error) = read(&mut open(&[&path]).unwrap());
        assert!(error.is_none(), "{error:?}");
        assert_eq!(texts, wanted);
    }

    #[test]
    fn compression_is_told_by_the_first_bytes() {
        let dir = Dir::new("magic");
        let skippable = [b"\x50\x2A\x4D\x18\x02\0\0\0xx", &zst("a\nb")[..]].concat();
        for bytes in [b"a\nb".to_vec(), gz("a\nb\n"), zst("a\r\nb"), skippable] {
            check(&dir, &bytes, &["a", "b"]);
        }
        for short in ["", "a", "ab", "abc", "abcd"] {
            check(
                &dir,
                short.as_bytes(),
                if short.is_empty() { &[] } else { std::slice::from_ref(&short) },
            );
        }
    }

    #[test]
    fn every_member_and_every_frame_is_read_and_a_line_may_cross_them() {
        let dir = Dir::new("members");
        check(&dir, &[gz("a\nb"), gz(""), gz("c\nd\n")].concat(), &["a", "bc", "d"]);
        check(&dir, &[zst("a\nb"), zst(""), zst("c\nd\n")].concat(), &["a", "bc", "d"]);
    }

    #[test]
    fn a_mark_before_a_compressed_list_is_dropped_too() {
        check(&Dir::new("mark"), &gz("\u{FEFF}a\n"), &["a"]);
    }

    #[test]
    fn urls_come_first_and_each_list_starts_a_line() {
        let dir = Dir::new("order");
        let files =
            vec![dir.file("1", b"c\nd"), dir.file("2", &gz("e")), dir.file("3", b"\n#\nf\n")];
        let urls = ["a", " b\n", "", "#x"].map(String::from).to_vec();
        let (texts, error) = read(&mut Input::open(urls, files).unwrap());
        assert!(error.is_none());
        assert_eq!(texts, ["a", "b", "", "#x", "c", "d", "e", "f"]);
    }

    #[test]
    fn an_over_long_url_is_told_apart() {
        let url = "x".repeat(100_000);
        let mut input = Input::open(vec![url], Vec::new()).unwrap();
        assert!(
            matches!(input.next_line().unwrap(), Some(Line::TooLong(text)) if text.len() == 256)
        );
    }

    #[test]
    fn a_cut_or_spoilt_list_gives_its_lines_and_then_names_itself() {
        let dir = Dir::new("cut");
        let text: String = (0..50_000).map(|n| format!("http://host-{n}/\n")).collect();
        for (name, mut bytes) in [("x.gz", gz(&text)), ("x.zst", zst(&text))] {
            let whole = bytes.len();
            bytes.truncate(whole - whole / 4);
            let path = dir.file(name, &bytes);
            let (texts, error) = read(&mut open(&[&path]).unwrap());
            let message = error.unwrap().to_string();
            assert!(message.contains(name) && message.contains("hint:"), "{message}");
            assert!(text.lines().zip(&texts).all(|(wanted, read)| wanted == read));
            assert!(texts.len() > 1000, "{name}: {}", texts.len());
        }
        let mut spoilt = gz(&text);
        let middle = spoilt.len() / 2;
        spoilt[middle..middle + 64].fill(0xFF);
        let mut tail = gz("a\n");
        tail.extend(b"no member");
        for bytes in [spoilt, tail, b"\x1F\x8B".to_vec(), b"\x28\xB5\x2F\xFD".to_vec()] {
            let path = dir.file("spoilt", &bytes);
            assert!(read(&mut open(&[&path]).unwrap()).1.unwrap().to_string().contains("spoilt"));
        }
    }

    #[test]
    fn what_cannot_be_opened_is_told_before_anything_is_read() {
        let dir = Dir::new("missing");
        let (list, missing) = (dir.file("list", b"a"), dir.0.join("nowhere"));
        for (path, kind) in [(&missing, ErrorKind::NotFound), (&dir.0, ErrorKind::IsADirectory)] {
            let error = open(&[&list, path]).unwrap_err();
            assert_eq!(error.kind(), kind);
            let message = error.to_string();
            assert!(message.contains(path.to_str().unwrap()), "{message}");
            assert!(message.contains("; hint: "), "{message}");
        }
        let twice = open(&[Path::new("-"), Path::new("-")]).unwrap_err();
        assert_eq!(twice.kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_list_that_went_missing_since_ends_the_input() {
        let dir = Dir::new("gone");
        let (first, second) = (dir.file("1", b"a"), dir.file("2", b"b"));
        let mut input = open(&[&first, &second]).unwrap();
        fs::remove_file(&second).unwrap();
        let (texts, error) = read(&mut input);
        assert_eq!((texts.len(), error.unwrap().kind()), (1, ErrorKind::NotFound));
    }

    #[test]
    fn more_lists_than_descriptors_can_be_given() {
        let dir = Dir::new("many");
        let list = dir.file("list", b"a\n");
        let mut input = open(&vec![list.as_path(); 3000]).unwrap();
        let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
        let before = descriptors();
        let (texts, error) = read(&mut input);
        assert!(error.is_none());
        assert_eq!(texts.len(), 3000);
        // Other tests of this process may hold some.
        assert!(descriptors() < before + 100);
    }

    #[test]
    fn progress_is_told_in_bytes_of_the_files() {
        let dir = Dir::new("size");
        let packed = gz("http://a/\n".repeat(1000));
        let files = vec![dir.file("1", &packed), dir.file("2", b"b\n")];
        let total = packed.len() as u64 + 2 + 3;
        let mut input = Input::open(vec!["url".to_owned()], files).unwrap();
        assert_eq!(input.size_hint(), Some(SourceSize { read: 0, total }));
        assert!(input.next_line().unwrap().is_some());
        assert_eq!(input.size_hint(), Some(SourceSize { read: 3, total }));
        assert_eq!(read(&mut input).0.len(), 1001);
        assert_eq!(input.size_hint(), Some(SourceSize { read: total, total }));
        for unsized_list in ["-", "/dev/null"] {
            assert_eq!(open(&[Path::new(unsized_list)]).unwrap().size_hint(), None);
        }
    }
}
