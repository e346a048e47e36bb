//! The trait of a list of lines, and its lines.

/// Where lines come from, pulled by a thread of its own; it may block.
pub trait Source: Send {
    /// The next input line, or none at the end of the input.
    ///
    /// # Errors
    ///
    /// Where the input cannot be read; the run ends with what was read so far.
    fn next_line(&mut self) -> std::io::Result<Option<Line<'_>>>;

    /// Whether the next line is at hand, so that asking for it will not block.
    fn is_buffered(&self) -> bool {
        false
    }

    /// How much of the input was read and how much there is, where both are known.
    fn size_hint(&self) -> Option<SourceSize> {
        None
    }
}

/// One input line that counts: neither empty nor a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// The line, without surrounding white space.
    Text(&'a str),
    /// A line over the bound: its beginning.
    TooLong(&'a str),
}

/// How far a source has come, in its own measure (bytes, as a rule).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceSize {
    /// What was read.
    pub read: u64,
    /// What there is in all.
    pub total: u64,
}
