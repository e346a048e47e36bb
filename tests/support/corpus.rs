//! Reads wire conversations: `tests/corpus/http1/NAME.http`, in the format of the README there.
//!
//! Knows nothing of the crate, so that any test binary can run the same files.
//!
//! Invariant: a file that is not understood to its last byte fails the test that reads it.

use std::fs;
use std::path::Path;

/// One answer of a server, and what a client must make of it.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    /// The file's name without its ending.
    pub(crate) name: String,
    /// The method of the request.
    pub(crate) method: String,
    /// What the server sends.
    pub(crate) answer: Vec<u8>,
    /// What the server does then.
    pub(crate) then: Then,
    /// What the client must make of it.
    pub(crate) expected: Expected,
}

/// What the server does after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It closes the connection.
    Close,
    /// It leaves the connection open.
    KeepOpen,
}

/// What the client must make of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// The final head's status, where one is accepted.
    pub(crate) status: Option<u16>,
    /// The body that is handed on, also before a failure.
    pub(crate) body: Body,
    /// Whether the bytes leave the connection fit for another request.
    pub(crate) reuse: bool,
    /// `STAGE.KIND` of the failure, if there must be one.
    pub(crate) failure: Option<String>,
    /// Bytes behind the end of the message.
    pub(crate) left: usize,
}

/// A body, or what identifies a long one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// The bytes themselves.
    Exact(Vec<u8>),
    /// How many, and their FNV-1a hash.
    Hashed {
        /// How many bytes.
        bytes: usize,
        /// The FNV-1a hash of 64 bits.
        hash: u64,
    },
}

impl Body {
    /// Whether `found` is this body.
    pub(crate) fn matches(&self, found: &[u8]) -> bool {
        match self {
            Self::Exact(wanted) => wanted == found,
            Self::Hashed { bytes, hash } => found.len() == *bytes && fnv1a(found) == *hash,
        }
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Exact(wanted) => wanted.len(),
            Self::Hashed { bytes, .. } => *bytes,
        }
    }
}

/// All conversations of the corpus, by name.
pub(crate) fn conversations() -> Vec<Conversation> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/http1");
    let entries = fs::read_dir(&folder).expect("the corpus is part of the repository");
    let mut all = Vec::new();
    for entry in entries {
        let path = entry.expect("the corpus can be listed").path();
        if path.extension().is_none_or(|extension| extension != "http") {
            continue;
        }
        let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        all.push(parse(&name, &text).unwrap_or_else(|error| panic!("{name}.http: {error}")));
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// Reads one file's `text`.
fn parse(name: &str, text: &str) -> Result<Conversation, String> {
    let (keys, answer) = text.split_once("\nanswer:\n").ok_or("no line `answer:`")?;
    let mut method = "GET".to_owned();
    let mut then = Then::KeepOpen;
    let (mut status, mut reuse, mut failure) = (None, None, None);
    let mut body = Body::Exact(Vec::new());
    let mut left = 0;
    for line in keys.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (key, value) = line.split_once(':').ok_or_else(|| format!("no key: {line}"))?;
        let value = value.trim();
        match (key, value) {
            ("method", _) => value.clone_into(&mut method),
            ("then", "stay") => then = Then::KeepOpen,
            ("then", "close") => then = Then::Close,
            ("status", "none") => status = Some(None),
            ("status", _) => status = Some(Some(number(value)?)),
            ("body", _) => body = Body::Exact(unescape(value)?),
            ("body-hash", _) => body = parse_hash(value)?,
            ("reuse", "yes") => reuse = Some(true),
            ("reuse", "no") => reuse = Some(false),
            ("failure", _) => failure = Some(value.to_owned()),
            ("left", _) => left = number(value)?,
            _ => return Err(format!("not understood: {line}")),
        }
    }
    let reuse = match (reuse, &failure) {
        (Some(reuse), None) => reuse,
        (None, Some(_)) => false,
        _ => return Err("either `reuse` or `failure` must be there".to_owned()),
    };
    let status = status.ok_or("no key `status`")?;
    let mut bytes = Vec::new();
    for line in answer.lines() {
        bytes.append(&mut unescape(line.trim_start())?);
    }
    let expected = Expected { status, body, reuse, failure, left };
    Ok(Conversation { name: name.to_owned(), method, answer: bytes, then, expected })
}

fn parse_hash(value: &str) -> Result<Body, String> {
    let (bytes, hash) = value.split_once(' ').ok_or("body-hash needs two numbers")?;
    let hash = u64::from_str_radix(hash, 16).map_err(|error| format!("{hash}: {error}"))?;
    Ok(Body::Hashed { bytes: number(bytes)?, hash })
}

fn number<N: std::str::FromStr<Err: std::fmt::Display>>(value: &str) -> Result<N, String> {
    value.parse().map_err(|error| format!("{value}: {error}"))
}

/// The bytes that `text` stands for.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(position) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..position]);
        rest = &rest[position + 1..];
        let escape = rest.chars().next().ok_or("a line ends with a backslash")?;
        rest = &rest[escape.len_utf8()..];
        match escape {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            '\\' => bytes.push(b'\\'),
            'x' => {
                let digits = rest.get(..2).ok_or("\\x needs two digits")?;
                let byte = u8::from_str_radix(digits, 16);
                bytes.push(byte.map_err(|error| format!("\\x{digits}: {error}"))?);
                rest = &rest[2..];
            }
            '*' => {
                let (count, after) = rest.split_once('{').ok_or("a repeat needs a brace")?;
                let (repeated, after) = after.split_once('}').ok_or("a repeat has no end")?;
                bytes.append(&mut unescape(repeated)?.repeat(number(count)?));
                rest = after;
            }
            _ => return Err(format!("no such escape: \\{escape}")),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}
