//! Opens the rows of an earlier run, so that a later run goes on behind them.
//!
//! Of each row only its number is read, and its error where it may have been interrupted.
//!
//! Invariant: a row that stays is whole, and its line is not fetched again; a line whose row is cut
//! off is fetched again.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;

use crate::base::failure::Kind;
use crate::fetch::ordinals::Ordinals;

/// How every row begins.
const ROW_START: &[u8] = b"{\"n\":";

// LIMIT: bytes of rows behind the first interrupted one that are kept in memory while the output
// is cut; they were in flight at a stop.
const TAIL_BYTES_MAX: usize = 1 << 30;

/// An earlier output, opened to be continued.
#[derive(Debug)]
pub struct Resumed {
    /// The output, at its end.
    pub output: File,
    /// The lines that have their row.
    pub done: Ordinals,
}

/// Opens the output at `path`, made where it is missing. Half a row at its end, and rows of fetches
/// that a stop interrupted, are cut off.
///
/// # Errors
///
/// Where it cannot be read or written, or is no output of a fetch.
pub fn resume(path: &Path) -> io::Result<Resumed> {
    let mut open = OpenOptions::new();
    let mut output = open.read(true).write(true).create(true).truncate(false).open(path)?;
    let mut rows = BufReader::with_capacity(1 << 20, &output);
    let (mut done, mut row) = (Ordinals::default(), Vec::new());
    let (mut kept_bytes, mut tail, mut is_cut) = (0, Vec::new(), false);
    loop {
        row.clear();
        rows.read_until(b'\n', &mut row)?;
        if row.last() != Some(&b'\n') {
            // Half a row begins like one; anything else is somebody's file.
            let begins = row.len().min(ROW_START.len());
            if row[..begins] != ROW_START[..begins] {
                return Err(foreign(path));
            }
            break;
        }
        let n = ordinal(&row).ok_or_else(|| foreign(path))?;
        if is_interrupted(&row) {
            is_cut = true;
        } else if !done.insert(n) {
            return Err(foreign(path));
        } else if !is_cut {
            kept_bytes += row.len() as u64;
        } else if tail.len() + row.len() > TAIL_BYTES_MAX {
            return Err(too_much(path));
        } else {
            tail.extend_from_slice(&row);
        }
    }
    output.set_len(kept_bytes)?;
    output.seek(SeekFrom::End(0))?;
    output.write_all(&tail)?;
    Ok(Resumed { output, done })
}

/// The number of the line that `row` belongs to.
fn ordinal(row: &[u8]) -> Option<u64> {
    let rest = row.strip_prefix(ROW_START)?;
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    str::from_utf8(&rest[..digits]).ok()?.parse().ok().filter(|n| *n < u64::MAX)
}

/// Whether `row` tells of a fetch that a stop interrupted. Its error stands before anything that a
/// page could have written.
fn is_interrupted(row: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Probe<'a> {
        #[serde(borrow)]
        error: Option<Reason<'a>>,
    }
    #[derive(serde::Deserialize)]
    struct Reason<'a> {
        kind: &'a str,
    }
    // Nearly all rows have no error, and need not be parsed to see it.
    let word = Kind::Interrupted.word().as_bytes();
    memchr::memmem::find(row, word).is_some()
        && serde_json::from_slice::<Probe<'_>>(row)
            .is_ok_and(|row| row.error.is_some_and(|error| error.kind.as_bytes() == word))
}

fn too_much(path: &Path) -> io::Error {
    let path = path.display();
    let message = format!("{path}: too many rows follow an interrupted one, hint: name another -o");
    io::Error::new(ErrorKind::InvalidData, message)
}

fn foreign(path: &Path) -> io::Error {
    let message = format!("{}: not the rows of one fetch, hint: name another -o", path.display());
    io::Error::new(ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resumes an output of `before`: what stays of it, and which lines are done.
    fn check(name: &str, before: &str, after: &str, done: &[u64]) {
        let path =
            std::env::temp_dir().join(format!("ringfetch-resume-{name}-{}", std::process::id()));
        std::fs::write(&path, before).unwrap();
        let resumed = resume(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        assert!(done.iter().all(|n| resumed.done.contains(*n)));
        assert_eq!(resumed.done.len(), done.len() as u64);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn whole_rows_stay_and_half_a_row_goes() {
        let (a, b) = ("{\"n\":0,\"error\":null}\n", "{\"n\":7,\"error\":null}\n");
        check("whole", &format!("{a}{b}"), &format!("{a}{b}"), &[0, 7]);
        check("half", &format!("{a}{}", &b[..9]), a, &[0]);
        check("empty", "", "", &[]);
    }

    #[test]
    fn interrupted_rows_go_wherever_they_stand() {
        let a = "{\"n\":0,\"error\":null}\n";
        let b =
            "{\"n\":1,\"error\":{\"stage\":\"body\",\"kind\":\"interrupted\",\"detail\":\"\"}}\n";
        let c = "{\"n\":2,\"error\":null,\"title\":\"interrupted\"}\n";
        check("interrupted", &format!("{a}{b}{c}"), &format!("{a}{c}"), &[0, 2]);
    }

    #[test]
    fn what_is_no_output_is_left_alone() {
        for text in ["hello\n", "my only copy", "{\"m\":1}\n", "{\"n\":1,}\n{\"n\":1,}\n"] {
            let path =
                std::env::temp_dir().join(format!("ringfetch-foreign-{}", std::process::id()));
            std::fs::write(&path, text).unwrap();
            assert!(resume(&path).unwrap_err().to_string().contains("hint"));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
            std::fs::remove_file(path).unwrap();
        }
    }
}
